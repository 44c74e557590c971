"""Where a typed command becomes an answer, for the local chat, Discord and Twitch alike.

A platform says what was said, by whom and where the clip goes (`Said`), and gets a riff that was
taken, a sentence to reply, or nothing where the line was not for the bot. What is refused is
raised, because every platform has its own way to say so.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot import grammar
from bot.errors import BadInputRefusal, NotFoundRefusal
from bot.grammar import Command
from bot.jobs import Address, Job, JobView, Requester
from bot.moderation.commands import Commands, Reply
from bot.privacy import ABOUT, SURE
from bot.studio import in_words
from generation.request import Source

if TYPE_CHECKING:
    from bot.services import Services

_ONLY_ALONE = "I send that only where nobody else reads along: ask me in a direct message."
_SHOWN = 10
_SHOWN_PROMPT = 80


@dataclass(frozen=True, slots=True)
class Said:
    """A line that somebody typed.

    Attributes:
        text: the line; commands begin with `!`, whatever the platform's own prefix is.
        addresses: where a clip goes.
        key: of `Studio.submit`: the same message again gives the same riff.
        mentioned: whom the platform knows to be named at the start of a moderator's command;
            the text then goes on behind the name.
        replied_job: the riff whose post is replied to, which is then the one that is meant.
        source: a sound or picture that came along.
    """

    requester: Requester
    text: str
    addresses: Address | Sequence[Address]
    key: str | None = None
    mentioned: Requester | None = None
    replied_job: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A riff is on disk and will be answered at its addresses."""

    view: JobView


Answer = Taken | Reply
Handler = Callable[[Said, Command], Awaitable[Answer]]
"""What answers one further command; it may refuse as everything here does."""


class ChatDesk:
    """Reads commands and carries them out.

    Further commands are entries of `Services.commands`, by name; they are known from the moment
    that they are entered there.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._studio, self._lineage = services.studio, services.lineage
        self._access = services.moderation.rules.access
        self._moderation = Commands(services.moderation)
        self._own: dict[str, Handler] = {
            "cancel": self._cancel,
            "history": self._history,
            "queue": self._queue,
            "privacy": self._privacy,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Every command that is answered here."""
        known = (*grammar.COMMANDS, *grammar.OWN, *grammar.MODERATION)
        return tuple(dict.fromkeys((*known, *self._services.commands, *self._own)))

    def add(self, name: str, handler: Handler) -> None:
        """Answer a command that only the platform of this desk has."""
        self._own[name] = handler

    async def answer(self, said: Said) -> Answer | None:
        """Carry out what was said; None where it is no command of ours.

        Raises:
            Refusal, BadRequestError: why it was not done, in a sentence to be said.
        """
        command = grammar.read_command(said.text, self.names)
        if command is None:
            return None
        handler = self._services.commands.get(command.name) or self._own.get(command.name)
        if handler is not None:
            return await handler(said, command)
        if command.name == "riffhelp":
            return Reply(grammar.HELP)
        if command.name in grammar.MODERATION:
            return await self._moderation.answer(
                said.requester, command.name, command.rest, said.mentioned
            )
        return Taken(await self._riff(said, command))

    async def cancel(self, requester: Requester, job_id: str) -> Job:
        """Cancel a riff: one's own, or as a moderator of where it was asked for.

        Raises:
            NotFoundRefusal: no such riff, or it is finished already.
            ForbiddenRefusal: somebody else's, or `requester` is blocked.
        """
        self._access.require(requester, "cancel-own")
        job = (await self._studio.view(job_id)).job
        may_any = self._access.may_end(requester, job.requester)
        await self._studio.cancel(job_id, requester, may_cancel_any=may_any)
        return job

    async def standing(self, requester: Requester) -> list[JobView]:
        """Somebody's open riffs here, in the order of the numbers that `!cancel` takes."""
        jobs = await self._services.history.open_riffs(requester)
        return await self._studio.views([job.id for job in jobs])

    async def _riff(self, said: Said, command: Command) -> JobView:
        if command.name in grammar.FOLLOWS and said.source is not None:
            ask = grammar.parse_upload(command, said.source)
        elif command.name in grammar.FOLLOWS:
            follow = grammar.parse_follow(command)
            job_id = said.replied_job or await self._lineage.latest(said.requester)
            return await self._lineage.follow(
                said.requester, job_id, follow, said.addresses, key=said.key
            )
        else:
            parse = grammar.parse_blend if command.name == "blend" else grammar.parse_ask
            ask = parse(command.rest)
        return await self._studio.submit(said.requester, ask, said.addresses, key=said.key)

    async def _queue(self, said: Said, command: Command) -> Reply:
        line = await self._moderation.answer(said.requester, "queue", command.rest, said.mentioned)
        if command.rest.strip():
            return line
        own = standing_lines(await self.standing(said.requester))
        if not own:
            return line
        return Reply("\n".join(["Yours:", *own, "Everybody's that wait here:", line.text]))

    async def _cancel(self, said: Said, command: Command) -> Reply:
        which = command.rest.strip().removeprefix("#")
        if not which and said.replied_job is not None:
            which = said.replied_job
        views = await self.standing(said.requester)
        if which.lower() == "all" and views:
            for view in views:
                await self.cancel(said.requester, view.job.id)
            return Reply(f"Cancelled {len(views)} of your riffs.")
        job = await self.cancel(said.requester, meant(which, views))
        return Reply(f"Cancelled {quoted(job)}.")

    async def _history(self, said: Said, command: Command) -> Reply:
        jobs = await self._services.history.past_riffs(said.requester, _SHOWN)
        if not jobs:
            raise NotFoundRefusal("You have no riffs here yet; start with !riff lo-fi beat.")
        return Reply("\n".join(history_lines(jobs, time.time())))

    async def _privacy(self, said: Said, command: Command) -> Reply:
        """Everybody may, blocked people too."""
        who, privacy = said.requester, self._services.privacy
        match command.rest.lower().split():
            case []:
                return Reply(ABOUT)
            case ["export"]:
                file = await privacy.export(who)
                return Reply("Here is everything that I keep about you.", True, _ONLY_ALONE, file)
            case ["delete"]:
                return Reply(SURE.format(count=counted(await privacy.count(who), "riff")))
            case ["delete", "yes"]:
                deleted = await privacy.delete(who)
                return Reply(
                    f"Deleted: {counted(deleted.riffs, 'riff')} and "
                    f"{counted(deleted.files, 'file')}."
                )
        raise BadInputRefusal("There are !privacy, !privacy export and !privacy delete.")


