"""The file that streamers save for OBS: the stage, whichever was started first."""

from __future__ import annotations

import io
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.web.conftest import BROWSERS, FLAGS, chromium
from tests.web.show import Show, open_show

SOON = 60_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that plays without asking, as OBS does."""
    with chromium("--autoplay-policy=no-user-gesture-required") as running:
        yield running


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    with open_show(tmp_path) as running:
        running.says("mod", "!live start")
        running.says("ann", "!vote techno synth")
        yield running


@pytest.fixture
def file(show: Show, tmp_path: Path) -> Path:
    """As a browser saves it."""
    with urllib.request.urlopen(f"{show.url}/obs.html?layout=corner&corner=top-left") as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        data = answer.read()
    path = tmp_path / "a folder" / "riffbot-stage.html"
    path.parent.mkdir()
    path.write_bytes(data)
    return path


def source(browser: Browser) -> Page:
    """A browser source, as OBS makes them."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.add_init_script("window.obsstudio = {}")
    return page


def expect_stage(page: Page) -> None:
    expect(page.locator("iframe.here")).to_be_attached(timeout=SOON)
    stage = page.frame_locator("iframe")
    expect(stage.locator("#parts .prompt").first).to_contain_text("techno synth", timeout=SOON)


def alpha_of(page: Page) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    shot = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
    return np.asarray(shot.convert("RGBA"))[..., 3]


def test_opened_before_the_server_ran_it_shows_the_stage_once_it_does(
    browser: Browser, show: Show, file: Path
) -> None:
    show.close_web()
    page = source(browser)
    page.goto(file.as_uri())
    # It tried, and what the browser says about that is not to be seen.
    page.wait_for_function("() => document.querySelector('iframe')")
    assert alpha_of(page).max() == 0
    show.open_web()
    expect_stage(page)
    alpha = alpha_of(page)
    assert alpha[400:, 700:].max() == 0
    assert alpha[60:120, 60:300].max() > 150

    # The server goes: the music goes on, in the same page.
    stage = page.frames[1]
    stage.wait_for_function("() => riffbotStage.report.joins?.length > 0", timeout=SOON)
    stage.evaluate("window.same = true")
    show.close_web()
    stage.wait_for_function("() => riffbotStage.report.standing === 'lost'", timeout=SOON)
    show.open_web()
    stage.wait_for_function("() => riffbotStage.report.standing === 'up'", timeout=SOON)
    assert stage.evaluate("window.same") is True

    # Refreshed in OBS while the server is away, it waits again.
    show.close_web()
    page.reload()
    assert alpha_of(page).max() == 0
    show.open_web()
    expect_stage(page)
    page.close()


@pytest.fixture
def unasked(browser: Browser) -> Iterator[Browser]:
    """A browser in which sites reach this computer without asking, as in those that OBS carries."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    flags = [*FLAGS, "--disable-features=LocalNetworkAccessChecks"]
    running = browser.browser_type.launch(executable_path=path, args=flags)
    yield running
    running.close()


def test_it_works_from_the_made_up_host_of_newer_versions_of_obs(
    unasked: Browser, show: Show, file: Path
) -> None:
    page = source(unasked)
    html = file.read_text("utf-8")
    page.route(
        "http://absolute/**", lambda route: route.fulfill(body=html, content_type="text/html")
    )
    page.goto("http://absolute/home/ann/riffbot-stage.html")
    expect_stage(page)
    page.close()


def refusals(page: Page) -> list[str]:
    """What the browser complains of."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    return said


def test_files_may_frame_no_other_page(browser: Browser, show: Show, tmp_path: Path) -> None:
    page = browser.new_page()
    said = refusals(page)
    path = tmp_path / "frame.html"
    path.write_text(f'<iframe src="{show.web.url}"></iframe>', "utf-8")
    page.goto(path.as_uri())
    assert any("frame-ancestors" in text for text in said), said
    page.close()


def test_sites_may_not_frame_the_stage(unasked: Browser, show: Show) -> None:
    page = unasked.new_page()
    said = refusals(page)
    html = f'<iframe src="{show.url}"></iframe>'
    page.route("http://site.test/", lambda to: to.fulfill(body=html, content_type="text/html"))
    page.goto("http://site.test/")
    assert any("frame-ancestors" in text for text in said), said
    page.close()
