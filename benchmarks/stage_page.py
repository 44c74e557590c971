"""How much of a processor the stage page takes, by layout, without a graphics card.

    python -m benchmarks.stage_page [SECONDS]

Chromium draws everything in software here (`--disable-gpu`), which is the most that it can cost;
the session behind it changes its mix all the time. All of the browser's processes are counted, and
what an empty page takes is measured beside it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.web.conftest import chromium
from tests.web.show import Show, open_show

_PROMPTS = ("lo-fi beat", "techno synth", "soft organ", "jazz trio at midnight")
_TICKS = os.sysconf("SC_CLK_TCK")


def descendants(of: int) -> Iterator[Path]:
    """`/proc` folders of the processes below one, the one left out."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(folder.name))
    queue = list(parents.get(of, []))
    while queue:
        process = queue.pop()
        queue += parents.get(process, [])
        yield Path("/proc") / str(process)


def used() -> float:
    """Seconds of processor time that the browser took so far."""
    total = 0.0
    for folder in descendants(os.getpid()):
        try:
            if b"chrom" not in (folder / "cmdline").read_bytes().split(b"\0")[0]:
                continue
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def measure(browser: Browser, address: str, size: tuple[int, int], seconds: float) -> float:
    """Share of one processor that a page takes."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address)
    page.wait_for_timeout(4000)
    before = used()
    page.wait_for_timeout(seconds * 1000)
    share = (used() - before) / seconds
    page.close()
    return share


def vote(show: Show, over: threading.Event) -> None:
    """Keep the mix moving."""
    number = 0
    while not over.wait(2.0):
        number += 1
        show.says(f"viewer{number % 9}", f"!vote {_PROMPTS[number * number % 4]}")


def main(seconds: float) -> None:
    """Print a table."""
    over = threading.Event()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_show(Path(folder)) as show,
        chromium("--autoplay-policy=no-user-gesture-required") as browser,
    ):
        show.says("mod", "!live start")
        voter = threading.Thread(target=vote, args=(show, over))
        voter.start()
        print(f"an empty page       {measure(browser, 'about:blank', (1280, 720), seconds):6.1%}")
        for size in ((1280, 720), (1920, 1080)):
            for query in ("layout=wide", "layout=bar", "layout=corner", "layout=wide&fps=15"):
                address = f"{show.url}?background=transparent&{query}"
                share = measure(browser, address, size, seconds)
                print(f"{size[0]}×{size[1]} {query:24} {share:6.1%}", flush=True)
        over.set()
        voter.join()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 15.0)
