"""Building on riffs with a mouse or a finger: buttons, uploads, the options panel, the preview."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from bot.ask import Ask
from bot.grammar import parse_ask, parse_blend, read_command
from generation.request import Length, Point
from tests.web.chat import DRAWN_SECONDS, Chat, wait_until
from tests.web.conftest import OpenChat
from tests.web.test_page_access import accessible, look

QUICK = "--steps 2"

# Drops a file of this many bytes onto the page, as a file manager does.
DROP = """
([name, type, size]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(size).fill(120)], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
    if (kind === "dragenter") window.veiled = !document.querySelector("#drop").hidden;
  }
  return window.veiled;
}
"""


@pytest.fixture
def chat(open_chat: OpenChat) -> Iterator[Chat]:
    yield open_chat()


def test_a_clip_is_built_on_with_buttons(chat: Chat) -> None:
    card = chat.ask("jazz piano", QUICK)
    chat.wait_for_loop(card)
    expect(card.locator(".origin")).to_be_hidden()

    posted = press(chat, card, "Variation")
    assert (posted["kind"], posted["prompt"]) == ("variation", "jazz piano")
    near = chat.page.locator(f'[data-riff="{posted["id"]}"]')
    expect(near.locator(".origin")).to_have_text("variation of jazz piano")
    near.get_by_role("button", name="Cancel").click()

    remix = card.get_by_role("button", name="Remix…")
    remix.click()
    form = card.get_by_role("form", name="Remix jazz piano")
    prompt = form.get_by_label("What should it become?")
    expect(prompt).to_be_focused()
    assert accessible(chat.page)[0] == []
    prompt.press("Escape")
    expect(form).to_have_count(0)
    expect(remix).to_be_focused()
    remix.press("Enter")
    prompt.fill("choir")
    form.get_by_role("slider", name="Strength").fill("45")
    expect(form.locator("output")).to_have_text("45 %")
    with chat.page.expect_response("**/remix") as answer:
        prompt.press("Enter")
    riff = answer.value.json()
    assert (riff["kind"], riff["prompt"], riff["strength"]) == ("remix", "choir", 0.45)
    expect(form).to_have_count(0)
    choir = chat.card("choir")
    expect(choir.locator(".origin")).to_have_text("remix of jazz piano")
    choir.get_by_role("button", name="jazz piano", exact=True).click()
    expect(card.first).to_be_in_viewport()
    expect(card.first.get_by_role("button", name="Pause jazz piano")).to_be_focused()
    expect(choir).to_contain_text("strength45 %")
    choir.get_by_role("button", name="Cancel").click()
    chat.page.reload()
    expect(chat.card("choir").locator(".origin")).to_have_text("remix of jazz piano")


def press(chat: Chat, card: Locator, name: str) -> dict[str, Any]:
    with chat.page.expect_response(f"**/{name.lower()}") as answer:
        card.get_by_role("button", name=name).click()
    return dict(answer.value.json())


def test_a_file_is_dropped_and_remixed(chat: Chat) -> None:
    page = chat.page
    attached = page.get_by_role("group", name="Attached file")
    for name, kind, size, words in (
        ("symphony.wav", "audio/wav", 26 * 2**20, "26 MiB, and 25 is the most"),
        ("empty.mp3", "audio/mpeg", 0, "empty"),
        ("letter.txt", "text/plain", 9, "sounds and pictures"),
        ("torn.png", "image/png", 9, "cannot be read as a picture"),
    ):
        assert page.evaluate(DROP, [name, kind, size])
        expect(chat.refusal).to_contain_text(words)
        expect(attached).to_be_hidden()
        expect(page.locator("#drop")).to_be_hidden()

    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach a sound or picture").click()
    chooser.value.set_files(sound("whistle.wav"))
    expect(attached).to_contain_text("remix of whistle.wav")
    expect(attached).to_have_attribute("aria-busy", "false")
    look(page)
    attached.get_by_role("slider", name="Strength").fill("50")
    with page.expect_response("**/api/riffs") as answer:
        chat.say("church bells --steps 2")
    riff = answer.value.json()
    assert (riff["kind"], riff["strength"], riff["steps"]) == ("remix", 0.5, 2)
    card = chat.card("church bells")
    expect(card.locator(".origin")).to_have_text("remix of whistle.wav")
    chat.wait_for_loop(card)

    attached.get_by_role("button", name="Take the file off").click()
    expect(attached).to_be_hidden()
    expect(chat.box).to_be_focused()
    # Only the worker can tell that this is no sound; it says so in the riff.
    assert page.evaluate(DROP, ["noise.mp3", "audio/mpeg", 4000])
    expect(attached).to_have_attribute("aria-busy", "false")
    chat.say("never heard")
    broken = chat.card("never heard")
    expect(broken).to_have_attribute("data-state", "failed", timeout=DRAWN_SECONDS * 1000)
    expect(broken.locator(".note")).not_to_be_empty()
    expect(broken.get_by_role("button", name="Try again")).to_be_visible()


def sound(name: str) -> FilePayload:
    """Two seconds of a triangle wave."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", ""))
        samples = (abs(n % 100 - 50) * 400 - 10_000 for n in range(2 * 44100))
        file.writeframes(b"".join(n.to_bytes(2, "little", signed=True) for n in samples))
    return {"name": name, "mimeType": "audio/wav", "buffer": buffer.getvalue()}


