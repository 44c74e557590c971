"""How Twitch cuts a message into text, emotes, cheermotes and mentions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.peers.twitch.models import Json, User

_CHEER = re.compile(r"([A-Za-z]+)([1-9]\d*)")
_MENTION = re.compile(r"@(\w{1,25})")
_TIERS = (10_000, 5_000, 1_000, 100, 1)
CHEERMOTES = frozenset({"cheer", "biblethump", "corgo", "kappa", "pogchamp", "party", "showlove"})


def cut(
    text: str, emotes: Mapping[str, str], bits: int, find: Callable[[str], User | None]
) -> list[Json]:
    """The fragments of a message, which together are its text.

    Args:
        emotes: names of emotes and their ids.
        bits: how many were cheered; without any, what looks like a cheermote is text.
        find: a user by login.
    """
    made: list[Json] = []
    for word in re.findall(r"\s+|\S+", text):
        piece = _piece(word, emotes, bits, find)
        if piece["type"] == "text" and made and made[-1]["type"] == "text":
            made[-1]["text"] += word
        else:
            made.append(piece)
    return made


def bits_in(text: str) -> int:
    """How many bits the cheermotes of a text come to."""
    found = (_CHEER.fullmatch(word) for word in text.split())
    return sum(int(m[2]) for m in found if m is not None and m[1].lower() in CHEERMOTES)


def _piece(
    word: str, emotes: Mapping[str, str], bits: int, find: Callable[[str], User | None]
) -> Json:
    piece: Json = {"type": "text", "text": word, "cheermote": None, "emote": None, "mention": None}
    cheer = _CHEER.fullmatch(word)
    mention = _MENTION.match(word)
    if word in emotes:
        piece["type"] = "emote"
        piece["emote"] = {
            "id": emotes[word],
            "emote_set_id": "0",
            "owner_id": "0",
            "format": ["static"],
        }
    elif bits and cheer is not None and cheer[1].lower() in CHEERMOTES:
        amount = int(cheer[2])
        tier = next(least for least in _TIERS if amount >= least)
        piece["type"] = "cheermote"
        piece["cheermote"] = {"prefix": cheer[1].lower(), "bits": amount, "tier": tier}
    elif mention is not None and (user := find(mention[1].lower())) is not None:
        piece["type"] = "mention"
        piece["mention"] = user.fields("user")
    return piece
