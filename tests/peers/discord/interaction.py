"""One interaction on the loopback Discord: what a user did with the app, and what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.peers.discord.commands import GUILD_INSTALL
from tests.peers.discord.models import Channel, Message, User
from tests.peers.discord.permissions import Permission

if TYPE_CHECKING:
    from tests.peers.discord.state import World

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
ANSWER_WITHIN = 3.0
TOKEN_LIVES = 15 * 60.0
FITTING = {
    COMMAND: {MESSAGE, DEFERRED_MESSAGE, MODAL},
    COMPONENT: {MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, MODAL},
    AUTOCOMPLETE: {CHOICES},
    MODAL_SUBMIT: {MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE},
}
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Choice:
    """A suggestion of autocomplete."""

    name: str
    value: str | int | float


@dataclass(frozen=True, slots=True)
class Response:
    """The bot's first answer to an interaction.

    Attributes:
        type: the callback type (4 message, 5 deferred, 6 deferred update, 7 update, 8 choices,
            9 modal).
        message: what it posted or edited, if it did.
        modal: the modal as sent (`custom_id`, `title`, `components`).
    """

    type: int
    ephemeral: bool = False
    message: Message | None = None
    modal: dict[str, Any] | None = None
    choices: tuple[Choice, ...] = ()


@dataclass(eq=False)
class Interaction:
    """One use of the app, and what the bot made of it."""

    world: World
    id: int
    kind: int
    user: User
    channel: Channel
    data: dict[str, Any]
    created_at: float
    installs: dict[str, str]
    message: Message | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    acknowledged_at: float | None = None
    response: Response | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    died: bool = False
    heard: bool = False
    submitted: Interaction | None = None
    answer_lost: bool = False  # the bot never learned that its answer arrived

    @property
    def title(self) -> str:
        """For reports."""
        what = self.data.get("name") or self.data.get("custom_id")
        kinds = {COMMAND: "command", COMPONENT: "component", AUTOCOMPLETE: "autocomplete"}
        return f"{kinds.get(self.kind, 'modal')} {what!r} of {self.user.name}"

    @property
    def expired(self) -> bool:
        """Whether the token is of no use any more."""
        age = self.world.clock.time - self.created_at
        late = self.acknowledged_at is None and age > ANSWER_WITHIN
        return self.died or late or age > TOKEN_LIVES

    @property
    def may_be_public(self) -> bool:
        """Without Use External Apps, answers of a user's own app are for that user alone."""
        if self.channel.guild_id is None or str(GUILD_INSTALL) in self.installs:
            return True
        may = self.world.permissions(self.user, self.channel)
        return bool(may & Permission.USE_EXTERNAL_APPS)

    @property
    def messages(self) -> list[Message]:
        """All that the bot posted through it and that is still there."""
        posted = [self.original, *self.followups]
        return [message for message in posted if message is not None and not message.deleted]

    def token_dies(self) -> None:
        """Discord forgets the token before its time."""
        self.died = True

    async def answered(self) -> Response:
        """Wait for the first answer."""
        return await self.world.until(lambda: self.response)

    async def reply(self) -> Message:
        """Wait for what the user reads in the end: the original response, loaded.

        For an answer by update this is the message that was pressed.
        """

        def look() -> Message | None:
            message = self.original
            return None if message is None or message.loading else message

        return await self.world.until(look)

    async def modal(self) -> dict[str, Any]:
        """Wait for the modal that it opens."""
        opened = (await self.answered()).modal
        assert opened is not None, f"no modal, but {self.response}"
        return opened

    def metadata(self) -> dict[str, Any]:
        """As messages tell it."""
        found: dict[str, Any] = {
            "id": str(self.id),
            "type": self.kind,
            "user": self.user.to_json(),
            "authorizing_integration_owners": self.installs,
        }
        if self.kind == COMPONENT and self.message is not None:
            found["interacted_message_id"] = str(self.message.id)
        return found
