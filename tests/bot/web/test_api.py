from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.events import JobChanged
from bot.web.identity import Identity
from tests.bot.web.site import Site
from tests.waiting import soon


async def test_a_script_makes_a_riff_and_reads_it(site: Site) -> None:
    status, riff = await site.post("/api/riffs", {"prompt": "jazz", "seed": 7})
    assert (status, riff["state"], riff["position"], riff["seed"]) == (202, "queued", 1, 7)
    await site.render(site.kit.ledger)
    status, riff = await site.get(riff["links"]["self"])
    assert (status, riff["state"]) == (200, "rendered")
    for kind, mime in (("mp3", "audio/mpeg"), ("wav", "audio/wav"), ("png", "image/png")):
        async with site.http.get(riff["links"][kind]) as response:
            assert response.headers["Content-Type"] == mime
            assert await response.read() == kind.encode() * 100


async def test_a_download_has_a_readable_name(site: Site) -> None:
    _, riff = await site.post("/api/riffs", {"prompt": 'Caf\u00e9 "beat"/..', "seed": 7})
    await site.render(site.kit.ledger)
    async with site.http.get(f"/clips/{riff['id']}.mp3?download=1") as response:
        disposition = response.content_disposition
    assert disposition is not None
    assert disposition.filename == "caf\u00e9-beat-7.mp3"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"prompt": ""}, "Tell me"),
        ({"prompt": "x" * 501}, "501 characters"),
        ({"prompt": "x", "sede": 1}, '"seed"'),
        ([], "JSON object"),
    ],
)
async def test_bad_input_gets_400_and_a_sentence(site: Site, data: Any, words: str) -> None:
    status, answer = await site.post("/api/riffs", data)
    assert status == 400
    assert words in answer["error"]


async def test_what_is_not_json_gets_a_sentence(site: Site) -> None:
    headers = {"Content-Type": "application/json"}
    async with site.http.post("/api/riffs", data=b"{", headers=headers) as response:
        assert (response.status, (await response.json())["error"]) == (
            400,
            "What you sent is not valid JSON.",
        )
    async with site.http.post("/api/riffs", data=b"x" * 100_000, headers=headers) as response:
        assert response.status == 413
        assert "more than I can read" in (await response.json())["error"]


async def test_beyond_the_limit_is_429_with_the_time_to_wait(site: Site) -> None:
    for _ in range(5):
        assert (await site.post("/api/riffs", {"prompt": "x"}))[0] == 202
    async with site.http.post("/api/riffs", json={"prompt": "x"}) as response:
        answer = await response.json()
        assert (response.status, response.headers["Retry-After"]) == (429, "30")
    assert answer["retry_after"] == 30
    assert "30 seconds" in answer["error"]


async def test_sessions_are_separate_users(site: Site) -> None:
    _, ann = await site.post("/api/session", {})
    _, bob = await site.post("/api/session", {})
    assert ann["user"] != bob["user"]
    for _ in range(5):
        await site.post("/api/chat", {"text": "!riff x"}, **{"X-Riffbot-Session": ann["session"]})
    status, _ = await site.post(
        "/api/chat", {"text": "!riff x"}, **{"X-Riffbot-Session": ann["session"]}
    )
    assert status == 429
    status, answer = await site.post(
        "/api/chat", {"text": "!riff x"}, **{"X-Riffbot-Session": bob["session"]}
    )
    assert (status, answer["riff"]["requester"]) == (202, {"name": bob["name"], "you": True})
    _, room = await site.get("/api/room", **{"X-Riffbot-Session": bob["session"]})
    assert [riff["requester"]["you"] for riff in room["riffs"]] == [False] * 5 + [True]


async def test_a_forged_session_is_replaced_and_speaks_for_nobody(site: Site) -> None:
    _, ann = await site.post("/api/session", {})
    forged = ann["session"][:-1] + ("0" if ann["session"][-1] != "0" else "1")
    _, answer = await site.post("/api/session", {}, **{"X-Riffbot-Session": forged})
    assert answer["user"] != ann["user"]
    _, same = await site.post("/api/session", {}, **{"X-Riffbot-Session": ann["session"]})
    assert same == ann


async def test_help_and_small_talk_get_a_reply(site: Site) -> None:
    assert "--seed" in (await site.post("/api/chat", {"text": "!riffhelp"}))[1]["reply"]
    assert "!riff" in (await site.post("/api/chat", {"text": "hello"}))[1]["reply"]


