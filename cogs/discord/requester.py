"""Who is asking, as the studio knows people: their community, and what they may do there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord

from bot.jobs import Requester
from bot.moderation.levels import ADMIN_ROLE, MODERATOR_ROLE, OWNER_ROLE, SUBSCRIBER_ROLE
from cogs.discord.place import PLATFORM

Person = discord.User | discord.Member
# Who keeps order on a server has one of these; who runs it may manage it.
_MODERATES = discord.Permissions(
    moderate_members=True, ban_members=True, kick_members=True, manage_messages=True
)


def requester_of(
    person: Person,
    channel: object = None,
    *,
    operators: frozenset[int] = frozenset(),
    is_there: bool = True,
) -> Requester:
    """Somebody on a server where the bot is, or in direct messages.

    Args:
        person: a member on a server, a user elsewhere.
        channel: where they ask; what is set for a channel holds in its threads too.
        operators: who runs the bot itself.
        is_there: whether the bot is on the server. Where somebody only brought it along, the server
            is no community of ours, and its roles mean nothing to us.
    """
    roles = {OWNER_ROLE} if person.id in operators else set()
    community = ""
    if isinstance(person, discord.Member) and is_there:
        community = str(person.guild.id)
        roles |= _roles_of(person)
    return Requester(
        platform=PLATFORM,
        community=community,
        user=str(person.id),
        name=person.display_name,
        roles=frozenset(roles),
        channel=_channel_id(channel) if community else "",
    )


def requester_in(interaction: discord.Interaction[Any], operators: frozenset[int]) -> Requester:
    """Who used a command, button or form."""
    return requester_of(
        interaction.user,
        interaction.channel,
        operators=operators,
        is_there=interaction.is_guild_integration(),
    )


def mentioned_by(
    requester: Requester, person: Person, operators: frozenset[int] = frozenset()
) -> Requester:
    """Whom somebody means where they are. Who is not on the server (any more) can be meant too."""
    found = requester_of(person, operators=operators)
    return replace(found, community=requester.community, channel=requester.channel)


def reported(guild: discord.Guild, user_id: int, name: str) -> Requester:
    """Whom Discord reports something about."""
    return Requester(PLATFORM, str(guild.id), str(user_id), name)


def _roles_of(member: discord.Member) -> set[str]:
    roles = {str(role.id) for role in member.roles if not role.is_default()}
    # Of the server, not of the channel: a riff is moderated where it is heard, which is everywhere.
    permissions = member.guild_permissions
    if permissions.manage_guild or permissions.administrator:
        roles.add(ADMIN_ROLE)
    elif permissions.value & _MODERATES.value:
        roles.add(MODERATOR_ROLE)
    if member.premium_since is not None:
        roles.add(SUBSCRIBER_ROLE)
    return roles


def _channel_id(channel: object) -> str:
    if isinstance(channel, discord.Thread):
        return str(channel.parent_id)
    number = getattr(channel, "id", None)
    return "" if number is None else str(number)
