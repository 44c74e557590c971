"""Commands typed in chats."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from typing import Any

from bot.chat import Said, Taken, quoted
from bot.errors import Refusal
from bot.grammar import MODERATION
from bot.jobs import JobView, Requester
from bot.moderation.commands import Reply
from bot.studio import in_words
from cogs.twitch.parts import Parts
from cogs.twitch.place import PLATFORM, Place
from cogs.twitch.reading import command_text
from cogs.twitch.requester import chatter, somebody
from cogs.twitch.triggers import Triggers
from generation.errors import BadRequestError

log = logging.getLogger(__name__)

Json = dict[str, Any]
FAULT = "That went wrong on my side, sorry; the log has it as {fault}."
HELP = (
    "!vote warm strings steers the live music, !mix says what plays, !clip 20 fetches what was "
    "heard 20 seconds ago. !riff lo-fi beat makes a loop of its own, !blend rain -> techno goes "
    "from one sound to another; options such as --bpm 90 or --seed 42 may follow. !queue and "
    "!cancel are about yours, !privacy about what is kept. Moderators: !live help, !riffset."
)
_WORKERS = 12
_NAME = re.compile(r"!([A-Za-z]+)")


class Chat:
    """Takes messages in any number at once; one person's are answered in their order."""

    def __init__(self, parts: Parts, triggers: Triggers) -> None:
        self._parts, self._triggers = parts, triggers
        self._queues: list[asyncio.Queue[tuple[Json, str]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.heard = self.handled = 0

    def start(self) -> None:
        """Begin to answer."""
        self._queues = [asyncio.Queue() for _ in range(_WORKERS)]
        self._tasks = [asyncio.create_task(self._work(queue)) for queue in self._queues]

    async def close(self, seconds: float) -> None:
        """Answer what was said, as far as time allows."""
        waiting = [asyncio.create_task(queue.join()) for queue in self._queues]
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)
        for task in (*waiting, *self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def on_message(self, event: Json) -> None:
        """A message in a chat; never waits."""
        self.heard += 1
        channel, user = str(event["broadcaster_user_id"]), str(event["chatter_user_id"])
        source = event.get("source_broadcaster_user_id")
        if source is not None and source != channel:
            return  # said in another chat that is shared with this one
        bot = self._parts.tokens.bot
        if bot is not None and bot.user_id == user:
            badges = {badge["set_id"] for badge in event.get("badges") or ()}
            self._parts.mouth.is_moderator(channel, bool(badges & {"moderator", "broadcaster"}))
            if user != channel:
                return
        if event.get("channel_points_custom_reward_id"):
            return  # the redemption tells of it
        text = command_text(event)
        if text is None or not self._is_ours(text):
            return
        queue = self._queues[hash((channel, user)) % _WORKERS]
        queue.put_nowait((event, text))

    def _is_ours(self, text: str) -> bool:
        """Other bots have commands too, and no answer of ours is wanted there."""
        match = _NAME.match(text)
        if match is None:
            return False
        name = match[1].lower()
        return name.startswith("rif") or name in self._parts.desk.names

    async def _work(self, queue: asyncio.Queue[tuple[Json, str]]) -> None:
        while True:
            event, text = await queue.get()
            try:
                await self._handle(event, text)
            except Exception:
                log.exception("a message on Twitch could not be answered")
            finally:
                self.handled += 1
                queue.task_done()

    async def _handle(self, event: Json, text: str) -> None:
        who = await self._parts.follows.completed(chatter(event))
        try:
            sentence = await self._answer(who, event, text)
        except (Refusal, BadRequestError) as error:
            sentence = str(error)
        except Exception:
            fault = secrets.token_hex(3)
            log.exception("fault %s: answering a message on Twitch", fault)
            sentence = FAULT.format(fault=fault)
        if sentence:
            self._parts.mouth.say(who.community, who.name, sentence)

    async def _answer(self, who: Requester, event: Json, text: str) -> str:
        key = str(event["message_id"])
        name, _, rest = text[1:].partition(" ")
        is_vote = name.lower() == "vote"
        quiet = (await self._verbosity(who)) == "quiet"
        if is_vote and (boost := self._boost(who, event)) != 1.0 and rest.strip():
            topic = await self._parts.services.live.vote(
                who, rest.strip(), boost=boost, message=key
            )
            return f"Your vote, which counts {boost:g} times: {topic.prompt}."
        if name.lower() == "riffhelp":
            return HELP
        mentioned = None
        if name.lower() in MODERATION:
            text, mentioned = _names_resolved(event, who, text)
        place = Place(who.community, who.user, who.name, key)
        answer = await self._parts.desk.answer(
            Said(
                requester=who,
                text=text,
                addresses=place.to_address(),
                key=key,
                mentioned=mentioned,
                replied_job=await self._replied_job(event),
            )
        )
        match answer:
            case Taken(view):
                return "" if quiet else taken_line(view)
            case Reply(private=True):
                return answer.public
            case Reply(riff=str(riff)) if riff:
                return f"{answer.text} {self._parts.page_of(riff)}".rstrip()
            case Reply():
                return "" if quiet and is_vote else answer.text
        return ""

    def _boost(self, who: Requester, event: Json) -> float:
        """How often a vote counts: cheered with it, or owed since an earlier event."""
        cheered = (event.get("cheer") or {}).get("bits", 0) > 0
        weight = self._triggers.weight_of("on-cheer", who.community) if cheered else 1.0
        return max(weight, self._triggers.take_owed(who.community, who.user))

    async def _verbosity(self, who: Requester) -> str:
        return (await self._parts.services.moderation.rules.settings.resolve(who)).verbosity

    async def _replied_job(self, event: Json) -> str | None:
        """The riff whose announcement a message replies to."""
        reply = event.get("reply")
        if not reply:
            return None
        receipts = self._parts.services.receipts
        return await receipts.job_of(PLATFORM, str(reply["parent_message_id"]))


def taken_line(view: JobView) -> str:
    """That a riff waits, and how long."""
    job = quoted(view.job)
    if view.notice is not None:
        return f"{job}: {view.notice}"
    if view.waiting is None:
        return f"{job} is on its way."
    about = in_words(view.waiting.expected_seconds)
    return f"{job} is number {view.waiting.position} in line, about {about}."


def _names_resolved(event: Json, who: Requester, text: str) -> tuple[str, Requester | None]:
    """A moderator's line without the `@name` in it, and whom that is."""
    replied_to = str((event.get("reply") or {}).get("parent_user_id"))
    for fragment in event["message"].get("fragments") or ():
        mention = fragment.get("mention")
        if not mention:
            continue
        at = text.find(str(fragment["text"]).strip())
        if at < 0 and mention["user_id"] == replied_to:
            continue
        if at > 0:
            whom = somebody(who.community, str(mention["user_id"]), str(mention["user_name"]))
            rest = text[at + len(str(fragment["text"]).strip()) :]
            return " ".join((text[:at] + rest).split()), whom
    return text, None
