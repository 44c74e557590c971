"""What the stage plays, recorded in a real Chromium: no gap, no click, no jump in loudness."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from bot.app import running
from bot.chat import ChatDesk
from bot.config import Config, WebConfig
from bot.live.grid import SAMPLE_RATE
from bot.live.renderer import render
from bot.live.sounds import Sounds
from bot.live.timeline import Segment
from generation.loudness import integrated_loudness
from tests.web.conftest import chromium
from tests.web.recording import FloatArray, Recording, recorded, recording_page
from tests.web.show import Show, open_show

SILENT = 1e-4
LONGEST_SILENCE = round(0.005 * SAMPLE_RATE)
MOST_JUMP = 2**0.5
LOUDNESS = -16.0
LONGEST = 900
"""Seconds of sound after which a test gives up on changes."""
DRIFT = 0.01
ASTRAY = round(0.03 * SAMPLE_RATE)
"""Samples that the page may be from where the clocks, which it sees with noise, say."""
PROMPTS = ("lo-fi beat", "techno synth", "soft organ", "jazz trio at midnight")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that plays without asking, as OBS does."""
    with chromium("--autoplay-policy=no-user-gesture-required") as chrome:
        yield chrome


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    with open_show(tmp_path) as opened:
        opened.says("mod", "!live start")
        yield opened


def listen(browser: Browser, url: str) -> Page:
    """The stage in a page that records what it plays."""
    page = recording_page(browser)
    page.goto(url)
    wait_for(page, "report.joins?.length", 30)
    return page


def wait_for(page: Page, condition: str, seconds: float) -> None:
    """Wait until something is so of the stage's `report`."""
    page.wait_for_function(
        f"() => {{ const report = riffbotStage.report; return Boolean({condition}); }}",
        timeout=seconds * 1000,
    )


def wait_until_recorded(page: Page, seconds: float) -> None:
    page.wait_for_function(
        "(frames) => recorded.reduce((sum, { samples }) => sum + samples.length, 0) >= frames",
        arg=seconds * SAMPLE_RATE,
        timeout=(seconds + 60) * 1000,
    )


def heard_mixes(page: Page, entered: dict[int, Segment]) -> list[Segment]:
    """What came in so far and differs from the mix before, in order."""
    found: list[Segment] = []
    for number in page.evaluate("riffbotStage.report.joins.map(({ number }) => number)"):
        segment = entered.get(number)
        if segment is None or segment.kind != "mix":
            continue
        if not found or found[-1].mix != segment.mix:
            found.append(segment)
    return found


def vote_for(
    show: Show, page: Page, seconds: int, changes: int, wish: Callable[[int], tuple[str, str]]
) -> None:
    """A vote with every second that sounds, for so many seconds at least, and until votes changed
    what is heard so many times: how long that takes is the machine's affair."""
    for second in range(LONGEST):
        voter, prompt = wish(second)
        show.says(voter, f"!vote {prompt}")
        wait_until_recorded(page, second + 1)
        # What came in last has to sound for a while to be judged.
        if second + 3 >= seconds and len(heard_mixes(page, show.entered)) > changes:
            wait_until_recorded(page, second + 4)
            return
    raise AssertionError(f"too little happened: {show.session.performance.statistics}")


def check_votes(mixes: list[Segment]) -> None:
    """What was heard is what viewers voted for, and credited to them."""
    for mix in mixes:
        assert {share.prompt for share in mix.shares} <= set(PROMPTS)
        assert any(name.startswith("Viewer") for share in mix.shares for name in share.by)


def test_half_a_minute_of_votes_sounds_as_the_timeline_says(browser: Browser, show: Show) -> None:
    page = listen(browser, show.url)
    # Half the crowd changes its mind every second or so.
    vote_for(show, page, 30, 3, lambda second: (f"viewer{second % 9}", PROMPTS[second**2 % 4]))
    report = page.evaluate("riffbotStage.report")
    recording = recorded(page, since=report["started"])
    check_votes(heard_mixes(page, show.entered))
    page.close()
    joins = report["joins"]
    assert report["late"] == 0
    for join in joins[1:]:
        assert join["actual"] == join["planned"] and join["spare"] > 0, join
    check_sound(recording, joins, show.entered, show.session.sounds)


PAGES_CLOCK = """
const [now, wait] = [performance.now.bind(performance), setTimeout];
performance.now = () => PACE * now();
// The median of a minute of pongs follows half a minute later; in a test, of three seconds.
window.setTimeout = (call, ms, ...rest) => wait(call, ms === 2000 ? 100 : ms, ...rest);
"""


