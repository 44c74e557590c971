"""Everything that the bot can do on Discord: one cog for each feature, listed here.

A cog is made with `Parts`. Commands that it makes itself, as `cogs.discord.slash` does, and context
menus are in its attribute `made_commands`; decorated ones are found by discord.py. Persistent
buttons (`DynamicItem`) are in `DYNAMIC_ITEMS`.
"""

from __future__ import annotations

from typing import Any

from discord.ext import commands
from discord.ui import DynamicItem

from cogs.discord.buttons import ClipButton
from cogs.discord.converting import ConvertingCog
from cogs.discord.library import LibraryCog
from cogs.discord.making import MakingCog
from cogs.discord.messages import MessagesCog
from cogs.discord.moderating import ModeratingCog
from cogs.discord.parts import Parts
from cogs.discord.radio import RadioCog
from cogs.discord.remix_menu import RemixMenuCog
from cogs.discord.reports import ReportsCog
from cogs.discord.takedown import TakedownCog

FEATURES: tuple[type[commands.Cog], ...] = (
    MessagesCog,
    MakingCog,
    ConvertingCog,
    LibraryCog,
    RemixMenuCog,
    ModeratingCog,
    ReportsCog,
    TakedownCog,
    RadioCog,
)
"""A new feature is a file of its own and an entry here."""

DYNAMIC_ITEMS: tuple[type[DynamicItem[Any]], ...] = (ClipButton,)
"""Buttons that work after a restart."""


def make_features(parts: Parts) -> list[commands.Cog]:
    """One of each, for a new connection."""
    return [feature(parts) for feature in FEATURES]
