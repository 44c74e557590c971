"""Waits until something is audible in a live session: what channel points paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from bot.live.session import LiveSession
from bot.live.timeline import Segment


async def topic_heard(session: LiveSession, topic_id: str, seconds: float) -> bool:
    """Whether a topic was part of what sounds within so many seconds."""

    def sounds(segment: Segment) -> bool:
        renamed = session.performance.renamed
        wanted = renamed.get(topic_id, topic_id)
        return any(renamed.get(one.topic, one.topic) == wanted for one in segment.shares)

    return await _heard(session, sounds, seconds)


async def guest_heard(session: LiveSession, job_id: str, seconds: float) -> bool:
    """Whether a riff sounded as a guest within so many seconds."""
    return await _heard(session, lambda segment: segment.source == job_id, seconds)


async def _heard(session: LiveSession, sounds: Callable[[Segment], bool], seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            with session.watching() as watcher:
                async for _ in watcher:
                    timeline = session.performance.timeline
                    if sounds(timeline.at(session.playhead)):
                        return True
    return False
