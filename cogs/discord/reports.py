"""What Discord reports: bans, time outs and deleted messages reach the queue and the history."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import discord
from discord.ext import commands

from bot.moderation.people import People
from cogs.discord.faults import LET_GO
from cogs.discord.parts import Parts
from cogs.discord.place import PLATFORM, Place
from cogs.discord.requester import reported

log = logging.getLogger(__name__)


class ReportsCog(commands.Cog):
    """Moderators need not say here again what they did in Discord's own menus."""

    def __init__(self, parts: Parts) -> None:
        self._people = parts.services.moderation.people
        self._receipts = parts.services.receipts

    @commands.Cog.listener()
    async def on_member_ban(
        self, guild: discord.Guild, user: discord.User | discord.Member
    ) -> None:
        """Somebody was banned from a server."""
        await self._people.on_platform_ban(reported(guild, user.id, user.display_name))

    @commands.Cog.listener()
    async def on_member_unban(self, guild: discord.Guild, user: discord.User) -> None:
        """A ban was lifted."""
        await self._people.on_platform_unban(reported(guild, user.id, user.display_name))

    @commands.Cog.listener()
    async def on_audit_log_entry_create(self, entry: discord.AuditLogEntry) -> None:
        """A time out, which Discord tells without privileges only by the audit log."""
        if entry.action is not discord.AuditLogAction.member_update or entry.target is None:
            return
        if not hasattr(entry.after, "timed_out_until"):
            return
        name = getattr(entry.target, "display_name", "") or "Somebody"
        whom = reported(entry.guild, int(entry.target.id), name)
        until: datetime | None = entry.after.timed_out_until
        seconds = 0.0 if until is None else (until - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            await self._people.on_platform_ban(whom, entry.reason or "", seconds)
        else:
            await self._people.on_platform_unban(whom)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A message was deleted: one that asked for a riff, or one that answered it."""
        await self._deleted(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Many were deleted at once."""
        for message_id in payload.message_ids:
            await self._deleted(message_id)

    async def _deleted(self, message_id: int) -> None:
        key = str(message_id)
        if await self._people.on_message_deleted(PLATFORM, None, key) is not None:
            return
        job_id = await self._receipts.job_of(PLATFORM, key)
        if job_id is not None:
            await self._people.on_post_deleted(job_id)


async def notice_time_out(client: discord.Client, people: People, place: Place) -> None:
    """Look whether somebody is timed out, where Discord does not tell: without the permission to
    view the audit log. Called before an answer to them is posted."""
    guild = None if place.guild_id is None else client.get_guild(place.guild_id)
    if guild is None or guild.me.guild_permissions.view_audit_log:
        return
    try:
        member = await guild.fetch_member(place.user_id)
    except LET_GO as error:
        log.debug("member %d is not known: %s", place.user_id, error)
        return
    if member.timed_out_until is not None:
        seconds = (member.timed_out_until - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            whom = reported(guild, member.id, member.display_name)
            await people.on_platform_ban(whom, seconds=seconds)
