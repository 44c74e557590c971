"""Who may have a file converted. What comes of it is looked at where people ask for it."""

from __future__ import annotations

import asyncio

import pytest

from bot import conversion
from bot.conversion import Conversions
from bot.errors import BadInputRefusal, BusyRefusal, ForbiddenRefusal
from bot.moderation.scopes import scope_for
from tests.bot.conftest import Kit, moderated
from tests.bot.moderation.conftest import ADMIN, MEMBER, MODERATOR, somebody


async def test_what_may_not_be_asked_for_is_not_converted(kit: Kit) -> None:
    moderation = await moderated(kit)
    conversions = Conversions(moderation.rules)

    async def convert(name: str = "a.png") -> bytes:
        return await conversions.convert(MEMBER, "picture-to-sound", b"no picture", name)

    with pytest.raises(BadInputRefusal, match="picture"):
        await convert()
    here = scope_for(ADMIN, "community")
    await moderation.rules.settings.set(ADMIN, here, "blocked-words", "zonk")
    with pytest.raises(ForbiddenRefusal):
        await convert("z.o.n.k.png")
    await moderation.control.panic(MODERATOR)
    with pytest.raises(BusyRefusal, match="stopped"):
        await convert()
    await moderation.control.resume(MODERATOR)
    await moderation.people.block(MODERATOR, MEMBER)
    with pytest.raises(ForbiddenRefusal):
        await convert()


async def test_one_at_a_time_of_each_person(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    moderation = await moderated(kit)
    conversions = Conversions(moderation.rules)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> bytes:
        begun.set()
        await go_on.wait()
        return b"done"

    monkeypatch.setattr(conversion, "_convert", slow)
    first = asyncio.create_task(conversions.convert(MEMBER, "sound-to-picture", b"", "a.mp3"))
    await begun.wait()
    with pytest.raises(BusyRefusal, match="one at a time"):
        await conversions.convert(MEMBER, "sound-to-picture", b"", "b.mp3")
    others = [
        asyncio.create_task(
            conversions.convert(somebody(user=f"u{n}"), "sound-to-picture", b"", "c.mp3")
        )
        for n in range(8)
    ]
    await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    go_on.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert results.count(b"done") == 8
    assert [type(r) for r in results if r != b"done"] == [BusyRefusal]
    assert await conversions.convert(MEMBER, "sound-to-picture", b"", "a.mp3") == b"done"
