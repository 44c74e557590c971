"""The page by keyboard, by screen reader, at any width and in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.web.chat import Chat, position, wait_until
from tests.web.conftest import OpenChat

TOUCH = 44
CONTROLS = {"button", "link", "textbox", "slider", "switch", "checkbox", "progressbar", "combobox"}

# Every piece of visible text whose contrast with what is behind it is below WCAG AA.
FAINT = """
() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const read = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const behind = (element) => {
    if (!element) return read(getComputedStyle(document.documentElement).backgroundColor);
    const own = read(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => {
      const s = c / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!texts.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true }))
      continue;
    if (element.closest(".unseen, script, noscript, template")) continue;
    const back = behind(element);
    const [a, b] = [light(over(read(style.color), back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) faint.push([texts.currentNode.data, ratio]);
  }
  return faint;
}
"""

# Everything that can be pressed and is smaller than a finger.
SMALL = """
(least) => [...document.querySelectorAll("button, a, input, textarea, [role=slider]")]
  .filter((element) => element.checkVisibility() && !element.matches(".skip"))
  .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
  .filter(([, box]) => box.width < least - 0.01 || box.height < least - 0.01)
  .map(([html, box]) => [html, box.width, box.height])
"""

# How the focused element shows that it has the focus: its own outline, or its box's ring.
SHOWN_FOCUS = """
() => {
  const focused = document.activeElement;
  const shows = (element) => element && getComputedStyle(element).outlineStyle !== "none";
  if (shows(focused) || shows(focused.nextElementSibling)) return true;
  const form = focused.closest("form");
  return Boolean(form) && getComputedStyle(form).boxShadow.includes("0px 0px 0px 1px");
}
"""


@pytest.fixture
def chat(open_chat: OpenChat) -> Iterator[Chat]:
    yield open_chat()


def test_everything_works_by_keyboard(chat: Chat) -> None:
    page = chat.page
    expect(chat.box).to_be_focused()
    page.keyboard.type("!riff acoustic folk guitar --steps 3")
    page.keyboard.press("Enter")
    deck = chat.wait_for_loop(chat.card("acoustic folk guitar"))
    wait_until(deck, "deck.dataset.playing === 'true'")

    slider = deck.get_by_role("slider", name="Position in acoustic folk guitar")
    press_until_focused(page, "Shift+Tab", slider)
    page.keyboard.press("Space")
    wait_until(deck, "deck.dataset.playing === 'false'")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert abs(position(deck) - 1) < 0.01
    expect(slider).to_have_attribute("aria-valuetext", "1.0 of 5.1 seconds")
    # From the start one step back is the end: it is a loop.
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert abs(position(deck) - 4.87) < 0.01

    press_until_focused(page, "Shift+Tab", deck.get_by_role("button"))
    page.keyboard.press("Enter")
    wait_until(deck, "deck.dataset.playing === 'true'")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    wait_until(deck, "deck.dataset.playing === 'false'")


def press_until_focused(page: Page, key: str, target: Locator) -> None:
    """Walk with the keyboard; on the way nothing may hold the focus invisibly."""
    for _ in range(30):
        page.keyboard.press(key)
        assert page.evaluate(SHOWN_FOCUS), page.evaluate("document.activeElement.outerHTML")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{key} never came to {target}")


def test_a_screen_reader_finds_its_way(chat: Chat) -> None:
    card = chat.ask("harp and rain", "--steps 2")
    nameless, roles = accessible(chat.page)
    assert nameless == []
    chat.wait_for_loop(card)
    nameless, later = accessible(chat.page)
    assert nameless == []
    assert {"slider", "switch", "textbox", "link", "button"} <= roles | later
    assert {"banner", "main", "form"} <= later
    expect(chat.page.get_by_role("heading", level=1)).to_have_count(1)
    expect(chat.page.locator("html")).to_have_attribute("lang", "en")
    said = chat.page.locator("#polite")
    expect(said).to_contain_text("harp and rain, is ready")


def accessible(page: Page) -> tuple[list[str], set[str]]:
    """Controls without a name, and all roles, as Chromium tells them to a screen reader."""
    session = page.context.new_cdp_session(page)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in nodes if not node.get("ignored")]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]
    return [role for role, name in roles if role in CONTROLS and not name.strip()], {
        role for role, _ in roles
    }


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_is_readable_and_pressable(open_chat: OpenChat, theme: str, width: int) -> None:
    chat = open_chat(color_scheme=theme, viewport={"width": width, "height": 640})
    look(chat.page)
    chat.say("hello")
    card = chat.ask(f"{theme} drums on {width} pixels " + "verylongword" * 9, "--steps 2")
    look(chat.page)
    chat.wait_for_loop(card)
    chat.say("!riff")
    expect(chat.refusal).not_to_be_empty()
    if width == 320:
        chat.page.get_by_role("button", name="Sound settings").click()
    expect(chat.page.get_by_role("slider", name="Volume")).to_be_visible()
    look(chat.page)


def look(page: Page) -> None:
    assert page.evaluate(FAINT) == []
    assert page.evaluate(SMALL, TOUCH) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_reduced_motion_leaves_only_the_playhead(open_chat: OpenChat) -> None:
    chat = open_chat(reduced_motion="reduce")
    deck = chat.wait_for_loop(chat.ask("still waters", "--steps 2"))
    wait_until(deck, "deck.dataset.playing === 'true' && Number(deck.dataset.position) > 0.7")
    assert deck.locator(".disc-art").evaluate("(disc) => disc.style.transform") == ""
    assert chat.page.evaluate("document.getAnimations().length") == 0
    head = deck.locator(".playhead").evaluate("(head) => head.style.transform")
    assert head not in ("", "translateX(0px)")
