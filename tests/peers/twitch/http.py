"""What all routes of the loopback Twitch share: errors, answers, faults, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from tests.peers.discord.http import Fault
from tests.peers.twitch.models import App, Json, Token, User
from tests.peers.twitch.state import World

__all__ = [
    "Caller",
    "Fault",
    "HelixError",
    "caller",
    "data",
    "one",
    "read_json",
    "user_of",
    "wrong",
]

WORLD = web.AppKey("world", World)


class HelixError(Exception):
    """An error as Helix reports it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token a request came with."""

    request: web.Request
    world: World
    token: Token

    @property
    def app(self) -> App:
        return self.token.app

    @property
    def user(self) -> User | None:
        return self.token.user

    def need_user(self, *scopes: str, name: str, user_id: str) -> User:
        """The user whose token this must be, with any one of `scopes`.

        Raises:
            HelixError: an app token, another user's, or without the scope (a violation).
        """
        user = self.token.user
        if user is None:
            raise wrong(self.request, 401, "Missing User OAUTH Token")
        if scopes and not self.token.scopes & set(scopes):
            raise wrong(self.request, 401, f"Missing scope: {' or '.join(scopes)}")
        if user.id != user_id:
            message = f"The ID in {name} must match the user ID found in the request's OAuth token."
            raise wrong(self.request, 401, message)
        return user


def caller(request: web.Request) -> Caller:
    """Who is asking.

    Raises:
        HelixError: 401, no good token; a violation where the request is malformed.
    """
    world = request.app[WORLD]
    kind, _, access = request.headers.get("Authorization", "").partition(" ")
    client_id = request.headers.get("Client-Id")
    if kind != "Bearer" or not access:
        raise wrong(request, 401, "OAuth token is missing")
    token = world.live(access)
    if token is None:
        raise HelixError(401, "Invalid OAuth token")
    if not client_id:
        raise wrong(request, 401, "Client ID is missing")
    if client_id != token.app.client_id:
        raise wrong(request, 401, "Client ID and OAuth token do not match")
    return Caller(request, world, token)


def wrong(request: web.Request, status: int, message: str) -> HelixError:
    """A call that a correct client never makes: noted, and the error to answer with."""
    request.app[WORLD].violate(f"{request.method} {request.path}: {message}")
    return HelixError(status, message)


def respond(body: object, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def data(items: list[Json], **more: object) -> web.Response:
    """Items as Helix wraps them."""
    return respond({"data": items, **more})


def one(request: web.Request, name: str) -> str:
    """A parameter that must be given exactly once."""
    values = request.query.getall(name, [])
    if len(values) != 1 or not values[0]:
        raise wrong(request, 400, f'Missing required parameter "{name}"')
    return values[0]


def user_of(request: web.Request, user_id: str) -> User:
    """The user of an id in a request."""
    user = request.app[WORLD].users.get(user_id)
    if user is None:
        raise wrong(request, 400, f"there is no user {user_id!r}")
    return user


async def read_json(request: web.Request) -> Json:
    """The object in a request's body."""
    if request.content_type != "application/json":
        raise wrong(request, 400, f"a body of type {request.content_type}")
    try:
        body = await request.json()
    except ValueError:
        raise wrong(request, 400, "a body that is not JSON") from None
    if not isinstance(body, dict):
        raise wrong(request, 400, "a body that is no JSON object")
    return body