async def test_only_its_requester_cancels_until_the_owner_signs_in(site: Site) -> None:
    _, ann = await site.post("/api/session", {})
    header = {"X-Riffbot-Session": ann["session"]}
    _, first = await site.post("/api/chat", {"text": "!riff x"}, **header)
    _, second = await site.post("/api/chat", {"text": "!riff y"}, **header)
    path = first["riff"]["links"]["self"]
    async with site.http.delete(path) as response:
        assert response.status == 403
    async with site.http.delete(path, headers=header) as response:
        assert response.status == 204
    assert (await site.post("/api/owner", {"token": "guess"}))[0] == 403
    token = site.web.owner_url.partition("#owner=")[2]
    assert (await site.post("/api/owner", {"token": token})) == (200, {"role": "owner"})
    assert (await site.post("/api/owner", {"token": token}))[0] == 403
    assert (await site.post("/api/session", {}))[1]["role"] == "owner"
    async with site.http.delete(second["riff"]["links"]["self"]) as response:
        assert response.status == 204


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
async def test_another_sites_page_cannot_ask(site: Site, headers: dict[str, str]) -> None:
    status, answer = await site.post("/api/riffs", {"prompt": "x"}, **headers)
    assert status == 403
    assert answer["error"].endswith(".")
    assert await site.kit.studio.recent("local", "chat") == []


async def test_another_sites_form_cannot_ask(site: Site) -> None:
    async with site.http.post("/api/riffs", data={"prompt": "x"}) as response:
        assert response.status == 400
    async with site.http.post("/api/riffs", data='{"prompt": "x"}') as response:
        assert response.status == 400


async def test_a_rebound_name_reads_nothing(site: Site) -> None:
    for path in ("/", "/api/room", "/healthz"):
        assert (await site.get(path, Host="evil.example:7433"))[0] == 403


async def test_another_sites_socket_is_refused(site: Site) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await site.http.ws_connect("/api/socket", origin="http://evil.example")
    assert caught.value.status == 403


async def test_the_page_runs_nothing_but_our_own(site: Site) -> None:
    async with site.http.get("/") as response:
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script" in await response.text()


@pytest.mark.parametrize(
    "path",
    ["/nope", "/api/riffs/nobody", "/clips/..%2f..%2friffbot.sqlite3", f"/clips/{'a' * 22}.mp3"],
)
async def test_what_is_not_there_is_404_with_a_sentence(site: Site, path: str) -> None:
    status, answer = await site.get(path)
    assert status == 404
    assert answer["error"]


async def test_health_is_503_until_the_worker_is_ready(site: Site) -> None:
    assert await site.get("/healthz") == (503, {"state": "starting", "detail": "Loading."})


async def test_a_socket_hears_of_the_room_and_of_what_it_watches(site: Site) -> None:
    _, ann = await site.post("/api/session", {})
    async with (
        site.http.ws_connect("/api/socket") as room,
        site.http.ws_connect("/api/socket") as script,
    ):
        await room.send_json({"session": ann["session"], "room": True})
        await script.send_str("nonsense")
        await script.send_json({"watch": []})
        for socket in (room, script):
            assert (await soon(socket.receive_json()))["studio"]["state"] == "starting"
        _, riff = await site.post("/api/riffs", {"prompt": "x"})
        await script.send_json({"watch": [riff["id"]]})
        assert (await soon(room.receive_json()))["riff"]["id"] == riff["id"]
        await site.render(site.kit.ledger)
        # The scheduler publishes this; here the test is the scheduler.
        site.kit.events.publish(JobChanged(riff["id"]))
        for socket in (room, script):
            while (await soon(socket.receive_json()))["riff"]["state"] != "rendered":
                pass


async def test_watching_a_riff_shows_it_as_it_is(site: Site) -> None:
    _, riff = await site.post("/api/riffs", {"prompt": "x"})
    await site.render(site.kit.ledger)
    async with site.http.ws_connect("/api/socket") as script:
        await script.send_json({"watch": [riff["id"], "nobody"]})
        told = [await soon(script.receive_json()) for _ in range(2)]
        assert [message["riff"]["state"] for message in told if "riff" in message] == ["rendered"]


async def test_closing_says_goodbye_to_sockets(site: Site) -> None:
    async with site.http.ws_connect("/api/socket") as socket:
        await socket.send_json({"watch": []})
        await soon(socket.receive_json())
        await site.web.stop()
        message = await soon(socket.receive())
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


def test_the_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    first = Identity.load(tmp_path / "secret")
    session = first.new_session()
    assert Identity.load(tmp_path / "secret").user_of(session) is not None
    if os.name == "posix":
        assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
