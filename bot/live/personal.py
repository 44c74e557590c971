"""What live sessions keep about people, for `!privacy`: votes, and who asked for what was heard.

What was heard stays on the timeline, in nobody's name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from bot.live.ballot import Voter

NOBODY = "Somebody"
WORDS = "(deleted)"


class LivePersonalData:
    """Reads and deletes it in the database; sessions that are on are told to forget as well."""

    name = "live"

    def __init__(self, forget: Callable[[Voter], None]) -> None:
        """`forget` is called for who wants to be forgotten, from the database's thread."""
        self._forget = forget

    def read(self, db: sqlite3.Connection, platform: str, user: str) -> Any:
        """Their votes, and their parts of what was heard."""
        votes = [
            {"session": session, "prompt": prompt, "at": vote[5]}
            for session, state in _states(db)
            for vote, prompt in _votes(state)
            if (vote[0], vote[1]) == (platform, user)
        ]
        heard = [
            {"session": session, "start": data["start"], "prompt": share["prompt"]}
            for session, data in _segments(db, f"{platform}:{user}")
            for share in data["shares"]
            if f"{platform}:{user}" in share.get("ids", ())
        ]
        return {"votes": votes, "heard": heard}

    def delete(self, tx: sqlite3.Connection, platform: str, user: str) -> None:
        """Take their votes away, and their names and words from what was heard."""
        person = f"{platform}:{user}"
        for session, state in list(_states(tx)):
            votes = state.get("votes", ())
            left = [vote for vote in votes if (vote[0], vote[1]) != (platform, user)]
            mode = state.get("mode_state", {})
            waiting = mode.get("waiting", [])
            kept = [item for item in waiting if (item[1], item[2]) != (platform, user)]
            if len(left) != len(votes) or len(kept) != len(waiting):
                state["votes"] = left
                if waiting:
                    mode["waiting"] = kept
                tx.execute(
                    "UPDATE live_sessions SET state = ? WHERE id = ?", (json.dumps(state), session)
                )
        for session, data in list(_segments(tx, person)):
            tx.execute(
                "UPDATE live_segments SET segment = ? WHERE session_id = ? AND number = ?",
                (json.dumps(_without(data, person)), session, data["number"]),
            )
        self._forget(Voter(platform, user, NOBODY))


def _without(data: dict[str, Any], person: str) -> dict[str, Any]:
    is_own = data.get("owner") == person
    for share in data["shares"]:
        pairs = zip(share["by"], share.get("ids", ()), strict=False)
        left = [(name, one) for name, one in pairs if one != person]
        # Words that others stand for as well are not theirs alone.
        if is_own or (not left and person in share.get("ids", ())):
            share["prompt"] = WORDS
        share["by"], share["ids"] = [name for name, _ in left], [one for _, one in left]
    if is_own:
        data["title"], data["owner"], data["take"]["recipe"] = WORDS, "", {}
    elif any(share["prompt"] == WORDS for share in data["shares"]):
        data["take"]["recipe"] = {}
    return data


def _states(db: sqlite3.Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in db.execute("SELECT id, state FROM live_sessions").fetchall():
        yield row["id"], json.loads(row["state"])


def _votes(state: dict[str, Any]) -> Iterator[tuple[list[Any], str]]:
    prompts = {topic["id"]: topic["prompt"] for topic in state.get("topics", ())}
    for vote in state.get("votes", ()):
        yield vote, prompts.get(vote[3], "")


def _segments(db: sqlite3.Connection, person: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Segments in which somebody has a part; the text is searched first, which is quick."""
    rows = db.execute(
        "SELECT session_id, segment FROM live_segments WHERE instr(segment, ?) > 0",
        (json.dumps(person),),
    ).fetchall()
    for row in rows:
        yield row["session_id"], json.loads(row["segment"])
