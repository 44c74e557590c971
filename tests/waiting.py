"""Waiting for things to happen, with a deadline instead of a sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.events import Event
from bot.jobs import JobView
from bot.studio import Studio

T = TypeVar("T")
DEADLINE = 120.0


async def until(studio: Studio, job_id: str, wanted: Callable[[JobView], bool]) -> JobView:
    """The view of a job as soon as it is as wanted; looks again at every event."""

    async def watch() -> JobView:
        with studio.subscribe() as events:
            view = await studio.view(job_id)
            if wanted(view):
                return view
            async for _ in events:
                view = await studio.view(job_id)
                if wanted(view):
                    return view
        raise AssertionError("the events ended")

    return await asyncio.wait_for(watch(), DEADLINE)


async def next_event(studio: Studio, wanted: Callable[[Event], bool]) -> Event:
    """The next event that is as wanted."""

    async def watch() -> Event:
        with studio.subscribe() as events:
            async for event in events:
                if wanted(event):
                    return event
        raise AssertionError("the events ended")

    return await asyncio.wait_for(watch(), DEADLINE)


async def soon(awaitable: Awaitable[T], deadline: float = DEADLINE) -> T:
    """The result, or a failed test at the deadline."""
    return await asyncio.wait_for(awaitable, deadline)
