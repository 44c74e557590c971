from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bot.live.export import export
from bot.live.grid import SAMPLE_RATE, Grid
from bot.live.sounds import Sounds
from bot.live.timeline import Segment, Share, Take
from generation.decoding import decode_sound
from generation.errors import MediaError
from tests.bot.live.house import tone

GRID = Grid(120, 8)


def segments(folder: Path) -> list[Segment]:
    found = []
    for number, (name, by) in enumerate((("rain", "Ann"), ("rain", "Ann"), ("techno", "Bea"))):
        file = f"{number}.wav"
        (folder / file).write_bytes(tone(GRID.loop, 200 + 100 * number))
        take = Take(str(number), GRID.loop, files={"wav": file},
                    recipe={"request": f'{{"prompt": "{name}"}}', "model": "starter"})  # fmt: skip
        shares = (Share("t1", name, 1.0, (by,)),)
        start = number * 5 * SAMPLE_RATE
        found.append(Segment(number + 1, start, 4410 if number else 1, 0, take, shares=shares))
    return found


@pytest.mark.parametrize("file_format", ["flac", "mp3"])
def test_a_session_is_one_file_with_its_cues_and_credits(tmp_path: Path, file_format: str) -> None:
    archive = export(
        segments(tmp_path), 17 * SAMPLE_RATE, Sounds(tmp_path), tmp_path / "out", "session",
        "flac" if file_format == "flac" else "mp3",
    )  # fmt: skip
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
        cue, told = opened.read("session.cue").decode(), opened.read("credits.txt").decode()
    sound = decode_sound(tmp_path / f"session.{file_format}", sample_rate=SAMPLE_RATE)
    assert sound.seconds == pytest.approx(17, abs=0.1)
    assert cue.count("TRACK") == 2
    assert 'TITLE "techno"' in cue and 'PERFORMER "Bea"' in cue and "INDEX 01 00:10:00" in cue
    assert "0:00:10  techno (asked for by Bea)" in told and "starter" in told
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["session.zip"]


def test_what_is_not_kept_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = segments(tmp_path)
    (tmp_path / "1.wav").unlink()
    archive = export(found, 15 * SAMPLE_RATE, Sounds(tmp_path), tmp_path / "out", "session")
    with zipfile.ZipFile(archive) as opened:
        assert "1 clips were not kept" in opened.read("credits.txt").decode()
    for file in tmp_path.glob("*.wav"):
        file.unlink()
    with pytest.raises(MediaError, match="Nothing"):
        export(found, 15 * SAMPLE_RATE, Sounds(tmp_path), tmp_path / "out", "session")
