"""What moderators do on Twitch itself happens here too: bans, time outs, deleted messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cogs.twitch.parts import Parts
from cogs.twitch.place import PLATFORM
from cogs.twitch.requester import plain_time, somebody

Json = dict[str, Any]
# Where only the chat tells, it does not tell for how long somebody was timed out.
_CLEARED_SECONDS = 60.0


class Reports:
    """Hands them to `bot.moderation.people`."""

    def __init__(self, parts: Parts) -> None:
        self._people = parts.services.moderation.people
        self._receipts = parts.services.receipts
        self._tokens = parts.tokens

    async def on_event(self, kind: str, event: Json) -> None:
        """One event of a channel."""
        channel = str(event["broadcaster_user_id"])
        match kind:
            case "channel.ban":
                whom = somebody(channel, str(event["user_id"]), str(event["user_name"]))
                await self._people.on_platform_ban(
                    whom, str(event.get("reason") or ""), _seconds(event)
                )
            case "channel.unban":
                whom = somebody(channel, str(event["user_id"]), str(event["user_name"]))
                await self._people.on_platform_unban(whom)
            case "channel.chat.message_delete":
                await self._on_deleted(str(event["target_user_id"]), str(event["message_id"]))
            case "channel.chat.clear_user_messages" if not self._hears_bans(channel):
                user, name = str(event["target_user_id"]), str(event["target_user_name"])
                whom = somebody(channel, user, name)
                await self._people.on_platform_ban(whom, "", _CLEARED_SECONDS)

    async def _on_deleted(self, user: str, message_id: str) -> None:
        if await self._people.on_message_deleted(PLATFORM, user, message_id) is None:
            job_id = await self._receipts.job_of(PLATFORM, message_id)
            if job_id is not None:
                await self._people.on_post_deleted(job_id)

    def _hears_bans(self, channel: str) -> bool:
        account = self._tokens.get(channel)
        return (
            account is not None
            and not account.lost
            and "channel" in account.roles
            and "channel:moderate" in account.scopes
        )


def _seconds(event: Json) -> float | None:
    """For how long; None for good."""
    if event.get("is_permanent") or not event.get("ends_at"):
        return None
    ends, began = (
        datetime.fromisoformat(plain_time(str(event[name]))) for name in ("ends_at", "banned_at")
    )
    return max(1.0, (ends - began).total_seconds())
