"""Where on Twitch an answer goes, as it is kept in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from bot.jobs import Address

PLATFORM = "twitch"


@dataclass(frozen=True, slots=True)
class Place:
    """The chat that asked, and who.

    Attributes:
        channel: id of the broadcaster.
        user, name: who asked, and how they are mentioned.
        message: id of the message or redemption that asked; an address is of one riff.
        reward: id of the reward, where channel points paid for it.
    """

    channel: str
    user: str
    name: str
    message: str
    reward: str = ""

    @classmethod
    def from_address(cls, address: Address) -> Place:
        """Read what `to_address` wrote."""
        d = address.details
        return cls(d["channel"], d["user"], d["name"], d["message"], d.get("reward", ""))

    def to_address(self) -> Address:
        """The place as the ledger keeps it."""
        details = {
            "channel": self.channel,
            "user": self.user,
            "name": self.name,
            "message": self.message,
        }
        if self.reward:
            details["reward"] = self.reward
        return Address(PLATFORM, details)
