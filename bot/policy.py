"""What may be asked, and by whom. Every path that makes sound passes through `Policy.check`.

The rules themselves (block lists, bans, roles) are not written yet: this is the one place where
they go, and `OpenPolicy` is the honest name of what applies until then.
"""

from __future__ import annotations

from typing import Protocol

from bot.ask import Ask
from bot.jobs import Requester


class Policy(Protocol):
    """Decides whether a requester may have what they ask for."""

    async def check(self, requester: Requester, ask: Ask) -> None:
        """Let it pass, or raise.

        Raises:
            ForbiddenRefusal: with a sentence for the requester.
        """


class OpenPolicy:
    """Everybody may ask for everything."""

    async def check(self, requester: Requester, ask: Ask) -> None:
        """Let it pass."""
