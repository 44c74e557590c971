"""Riffs that start from an earlier clip: again, variation, extend, remix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bot.ask import Follow
from bot.errors import BusyRefusal, NotFoundRefusal
from bot.jobs import Address, Job, JobView, Requester
from bot.store.database import DiskFullError
from bot.store.sources import Sources
from bot.studio import OUT_OF_SPACE, Studio
from generation.errors import BadRequestError
from generation.request import Clip, GenerationRequest, Source

_RECENT = 50
_TRY_LATER = 60.0


class Lineage:
    """Asks for riffs on behalf of somebody who points at a clip."""

    def __init__(self, studio: Studio, sources: Sources, clips: Path) -> None:
        """`clips` is the folder of clip files."""
        self._studio = studio
        self._sources = sources
        self._clips = clips

    async def follow(
        self,
        requester: Requester,
        job_id: str,
        follow: Follow,
        addresses: Address | Sequence[Address],
        index: int = 0,
        *,
        key: str | None = None,
    ) -> JobView:
        """Build on clip `index` of a riff. `key` is that of `Studio.submit`.

        Raises:
            NotFoundRefusal: no such clip, or its files are no longer kept.
            BusyRefusal, ForbiddenRefusal, BadInputRefusal, BadRequestError: as `Studio.submit`.
        """
        job = (await self._studio.view(job_id)).job
        clip = next((clip for clip in job.clips if clip.index == index), None)
        if clip is None:
            raise NotFoundRefusal("That riff has no clip (yet); wait until it is ready.")
        # Again means the whole riff; everything else is about this one clip.
        request = job.request if follow.how == "again" else _request_of(job, clip)
        source = None
        if follow.needs_source(request):
            # Extending keeps the very samples; the rest starts from the picture as it was drawn.
            source = await self._source(clip, "wav" if follow.how == "extend" else "png")
        ask = follow.from_clip(request, source)
        return await self._studio.submit(requester, ask, addresses, key=key)

    async def latest(self, requester: Requester) -> str:
        """The riff that somebody means who names none: their own last one, else the room's.

        Raises:
            NotFoundRefusal: there is none yet.
        """
        views = await self._studio.recent(requester.platform, requester.community, _RECENT)
        done = [view.job for view in views if view.job.clips]
        own = [job for job in done if job.requester.user == requester.user]
        # Where there is no community, everybody speaks to the bot alone.
        for job in reversed(own or (done if requester.community else [])):
            return job.id
        raise NotFoundRefusal("There is no clip to build on yet; start with !riff lo-fi beat.")

    async def _source(self, clip: Clip, kind: str) -> Source:
        path = clip.files.get(kind)
        try:
            if path is not None:
                return Source("init", await self._sources.put_file(self._clips / path))
        except FileNotFoundError:
            pass
        except DiskFullError as error:
            raise BusyRefusal(OUT_OF_SPACE, retry_after=_TRY_LATER) from error
        raise NotFoundRefusal(
            "The files of that clip are no longer kept; make it again with !again and build on "
            "that."
        )


def _request_of(job: Job, clip: Clip) -> GenerationRequest:
    """The request for exactly this clip; for clips of older versions, that of the whole riff."""
    try:
        return GenerationRequest.from_json(json.loads(clip.recipe["request"]))
    except (KeyError, ValueError, TypeError, BadRequestError):
        return job.request
