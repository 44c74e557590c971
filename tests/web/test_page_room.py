"""Several tabs are several users in one room, and the room is a chat one can trust."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, expect

from tests.web.app import App
from tests.web.chat import Chat, wait_for_state, wait_until
from tests.web.conftest import OpenChat

LONGEST = 500


def test_two_tabs_are_two_users_who_see_each_other(open_chat: OpenChat) -> None:
    first, second = open_chat(), open_chat()
    assert first.name != second.name
    # A visible switch keeps riffs from starting by themselves.
    second.page.get_by_role("switch", name="Play my riffs when ready").uncheck(force=True)

    first.ask("church bells on sunday", "--steps 4")
    second.ask("jazz piano melody", "--steps 4")
    for chat, other in ((first, second), (second, first)):
        for prompt, owner in (("church bells on sunday", first), ("jazz piano melody", second)):
            card = chat.card(prompt)
            expect(card).to_contain_text(owner.name)
            expect(card).to_have_attribute("data-own", "true" if owner is chat else "false")
        assert other.name != chat.name
    for chat in (first, second):
        for prompt in ("church bells on sunday", "jazz piano melody"):
            chat.wait_for_loop(chat.card(prompt))

    wait_until(deck(first, "church bells on sunday"), "deck.dataset.playing === 'true'")
    expect(deck(second, "jazz piano melody")).to_have_attribute("data-playing", "false")
    expect(deck(first, "jazz piano melody")).to_have_attribute("data-playing", "false")
    one_plays_at_a_time(first)
    a_reload_keeps_the_room_and_the_user(first)


def deck(chat: Chat, prompt: str) -> Locator:
    return chat.card(prompt).locator("[data-clip]")


def one_plays_at_a_time(chat: Chat) -> None:
    chat.card("jazz piano melody").get_by_role("button", name="Play jazz piano melody").click()
    wait_until(deck(chat, "jazz piano melody"), "deck.dataset.playing === 'true'")
    expect(deck(chat, "church bells on sunday")).to_have_attribute("data-playing", "false")
    deck(chat, "church bells on sunday").get_by_role("slider").click(position={"x": 100, "y": 20})
    expect(deck(chat, "jazz piano melody")).to_have_attribute("data-playing", "true")
    moved = float(deck(chat, "church bells on sunday").get_attribute("data-position") or 0)
    assert 0.2 < moved < 4


def a_reload_keeps_the_room_and_the_user(chat: Chat) -> None:
    name = chat.name
    chat.page.reload()
    chat.wait_until_ready()
    assert chat.name == name
    expect(chat.card("church bells on sunday")).to_have_attribute("data-own", "true")
    expect(chat.card("jazz piano melody")).to_have_attribute("data-own", "false")


def test_a_duplicated_tab_is_somebody_else(open_chat: OpenChat) -> None:
    chat = open_chat()
    name, session = chat.name, chat.page.evaluate("sessionStorage['riffbot.session']")
    with chat.page.expect_popup() as opened:
        chat.page.evaluate("void window.open('/')")
    twin = Chat(opened.value)
    twin.wait_until_ready()
    wait_until(twin.page.locator("html"), f"sessionStorage['riffbot.session'] !== '{session}'")
    expect(twin.page.locator("#my-name")).not_to_have_text(name)
    twin.page.close()
    chat.page.reload()
    chat.wait_until_ready()
    assert chat.name == name


def test_what_cannot_be_taken_gets_a_sentence_and_keeps_its_text(open_chat: OpenChat) -> None:
    chat = open_chat()
    chat.say("!riff")
    expect(chat.refusal).to_contain_text("Tell me what it should sound like")
    expect(chat.box).to_have_value("!riff")

    long = "a" * (LONGEST + 1)
    count = chat.page.locator("#count")
    chat.box.fill("!riff " + long[:400])
    expect(count).to_be_empty()
    chat.box.fill(f"!riff {long} --seed 7")
    expect(count).to_have_text("501 / 500")
    chat.box.press("Enter")
    expect(chat.refusal).to_contain_text("501 characters")
    expect(chat.box).to_have_value(f"!riff {long} --seed 7")
    # An alert is read out when it appears.
    expect(chat.page.get_by_role("alert").filter(has_text="501 characters")).to_be_visible()

    chat.say("hello there")
    expect(chat.page.locator(".reply").last).to_contain_text("hello there")
    expect(chat.refusal).to_be_empty()
    chat.page.get_by_role("button", name="Show help").click()
    expect(chat.page.locator(".reply").last).to_contain_text("--seed")
    chat.box.press("ArrowUp")
    expect(chat.box).to_have_value("!riffhelp")
    chat.box.press("ArrowUp")
    expect(chat.box).to_have_value("hello there")
    chat.box.press("ArrowDown")
    chat.box.press("ArrowDown")
    expect(chat.box).to_have_value("")


def test_a_riff_beyond_the_limit_is_told_when_to_come_back(open_chat: OpenChat, app: App) -> None:
    chat = open_chat()
    # Each is as much work as two and a half riffs of twelve steps; five such are allowed at once.
    cards = [chat.ask(f"limit {count}", "--steps 30") for count in range(2)]
    expect(cards[-1]).to_contain_text("in line")
    chat.say("!riff limit 2")
    expect(chat.refusal).not_to_be_empty()
    expect(chat.page.locator("#refusal-clock")).to_have_text(re.compile(r"again in \d+ s"))
    expect(chat.box).to_have_value("!riff limit 2")
    expect(chat.card("limit 2")).to_have_count(0)

    cards[0].get_by_role("button", name="Cancel").click()
    wait_for_state(cards[0], "cancelled")
    expect(cards[0]).to_contain_text("Cancelled")
    stranger = open_chat()
    expect(stranger.card("limit 1").get_by_role("button", name="Cancel")).to_have_count(0)
    owner_may_cancel(stranger, app)


def owner_may_cancel(chat: Chat, app: App) -> None:
    chat.page.goto(app.owner_link())
    expect(chat.page.locator("#owner-badge")).to_be_visible()
    assert "#" not in chat.page.url
    chat.card("limit 1").get_by_role("button", name="Cancel").click()
    wait_for_state(chat.card("limit 1"), "cancelled")


def test_a_reader_of_old_riffs_is_not_dragged_to_new_ones(open_chat: OpenChat) -> None:
    reader = open_chat(viewport={"width": 390, "height": 420})
    for _ in range(12):
        reader.say("hello")
        expect(reader.box).to_have_value("")
    expect(reader.page.locator(".reply")).to_have_count(12)
    reader.page.evaluate("scrollTo(0, 0)")
    pill = reader.page.get_by_role("button", name="1 new riff")
    writer = open_chat()
    card = writer.ask("rain on a tin roof")
    expect(pill).to_be_visible()
    assert reader.page.evaluate("scrollY") < 40
    pill.click()
    expect(pill).to_be_hidden()
    expect(reader.card("rain on a tin roof")).to_be_in_viewport()
    expect(reader.box).to_be_focused()
    card.get_by_role("button", name="Cancel").click()
    wait_for_state(reader.card("rain on a tin roof"), "cancelled")


def test_an_empty_room_says_how_to_begin(browser: Browser, tmp_path: Path) -> None:
    fresh = App(tmp_path)
    fresh.start()
    try:
        page = browser.new_page()
        page.goto(fresh.url)
        expect(page.get_by_role("heading", name="Get a loop")).to_be_visible()
        Chat(page).ask("rain", "--steps 1")
        expect(page.get_by_role("heading", name="Get a loop")).not_to_be_visible()
        page.close()
    finally:
        fresh.stop()
