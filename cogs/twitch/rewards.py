"""Channel point rewards of ours: made, and kept in step with the settings, where a channel may have
them; fulfilled when heard, and given back when refused, expired, failed or not heard.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Literal

from twitchio.http import Route

from bot.chat import Said, Taken
from bot.errors import NotFoundRefusal, Refusal
from bot.events import JobChanged
from bot.jobs import FINISHED, Delivery, Job, Requester
from bot.live.session import LiveSession
from cogs.twitch.heard import guest_heard, topic_heard
from cogs.twitch.http import TROUBLE, TwitchError
from cogs.twitch.parts import Parts
from cogs.twitch.place import PLATFORM, Place
from cogs.twitch.reading import prompt_text
from cogs.twitch.requester import plain_time, somebody
from cogs.twitch.tokens import Account
from generation.errors import BadRequestError

log = logging.getLogger(__name__)

Json = dict[str, Any]
Kind = Literal["riff", "blend", "vote"]
TITLES: dict[Kind, tuple[str, str]] = {
    "riff": ("Riff", "A music loop from your words, such as: lo-fi beat"),
    "blend": ("Blend", "From one sound to another, such as: rain -> techno"),
    "vote": ("Double vote", "Steer the music with a vote that counts more, such as: warm strings"),
}
SCOPE = "channel:manage:redemptions"
NOWHERE = "No live session is on, so nobody would hear it; your points are back."
NOT_HEARD = "It was not heard in time; your points are back."
_VOTE_SECONDS, _RIFF_SECONDS = 180.0, 600.0
_STALE_SECONDS = 120.0
_PAUSES = (1.0, 3.0, 10.0, 30.0, 120.0, 600.0)
_REMEMBERED = 10_000
BACK = "Your points are back."
_GONE = {"cancelled": BACK, "failed": BACK, "expired": NOT_HEARD}


class Rewards:
    """All channels' rewards and what is being done for them."""

    def __init__(self, parts: Parts, file: Path) -> None:
        """`file` remembers which reward is which, whatever streamers rename them to."""
        self._parts, self._file = parts, file
        self._ids: dict[str, dict[str, str]] = {}
        self._in_step: dict[str, tuple[int, ...]] = {}
        self._unavailable: set[str] = set()
        self._open: dict[str, Place] = {}
        self._jobs: dict[str, str] = {}
        self._watched: set[str] = set()
        self._done: dict[str, None] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def load(self) -> None:
        """Read the file."""
        try:
            self._ids = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            self._ids = {}

    async def follow(self) -> None:
        """Give points back for riffs that come to nothing; until cancelled."""
        with self._parts.services.studio.subscribe() as events:
            async for event in events:
                if isinstance(event, JobChanged) and event.job_id in self._jobs:
                    try:
                        await self._on_job(event.job_id)
                    except Exception:
                        log.exception("channel points of %s are not settled", event.job_id)

    # Rewards --------------------------------------------------------------------------------

    async def keep_in_step(self, account: Account) -> None:
        """Make, change or take away a channel's rewards as its settings say."""
        costs = {
            kind: int(self._parts.setting(f"reward-{kind}", account.user_id)) for kind in TITLES
        }
        wanted = tuple(costs.values())
        if self._in_step.get(account.user_id) == wanted or SCOPE not in account.scopes:
            return
        if not any(wanted) and account.user_id not in self._ids:
            self._in_step[account.user_id] = wanted
            return
        async with self._locks.setdefault(account.user_id, asyncio.Lock()):
            try:
                await self._change(account, costs)
            except TwitchError as error:
                if error.status != 403:
                    raise
                if account.user_id not in self._unavailable:
                    self._unavailable.add(account.user_id)
                    log.warning(
                        "%s cannot have channel points: Twitch offers them to affiliates and "
                        "partners only. Everything else works there.",
                        account.login,
                    )
            else:
                self._unavailable.discard(account.user_id)
            self._in_step[account.user_id] = wanted

    def available(self, channel: str) -> bool:
        """Whether a channel may have rewards, as far as was tried."""
        return channel not in self._unavailable

    def forget(self, channel: str) -> None:
        """Look at a channel's rewards again, whatever was found before."""
        self._in_step.pop(channel, None)

    async def _change(self, account: Account, costs: dict[Kind, int]) -> None:
        channel = account.user_id
        there = {one["id"]: one for one in await self._rewards(channel)}
        known = self._ids.get(channel, {})
        for kind, cost in costs.items():
            title, hint = TITLES[kind]
            reward = there.get(known.get(kind, "")) or next(
                (one for one in there.values() if one["title"] == title), None
            )
            if reward is None and cost:
                body = {
                    "title": title,
                    "cost": cost,
                    "prompt": hint,
                    "is_user_input_required": True,
                    "is_enabled": True,
                }
                reward = (await self._call("POST", "", channel, {}, body))["data"][0]
            elif reward is not None:
                changes: Json = {}
                if cost and reward["cost"] != cost:
                    changes["cost"] = cost
                if reward["is_enabled"] != bool(cost):
                    changes["is_enabled"] = bool(cost)
                if changes:
                    await self._call("PATCH", "", channel, {"id": reward["id"]}, changes)
            if reward is not None:
                self._ids.setdefault(channel, {})[kind] = str(reward["id"])
        await asyncio.to_thread(self._save, json.dumps(self._ids))

    async def _rewards(self, channel: str) -> list[Json]:
        params = {"only_manageable_rewards": "true"}
        found: list[Json] = (await self._call("GET", "", channel, params))["data"]
        return found

    async def _call(
        self, method: Any, path: str, channel: str, params: dict[str, str], body: Json | None = None
    ) -> Any:
        route = Route(
            method,
            f"channel_points/custom_rewards{path}",
            params={"broadcaster_id": channel, **params},
            json=body or {},
            token_for=channel,
        )
        return await self._parts.http.request(route)

    def _save(self, text: str) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(text, "utf-8")
        draft.replace(self._file)

    # Redemptions ----------------------------------------------------------------------------

    async def on_event(self, kind: str, event: Json) -> None:
        """A viewer spent points."""
        await self._redeemed(str(event["broadcaster_user_id"]), event)

    async def catch_up(self, account: Account) -> None:
        """Redemptions that wait since before: missed, or under way at the last stop."""
        if SCOPE not in account.scopes or not self.available(account.user_id):
            return
        for reward_id in self._ids.get(account.user_id, {}).values():
            params = {"reward_id": reward_id, "status": "UNFULFILLED", "first": "50"}
            try:
                answer = await self._call("GET", "/redemptions", account.user_id, params)
            except TwitchError as error:
                if error.status in (403, 404):
                    continue  # that reward is not there any more
                raise
            for one in answer["data"]:
                await self._redeemed(account.user_id, {**one, "reward": {"id": reward_id}})

    async def _redeemed(self, channel: str, event: Json) -> None:
        reward, redemption = str(event["reward"]["id"]), str(event["id"])
        kind = next((k for k, r in self._ids.get(channel, {}).items() if r == reward), None)
        waits = str(event.get("status", "")).lower() == "unfulfilled"
        if kind is None or not waits or redemption in self._open or redemption in self._done:
            return
        user, name = str(event["user_id"]), str(event["user_name"])
        place = Place(channel, user, name, redemption, reward)
        self._open[redemption] = place
        who = await self._parts.follows.completed(somebody(channel, user, name))
        text = prompt_text(str(event.get("user_input") or ""))
        try:
            if kind == "vote":
                await self._vote(who, place, text, str(event["redeemed_at"]))
            else:
                await self._riff(who, place, kind, text)
        except (Refusal, BadRequestError) as error:
            self._refund(place, f"{error} {BACK}")
        except Exception:
            log.exception("a redemption on Twitch could not be carried out")
            self._refund(place, "That went wrong on my side; your points are back.")

    async def _vote(self, who: Requester, place: Place, text: str, redeemed_at: str) -> None:
        age = time.time() - datetime.fromisoformat(plain_time(redeemed_at)).timestamp()
        if age > _STALE_SECONDS:
            raise NotFoundRefusal("I was away when you voted.")
        live = self._parts.services.live
        weight = float(self._parts.setting("reward-vote-weight", place.channel))
        prompt = text.removeprefix("!vote").strip()
        topic = await live.vote(who, prompt, boost=weight, message=place.message)
        session = live.of(who)

        async def settle() -> None:
            if await topic_heard(session, topic.id, _VOTE_SECONDS):
                self._fulfil(place)
            else:
                self._refund(place, NOT_HEARD)

        self._parts.errands.run(settle())

    async def _riff(self, who: Requester, place: Place, kind: str, text: str) -> None:
        session = self._parts.services.live.at((PLATFORM, place.channel))
        if not self._parts.public_url and (session is None or not session.rules.guest_loops):
            self._refund(place, NOWHERE)
            return
        line = text if text.lower().startswith(f"!{kind}") else f"!{kind} {text}"
        said = Said(who, line, place.to_address(), key=place.message)
        answer = await self._parts.desk.answer(said)
        if not isinstance(answer, Taken):
            raise NotFoundRefusal("That is no prompt.")
        self._jobs[answer.view.job.id] = place.message
        # It may have been settled at an earlier run, or meanwhile.
        await self._on_job(answer.view.job.id)

    async def _on_job(self, job_id: str) -> None:
        place = self._open.get(self._jobs.get(job_id, ""))
        if place is None:
            self._jobs.pop(job_id, None)
            return
        job = (await self._parts.services.studio.view(job_id)).job
        # With a clip, `expired` only means that the chat took no answer.
        if job.hidden or (job.state in _GONE and not (job.state == "expired" and job.clips)):
            del self._jobs[job_id]
            self._refund(place, "" if job.hidden else _GONE[job.state])
        elif self._session_of(job) is not None:
            # It may sound before its answer is out, or without one.
            if job.clips and job_id not in self._watched:
                self._watched.add(job_id)
                self._parts.errands.run(self._settle_heard(job, place))
        elif job.state in FINISHED:
            del self._jobs[job_id]
            if job.state == "delivered" and self._parts.public_url:
                self._fulfil(place)
            else:
                self._refund(place, NOT_HEARD)

    def on_delivered(self, delivery: Delivery, place: Place) -> None:
        """The answer to a riff is out, which may be of an earlier run."""
        if place.reward and place.message not in self._done:
            self._open.setdefault(place.message, place)
            self._jobs.setdefault(delivery.job.id, place.message)

    def _session_of(self, job: Job) -> LiveSession | None:
        """The session in which a riff is to be heard, if there is one."""
        session = self._parts.services.live.at((PLATFORM, job.requester.community))
        if session is None or not session.rules.guest_loops or job.created_at < session.started_at:
            return None
        return session

    async def _settle_heard(self, job: Job, place: Place) -> None:
        session = self._session_of(job)
        if session is not None and await guest_heard(session, job.id, _RIFF_SECONDS):
            self._fulfil(place)
        else:
            self._refund(place, NOT_HEARD)
        self._watched.discard(job.id)
        self._jobs.pop(job.id, None)

    def _fulfil(self, place: Place) -> None:
        self._settle(place, "FULFILLED")

    def _refund(self, place: Place, sentence: str) -> None:
        if self._settle(place, "CANCELED") and sentence:
            self._parts.mouth.say(place.channel, place.name, sentence)

    def _settle(self, place: Place, status: str) -> bool:
        """False where it is settled, or being so, already."""
        if self._open.pop(place.message, None) is None:
            return False
        self._done[place.message] = None
        if len(self._done) > _REMEMBERED:
            self._done.pop(next(iter(self._done)))
        self._parts.errands.run(self._tell(place, status))
        return True

    async def _tell(self, place: Place, status: str) -> None:
        """Tell Twitch, however often it takes; a restart finds what was not told."""
        params = {"reward_id": place.reward, "id": place.message}
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            try:
                await self._call("PATCH", "/redemptions", place.channel, params, {"status": status})
                return
            except TROUBLE as error:
                if isinstance(error, TwitchError) and error.status in (400, 403, 404):
                    log.info("redemption %s was settled by somebody else", place.message)
                    return
                log.warning("redemption %s is not settled yet: %s", place.message, error)
                await asyncio.sleep(pause)