def test_it_stays_on_the_servers_clock_while_all_clocks_part(
    browser: Browser, tmp_path: Path
) -> None:
    """The server's clock gains on the sound card's, and the page's own loses."""
    with open_show(tmp_path, pace=1 + DRIFT) as show:
        show.says("mod", "!live start")
        show.says("ann", f"!vote {PROMPTS[0]}")
        page = recording_page(browser)
        page.add_init_script(PAGES_CLOCK.replace("PACE", str(1 - DRIFT / 2)))
        page.goto(show.url)
        # Nobody votes from here on: what keeps up is the loop, by joining itself.
        wait_for(page, "report.slips > 3", 90)
        report = page.evaluate("riffbotStage.report")
        joins = report["joins"]
        wait_until_recorded(page, (joins[-1]["actual"] - report["started"]) / SAMPLE_RATE + 3)
        recording = recorded(page, since=report["started"])
        page.close()
        # The first looks, while the page is still loading, are the noisiest; so from slip to slip.
        slips = [join for before, join in pairwise(joins) if before["number"] == join["number"]]
        first, last = slips[0], slips[-1]
        moved = first["base"] - last["base"]
        drift = DRIFT * (last["actual"] - first["actual"])
        assert drift > 2 * ASTRAY
        assert moved == pytest.approx(drift, abs=ASTRAY)
        assert report["late"] == 0
        for join in joins[1:]:
            assert join["actual"] == join["planned"] and join["spare"] > 0, join
        check_sound(recording, joins, show.entered, show.session.sounds)


class WholeBot(Show):
    """The bot as it is, with its worker and the engine that it comes with."""

    async def _run(self) -> None:
        async with running(self._config()) as app:
            await app.worker.wait_ready()
            assert app.web is not None
            self.services, self.web, self.chat = app.services, app.web, ChatDesk(app.services)
            await self._play()

    def _config(self) -> Config:
        return Config(data=self._folder, web=WebConfig(port=0, open_browser=False), adapters=())


@pytest.mark.soak
def test_three_minutes_of_two_hundred_viewers_and_the_real_engine(
    browser: Browser, tmp_path: Path
) -> None:
    whole = WholeBot(tmp_path)
    whole.open()
    try:
        whole.says("mod", "!live start")
        page = listen(browser, whole.url)
        dice = random.Random(5)

        def wish(second: int) -> tuple[str, str]:
            favourite = PROMPTS[second // 30 % len(PROMPTS)]
            prompt = favourite if dice.random() < 0.6 else dice.choice(PROMPTS)
            return f"viewer{dice.randrange(200)}", prompt

        vote_for(whole, page, 180, 5, wish)
        report = page.evaluate("riffbotStage.report")
        recording = recorded(page, since=report["started"])
        check_votes(heard_mixes(page, whole.entered))
        assert whole.session.performance.statistics.heard > 0
        # A clip that comes late comes in where it should be by then, so it is checked like others.
        check_sound(recording, report["joins"], whole.entered, whole.session.sounds)
        page.close()
    finally:
        whole.close()


def check_sound(
    recording: Recording, joins: list[dict[str, Any]], entered: dict[int, Segment], sounds: Sounds
) -> None:
    """Nothing in it but what the timeline says, and that without gap, click or jump."""
    # What came in at the very end is too short to be judged, and so is the sound under it.
    end = min(
        [
            recording.end - SAMPLE_RATE,
            *(join["actual"] for join in joins if join["actual"] >= recording.end - SAMPLE_RATE),
        ]
    )
    joins = [join for join in joins if join["actual"] < end]
    first = max(recording.first, joins[0]["actual"] + joins[0]["fade"])
    sound = recording.between(first, end)
    assert longest_silence(sound) <= LONGEST_SILENCE
    segments = [as_played(entered[join["number"]], join) for join in joins]
    expected = render(segments, sounds.of, first, end).mean(axis=0)
    assert np.abs(sound - expected).max() < 2e-3
    for before, after in pairwise(segments):
        allowed = MOST_JUMP * max(largest_jump(before, sounds), largest_jump(after, sounds))
        window = recording.between(after.start - 32, after.start + after.fade + 32)
        assert np.abs(np.diff(window)).max() <= allowed, after.number
    mixed = [segment.start for segment in segments if segment.kind == "mix"]
    music = recording.between(mixed[0] + SAMPLE_RATE, end)
    assert integrated_loudness(music[None, :], SAMPLE_RATE) == pytest.approx(LOUDNESS, abs=1)


def as_played(segment: Segment, join: dict[str, Any]) -> Segment:
    """The segment by the audio clock instead of the session's samples."""
    return replace(
        segment,
        start=join["actual"],
        fade=join["fade"],
        origin=segment.origin + join["base"],
        correlation=join["correlation"],
    )


def longest_silence(sound: FloatArray) -> int:
    """In samples."""
    loud = np.flatnonzero(np.abs(sound) > SILENT)
    return int(np.diff(loud).max(initial=0))


def largest_jump(segment: Segment, sounds: Sounds) -> float:
    """The largest step from sample to sample within a clip, as loud as it plays.

    Two clips that cross at equal power may come to √2 of it; a drum may stand in the crossing.
    """
    waveform = sounds.of(segment.take).astype(np.float64) / 32768
    return float(np.abs(np.diff(waveform, axis=1)).max()) * segment.take.gain
