"""The stage in a real Chromium: what it shows, in which sizes, and what it says when it cannot."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.web.conftest import FLAGS, chromium
from tests.web.show import Show, open_show

SIZES = ((1280, 720), (1920, 1080))
SMALLEST_TEXT = 15.9
MOST_FLICKER = 0.05


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that plays without asking, as OBS does."""
    with chromium("--autoplay-policy=no-user-gesture-required") as running:
        yield running


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """A session that a few people steer."""
    with open_show(tmp_path_factory.mktemp("show")) as running:
        running.says("mod", "!live start")
        for user, prompt in (
            ("ann", "lo-fi beat with rain on the window"),
            ("bea", "lo-fi beat with rain on the window"),
            ("cem", "techno synth"),
        ):
            running.says(user, f"!vote {prompt}")
        yield running


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors and breaches of the content security policy; none may be left."""
    heard: list[str] = []
    yield heard
    assert heard == []


def visit(browser: Browser, url: str, complaints: list[str], size: tuple[int, int]) -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def listen(message: ConsoleMessage) -> None:
        if "Content Security" in message.text or "Uncaught" in message.text:
            complaints.append(message.text)

    page.on("console", listen)
    page.goto(url)
    return page


def wait_for_music(page: Page) -> None:
    expect(page.locator("#parts .prompt").first).to_contain_text("lo-fi beat", timeout=40_000)


PAINTED = """(id) => {
  const { width, height } = document.getElementById(id);
  const pen = document.getElementById(id).getContext("2d");
  const { data } = pen.getImageData(0, 0, width, height);
  let seen = 0;
  for (let i = 3; i < data.length; i += 4) seen += data[i] > 20;
  return (4 * seen) / data.length;
}"""
"""The share of a canvas that is not transparent."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["wide", "bar", "corner"])
def test_it_fits_and_can_be_read(
    browser: Browser, show: Show, complaints: list[str], layout: str, size: tuple[int, int]
) -> None:
    page = visit(browser, f"{show.url}?layout={layout}&sound=off", complaints, size)
    wait_for_music(page)
    expect(page.locator("#parts .by").first).to_contain_text("Bea")
    # Everything that is written is large enough, and within the picture.
    small = page.evaluate(
        """([least, width, height]) => [...document.querySelectorAll("#stage *")]
          .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3))
          .filter((one) => one.checkVisibility() && one.textContent.trim())
          .map((one) => [one.className || one.id || one.tagName, one.getBoundingClientRect(),
                         parseFloat(getComputedStyle(one).fontSize)])
          .filter(([, box, px]) => px < least || box.right > width || box.bottom > height ||
                                   box.left < 0 || box.top < 0)
          .map(([name, box, px]) => `${name} ${px} ${JSON.stringify(box)}`)""",
        [SMALLEST_TEXT, *size],
    )
    assert small == []
    # And something is drawn: neither canvas is empty.
    for name in ("roll", "shape"):
        page.wait_for_function(f"({PAINTED})('{name}') > 0.02")
    if folder := os.environ.get("RIFFBOT_SHOTS"):
        page.screenshot(path=Path(folder) / f"stage-{layout}-{size[0]}.png")
    page.close()


def test_in_obs_what_lies_behind_shows_through(
    browser: Browser, show: Show, complaints: list[str]
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.add_init_script("window.obsstudio = {}")
    page.goto(f"{show.url}?layout=corner&corner=top-left&sound=off")
    wait_for_music(page)
    shot = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
    alpha = np.asarray(shot.convert("RGBA"))[..., 3]
    assert alpha[400:, 700:].max() == 0
    assert alpha[60:120, 60:300].max() > 150
    assert complaints == []
    page.close()


@pytest.mark.parametrize("motion", ["full", "reduced"])
def test_it_never_flashes(browser: Browser, show: Show, complaints: list[str], motion: str) -> None:
    url = f"{show.url}?sound=off&motion={motion}"
    page = visit(browser, url, complaints, (1280, 720))
    wait_for_music(page)
    levels = []
    for _ in range(12):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("L").resize((32, 18))
        levels.append(np.asarray(shot, dtype=float) / 255)
    # General flashes are changes of a tenth over a quarter of the picture (WCAG 2.3.1); this
    # stays below half of that over any tenth of it.
    changes = np.abs(np.diff(np.array(levels), axis=0))
    # A flash is a pair of opposing changes: the picture that appears at last is none.
    assert (np.quantile(changes, 0.9, axis=(1, 2)) >= MOST_FLICKER).sum() <= 1
    page.close()


def test_where_the_browser_wants_a_click_there_is_one_button(
    browser: Browser, show: Show, complaints: list[str]
) -> None:
    careful = browser.browser_type.launch(
        executable_path="/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None,
        args=[*FLAGS, "--autoplay-policy=document-user-activation-required"],
    )
    page = visit(careful, show.url, complaints, (1280, 720))
    button = page.get_by_role("button", name="Play the sound")
    expect(button).to_be_visible()
    wait_for_music(page)
    button.click()
    expect(button).to_be_hidden()
    page.wait_for_function("() => riffbotStage.report.joins.length > 0")
    careful.close()


def test_a_wrong_or_revoked_key_is_told_kindly(
    browser: Browser, show: Show, complaints: list[str]
) -> None:
    page = visit(browser, f"{show.web.url}stage/wrong", complaints, (1280, 720))
    expect(page.locator("#word")).to_contain_text("another address")
    page.goto(show.url)
    wait_for_music(page)
    show.renew_key()
    expect(page.locator("#word")).to_contain_text("another address")
    expect(page.locator("#stage")).to_be_hidden()
    page.close()


def test_it_goes_on_when_the_server_comes_back(
    browser: Browser, show: Show, complaints: list[str]
) -> None:
    page = visit(browser, show.url, complaints, (1280, 720))
    page.wait_for_function("() => riffbotStage.report.joins?.length > 0", timeout=40_000)
    page.evaluate("window.same = true")
    # A file that the page reads later than it first looked which ones the server has.
    page.evaluate("fetch('/static/css/tokens.css')")
    show.restart_web()
    page.wait_for_function("() => riffbotStage.report.standing === 'lost'")
    page.wait_for_function("() => riffbotStage.report.standing === 'up'")
    # The music never stopped, and the same files need no reload.
    heard = page.evaluate("riffbotStage.report.joins?.length ?? 0")
    page.wait_for_function(
        f"() => window.same === undefined || riffbotStage.report.joins?.length > {heard}",
        timeout=40_000,
    )
    assert page.evaluate("window.same") is True
    assert page.evaluate("riffbotStage.report.sounding") >= 1
    show.upgrade()
    page.wait_for_function("() => window.same === undefined", timeout=40_000)
    wait_for_music(page)
    page.close()


def test_between_sessions_it_waits(browser: Browser, show: Show, complaints: list[str]) -> None:
    page = visit(browser, f"{show.url}?sound=off", complaints, (1280, 720))
    wait_for_music(page)
    show.says("mod", "!live stop")
    expect(page.locator("#word")).to_contain_text("No live session is on")
    page.goto(f"{show.url}?sound=off&hide=idle")
    expect(page.locator("body")).to_have_attribute("data-standing", "up")
    expect(page.locator("#word")).to_be_hidden()
    show.says("mod", "!live start")
    expect(page.locator("#parts .prompt").first).to_contain_text("Waiting", timeout=20_000)
    page.close()
