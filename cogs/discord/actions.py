"""What the buttons under a clip do. Every one goes through the studio, its policy and its limits,
as the commands do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import discord

from bot.ask import Ask, Follow, How
from bot.chat import quoted
from bot.edits import EditForm
from bot.errors import NotFoundRefusal
from bot.exports import GONE, SMALLER
from bot.grammar import ask_from_json
from bot.jobs import Job, JobView, Requester
from bot.recipes import words_of
from bot.services import Services
from cogs.discord.asking import Asked, ask, promptly
from cogs.discord.faults import LET_GO, log, whisper
from cogs.discord.modals import BlendModal, EditModal
from cogs.discord.parts import Parts
from cogs.discord.posting import FILE_TOO_LARGE, Upload
from cogs.discord.requester import requester_in
from cogs.discord.views import file_view, number_view
from cogs.discord.wording import upload_stem
from generation.request import Clip

Interaction = discord.Interaction[Any]

TAKEN_AWAY = "That riff was taken away."
TOO_LARGE = "That file is larger than Discord lets me upload here."
CANNOT_REMAKE = "What that riff was built on is no longer kept either, so I cannot make it again."
_SAVED = {
    "wav": ("wav", "flac"),
    "flac": ("flac",),
    "loop4": ("loop4",),
    "mp3": ("mp3", *SMALLER),
}


class Actions:
    """Carries out what a button under a clip says."""

    def __init__(
        self, parts: Parts, interaction: Interaction, job_id: str, clip: int | None = None
    ) -> None:
        """`clip` is the index of the clip that is meant, where one was chosen."""
        self._index = clip
        self._parts = parts
        self._services: Services = parts.services
        self._interaction = interaction
        self._job_id = job_id

    async def follow(self, how: How) -> None:
        """Again, a variation, or an extension.

        Raises:
            GoneError: it builds on files that are no longer kept.
        """
        job, clip = await self._clip()
        if how != "again" and await self._has_to_choose(how, job):
            return
        follow = Follow(how)
        if follow.needs_source(job.request):
            await self._require_files(job, clip)

        async def submit(asked: Asked) -> JobView:
            return await self._services.lineage.follow(
                asked.requester, job.id, follow, asked.address, clip.index, key=asked.key
            )

        await ask(self._parts, self._interaction, submit)

    async def edit(self) -> None:
        """Offer the present values to be changed."""
        job, _ = await self._clip()
        form = EditForm.of(job.request)

        async def on_submit(interaction: Interaction, edited: EditForm) -> None:
            await self._ask(interaction, edited.to_ask(job.request))

        await self._interaction.response.send_modal(EditModal(form, self._parts, on_submit))

    async def blend(self) -> None:
        """Ask what to blend with, and make five loops on the way there."""
        job, _ = await self._clip()
        request = job.request

        async def on_submit(interaction: Interaction, to: str) -> None:
            values = {
                "prompt": request.prompt, "to": to, "seed": request.seed, "steps": request.steps,
                "guidance": request.guidance_scale, "negative": request.negative,
                "bpm": request.bpm,
            }  # fmt: skip
            await self._ask(interaction, ask_from_json(values))

        await self._interaction.response.send_modal(
            BlendModal(words_of(request), self._parts, on_submit)
        )

    async def remake(self) -> None:
        """Make a clip whose files are gone once more, from its recipe: the same seed."""
        job, _ = await self._clip()
        await self._ask(self._interaction, Ask.of(job.request))

    async def save(self, kind: str) -> None:
        """Hand over another file of the clip, to the one who asked alone.

        Raises:
            GoneError: its files are no longer kept.
        """
        self._services.moderation.rules.access.require(self._requester, "riff")
        job, clip = await self._clip()
        await self._require_files(job, clip)
        upload = await promptly(self._interaction, self._fitting(job, clip, kind), privately=True)
        link = page_of(self._services, job, clip.index)
        if upload is not None and await self._hand_over(upload):
            return
        await tell(self._interaction, f"{TOO_LARGE} {link}".strip())

    async def delete(self) -> None:
        """Take the riff away, and this message with it."""
        interaction, people = self._interaction, self._services.moderation.people
        deleting = people.delete_riff(self._requester, self._job_id)
        await promptly(interaction, deleting, privately=True)
        with suppress(*LET_GO):
            if not interaction.response.is_done():
                await interaction.response.defer()
                await interaction.delete_original_response()
            else:
                # "Thinking …" is what the first answer is by now.
                await tell(interaction, "Deleted.")
                if interaction.message is not None:
                    await interaction.message.delete()

    async def choose_file(self) -> None:
        """Offer the kinds of files."""
        job, clip = await self._clip()
        await self._require_files(job, clip)
        if await self._has_to_choose("save", job):
            return
        link = page_of(self._services, job, clip.index)
        text = "Save it as a file" if not link else f"Save it as a file, or open {link}"
        await tell(self._interaction, text, file_view(job.id, self._index))

    async def cancel(self) -> None:
        """End a riff that waits or is drawn."""
        cancelling = self._parts.desk.cancel(self._requester, self._job_id)
        job = await promptly(self._interaction, cancelling, privately=True)
        await whisper(self._interaction, f"Cancelled {quoted(job)}.")

    # ----------------------------------------------------------------------------------------

    @property
    def _requester(self) -> Requester:
        return requester_in(self._interaction, self._interaction.client.operators)

    async def _clip(self) -> tuple[Job, Clip]:
        job = (await self._services.studio.view(self._job_id)).job
        if job.hidden:
            raise NotFoundRefusal(TAKEN_AWAY)
        if not job.clips:
            raise NotFoundRefusal("That riff has no clip (yet); wait until it is ready.")
        index = self._index or 0
        clip = next((one for one in job.clips if one.index == index), None)
        if clip is None:
            raise NotFoundRefusal("That riff has no such clip.")
        return job, clip

    async def _has_to_choose(self, act: str, job: Job) -> bool:
        """Whether a riff has several clips and none was chosen yet; then they are offered."""
        if len(job.clips) == 1 or self._index is not None:
            return False
        await tell(self._interaction, "Which of them?", number_view(act, job))
        return True

    async def _ask(self, interaction: Interaction, wanted: Ask) -> None:
        async def submit(asked: Asked) -> JobView:
            return await self._services.studio.submit(
                asked.requester, wanted, asked.address, key=asked.key
            )

        await ask(self._parts, interaction, submit)

    async def _require_files(self, job: Job, clip: Clip) -> None:
        if await self._services.exports.is_kept(clip):
            return
        paths = [self._services.sources.path(source.sha256) for source in job.request.sources]
        kept = await asyncio.to_thread(lambda: all(path.is_file() for path in paths))
        raise GoneError(can_remake=kept)

    async def _fitting(self, job: Job, clip: Clip, kind: str) -> Upload | None:
        """The file, or a smaller one in its place; None where none fits."""
        stem = upload_stem(job, clip.index)
        for one in _SAVED[kind]:
            export = await self._services.exports.make(job, clip, one)
            data = await asyncio.to_thread(export.path.read_bytes)
            if len(data) <= self._interaction.filesize_limit:
                end = "-x4" if one == "loop4" else ""
                return Upload(f"{stem}{end}{export.path.suffix}", data)
        return None

    async def _hand_over(self, upload: Upload) -> bool:
        """False where Discord finds it too large after all."""
        try:
            await tell(self._interaction, "", uploads=[upload])
        except discord.HTTPException as error:
            if not (error.status == 413 or error.code == FILE_TOO_LARGE):
                raise
            log.info("%s is too large for Discord: %s", upload.filename, error)
            return False
        return True


class GoneError(NotFoundRefusal):
    """The files of a clip are no longer kept.

    Attributes:
        can_remake: whether its recipe can make it again.
    """

    def __init__(self, *, can_remake: bool) -> None:
        super().__init__(GONE if can_remake else CANNOT_REMAKE)
        self.can_remake = can_remake


def page_of(services: Services, job: Job, index: int = 0) -> str:
    """The address of a clip's own page; empty where others cannot reach it."""
    public = services.config.web.public_url if services.config.web.enabled else ""
    number = f"-{index + 1}" if index else ""
    return f"{public}/clip/{job.id}{number}" if public else ""


async def tell(
    interaction: Interaction,
    text: str,
    view: discord.ui.View | None = None,
    uploads: Sequence[Upload] = (),
) -> None:
    """Say something to who used an interaction alone, whether it was answered yet or not.

    Args:
        text: Discord markdown; what people typed has to be escaped.

    Raises:
        discord.HTTPException: Discord refused.
    """
    more: dict[str, Any] = {} if view is None else {"view": view}
    send = (
        interaction.followup.send
        if interaction.response.is_done()
        else interaction.response.send_message
    )
    await send(
        text,
        files=[upload.to_file() for upload in uploads],
        ephemeral=True,
        allowed_mentions=discord.AllowedMentions.none(),
        suppress_embeds=True,
        **more,
    )
