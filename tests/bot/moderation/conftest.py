from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs import Requester
from bot.moderation.desk import Rulebook, open_rulebook
from bot.store.database import Database
from tests.clock import HandClock

ROLES = {"owner": "owner", "admin": "admin", "moderator": "moderator"}


def somebody(
    role: str = "member", user: str = "", community: str = "chat", channel: str = ""
) -> Requester:
    """Somebody of this level, as an adapter hands them over."""
    roles = frozenset({ROLES[role]} if role in ROLES else ())
    name = user or role
    return Requester("local", community, name, name.title(), roles, channel)


def with_roles(*roles: str, **more: object) -> Requester:
    return replace(somebody(), roles=frozenset(roles), **more)  # type: ignore[arg-type]


OWNER = somebody("owner")
ADMIN = somebody("admin")
MODERATOR = somebody("moderator")
MEMBER = somebody("member")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "rules.sqlite3")
    yield database
    await database.close()


@pytest.fixture
async def rulebook(database: Database, clock: HandClock) -> Rulebook:
    return await open_rulebook(database, clock, {"burst": 8, "waiting": 6})
