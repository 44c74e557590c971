"""What somebody typed, as they mean it: without emotes that decorate, cheers, replied-to names.

Twitch puts `@name` before a reply, cuts cheers and emotes into fragments, and some clients append
invisible characters so that the same line can be sent twice.
"""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]
# Tag characters, variation selectors and zero-width ones.
_INVISIBLE = re.compile("[\U000e0000-\U000e007f\u034f\u200b\u200e\u200f\u2060\ufeff]")
_MENTIONS = re.compile(r"\s*@\w{1,25}[,:]?\s+(?=!)")


def command_text(event: Json) -> str | None:
    """The line of a command, beginning with `!`; None for what is none.

    Args:
        event: of `channel.chat.message`.
    """
    text = str(event["message"]["text"])
    if "!" not in text:
        return None
    fragments = event["message"].get("fragments") or [{"type": "text", "text": text}]
    line = _joined(fragments, emotes=False)
    if _is_bare(line):
        # An emote that is the whole prompt is meant as its word.
        line = _joined(fragments, emotes=True)
    return line if line.startswith("!") else None


def prompt_text(text: str) -> str:
    """What was typed with a reward."""
    return " ".join(_INVISIBLE.sub("", text).split())


def _joined(fragments: list[Json], *, emotes: bool) -> str:
    left_out = {"cheermote", "gif"} if emotes else {"cheermote", "gif", "emote"}
    line = "".join(
        " " if one.get("type") in left_out else str(one.get("text", "")) for one in fragments
    )
    line = prompt_text(line)
    while (match := _MENTIONS.match(line)) is not None:
        line = line[match.end() :]
    return line


def _is_bare(line: str) -> bool:
    """Whether a command has nothing behind it."""
    return line.startswith("!") and " " not in line