def test_options_need_no_syntax_and_a_blend_has_steps(chat: Chat) -> None:
    page = chat.page
    more = page.get_by_role("button", name="More options")
    more.click()
    panel = page.get_by_role("group", name="Options", exact=True)
    expect(panel.get_by_label("Tempo")).to_be_focused()
    assert accessible(page)[0] == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 320, "height": 720})
    look(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1280, "height": 720})
    look(page)
    fields: tuple[tuple[Literal["spinbutton", "textbox"], str, str], ...] = (
        ("spinbutton", "Tempo", "90"),
        ("spinbutton", "Length", "4"),
        ("spinbutton", "Steps", "1"),
        ("spinbutton", "Guidance", "3"),
        ("textbox", "Without", 'the "vocals"'),
        ("textbox", "Blend into", "techno"),
    )
    for role, label, value in fields:
        panel.get_by_role(role, name=label).fill(value)
    panel.get_by_label("Unit of length").select_option("beats")
    panel.get_by_label("Tempo").press("Escape")
    expect(panel).to_be_hidden()
    expect(more).to_be_focused()
    page.get_by_role("button", name="Remove guidance 3").click()
    assert page.locator(".chip").all_inner_texts() == [
        "90 bpm", "4 beats", "1 step", "without the \"vocals\"", "into techno",
    ]  # fmt: skip
    look(page)
    chat.say("rain")
    card = chat.card("rain → techno")
    preview_comes(card)
    expect(card).to_contain_text("without the 'vocals'")
    expect(card).to_contain_text("tempo90 bpm")
    five_loops_one_player(chat, card)
    page.get_by_role("button", name="Remove into techno").click()
    page.get_by_role("button", name="Remove 90 bpm").click()
    # Typed commands that take no options stay what they are.
    with page.expect_response("**/api/chat") as answer:
        chat.say("!riffhelp")
    assert "reply" in answer.value.json()


def preview_comes(card: Locator) -> None:
    look_of_it = card.locator(".look").first
    expect(look_of_it).to_be_attached(timeout=DRAWN_SECONDS * 1000)
    assert look_of_it.evaluate("(canvas) => canvas.height") == 64


def five_loops_one_player(chat: Chat, card: Locator) -> None:
    steps = card.get_by_role("group", name="Clips").get_by_role("button")
    expect(steps).to_have_count(5, timeout=DRAWN_SECONDS * 1000)
    assert steps.all_inner_texts() == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    first, fourth = (card.locator("[data-clip]").nth(n) for n in (0, 3))
    expect(first).to_be_visible()
    wait_until(first, "deck.dataset.playing === 'true'")
    expect(fourth).to_be_hidden()
    steps.nth(3).click()
    expect(fourth).to_be_visible()
    expect(first).to_be_hidden()
    wait_until(fourth, "deck.dataset.playing === 'true' && deck.dataset.samples === '117600'")
    expect(card.locator(".place")).to_have_text("25 % rain, 75 % techno")
    link = card.get_by_role("link", name="Download MP3")
    assert (link.get_attribute("href") or "").endswith("-4.mp3?download=1")
    look(chat.page)


def test_what_was_only_said_can_become_a_riff(chat: Chat) -> None:
    chat.say("slow harp")
    offer = chat.page.get_by_role("button", name="Make it a riff")
    expect(offer).to_be_visible()  # the answer to the first line is there: the next is the second's
    with chat.page.expect_response("**/api/chat") as answer:
        offer.click()
    riff = answer.value.json()["riff"]
    card = chat.card("slow harp")
    waits_with_a_reason(chat.page, riff)
    expect(card).to_have_attribute("data-own", "true")
    card.get_by_role("button", name="Cancel").click()
    the_panel_writes_commands_that_are_understood(chat.page)


def the_panel_writes_commands_that_are_understood(page: Page) -> None:
    options = [["bpm", "90"], ["length", "4 bars"], ["negative", 'a "b" c']]
    said = page.evaluate(
        """async ([options, lines]) => {
          const { completed } = await import("/static/js/commands.js");
          return lines.map(([line, more]) => completed(line, [...options, ...more]));
        }""",
        [
            options,
            [
                ["rain --seed 7", []],
                ["!riff rain", [["to", "techno"]]],
                ["rain \u2014seed 7 --cfg=3", [["to", "techno"]]],
                ["!again", []],
            ],
        ],
    )
    wanted: dict[str, Any] = {"bpm": 90, "length": Length(4, "bars"), "negative": "a 'b' c"}
    plain, blend, typed = (read_command(line) for line in said[:3])
    assert plain and blend and typed
    assert parse_ask(plain.rest) == Ask("rain", seed=7, **wanted)
    ends = Point("rain"), Point("techno")
    title = "rain \u2192 techno"
    assert parse_blend(blend.rest) == Ask(title, kind="blend", points=ends, clips=5, **wanted)
    assert parse_blend(typed.rest) == Ask(
        title, kind="blend", points=ends, clips=5, seed=7, guidance_scale=3, **wanted
    )
    assert said[3] == "!again"


def waits_with_a_reason(page: Page, riff: dict[str, Any]) -> None:
    """A riff in a longer queue, and with the studio down, as the socket would tell it."""
    waiting = riff | {
        "state": "queued",
        "position": 3,
        "progress": None,
        "expected_seconds": 42.0,
        "reason": "2 people ahead, one from another server",
    }
    down = waiting | {"notice": "The studio is down; your riff is safe."}
    said = page.evaluate(
        """async (stages) => {
          const { Card } = await import("/static/js/card.js");
          const card = new Card(stages[0], { isOwner: () => false });
          return stages.map((riff) => {
            card.update(riff);
            const lines = [...card.element.querySelectorAll(".stage, .reason, .notice")];
            return lines.filter((line) => !line.hidden).map((line) => line.textContent);
          });
        }""",
        [waiting, down, waiting | {"state": "running", "expected_seconds": None}],
    )
    assert said == [
        ["3rd in lineabout 42 s", "2 people ahead, one from another server"],
        ["3rd in line", "The studio is down; your riff is safe."],
        ["Setting up"],
    ]
