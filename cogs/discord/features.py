"""Everything that the bot can do on Discord: one cog for each feature, listed here."""

from __future__ import annotations

from discord.ext import commands

from cogs.discord.messages import MessagesCog
from cogs.discord.parts import Parts

FEATURES: tuple[type[commands.Cog], ...] = (MessagesCog,)
"""Each is made with `Parts`. A new feature is a file of its own and an entry here."""


def make_features(parts: Parts) -> list[commands.Cog]:
    """One of each, for a new connection."""
    return [feature(parts) for feature in FEATURES]
