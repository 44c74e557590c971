"""A page of another origin in the same browser must not be able to drive the local chat."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.web.app import App

# Tries one way in and says what came of it: "read …" is a success for the attacker.
ATTEMPT = """
async ([base, path, init]) => {
  try {
    const answer = await fetch(base + path, init);
    return answer.type === "opaque" ? "sent blindly" : "read " + (await answer.text());
  } catch {
    return "blocked";
  }
}
"""

EAVESDROP = """
(address) => new Promise((resolve) => {
  const socket = new WebSocket(address);
  socket.onopen = () => socket.send(JSON.stringify({ session: "", room: true }));
  socket.onmessage = ({ data }) => resolve("heard " + data);
  socket.onclose = () => resolve("closed");
})
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """An origin that is not ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

        def log_message(self, *arguments: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browsing(browser: Browser, app: App) -> Iterator[BrowserContext]:
    """A browser in which the local chat is open, too."""
    context = browser.new_context()
    context.new_page().goto(app.url)
    yield context
    context.close()


@pytest.fixture
def stranger(browsing: BrowserContext, elsewhere: str) -> Iterator[Page]:
    """A tab of that browser on the other origin."""
    page = browsing.new_page()
    page.goto(elsewhere)
    yield page
    page.close()


@pytest.mark.parametrize("path", ["/api/chat", "/api/riffs", "/api/session", "/api/owner"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_another_origin_cannot_post(
    stranger: Page, app: App, path: str, kind: str, mode: str
) -> None:
    before = riffs(app)
    body = json.dumps({"text": "!riff stolen", "prompt": "stolen", "token": "x"})
    init = {"method": "POST", "mode": mode, "headers": {"Content-Type": kind}, "body": body}
    said = stranger.evaluate(ATTEMPT, [app.url, path, init | {"credentials": "include"}])
    assert said in ("blocked", "sent blindly")
    assert riffs(app) == before


def test_another_origin_cannot_read(stranger: Page, app: App) -> None:
    for path in ("/api/room", "/api/session", "/", "/healthz"):
        init = {"credentials": "include"}
        assert stranger.evaluate(ATTEMPT, [app.url, path, init]) == "blocked"


def test_another_origin_cannot_submit_a_form(stranger: Page, app: App) -> None:
    before = riffs(app)
    stranger.set_content(
        f"""<iframe name="hidden"></iframe>
        <form method="post" action="{app.url}/api/chat" target="hidden" enctype="text/plain">
        <input name='{{"text": "!riff stolen", "x": "' value='"}}'></form>"""
    )
    with stranger.expect_response(f"{app.url}/api/chat") as answer:
        stranger.evaluate("document.forms[0].submit()")
    assert answer.value.status in (400, 401, 403, 415)
    assert riffs(app) == before


def test_another_origin_cannot_listen(stranger: Page, app: App) -> None:
    address = app.url.replace("http", "ws", 1) + "/api/socket"
    assert stranger.evaluate(EAVESDROP, address) == "closed"


def test_another_origin_cannot_frame_it(stranger: Page, app: App) -> None:
    """A page drawn over an invisible frame could lead clicks into it."""
    stranger.set_content(f'<iframe src="{app.url}/"></iframe>')
    frame = stranger.frame_locator("iframe")
    stranger.wait_for_load_state("load")
    assert frame.locator("#composer").count() == 0


def riffs(app: App) -> list[str]:
    """Ids of all riffs in the room, asked for as a script on this machine would."""
    with urllib.request.urlopen(f"{app.url}/api/room", timeout=10) as answer:
        return [riff["id"] for riff in json.load(answer)["riffs"]]
