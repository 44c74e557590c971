"""The order of the whole suite."""

from __future__ import annotations

import pytest

_LONGEST = (
    "tests/bot/test_app.py",
    "tests/web/",
    "tests/cogs/discord/test_end_to_end.py",
    "tests/generation/test_worker.py",
    "tests/bot/live/test_with_the_starter.py",
    "tests/generation/test_download_cli.py",
    "tests/bot/test_cli.py",
    "tests/bot/test_kill.py",
    "tests/generation/training/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: at the end one process would wait for them alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))
