"""What all routes of the loopback Twitch share: errors, answers, faults, and who is asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from tests.peers.twitch.models import App, Json, Token, User
from tests.peers.twitch.state import World

T = TypeVar("T")
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


def data(items: Sequence[Mapping[str, object]], **more: object) -> web.Response:
    """Items as Helix wraps them."""
    return respond({"data": list(items), **more})


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


def flag(request: web.Request, name: str) -> bool:
    """A yes or no."""
    given = request.query.get(name, "false").lower()
    if given not in ("true", "false"):
        raise wrong(request, 400, f"{name} {given!r}")
    return given == "true"


def page(
    request: web.Request, items: Sequence[T], *, most: int = 100
) -> tuple[Sequence[T], dict[str, Json]]:
    """The part of a list that a request asks for, and what leads to the next one."""
    first, after = request.query.get("first", "20"), request.query.get("after", "0")
    if not first.isdigit() or not 1 <= int(first) <= most or not after.isdigit():
        raise wrong(request, 400, f"a page of {first} from {after!r}, {most} are most")
    end = int(after) + int(first)
    pagination = {"cursor": str(end)} if end < len(items) else {}
    return items[int(after) : end], {"pagination": pagination}


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
