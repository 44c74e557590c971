"""What the features of the Discord adapter have in common."""

from __future__ import annotations

from dataclasses import dataclass

from bot.chat import ChatDesk
from bot.services import Services
from cogs.discord.status import StatusBoard


@dataclass(frozen=True, slots=True)
class Parts:
    """What every feature is made with.

    Attributes:
        services: the studio and everything around it.
        desk: where typed commands are carried out.
        board: the status messages of riffs that wait.
        prefix: what typed commands begin with.
    """

    services: Services
    desk: ChatDesk
    board: StatusBoard
    prefix: str = "!"
