from __future__ import annotations

import pytest

from bot.moderation.levels import ACTIONS, Level, level_of


@pytest.mark.parametrize(
    ("roles", "blocked", "level"),
    [
        ((), False, Level.MEMBER),
        (("subscriber", "77"), False, Level.MEMBER),
        (("moderator",), False, Level.MODERATOR),
        (("moderator", "admin"), False, Level.ADMIN),
        (("owner",), False, Level.OWNER),
        (("mods",), False, Level.MODERATOR),
        (("bosses", "mods"), False, Level.ADMIN),
        (("bad",), False, Level.BLOCKED),
        (("bad", "moderator"), False, Level.BLOCKED),
        (("bad", "admin"), False, Level.ADMIN),
        ((), True, Level.BLOCKED),
        (("admin",), True, Level.BLOCKED),
        (("owner", "bad"), True, Level.OWNER),
    ],
)
def test_a_level_comes_from_the_platform_or_from_chosen_roles(
    roles: tuple[str, ...], blocked: bool, level: Level
) -> None:
    found = level_of(
        roles,
        admin_roles=["bosses"],
        moderator_roles=["mods"],
        blocked_roles=["bad"],
        is_blocked=blocked,
    )
    assert found is level


def test_nothing_is_open_to_those_who_are_blocked() -> None:
    assert min(ACTIONS.values()) > Level.BLOCKED
