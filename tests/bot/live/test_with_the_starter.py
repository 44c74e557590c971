"""The whole bot with the real model: 200 viewers vote, and what they hear is looked at."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np

from bot.app import running
from bot.chat import ChatDesk, Said
from bot.config import Config, WebConfig
from bot.jobs import Address, Requester
from bot.live.grid import SAMPLE_RATE
from bot.live.renderer import render
from bot.live.session import LiveSession
from bot.live.timeline import FloatArray, Segment
from bot.moderation.levels import OWNER_ROLE
from generation.loudness import integrated_loudness
from tests.waiting import soon

STYLES = ("techno synth", "lo-fi beat", "jazz piano", "ambient pad")
OWNER = Requester("local", "chat", "owner", "Owner", frozenset({OWNER_ROLE}))
CHANGES = 4


async def vote_on(chat: ChatDesk, stop: asyncio.Event) -> None:
    """Scripted viewers: the favourite changes, and some always want something else."""
    dice = random.Random(11)
    count = 0
    while not stop.is_set():
        count += 1
        favourite = STYLES[count // 30 % len(STYLES)]
        prompt = favourite if dice.random() < 0.7 else dice.choice(STYLES)
        number = dice.randrange(200)
        viewer = Requester("local", "chat", f"viewer{number}", f"Viewer {number}")
        await chat.answer(Said(viewer, f"!vote {prompt}", Address("local", {})))
        try:
            await asyncio.wait_for(stop.wait(), 0.1)
        except TimeoutError:
            continue


async def changes(session: LiveSession) -> None:
    """Until the mix was heard to change some times."""
    with session.watching() as watcher:
        async for _ in watcher:
            mixes = [one for one in session.performance.timeline if one.kind == "mix"]
            if len(mixes) >= CHANGES and session.playhead > mixes[CHANGES - 1].start + SAMPLE_RATE:
                return


async def test_200_viewers_and_the_starter(tmp_path: Path) -> None:
    config = Config(data=tmp_path, web=WebConfig(port=0, open_browser=False), adapters=())
    async with running(config) as app:
        await soon(app.worker.wait_ready(), 300)
        chat = ChatDesk(app.services)
        await chat.answer(Said(OWNER, "!live start", Address("local", {})))
        session = app.services.live.at(("local", "chat"))
        assert session is not None
        stop = asyncio.Event()
        voting = asyncio.create_task(vote_on(chat, stop))
        try:
            await soon(changes(session), 300)
        finally:
            stop.set()
            await voting
        end = session.playhead
        segments = [one for one in session.performance.timeline if one.start < end]
        sound = await asyncio.to_thread(render, segments, session.sounds.of, 0, end)
        steepest = max(_steepness(session, one) for one in segments)
        statistics = session.performance.statistics
    assert statistics.heard > 0
    _check(sound[0], segments, steepest, session.rules.loudness)


def _steepness(session: LiveSession, segment: Segment) -> float:
    """The 99.9th percentile of a take's own sample steps, at the level at which it is played."""
    sound = session.sounds.of(segment.take)[0].astype(np.float32) / 32768 * segment.take.gain
    return float(np.quantile(np.abs(np.diff(sound)), 0.999))


def _check(sound: FloatArray, segments: list[Segment], steepest: float, loudness: float) -> None:
    quiet = np.abs(sound[4410:]) < 1e-4
    blocks = quiet[: len(quiet) // 44 * 44].reshape(-1, 44)
    run = longest = 0
    for block in blocks:
        run = run + 1 if np.all(block) else 0
        longest = max(longest, run)
    assert longest * 44 / SAMPLE_RATE <= 0.005, "a silence"
    for segment in segments[1:]:
        join = np.abs(np.diff(sound[segment.start - 1 : segment.start + segment.fade + 1]))
        # Where a drum is struck within the join, it is as steep as in its own take.
        assert join[0] <= 1.5 * steepest and join[-1] <= 1.5 * steepest, "a click"
    measured = integrated_loudness(sound[None, :], SAMPLE_RATE, loop=False)
    assert abs(measured - loudness) <= 1, measured
