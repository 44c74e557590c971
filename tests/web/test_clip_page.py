"""A clip's own page in a real browser: it plays without a seam, fits, and can be downloaded."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.web.chat import wait_until
from tests.web.conftest import OpenChat


@pytest.mark.parametrize(("width", "scheme"), [(1200, "dark"), (360, "light")])
def test_whoever_has_the_address_can_hear_it(
    open_chat: OpenChat, width: int, scheme: Literal["dark", "light"]
) -> None:
    chat = open_chat()
    prompt = f"lo-fi beat {scheme}"
    card = chat.ask(prompt, f"--seed {width} --bpm 90 --negative vocals")
    clip = chat.wait_for_loop(card).get_attribute("data-clip")
    page = chat.page.context.browser.new_context(  # type: ignore[union-attr]
        viewport={"width": width, "height": 900}, color_scheme=scheme
    ).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{chat.page.url.rstrip('/')}/clip/{clip}")
    expect(page.get_by_role("heading", name=prompt)).to_be_visible()
    page.get_by_role("button", name="Play").click()
    deck = page.locator("[data-clip]")
    expect(deck).to_have_attribute("data-playing", "true", timeout=20_000)
    # Exactly the clip's own samples, so that the last meets the first; and it is heard.
    wait_until(deck, "Number(deck.dataset.samples) > 200000 && Number(deck.dataset.level) > -50")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("RIFFBOT_SHOTS"):
        page.screenshot(path=Path(folder) / f"clip-{width}-{scheme}.png", full_page=True)
    with page.expect_download(timeout=60_000) as started:
        page.get_by_role("link", name="Loop ×4").click()
    assert started.value.suggested_filename == f"lo-fi-beat-{scheme}-{width}-x4.mp3"
    assert complaints == []
    page.context.close()


def test_one_saves_what_is_kept_about_oneself(open_chat: OpenChat) -> None:
    chat = open_chat()
    chat.say("!privacy export")
    with chat.page.expect_download() as started:
        chat.page.get_by_role("link", name="Save riffbot-export.zip").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        assert json.loads(archive.read("riffbot-export.json"))["platform"] == "local"
