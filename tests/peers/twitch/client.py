"""The real twitchio, connected to the loopback Twitch, for tests of the peer itself.

Where twitchio 3 keeps its addresses, for whoever must point it elsewhere:

- `twitchio.http.Route.BASE` and `.ID_BASE`: class attributes, with a slash at the end, read when a
  `Route` is made. `OAuth`, `ManagedHTTPClient` and every model use `Route`, so setting the two is
  enough for Helix and sign-in (`get_authorization_url` too).
- `twitchio.eventsub.websockets.WSS`: a module constant, read by `Websocket.connect`, to which it
  adds "?keepalive_timeout_seconds=…". A `session_reconnect` brings a URL of its own.

All three are global to the process: set them once, when the adapter starts.

What twitchio 3.3 does that a bot must make up for, as tests with this peer show:

- On `session_reconnect`, `Websocket._process_reconnect` stops reading the old connection before it
  opens the new one, so whatever still comes over the old one is lost. Where
  the session keeps its id, as Twitch's seem to, it also drops the new socket from
  `Client._websockets`, so that the client neither closes it nor subscribes over it any more.
- The text of an HTTPException from id.twitch.tv shows the whole URL, with the client's secret and
  the refresh token; that of an InvalidTokenException shows the token.
- After a 503 it waits for 3 s and asks once more; 429 and other errors are simply raised.
- `revoke_token` raises although Twitch revoked the token, as the answer is empty.
- `send_message` counts characters after it joins white space, but sends the text as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import twitchio
from twitchio.eventsub import websockets
from twitchio.http import Route

from tests.peers.twitch.models import Token, User
from tests.peers.twitch.server import TwitchPeer


class PlainClient(twitchio.Client):
    """A client that keeps what it hears: (event, payload)."""

    def __init__(self, peer: TwitchPeer, bot: User, **options: Any) -> None:
        app = peer.world.app
        options = {"client_id": app.client_id, "client_secret": app.secret or "", **options}
        super().__init__(bot_id=bot.id, fetch_client_user=False, **options)
        self.peer = peer
        self.heard: list[tuple[str, Any]] = []

    def dispatch(self, event: str, payload: Any | None = None) -> None:
        self.heard.append((event, payload))
        super().dispatch(event, payload)
        self.peer.world.notify()

    def events(self, name: str) -> list[Any]:
        """The payload of every event of that name so far."""
        return [payload for event, payload in self.heard if event == name]


def point_at(peer: TwitchPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make twitchio take the peer for Twitch."""
    monkeypatch.setattr(Route, "BASE", f"{peer.api_url}/")
    monkeypatch.setattr(Route, "ID_BASE", f"{peer.id_url}/")
    monkeypatch.setattr(websockets, "WSS", peer.eventsub_url)


@asynccontextmanager
async def connected(
    peer: TwitchPeer, bot: User, *tokens: Token, **options: Any
) -> AsyncIterator[PlainClient]:
    """A client that has logged in with some users' tokens."""
    client = PlainClient(peer, bot, **options)
    try:
        await client.login(load_tokens=False, save_tokens=False)
        for token in tokens:
            assert token.refresh is not None
            await client.add_token(token.access, token.refresh)
        yield client
    finally:
        await client.close(save_tokens=False)
        await asyncio.sleep(0)
