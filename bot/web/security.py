"""Who may talk to the local web: this machine's own pages and scripts, and no other site's.

The server listens on loopback, but any page in the same browser can send requests there. Three
checks keep other sites out, each enough against one trick:

- *Host*: the name in the address bar must be one of ours. A hostile name that resolves to
  127.0.0.1 (DNS rebinding) would otherwise count as same-origin.
- *Origin* and *Sec-Fetch-Site*: whatever changes something, or opens a socket, must come from our
  own page; programs outside a browser send neither header.
- *No forms*: a form of another site can post without asking, but not as application/json, nor as
  the sound or picture that an upload is.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.errors import BadInputRefusal, ForbiddenRefusal

UPLOAD_PATHS = frozenset({"/api/sources"})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def policy(frame_ancestors: Iterable[str] = ("'none'",)) -> str:
    """The content security policy of a page that these may frame: nobody, if not said otherwise."""
    return (
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; object-src 'none'; "
        f"base-uri 'none'; form-action 'self'; frame-ancestors {' '.join(frame_ancestors)}"
    )


_HEADERS = {
    "Content-Security-Policy": policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def guard(allowed_hosts: Iterable[str]) -> Middleware:
    """Middleware that lets only our own page and local programs through.

    Args:
        allowed_hosts: host names, beside the loopback ones, by which this server may be called.
    """
    hosts = LOOPBACK_NAMES | {host.lower() for host in allowed_hosts}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host_name(request) not in hosts:
            raise ForbiddenRefusal(
                "This address is not one of mine; add its host name to web.allowed_hosts."
            )
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if is_socket or request.method not in _SAFE_METHODS:
            _check_origin(request)
        if request.method == "POST" and not _is_no_form(request):
            raise BadInputRefusal("Please send JSON, with Content-Type: application/json.")
        return await handler(request)

    return middleware


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """`on_response_prepare` handler: the page runs nothing of others, in no other's frame."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # Modules of two versions must not mix after an upgrade: browsers ask whether a file changed.
    response.headers.setdefault("Cache-Control", "no-cache")


def _is_no_form(request: web.Request) -> bool:
    kind = request.content_type
    upload = kind == "application/octet-stream" or kind.startswith(("audio/", "image/", "video/"))
    return kind == "application/json" or (upload and request.path in UPLOAD_PATHS)


def _host_name(request: web.Request) -> str | None:
    try:
        return urlsplit(f"//{request.host}").hostname
    except ValueError:
        return None


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    # A reverse proxy may end TLS, so the scheme may differ; host and port may not.
    foreign = origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()
    if foreign or site in {"cross-site", "same-site"}:
        raise ForbiddenRefusal("A page of another site may not use this one.")
