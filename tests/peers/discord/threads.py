"""Threads of text channels: `open_thread(world, channel)`, then written in as any channel is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.peers.discord.models import Channel, moment
from tests.peers.discord.state import World

PUBLIC_THREAD = 11


@dataclass(slots=True)
class Thread(Channel):
    """A public thread of the text channel `parent_id`."""

    parent_id: int = 0

    def to_json(self) -> dict[str, Any]:
        found = Channel.to_json(self)
        for only_of_channels in ("position", "permission_overwrites"):
            found.pop(only_of_channels, None)
        return {
            **found,
            "type": PUBLIC_THREAD,
            "parent_id": str(self.parent_id),
            "owner_id": "1",
            "message_count": len(self.messages),
            "member_count": 1,
            "rate_limit_per_user": 0,
            "thread_metadata": {
                "archived": False,
                "auto_archive_duration": 1440,
                "archive_timestamp": moment(self.id),
                "locked": False,
            },
        }


def open_thread(world: World, parent: Channel, *, told: bool = True) -> Thread:
    """Open a thread; where apps are not `told`, they learn of it by its messages only."""
    thread = Thread(world.snowflake(), "a thread", parent.guild_id, parent_id=parent.id)
    world.channels[thread.id] = thread
    if told:
        world.tell("THREAD_CREATE", {**thread.to_json(), "newly_created": True}, thread)
    return thread
