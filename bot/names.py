"""Readable names: of files, and of people who did not give one."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_ADJECTIVES = tuple(
    "Amber Brisk Calm Clever Cosmic Crimson Dapper Dusty Electric Fuzzy Gentle Golden Groovy "
    "Humming Indigo Jazzy Jolly Lucky Lunar Mellow Midnight Misty Neon Nimble Plucky Quiet Rustic "
    "Silver Sleepy Smooth Sunny Swift Velvet Vivid Warm Witty".split()
)
_ANIMALS = tuple(
    "Badger Beetle Bison Cricket Dolphin Falcon Ferret Finch Fox Gecko Heron Hornet Ibis Jackal "
    "Koala Lemur Lynx Magpie Marten Mole Moth Newt Otter Owl Panda Parrot Pika Puffin Quail Raven "
    "Robin Seal Stoat Swan Tapir Toad Vole Walrus Wombat Wren".split()
)
_STEM_BYTES = 60


def friendly_name(user: str) -> str:
    """A name such as `Amber Otter`, always the same for the same user id."""
    digest = hashlib.sha256(user.encode()).digest()
    adjective = _ADJECTIVES[int.from_bytes(digest[:4]) % len(_ADJECTIVES)]
    return f"{adjective} {_ANIMALS[int.from_bytes(digest[4:8]) % len(_ANIMALS)]}"


def file_stem(prompt: str, seed: int) -> str:
    """A file name without ending, such as `lo-fi-beat-7`, safe on every file system.

    Letters of any script stay; whatever else becomes a hyphen, so no prompt can name a path.
    """
    text = unicodedata.normalize("NFKC", prompt).lower()
    words = re.sub(r"[\W_]+", "-", text).strip("-")
    # File systems limit bytes, not letters.
    short = words.encode()[:_STEM_BYTES].decode(errors="ignore").strip("-")
    return f"{short or 'riff'}-{seed}"
