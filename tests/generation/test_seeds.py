"""Seed loops: stored small, read back, chosen by prompt and tempo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from generation.errors import CheckpointError
from generation.keys import Key
from generation.phrase_book import PhraseBook
from generation.seeds import CAPTIONS, PHRASES, WEIGHTS, SeedLoop, SeedLoops, styles_of
from tests.generation.styles import reader_of


def some_loops(count: int = 6) -> tuple[SeedLoops, Tensor, Tensor]:
    """Loops of as many styles and 4, 6, 8 … beats, with random latents and embeddings."""
    generator = torch.Generator().manual_seed(0)
    latents = (
        torch.randn((count, 4, 8, 8), generator=generator)
        * torch.tensor([1, 2, 3, 0.5])[:, None, None]
    )
    embeddings = torch.randn((count, 16), generator=generator)
    loops = [
        SeedLoop(f"loop {i}", f"style {i}", 4 + 2 * i, i, i > 2, ("flute",) * (i % 2))
        for i in range(count)
    ]
    reader = reader_of(embeddings, styles_of(loops))
    return SeedLoops.pack(loops, latents, reader, {"flute": ["flute"]}), latents, embeddings


def test_what_is_saved_comes_back_nearly_whole(tmp_path: Path) -> None:
    packed, latents, _ = some_loops()
    packed.save(tmp_path)
    again = SeedLoops.load(tmp_path)
    assert again.loops == packed.loops
    assert again.asked("a flute") == packed.asked("a flute") != {}
    error = torch.stack([again.latents(i) - latents[i] for i in range(len(latents))])
    assert (error.square().mean((0, 2, 3)) < 0.02 * latents.var((0, 2, 3))).all()


def test_a_prompt_finds_its_own_loop(tmp_path: Path) -> None:
    packed, _, embeddings = some_loops()
    packed.save(tmp_path)
    stored = SeedLoops.load(tmp_path)
    for index, embedding in enumerate(embeddings):
        scores = stored.scores("a loop", embedding)
        assert {stored.choose(scores, pick=pick) for pick in range(3)} == {index}


def of_two_styles() -> tuple[SeedLoops, Tensor, Tensor]:
    """Loops of two styles, and the scores of a prompt for each."""
    loops = [SeedLoop("slow", "techno", 8), SeedLoop("other", "rain", 8),
             SeedLoop("fast", "techno", 16), SeedLoop("more", "techno", 8)]  # fmt: skip
    embeddings = torch.eye(2, 5)
    reader = reader_of(embeddings, styles_of(loops))
    stored = SeedLoops.pack(loops, torch.zeros(4, 4, 2, 2), reader)
    techno, rain = (stored.scores("what is meant", embedding) for embedding in embeddings)
    return stored, techno, rain


def test_seeds_pick_in_turn_among_the_loops_of_a_style() -> None:
    stored, techno, rain = of_two_styles()
    assert [stored.choose(techno, pick=pick) for pick in range(5)] == [0, 2, 3, 0, 2]
    assert {stored.choose(rain, pick=pick) for pick in range(5)} == {1}


def test_an_asked_tempo_takes_a_loop_that_is_stretched_little() -> None:
    stored, techno, rain = of_two_styles()
    assert {stored.choose(techno, 15, pick) for pick in range(4)} == {2}
    assert [stored.choose(techno, 9, pick) for pick in range(3)] == [0, 3, 0]
    # The tempo never outweighs the style.
    assert stored.choose(rain, 16) == 1


def test_seeds_pick_among_loops_of_nearly_the_tempo() -> None:
    loops = [SeedLoop(str(beats), "techno", beats) for beats in (8, 9, 10, 16)]
    stored = SeedLoops.pack(loops, torch.zeros(4, 4, 2, 2), reader_of(torch.eye(1, 5), ["techno"]))
    scores = stored.scores("techno", torch.eye(1, 5)[0])
    assert {stored.choose(scores, 8, pick) for pick in range(4)} == {0, 1}
    assert {stored.choose(scores, 15, pick) for pick in range(4)} == {3}


def test_an_asked_key_takes_the_loop_that_is_transposed_least() -> None:
    keys = [(0, False), (9, True), (7, False), (None, False)]
    loops = [SeedLoop(str(key), "jazz", 8 + 8 * (i == 2), *key) for i, key in enumerate(keys)]
    reader = reader_of(torch.eye(1, 5), ["jazz"])
    stored = SeedLoops.pack(loops, torch.zeros(4, 4, 2, 2), reader)
    scores = stored.scores("jazz", torch.eye(1, 5)[0])

    def chosen(key: Key, beats: float | None = None) -> set[int]:
        return {stored.choose(scores, beats, pick, key) for pick in range(4)}

    assert chosen(Key(1, False)) == {0}
    assert chosen(Key(6, False)) == {2}
    # C major has the notes of A minor, but is another mode.
    assert chosen(Key(11, True)) == {1}
    # The tempo is asked first: what has to be stretched less is transposed further.
    assert chosen(Key(6, False), 8) == {0}


def test_loops_that_have_the_asked_instruments_win() -> None:
    players = [("piano", "kit"), ("flute", "kit"), ("flute",), ("flute", "kit")]
    loops = [SeedLoop(str(i), "jazz", 8 * (1 + i // 3), instruments=has)
             for i, has in enumerate(players)]  # fmt: skip
    names = {"piano": ["piano"], "flute": ["flute"], "kit": ["drums"]}
    reader = reader_of(torch.eye(1, 5), ["jazz"])
    stored = SeedLoops.pack(loops, torch.zeros(4, 4, 2, 2), reader, names)
    scores = stored.scores("jazz", torch.eye(1, 5)[0])

    def chosen(prompt: str, beats: float | None = None) -> set[int]:
        return {stored.choose(scores, beats, pick, None, stored.asked(prompt)) for pick in range(4)}

    assert chosen("jazz") == {0, 1, 2, 3}
    assert chosen("jazz flute") == {1, 2, 3}
    assert chosen("jazz with flute and drums") == {1, 3}
    assert chosen("jazz with tuba") == {0, 1, 2, 3}
    # A tempo can be given to any loop, an instrument cannot.
    assert chosen("jazz flute", 16) == {3}
    assert chosen("jazz piano", 16) == {0}


def test_styles_are_listed_once_in_order() -> None:
    assert styles_of(of_two_styles()[0].loops) == ["techno", "rain"]


def test_a_folder_without_seed_loops_has_none(tmp_path: Path) -> None:
    none = SeedLoops.load(tmp_path)
    assert len(none) == 0
    with pytest.raises(CheckpointError, match="no seed loops"):
        none.scores("techno", torch.ones(384))
    none.save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["captions", "weights", "count", "phrases", "missing", "other"])
def test_damaged_files_are_named(tmp_path: Path, damage: str) -> None:
    some_loops()[0].save(tmp_path)
    if damage == "captions":
        (tmp_path / CAPTIONS).write_text('[{"name": 1}]')
    elif damage == "weights":
        (tmp_path / WEIGHTS).write_bytes(b"no tensors")
    elif damage == "phrases":
        (tmp_path / PHRASES).write_text("[]")
    elif damage == "missing":
        (tmp_path / PHRASES).unlink()
    elif damage == "other":
        PhraseBook({"techno": ()}).save(tmp_path / PHRASES)
    else:
        (tmp_path / CAPTIONS).write_text("[]")
    with pytest.raises(CheckpointError, match="seeds"):
        SeedLoops.load(tmp_path)
