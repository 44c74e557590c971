"""The page of one clip, for whoever has its address, and its other files.

    GET /clip/{id}            player, picture, recipe, where it came from, downloads
    GET /clip/{id}/{kind}     flac, loop4 or soundboard, made when first asked for

Neither needs a session: an id cannot be guessed, and knowing it grants reading. Nobody's name is
on it. `/clip/`, `/clips/` and `/static/` are all that a proxy has to make public for it.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from aiohttp import web

from bot.errors import NotFoundRefusal
from bot.exports import Exports
from bot.history import History
from bot.jobs import Job, JobView
from bot.recipes import command_of, facts_of
from bot.studio import Studio
from bot.web.views import clip_id, riff_json
from generation.request import Clip

_NAME = re.compile(r"(?P<job>[A-Za-z0-9]{22})(?:-(?P<number>\d{1,2}))?\Z")
_MADE = ("flac", "loop4", "soundboard")
_DOWNLOADS = (
    ("mp3", "MP3", "plays everywhere"),
    ("wav", "WAV", "for your editor"),
    ("flac", "FLAC", "the same, smaller"),
    ("loop4", "Loop ×4", "four times, MP3"),
    ("png", "Picture", "the spectrogram"),
)
_WAYS = {
    "remix": "Remixed from",
    "extend": "Extended from",
    "variation": "A variation of",
    "blend": "A blend from one prompt to another",
    "mix": "A mix of several prompts",
}
_PENDING = ("queued", "running")
_REFRESH = '<meta http-equiv="refresh" content="4">'


class ClipPage:
    """Handlers of these routes."""

    def __init__(
        self, studio: Studio, history: History, exports: Exports, static: Path, public_url: str = ""
    ) -> None:
        """`static` holds `clip.html`; `public_url` is where others reach this server, if set."""
        self._studio = studio
        self._history = history
        self._exports = exports
        self._template = Template((static / "clip.html").read_text("utf-8"))
        self._public_url = public_url.rstrip("/")

    def routes(self) -> list[web.RouteDef]:
        """Every route of this part."""
        return [
            web.get("/clip/{name}", self.page),
            web.get("/clip/{name}/{kind}", self.download),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The page; it says so where the clip is not ready, no longer kept, or was taken away."""
        match = _NAME.match(request.match_info["name"])
        try:
            view = await self._studio.view(match["job"] if match else "")
        except NotFoundRefusal:
            return self._answer(404, "No clip here", "There is no clip at this address.")
        job, index = view.job, int(match["number"] or 1) - 1 if match else 0
        if job.hidden:
            return self._answer(
                410, "Taken away", "This clip was removed, and cannot be heard here any more."
            )
        clip = next((clip for clip in job.clips if clip.index == index), None)
        if clip is None:
            return self._without_clip(view)
        kept = await self._exports.is_kept(clip)
        parent = await self._history.parent(job)
        return self._show(view, clip, parent, kept=kept)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Another file of the clip, under a readable name."""
        match = _NAME.match(request.match_info["name"])
        kind = request.match_info["kind"]
        if match is None or kind not in _MADE:
            raise NotFoundRefusal("There is no such file.")
        job = (await self._studio.view(match["job"])).job
        index = int(match["number"] or 1) - 1
        clip = next((clip for clip in job.clips if clip.index == index), None)
        if clip is None:
            raise NotFoundRefusal("There is no such clip.")
        export = await self._exports.make(job, clip, kind)
        headers = {
            "Content-Type": export.media_type,
            "Content-Disposition": attachment(export.name),
            "Cache-Control": "private, max-age=31536000, immutable",
        }
        return web.FileResponse(export.path, headers=headers)

    def _without_clip(self, view: JobView) -> web.Response:
        if view.job.state in _PENDING:
            text = "This one is still being made; the page looks again by itself."
            return self._answer(200, view.job.request.prompt, text, head=_REFRESH)
        sentence = view.job.error or "This riff came to nothing."
        return self._answer(404, view.job.request.prompt, sentence)

    def _show(self, view: JobView, clip: Clip, parent: Job | None, *, kept: bool) -> web.Response:
        job = view.job
        name = clip_id(job.id, clip.index)
        data = riff_json(view, None)
        data.pop("requester")
        trouble = (
            ""
            if kept
            else (
                "Its files are no longer kept. The recipe below makes it again, with the same seed."
            )
        )
        return self._answer(
            200,
            job.request.prompt,
            trouble,
            head=self._meta(job, name, kept=kept),
            parts={
                "avoid": _paragraph("avoid", f"without {job.request.negative}")
                if job.request.negative
                else "",
                "origin": _origin(job, parent),
                "decks": _decks(data, clip.index, name) if kept else "",
                "downloads": _downloads(name) if kept else "",
                "facts": "".join(
                    f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>"
                    for key, value in facts_of(job, clip)
                ),
                "command": _command(job),
            },
        )

    def _meta(self, job: Job, name: str, *, kept: bool) -> str:
        """What other sites show of a link to this page."""
        if not self._public_url:
            return ""
        properties = {
            "og:type": "music.song",
            "og:site_name": "Riffbot",
            "og:title": job.request.prompt,
            "og:description": "A loop made by a machine from these words.",
            "og:url": f"{self._public_url}/clip/{name}",
        }
        if kept:
            properties["og:image"] = f"{self._public_url}/clips/{name}.png"
            properties["og:audio"] = f"{self._public_url}/clips/{name}.mp3"
        return "".join(
            f'<meta property="{key}" content="{escape(value)}">'
            for key, value in properties.items()
        )

    def _answer(
        self,
        status: int,
        title: str,
        trouble: str = "",
        *,
        head: str = "",
        parts: dict[str, str] | None = None,
    ) -> web.Response:
        """The page with these parts, which are HTML; title and trouble are text."""
        empty = dict.fromkeys(("avoid", "origin", "decks", "downloads", "facts", "command"), "")
        text = self._template.substitute(
            {
                **empty,
                **(parts or {}),
                "title": escape(title),
                "long": str(len(title) > 60).lower(),
                "trouble": _paragraph("trouble", trouble) if trouble else "",
                "head": head,
            }
        )
        return web.Response(
            status=status,
            text=text,
            content_type="text/html",
            headers={"Cache-Control": "no-cache", "X-Robots-Tag": "noindex"},
        )


def attachment(name: str) -> str:
    """A Content-Disposition value for a file name in any script (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _paragraph(kind: str, text: str) -> str:
    return f'<p class="{kind}">{escape(text)}</p>'


def _origin(job: Job, parent: Job | None) -> str:
    """Where it came from: a link, where the earlier clip is known and may be seen."""
    way = _WAYS.get(job.request.kind)
    if way is None:
        return ""
    if job.request.kind in ("blend", "mix"):
        return _paragraph("origin", way)
    if parent is not None:
        link = f'<a href="/clip/{parent.id}">{escape(parent.request.prompt)}</a>'
        return f'<p class="origin">{way} {link}</p>'
    other = "the same words" if job.request.kind == "variation" else "an earlier sound"
    return _paragraph("origin", f"{way} {other}")


def _decks(data: dict[str, Any], index: int, name: str) -> str:
    """What the script needs to build the player; without scripts, the browser's own."""
    return (
        f'<div id="decks" data-index="{index}" data-riff="{escape(json.dumps(data))}"></div>'
        f'<noscript><audio controls loop src="/clips/{name}.mp3"></audio>'
        f'<img src="/clips/{name}.png" alt="Spectrogram"></noscript>'
    )


def _downloads(name: str) -> str:
    links = []
    for kind, title, hint in _DOWNLOADS:
        made = kind in _MADE
        href = f"/clip/{name}/{kind}" if made else f"/clips/{name}.{kind}?download=1"
        links.append(f'<li><a href="{href}" download><b>{title}</b><span>{hint}</span></a></li>')
    return f'<ul class="files" aria-label="Download">{"".join(links)}</ul>'


def _command(job: Job) -> str:
    command = command_of(job.request)
    if command is None:
        return ""
    return (
        '<p class="command"><code id="command">'
        f"{escape(command)}</code>"
        '<button type="button" id="copy" class="quiet" hidden>Copy</button></p>'
    )