def counted(number: int, thing: str) -> str:
    """`1 riff`, `2 riffs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def quoted(job: Job) -> str:
    """A riff as it is spoken of: its prompt, shortened, in quotation marks."""
    prompt = " ".join(job.request.prompt.split())
    short = prompt if len(prompt) <= _SHOWN_PROMPT else prompt[: _SHOWN_PROMPT - 1].rstrip() + "…"
    return f"“{short}”"


def standing_lines(views: Sequence[JobView]) -> list[str]:
    """How far each open riff is, numbered from 1: position, reason and expected time."""
    lines = [
        f"{number}. {quoted(view.job)}: {_standing(view)}" for number, view in enumerate(views, 1)
    ]
    return lines[:_SHOWN]


def history_lines(jobs: Sequence[Job], now: float) -> list[str]:
    """Past riffs, one a line, with what makes each again; `now` in Unix seconds."""
    return [
        f"{quoted(job)}, seed {job.request.seed}, {in_words(max(0.0, now - job.created_at))} ago"
        for job in jobs
    ]


def _standing(view: JobView) -> str:
    if view.job.state == "rendered":
        return "ready, on its way"
    if view.job.state == "running":
        return "starting" if view.progress is None else f"{view.progress.fraction:.0%} done"
    if view.notice is not None:
        return view.notice
    if view.waiting is None:
        return "queued"
    waiting = view.waiting
    about = in_words(waiting.expected_seconds)
    return f"number {waiting.position} in line ({waiting.reason}), about {about}"


def meant(which: str, views: Sequence[JobView]) -> str:
    """The id of the riff to cancel.

    Args:
        which: an id, a number counted from 1, or empty where there is only one.
        views: somebody's open riffs, as `ChatDesk.standing` gives them.

    Raises:
        NotFoundRefusal: there is none of this number, or none at all.
        BadInputRefusal: there are several, and none was named.
    """
    if which and not (which.isascii() and which.isdigit() and len(which) < 4):
        return which
    if not views:
        raise NotFoundRefusal("You have no riff here that could be cancelled.")
    if not which and len(views) > 1:
        lines = "\n".join(standing_lines(views))
        raise BadInputRefusal(f"Say which, as in !cancel 1, or !cancel all:\n{lines}")
    number = int(which) if which else 1
    if not 1 <= number <= len(views):
        raise NotFoundRefusal(f"Your riffs here have numbers 1 to {len(views)}, not {number}.")
    return views[number - 1].job.id
