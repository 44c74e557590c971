"""A running Riffbot and a real Chromium to look at it with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.web.app import App
from tests.web.chat import Chat

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OpenChat = Callable[..., Chat]


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The program with its default settings, ready for riffs."""
    running = App(tmp_path_factory.mktemp("riffbot"))
    running.start()
    yield running
    running.stop()


@contextmanager
def chromium(*more_flags: str) -> Iterator[Browser]:
    """A Chromium, if there is one."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        if "CI" in os.environ:
            pytest.fail("The page tests need Chromium or Chrome on the PATH.")
        pytest.skip("There is no Chromium or Chrome on the PATH.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more_flags])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium per module: its event loop must not outlive a module, or asynchronous tests of
    the next would find it running."""
    with chromium() as running:
        yield running


@pytest.fixture
def open_chat(app: App, browser: Browser) -> Iterator[OpenChat]:
    """Opens the page for a user of their own; keyword arguments are those of a browser context.

    At the end no tab may have seen an uncaught error or a breach of the content security policy.
    """
    chats: list[Chat] = []

    def open_one(path: str = "/", **context: Any) -> Chat:
        page = browser.new_context(**context).new_page()
        chat = Chat(page)
        chats.append(chat)
        page.goto(app.url + path)
        chat.wait_until_ready()
        return chat

    yield open_one
    complaints = [complaint for chat in chats for complaint in chat.complaints]
    for chat in chats:
        chat.page.context.close()
    assert complaints == []
