from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bot.store.database import DiskFullError
from bot.web.building import MAX_UPLOAD
from generation.request import GenerationRequest
from tests.bot.web.site import Site

PNG = b"\x89PNG and so on"


async def made(site: Site, **ask: Any) -> dict[str, Any]:
    """A riff whose clip is there."""
    _, riff = await site.post("/api/riffs", {"prompt": "jazz", "seed": 7, **ask})
    await site.render(site.kit.ledger)
    return dict(riff)


async def request_of(site: Site, riff: dict[str, Any]) -> GenerationRequest:
    return (await site.kit.studio.view(riff["id"])).job.request


async def upload(site: Site, data: bytes, kind: str = "image/png") -> tuple[int, Any]:
    headers = {"Content-Type": kind}
    async with site.http.post("/api/sources", data=data, headers=headers) as response:
        return response.status, await response.json()


async def test_an_upload_can_be_remixed(site: Site) -> None:
    status, answer = await upload(site, PNG)
    assert (status, answer["source"]) == (201, hashlib.sha256(PNG).hexdigest())
    assert site.sources.path(answer["source"]).read_bytes() == PNG
    status, riff = await site.post(
        "/api/riffs", {"prompt": "choir", "source": answer["source"], "strength": 0.6}
    )
    assert status == 202
    request = await request_of(site, riff)
    assert (request.kind, request.strength) == ("remix", 0.6)
    assert request.sources[0].sha256 == answer["source"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_form_cannot_upload(site: Site, kind: str) -> None:
    status, answer = await upload(site, PNG, kind)
    assert (status, "JSON" in answer["error"]) == (400, True)


async def test_uploads_have_limits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    status, answer = await upload(site, b"")
    assert (status, answer["error"]) == (400, "That file is empty.")
    status, answer = await upload(site, b"x" * (MAX_UPLOAD + 1), "audio/wav")
    assert status == 400
    assert "25 MiB" in answer["error"]

    async def full(data: bytes) -> str:
        raise DiskFullError("no room")

    monkeypatch.setattr(site.sources, "put", full)
    status, answer = await upload(site, PNG)
    assert (status, answer["error"].startswith("The studio is out of disk space")) == (429, True)


async def test_a_clip_is_made_again_varied_extended_and_remixed(site: Site) -> None:
    riff = await made(site, bpm=90)
    for how, options, kind in (
        ("again", {}, "text"),
        ("variation", {"distance": 0.2}, "variation"),
        ("extend", {"length": "8bars"}, "extend"),
        ("remix", {"prompt": "choir", "strength": 0.5}, "remix"),
    ):
        status, answer = await site.post(f"/api/riffs/{riff['id']}/{how}", options)
        assert status == 202, answer
        site.kit.clock.time += 600
        request = await request_of(site, answer)
        assert (request.kind, request.bpm) == (kind, 90)
        for source in request.sources:
            body = site.sources.path(source.sha256).read_bytes()
            assert body == (b"wav" if how == "extend" else b"png") * 100
    assert (await request_of(site, answer)).prompt == "choir"


async def test_chat_means_ones_own_latest_clip(site: Site) -> None:
    status, answer = await site.post("/api/chat", {"text": "!again"})
    assert (status, "start with !riff" in answer["error"]) == (404, True)
    _, session = await site.post("/api/session", {})
    mine = {"X-Riffbot-Session": session["session"]}
    await site.post("/api/chat", {"text": "!riff rain"}, **mine)
    await site.render(site.kit.ledger)
    await made(site, prompt="somebody else's jazz")
    status, answer = await site.post("/api/chat", {"text": "!remix choir"}, **mine)
    assert (status, answer["riff"]["prompt"]) == (202, "choir")
    status, answer = await site.post("/api/chat", {"text": "!again"}, **mine)
    assert answer["riff"]["prompt"] == "rain"


async def test_chat_blends(site: Site) -> None:
    status, answer = await site.post("/api/chat", {"text": "!blend rain -> techno --clips 3"})
    assert (status, answer["riff"]["prompt"]) == (202, "rain \u2192 techno")
    request = await request_of(site, answer["riff"])
    assert (request.kind, request.clips) == ("blend", 3)


@pytest.mark.parametrize(
    ("how", "data", "status", "words"),
    [
        ("again", {"clip": 2}, 404, "no clip"),
        ("again", {"clip": 0}, 400, "number of a clip"),
        ("again", {"clip": True}, 400, "number of a clip"),
        ("delete", {}, 400, "again, variation, extend, remix"),
        ("variation", {"distance": 7}, 400, "between 0 and 1"),
        ("extend", {"prompt": "x"}, 400, "prompt"),
    ],
)
async def test_what_cannot_follow_gets_a_sentence(
    site: Site, how: str, data: Any, status: int, words: str
) -> None:
    riff = await made(site)
    found, answer = await site.post(f"/api/riffs/{riff['id']}/{how}", data)
    assert found == status
    assert words in answer["error"]


async def test_a_clip_whose_files_are_gone_says_so(site: Site) -> None:
    riff = await made(site)
    for path in site.clips.glob("*/*.wav"):
        path.unlink()
    status, answer = await site.post(f"/api/riffs/{riff['id']}/extend", {})
    assert (status, "no longer kept" in answer["error"]) == (404, True)
    status, _ = await site.post(f"/api/riffs/{riff['id']}/again", {})
    assert status == 202


async def test_a_riff_that_waits_has_no_clip_to_follow(site: Site) -> None:
    _, riff = await site.post("/api/riffs", {"prompt": "jazz"})
    status, answer = await site.post(f"/api/riffs/{riff['id']}/remix", {"prompt": "x"})
    assert (status, "wait until it is ready" in answer["error"]) == (404, True)
