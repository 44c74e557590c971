"""How soon a vote is heard: a live session with the real starter while scripted viewers vote.

    python -m benchmarks.live --seconds 180 --viewers 200 --rate 1

Prints the median and 95th percentile of heard-in (from the vote to the middle of the first join
whose mix was reckoned with it), misses per hour of session, and the share of the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from bot.app import running
from bot.chat import ChatDesk, Said
from bot.config import Config, WebConfig
from bot.errors import Refusal
from bot.jobs import Address, Requester
from bot.moderation.levels import OWNER_ROLE

STYLES = ("techno synth", "lo-fi beat", "jazz piano", "ambient pad", "rock guitar", "rain")
HERE = Address("local", {})
OWNER = Requester("local", "chat", "owner", "Owner", frozenset({OWNER_ROLE}))


async def vote(chat: ChatDesk, seconds: float, viewers: int, rate: float) -> None:
    """Votes of a crowd whose favourite changes every half minute."""
    dice = random.Random(5)
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        favourite = STYLES[int((end - now) / 30) % len(STYLES)]
        prompt = favourite if dice.random() < 0.6 else dice.choice(STYLES)
        number = dice.randrange(viewers)
        viewer = Requester("local", "chat", f"viewer{number}", f"Viewer {number}")
        try:
            await chat.answer(Said(viewer, f"!vote {prompt}", HERE))
        except Refusal as refusal:
            print(refusal)
        await asyncio.sleep(dice.expovariate(rate))


def processor_seconds() -> float:
    """Of this process alone: the worker is counted when it has ended."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def children_seconds(pid: int | None) -> float:
    """Processor seconds of the worker, where the system tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / 100


async def measure(seconds: float, viewers: int, rate: float) -> dict[str, object]:
    """One session; results by name."""
    with tempfile.TemporaryDirectory() as folder:
        web = WebConfig(port=0, open_browser=False)
        config = Config(data=Path(folder), web=web, adapters=())
        async with running(config) as app:
            await app.worker.wait_ready()
            chat = ChatDesk(app.services)
            await chat.answer(Said(OWNER, "!live start", HERE))
            session = app.services.live.at(("local", "chat"))
            assert session is not None
            own, worker = processor_seconds(), children_seconds(app.worker.pid)
            began = time.monotonic()
            await vote(chat, seconds, viewers, rate)
            passed = time.monotonic() - began
            statistics = session.performance.statistics
            median, late = statistics.quantile(0.5), statistics.quantile(0.95)
            return {
                "seconds": round(passed, 1),
                "votes": statistics.votes,
                "heard": statistics.heard,
                "passed_over": statistics.passed_over,
                "heard_in_median_s": median and round(median, 2),
                "heard_in_p95_s": late and round(late, 2),
                "clips": statistics.clips,
                "dropped": statistics.dropped,
                "misses": statistics.misses,
                "misses_per_hour": round(statistics.misses * 3600 / passed, 1),
                "quality_level": session.performance.quality.level,
                "clip_seconds_expected": round(session.performance.quality.seconds(), 2),
                "cores_bot": round((processor_seconds() - own) / passed, 3),
                "cores_worker": round((children_seconds(app.worker.pid) - worker) / passed, 3),
            }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1.0, help="votes a second")
    options = parser.parse_args()
    result = asyncio.run(measure(options.seconds, options.viewers, options.rate))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
