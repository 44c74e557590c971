"""Rate limits as Discord keeps them: buckets of so many requests per so many seconds.

    peer.rest.limit("PATCH", r"/channels/\\d+/messages/\\d+", 5, 5.0)

Each channel, guild or interaction has a bucket of its own. Answers tell the limit in headers; what
comes too many gets a 429. A client that sends on although an earlier answer told it that nothing
remains is a violation. Without `limit`, headers leave plenty of room.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aiohttp import web

ROOMY, ROOMY_SECONDS = 50, 1.0


@dataclass(slots=True)
class _Window:
    until: float = 0.0
    used: int = 0
    told: bool = False  # whether an answer said that nothing remains


@dataclass(slots=True)
class RateLimit:
    """One limit and its buckets. `refused` counts the 429s."""

    method: str
    path: str
    count: int
    seconds: float
    refused: int = 0
    _windows: dict[str, _Window] = field(default_factory=dict)

    def applies_to(self, method: str, path: str) -> bool:
        return method == self.method and re.fullmatch(self.path, path) is not None

    def take(self, request: web.Request, now: float) -> tuple[float | None, bool]:
        """Count a request in; returns how long to wait (None: go on), and whether it was told."""
        window = self._window(request)
        if now >= window.until:
            window.until, window.used, window.told = now + self.seconds, 0, False
        if window.used >= self.count:
            self.refused += 1
            return window.until - now, window.told
        window.used += 1
        return None, False

    def headers(self, request: web.Request, now: float) -> dict[str, str]:
        """What an answer tells about the bucket."""
        window = self._window(request)
        remaining = self.count - window.used
        window.told = window.told or remaining <= 0
        left = max(0.0, window.until - now)
        return headers(f"{self.method} {self.path}", self.count, remaining, left)

    def _window(self, request: web.Request) -> _Window:
        major = [request.match_info.get(name, "") for name in ("channel", "guild", "token")]
        return self._windows.setdefault("/".join(major), _Window())


def headers(bucket: str, count: int, remaining: int, seconds: float) -> dict[str, str]:
    """Rate limit headers. The Via header tells Discord's 429s from Cloudflare's."""
    return {
        "Via": "1.1 google",
        "X-RateLimit-Bucket": bucket,
        "X-RateLimit-Limit": str(count),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset-After": f"{seconds:.3f}",
    }


def roomy(request: web.Request) -> dict[str, str]:
    """Headers that leave room. Without any, clients send one request at a time."""
    resource = request.match_info.route.resource
    bucket = f"{request.method} {'' if resource is None else resource.canonical}"
    return headers(bucket, ROOMY, ROOMY - 1, ROOMY_SECONDS)
