"""A clip's own page: what it shows, and what it keeps to itself."""

from __future__ import annotations

import html
from dataclasses import replace

import pytest

from bot.ask import Ask
from bot.config import ConfigError, load_config
from bot.grammar import parse_ask, parse_blend, read_command
from bot.jobs import Address
from bot.recipes import command_of
from generation.request import Source
from tests.bot.conftest import SETTINGS, person
from tests.bot.web.site import Site

ANN = person("ann")
HOME = Address("local", {})


async def page(site: Site, path: str) -> tuple[int, str]:
    async with site.http.get(path) as response:
        assert response.content_type == "text/html"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        return response.status, html.unescape(await response.text())


async def made(site: Site, ask: Ask) -> str:
    view = await site.kit.studio.submit(ANN, ask, HOME)
    await site.render(site.kit.ledger)
    return view.job.id


async def test_it_has_player_recipe_and_downloads_but_no_name(site: Site) -> None:
    job_id = await made(site, Ask('lo-fi <b>"beat"</b>', seed=7, negative="vocals", bpm=90))
    async with site.http.get(f"/clip/{job_id}") as response:
        raw = await response.text()
    assert "<b>&quot;" not in raw and "&lt;b&gt;" in raw
    status, text = await page(site, f"/clip/{job_id}")
    assert status == 200
    assert '!riff lo-fi <b>"beat"</b> --seed 7 --negative "vocals" --bpm 90' in text
    assert f"/clips/{job_id}.mp3?download=1" in text and f"/clip/{job_id}/flac" in text
    assert "90 bpm" in text
    assert "Ann" not in text


async def test_it_says_why_there_is_nothing_to_hear(site: Site) -> None:
    for path in ("/clip/nothing", f"/clip/{'x' * 22}"):
        assert (await page(site, path))[0] == 404
    view = await site.kit.studio.submit(ANN, Ask("rain", seed=7), HOME)
    status, text = await page(site, f"/clip/{view.job.id}")
    assert status == 200 and "still being made" in text
    await site.render(site.kit.ledger)
    for file in (site.clips / view.job.id[:2]).iterdir():
        file.unlink()
    status, text = await page(site, f"/clip/{view.job.id}")
    assert status == 200 and "no longer kept" in text
    assert "!riff rain --seed 7" in text and 'id="decks"' not in text
    async with site.http.get(f"/clip/{view.job.id}/flac") as response:
        assert response.status == 404


async def test_a_clip_that_was_taken_away_shows_none_of_it(site: Site) -> None:
    job_id = await made(site, Ask("something rude", seed=7))
    await site.kit.database.write(
        lambda tx: tx.execute("UPDATE jobs SET hidden = 'message' WHERE id = ?", (job_id,))
    )
    status, text = await page(site, f"/clip/{job_id}")
    assert status == 410 and "rude" not in text


async def test_a_remix_names_what_it_came_from(site: Site) -> None:
    parent = await made(site, Ask("rain", seed=7))
    sha256 = "ab" * 32
    await site.kit.database.write(
        lambda tx: tx.execute("INSERT INTO clip_files VALUES (?, ?)", (f"ab/{sha256}.png", parent))
    )
    ask = Ask("jazz", seed=8, kind="remix", sources=(Source("init", sha256),))
    child = await made(site, ask)
    text = (await page(site, f"/clip/{child}"))[1]
    assert f'Remixed from <a href="/clip/{parent}">rain</a>' in text
    elsewhere = await site.kit.studio.submit(replace(ANN, community="other"), ask, HOME)
    await site.render(site.kit.ledger)
    text = (await page(site, f"/clip/{elsewhere.job.id}"))[1]
    assert "Remixed from an earlier sound" in text and parent not in text


@pytest.mark.parametrize(
    "line",
    [
        "!riff lo-fi beat --seed 7",
        '!riff rain --seed 7 --negative "vocals" --steps 9 --bpm 90 --length 4bars --loop no',
        "!blend rain -> techno --seed 7 --clips 3",
        "!blend rain:2 + techno:1 --seed 7 --sampler euler",
    ],
)
def test_the_command_of_a_request_gives_that_request(line: str) -> None:
    command = read_command(line)
    assert command is not None
    parse = parse_blend if command.name == "blend" else parse_ask
    request = parse(command.rest).to_request(SETTINGS)
    assert command_of(request) == line


@pytest.mark.parametrize("url", ["riffs.example.org", "ftp://x", "https://a/b", "https://u:p@a"])
def test_an_unusable_public_address_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.public_url"):
        load_config(overrides={"web.public_url": url})
    config = load_config(overrides={"web.public_url": "https://a.example:8443/"})
    assert config.web.public_url == "https://a.example:8443"
