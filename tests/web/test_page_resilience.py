"""What the page does when something beneath it breaks: the riff still arrives."""

from __future__ import annotations

import os
import signal

from playwright.sync_api import expect

from tests.web.app import App
from tests.web.chat import wait_for_state, wait_until
from tests.web.conftest import OpenChat


def test_a_riff_arrives_though_its_worker_was_killed(open_chat: OpenChat, app: App) -> None:
    chat = open_chat()
    worker = int(app.health()["worker_pid"])
    card = chat.ask("techno synth", "--steps 30")
    expect(card).to_contain_text("Drawing · step", timeout=60_000)
    os.kill(worker, signal.SIGKILL)

    deck = chat.wait_for_loop(card)
    wait_until(deck, "deck.dataset.playing === 'true' && deck.dataset.samples === '225792'")
    assert app.health()["worker_pid"] != worker


def test_the_page_heals_after_the_program_was_restarted(open_chat: OpenChat, app: App) -> None:
    chat = open_chat()
    card = chat.ask("slow strings", "--steps 2")
    chat.wait_for_loop(card)
    chat.box.fill("!riff soft organ --steps 2")
    app.stop()
    studio = chat.page.locator("#studio")
    expect(studio).to_have_attribute("data-state", "reconnecting")
    chat.box.press("Enter")
    expect(chat.refusal).to_contain_text("cannot reach")
    expect(chat.box).to_have_value("!riff soft organ --steps 2")

    app.start()
    chat.wait_until_ready()
    expect(chat.page.locator(".riff").filter(has_text="slow strings")).to_have_count(1)
    chat.box.press("Enter")
    again = chat.card("soft organ")
    wait_for_state(again, "rendered", "delivered")
    expect(again).to_have_attribute("data-own", "true")
