"""Discord's documented limits on messages, as checks that return what breaches them.

From the public API documentation: "Create Message", "Embed Limits", "Allowed Mentions Object",
"Uploading Files". Components are in `components.py`, commands in `commands.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tests.peers.discord.components import message_components
from tests.peers.discord.models import (
    COMPONENTS_V2,
    EPHEMERAL,
    SUPPRESS_EMBEDS,
    SUPPRESS_NOTIFICATIONS,
    Attachment,
)

MAX_CONTENT = 2000
MAX_NONCE = 25
MAX_FILES = 10
MAX_ALT_TEXT = 1024
MAX_EMBEDS = 10
MAX_EMBED_TEXT = 6000
MAX_MENTIONS = 100
_PATHLIKE = re.compile(r"[/\\\0-\x1f]")
_SETTABLE_FLAGS = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
_MENTION_KINDS = {"users", "roles", "everyone"}
_EMBED_FIELDS = {"title": 256, "description": 4096, "url": 2048}


def message(payload: dict[str, Any], uploads: Iterable[Attachment] = ()) -> list[str]:
    """What is wrong with the body of a new or edited message."""
    found = length("a message", payload.get("content") or "", MAX_CONTENT)
    nonce = payload.get("nonce")
    if nonce is not None:
        found += length("a nonce", str(nonce), MAX_NONCE)
    found += embeds(payload.get("embeds") or [])
    found += allowed_mentions(payload.get("allowed_mentions"))
    flags = int(payload.get("flags") or 0)
    if flags & ~(_SETTABLE_FLAGS | EPHEMERAL):
        found.append(f"message flags {flags:#x}, of which some cannot be set")
    modern = bool(flags & COMPONENTS_V2)
    if modern and (payload.get("content") or payload.get("embeds")):
        found.append("content or embeds in a message of components")
    found += message_components(payload.get("components") or [], modern=modern)
    return found + files(list(uploads))


def files(uploads: list[Attachment]) -> list[str]:
    """What is wrong with files as they are uploaded."""
    found = [] if len(uploads) <= MAX_FILES else [f"{len(uploads)} files in one message"]
    for upload in uploads:
        found += length("alt text", upload.description or "", MAX_ALT_TEXT)
        if not upload.filename or _PATHLIKE.search(upload.filename):
            found.append(f"a file named {upload.filename!r}")
        if len(upload.filename) > 255:
            found.append(f"a file name of {len(upload.filename)} characters")
    return found


def embeds(given: list[dict[str, Any]]) -> list[str]:
    """What is wrong with embeds, each and together."""
    found = [] if len(given) <= MAX_EMBEDS else [f"{len(given)} embeds"]
    total = 0
    for embed in given:
        for name, most in _EMBED_FIELDS.items():
            found += length(f"an embed's {name}", embed.get(name) or "", most)
        texts = [embed.get("title"), embed.get("description")]
        for part, name, most in (("footer", "text", 2048), ("author", "name", 256)):
            text = (embed.get(part) or {}).get(name) or ""
            found += length(f"an embed's {part}", text, most)
            texts.append(text)
        fields = embed.get("fields") or []
        if len(fields) > 25:
            found.append(f"{len(fields)} fields in an embed")
        for field in fields:
            found += length("an embed field's name", field["name"], 256, least=1)
            found += length("an embed field's value", field["value"], 1024, least=1)
            texts += [field["name"], field["value"]]
        total += sum(len(text or "") for text in texts)
    if total > MAX_EMBED_TEXT:
        found.append(f"embeds of {total} characters together")
    return found


def allowed_mentions(rules: dict[str, Any] | None) -> list[str]:
    """What is wrong with an allowed mentions object."""
    if rules is None:
        return []
    parse = rules.get("parse") or []
    found = [f"mentions of unknown kind {kind!r}" for kind in parse if kind not in _MENTION_KINDS]
    for kind in ("users", "roles"):
        ids = rules.get(kind) or []
        if len(ids) > MAX_MENTIONS:
            found.append(f"{len(ids)} {kind} in allowed mentions")
        if ids and kind in parse:
            found.append(f"allowed mentions that both parse and list {kind}")
    return found


def length(what: str, text: str, most: int, least: int = 0) -> list[str]:
    """Whether a text is longer or shorter than it may be."""
    if least <= len(text) <= most:
        return []
    return [f"{what} of {len(text)} characters (allowed: {least} to {most})"]
