"""Messages, files, limits and trouble over the loopback Discord's REST, by the real discord.py."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.discord import Attachment, Channel, DiscordPeer, Fault, User, limits, rate_limited
from tests.peers.discord.client import PlainClient, connected
from tests.peers.discord.commands import check_commands
from tests.peers.discord.components import message_components, modal

POSTS = r"/channels/\d+/messages"
EDITS = r"/channels/\d+/messages/\d+"


@pytest.fixture
async def client(peer: DiscordPeer, channel: Channel) -> AsyncIterator[PlainClient]:
    async with connected(peer, intents=discord.Intents(guilds=True)) as client:
        yield client


@pytest.fixture
def place(client: PlainClient, channel: Channel) -> discord.PartialMessageable:
    return client.get_partial_messageable(channel.id, guild_id=channel.guild_id)


def sound(size: int = 10, name: str = "a loop.mp3") -> discord.File:
    return discord.File(io.BytesIO(b"x" * size), name, description="hum")


async def test_files_can_be_downloaded_again(
    peer: DiscordPeer, channel: Channel, place: discord.PartialMessageable
) -> None:
    sent = await place.send("here", file=sound())
    (attachment,) = sent.attachments
    assert (attachment.filename, attachment.size) == ("a_loop.mp3", 10)
    assert (attachment.content_type, attachment.description) == ("audio/mpeg", "hum")
    assert await attachment.read() == b"x" * 10
    found = await place.fetch_message(sent.id)
    assert await found.attachments[0].read() == b"x" * 10
    assert peer.cdn.downloads == ["a_loop.mp3"] * 2
    peer.cdn.gone.add(attachment.id)
    with pytest.raises(discord.NotFound):
        await attachment.read()
    assert peer.world.violations == []


async def test_an_edit_keeps_what_it_does_not_name(
    channel: Channel, place: discord.PartialMessageable
) -> None:
    sent = await place.send("here", files=[sound(1, "a.mp3"), sound(2, "b.png")])
    sent = await sent.edit(content="there")
    assert len(sent.attachments) == 2
    await sent.edit(attachments=[sent.attachments[1], sound(3, "c.wav")])
    message = channel.messages[sent.id]
    assert [a.filename for a in message.attachments] == ["b.png", "c.wav"]
    assert (message.content, message.edits[:1]) == ("there", ["here"])


async def test_files_that_are_too_large(
    peer: DiscordPeer, channel: Channel, place: discord.PartialMessageable
) -> None:
    channel.upload_limit = 100
    await place.send("two that fit", files=[sound(100), sound(100, "b.mp3")])
    for files in ([sound(101)], [sound(1), sound(101, "b.mp3")]):
        with pytest.raises(discord.HTTPException) as caught:
            await place.send("too large", files=files)
        assert (caught.value.status, caught.value.code) == (413, 40005)
    channel.request_limit = 150
    with pytest.raises(discord.HTTPException) as caught:
        await place.send("too much", files=[sound(100), sound(100, "b.mp3")])
    assert (caught.value.status, caught.value.code) == (413, 40005)
    assert peer.world.violations == []


async def test_texts_that_are_too_long_are_noted(
    peer: DiscordPeer, place: discord.PartialMessageable
) -> None:
    for wrong in (
        {"content": "x" * 2001},
        {"content": "x", "nonce": "x" * 26},
        {"embeds": [discord.Embed(title="x" * 257)]},
        {"embeds": [discord.Embed(description="x" * 3001)] * 2},
        {"file": discord.File(io.BytesIO(b"x"), "a.png", description="x" * 1025)},
    ):
        with pytest.raises(discord.HTTPException) as caught:
            await place.send(**wrong)
        assert caught.value.code == 50035
    assert len(peer.world.violations) == 5


async def test_pings_by_text_are_noted(
    peer: DiscordPeer, mia: User, channel: Channel, place: discord.PartialMessageable
) -> None:
    text = f"<@{mia.id}> and @everyone"
    named = discord.AllowedMentions(users=[discord.Object(mia.id)], everyone=False, roles=False)
    sent = await place.send(text, allowed_mentions=named)
    assert channel.messages[sent.id].pinged == {mia.id}
    sent = await place.send(text, allowed_mentions=discord.AllowedMentions.none())
    assert channel.messages[sent.id].pinged == set()
    assert peer.world.violations == []
    sent = await place.send(text)
    assert channel.messages[sent.id].pings_everyone
    (violation,) = peer.world.violations
    assert str(mia.id) in violation and "everyone" in violation


async def test_a_nonce_holds_for_some_minutes(
    peer: DiscordPeer, channel: Channel, place: discord.PartialMessageable
) -> None:
    first = await place.send("once", nonce="n")
    peer.world.advance(240)
    assert (await place.send("once", nonce="n")).id == first.id
    peer.world.advance(61)
    assert (await place.send("once", nonce="n")).id != first.id
    assert len(channel.messages) == 2


async def test_what_is_gone_is_unknown(
    peer: DiscordPeer, channel: Channel, place: discord.PartialMessageable
) -> None:
    sent = await place.send("here")
    peer.world.delete(channel.messages[sent.id])
    with pytest.raises(discord.NotFound) as caught:
        await sent.edit(content="there")
    assert caught.value.code == 10008
    with pytest.raises(discord.NotFound):
        await place.fetch_message(sent.id)


async def test_trouble_with_uploads(
    peer: DiscordPeer, channel: Channel, place: discord.PartialMessageable
) -> None:
    peer.rest.faults += [
        Fault("POST", POSTS, "cut", after=100_000),
        Fault("POST", POSTS, "lost"),
        Fault("POST", POSTS, status=503),
        Fault("POST", POSTS, status=413, body={"code": 40005, "message": "too large"}),
    ]
    for posted in (0, 1):
        with pytest.raises(aiohttp.ClientError):
            await place.send("here", file=sound(1_000_000))
        assert len(channel.messages) == posted
    with pytest.raises(discord.DiscordServerError):
        await place.send("here", file=sound())
    with pytest.raises(discord.HTTPException):
        await place.send("here", file=sound())
    await place.send("here", file=sound())
    assert len(channel.messages) == 2


async def test_rate_limits_are_told_and_kept(
    peer: DiscordPeer, channel: Channel, place: discord.PartialMessageable
) -> None:
    limit = peer.rest.limit("POST", POSTS, 3, 0.2)
    await asyncio.gather(*(place.send(f"{number}") for number in range(7)))
    assert len(channel.messages) == 7
    assert peer.world.violations == []
    peer.rest.limits.remove(limit)
    peer.rest.faults.append(rate_limited("POST", POSTS, 0.01))
    await place.send("after a while")
    assert len(channel.messages) == 8


async def test_who_ignores_a_rate_limit_is_noted(peer: DiscordPeer, channel: Channel) -> None:
    limit = peer.rest.limit("POST", POSTS, 2, 60.0)
    auth = {"Authorization": f"Bot {peer.world.token}"}
    url = f"{peer.api_url}/channels/{channel.id}/messages"
    async with aiohttp.ClientSession(headers=auth) as session:
        for left in (1, 0, -1):
            async with session.post(url, json={"content": "hello"}) as response:
                headers = response.headers
                if left >= 0:
                    assert (response.status, headers["X-RateLimit-Remaining"]) == (200, f"{left}")
                else:
                    assert (response.status, limit.refused) == (429, 1)
                    assert 59 < (await response.json())["retry_after"] <= 60
    assert len(peer.world.violations) == 1


async def test_what_is_no_json_is_noted(peer: DiscordPeer, channel: Channel) -> None:
    auth = {"Authorization": f"Bot {peer.world.token}"}
    url = f"{peer.api_url}/channels/{channel.id}/messages"
    form = {"content": "hello"}
    async with (
        aiohttp.ClientSession(headers=auth) as session,
        session.post(url, data=form) as response,
    ):
        assert response.status == 400
    assert "x-www-form-urlencoded" in peer.world.violations[0]
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401


BUTTON = {"type": 2, "style": 1, "label": "go", "custom_id": "go"}
OPTION = {"label": "x", "value": "x"}
MENU = {"type": 3, "custom_id": "menu", "options": [OPTION]}
INPUT = {"type": 4, "custom_id": "words", "style": 1}


def row(*inner: dict[str, object]) -> dict[str, object]:
    return {"type": 1, "components": list(inner)}


@pytest.mark.parametrize(
    ("components", "wrong"),
    [
        ([row(BUTTON)], 0),
        ([row(MENU)], 0),
        ([row(*({**BUTTON, "custom_id": f"{n}"} for n in range(6)))], 1),
        ([row({**BUTTON, "custom_id": f"{n}"}) for n in range(6)], 1),
        ([row(BUTTON, {**BUTTON, "label": "stop"})], 1),
        ([row({**BUTTON, "label": "x" * 81})], 1),
        ([row({**BUTTON, "label": ""})], 1),
        ([row({**BUTTON, "custom_id": "x" * 101})], 1),
        ([row({**BUTTON, "url": "https://a.example"})], 1),
        ([row({"type": 2, "style": 5, "label": "go", "url": "https://a.example"})], 0),
        ([row({"type": 2, "style": 5, "label": "go", "url": "x" * 513})], 1),
        ([row(MENU, BUTTON)], 1),
        ([row({**MENU, "options": []})], 2),
        ([row({**MENU, "options": [{**OPTION, "value": f"{n}"} for n in range(26)]})], 1),
        ([row({**MENU, "options": [OPTION, OPTION]})], 1),
        ([row({**MENU, "placeholder": "x" * 151})], 1),
        ([row({**MENU, "max_values": 2})], 1),
        ([BUTTON], 1),
        ([row(INPUT)], 2),
    ],
)
def test_component_limits(components: list[dict[str, object]], wrong: int) -> None:
    assert len(message_components(components, modern=False)) == wrong


LABEL = {"type": 18, "label": "Words", "component": INPUT}
MODAL = {"custom_id": "m", "title": "Edit", "components": [LABEL]}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, 0),
        ({"title": "x" * 46}, 1),
        ({"custom_id": ""}, 1),
        ({"components": []}, 1),
        ({"components": [{**LABEL, "label": "x" * 46}]}, 1),
        ({"components": [{**LABEL, "component": {**INPUT, "value": "x" * 4001}}]}, 1),
        ({"components": [{**LABEL, "component": {**INPUT, "max_length": 3, "value": "four"}}]}, 1),
        ({"components": [{**LABEL, "component": {**INPUT, "placeholder": "x" * 101}}]}, 1),
        ({"components": [{**LABEL, "component": MENU}]}, 0),
        ({"components": [{**LABEL, "component": BUTTON}]}, 1),
        ({"components": [row({**INPUT, "label": "Words"})]}, 0),
        ({"components": [row(INPUT)]}, 1),
        ({"components": [LABEL, LABEL]}, 1),
    ],
)
def test_modal_limits(change: dict[str, object], wrong: int) -> None:
    assert len(modal({**MODAL, **change})) == wrong


WORDS = {"name": "words", "description": "What to say", "type": 3}
COMMAND = {"name": "say", "description": "Say it", "type": 1, "options": [WORDS]}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, 0),
        ({"name": "Say"}, 1),
        ({"name": "say it"}, 1),
        ({"name": "s" * 33}, 1),
        ({"name": "dümmer-ψ"}, 0),
        ({"description": ""}, 1),
        ({"description": "x" * 101}, 1),
        ({"options": [WORDS, WORDS]}, 1),
        ({"options": [WORDS, {**WORDS, "name": "w", "required": True}]}, 1),
        ({"options": [{**WORDS, "name": f"w{n}"} for n in range(26)]}, 1),
        ({"options": [{**WORDS, "choices": [{"name": "x", "value": "x"}] * 26}]}, 1),
        ({"options": [{**WORDS, "choices": [{"name": "x" * 101, "value": "x"}]}]}, 1),
        ({"options": [{**WORDS, "choices": [{"name": "x", "value": "x"}], "autocomplete": 1}]}, 1),
        ({"options": [{**WORDS, "max_length": 6001}]}, 1),
        ({"options": [{**WORDS, "min_value": 1}]}, 1),
        ({"options": [{**WORDS, "type": 4, "min_value": 1.5}]}, 1),
        ({"type": 3, "name": "Say It", "description": "", "options": []}, 0),
        ({"type": 3}, 1),
    ],
)
def test_command_limits(change: dict[str, object], wrong: int) -> None:
    assert len(check_commands([{**COMMAND, **change}])) == wrong


def test_sets_of_commands_are_limited_too() -> None:
    assert len(check_commands([COMMAND, COMMAND])) == 1
    assert len(check_commands([{**COMMAND, "name": f"say{n}"} for n in range(101)])) == 1
    choices = [{"name": f"{n:0100}", "value": "x" * 100} for n in range(25)]
    much = [{**WORDS, "name": f"w{n}", "choices": choices} for n in range(2)]
    assert "characters in all" in check_commands([{**COMMAND, "options": much}])[0]


@given(st.text(max_size=2100), st.integers(0, 12), st.integers(0, 1100))
def test_a_message_within_its_limits_passes(text: str, files: int, alt: int) -> None:
    uploads = [Attachment(n, f"{n}.mp3", b"", "x" * alt) for n in range(files)]
    wrong = limits.message({"content": text}, uploads)
    fits = len(text) <= 2000 and files <= 10 and (alt <= 1024 or files == 0)
    assert (not wrong) == fits
