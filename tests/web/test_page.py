"""The local chat in a real browser against the real program: from a message to a loop."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, expect

from tests.web.chat import Chat, position, wait_until
from tests.web.conftest import OpenChat

SAMPLES = 225_792

# Decodes a clip's files outside the page's player and measures them; peak and RMS are linear.
MEASURE = """
async ([mp3, wav, png]) => {
  const context = new OfflineAudioContext(1, 1, 44100);
  const decode = async (url) =>
    context.decodeAudioData(await (await fetch(url)).arrayBuffer());
  const [sound, original] = [await decode(mp3), await decode(wav)];
  const picture = await createImageBitmap(await (await fetch(png)).blob());
  const x = sound.getChannelData(0);
  const steps = x.slice(1).map((value, i) => Math.abs(value - x[i])).sort();
  return {
    samples: [sound.length, original.length],
    peak: x.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    rms: Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length),
    seam: Math.abs(x[0] - x[x.length - 1]) / steps[Math.floor(0.95 * steps.length)],
    picture: [picture.width, picture.height],
  };
}
"""


def test_a_message_becomes_a_loop_that_plays(open_chat: OpenChat) -> None:
    chat = open_chat()
    card = chat.ask("lo-fi beat", "--seed 7")
    progress = card.get_by_role("progressbar")
    expect(progress).to_have_attribute("aria-valuetext", re.compile(r"in line|^\d+%, \w+"))
    deck = chat.wait_for_loop(card)

    wait_until(deck, "deck.dataset.playing === 'true' && deck.dataset.samples")
    assert deck.get_attribute("data-samples") == str(SAMPLES)
    assert deck.get_attribute("data-source") == "mp3"
    wait_until(deck, "Number(deck.dataset.level) > -50")
    expect(card).to_contain_text("seed7")
    expect(card).to_contain_text("loop5.12 s")
    expect(card).to_contain_text("made in")
    expect(chat.page).to_have_title("▶ lo-fi beat · Riffbot")

    before = playhead(deck)
    wait_until(deck, f"Number(deck.dataset.position) > {position(deck) + 0.5}")
    assert playhead(deck) > before
    # It comes round: the position falls back to the start while the sound goes on.
    wait_until(deck, "Number(deck.dataset.position) > 4.2")
    wait_until(deck, "Number(deck.dataset.position) < 1.5")
    wait_until(deck, "Number(deck.dataset.level) > -50 && deck.dataset.playing === 'true'")
    check_files(chat.page.evaluate(MEASURE, [link(card, kind) for kind in ("MP3", "WAV", "PNG")]))
    check_download(chat, card)


def check_files(sound: dict[str, Any]) -> None:
    assert sound["samples"] == [SAMPLES, SAMPLES]
    assert sound["picture"] == [512, 512]
    assert 0.1 < sound["peak"] <= 1.05
    assert 0.01 < sound["rms"] < 0.5
    # Where the end meets the start the sound steps no further than it does elsewhere.
    assert sound["seam"] < 4


def check_download(chat: Chat, card: Locator) -> None:
    with chat.page.expect_download() as download:
        card.get_by_role("link", name="Download WAV").click()
    assert download.value.suggested_filename == "lo-fi-beat-7.wav"


def playhead(deck: Locator) -> float:
    box = deck.locator(".playhead").bounding_box()
    assert box is not None
    return float(box["x"])


def link(card: Locator, kind: str) -> str:
    href = card.get_by_role("link", name=f"Download {kind}").get_attribute("href")
    assert href is not None
    return href.removesuffix("?download=1")
