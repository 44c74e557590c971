"""Arrows point one way: cogs → bot → generation."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "generation": {"bot", "cogs", "discord", "twitchio", "aiohttp", "aiosqlite"},
    "bot": {"cogs", "discord", "twitchio", "torch", "diffusers", "transformers", "numba"},
    "cogs": {"torch", "diffusers", "transformers"},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_module_imports_against_the_arrows(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in imports(path)
        if name.partition(".")[0] in FORBIDDEN[package]
    ]
    assert wrong == []


def test_the_bots_process_never_loads_the_engine() -> None:
    code = (
        "import sys, bot.cli, bot.app, cogs.discord\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'numba'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", FORBIDDEN)
def test_nothing_waits_with_wait_for(package: str) -> None:
    """Before Python 3.12 it can swallow a cancellation (python/cpython#86296), and a part that
    misses its cancellation hangs the stop; `asyncio.timeout` does not."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
    ]
    assert wrong == []
