"""The engine in a child process: the child's side. Run as `python -m generation.worker_main`.

The main thread draws; a second one reads standard input, so that a cancellation is seen between
two steps and the end of the parent (end of input) ends this process at once.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from generation.errors import GenerationError, RiffCancelledError
from generation.request import GenerationRequest, Progress

if TYPE_CHECKING:
    from generation.engine import Engine

log = logging.getLogger("generation.worker")

_UNEXPECTED = (
    "Something went wrong inside the sound worker; its log has the details. "
    "A different wording or seed may work."
)


class _Channel:
    """Messages to the parent, on a private copy of standard output.

    Libraries like to print; what they print goes to standard error and cannot corrupt a message.
    """

    def __init__(self) -> None:
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def say(self, message: Mapping[str, Any]) -> None:
        try:
            self._out.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            os._exit(0)  # the parent is gone


class _Inbox:
    """What the parent asks for."""

    def __init__(self, stream: BinaryIO) -> None:
        self.jobs: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._cancelled: set[str] = set()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: BinaryIO) -> None:
        for line in stream:
            message = json.loads(line)
            if message["do"] == "make":
                self._cancelled.discard(message["id"])
                self.jobs.put(message)
            elif message["do"] == "cancel":
                self._cancelled.add(message["id"])
        os._exit(0)

    def check(self, job_id: str) -> None:
        """Raise RiffCancelledError if this job was cancelled."""
        if job_id in self._cancelled:
            raise RiffCancelledError("This riff was cancelled.")


def main() -> None:
    """Load, warm up, then serve until the parent is gone."""
    # Ctrl-C reaches the whole process group; only the parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = _Channel()
    inbox = _Inbox(sys.stdin.buffer)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        engine = _load(json.loads(sys.argv[1]))
    except GenerationError as error:
        channel.say({"is": "broken", "sentence": str(error)})
        sys.exit(1)
    except Exception as error:
        log.exception("the engine cannot start")
        channel.say(
            {"is": "broken", "sentence": f"The engine cannot start: {type(error).__name__}."}
        )
        sys.exit(1)
    preferences = engine.checkpoint.preferences
    channel.say(
        {
            "is": "ready",
            "model": {"name": preferences.name, "hash": engine.checkpoint.fingerprint},
        }
    )
    while True:
        channel.say(_serve(engine, inbox, channel, inbox.jobs.get()))


def _load(options: Mapping[str, Any]) -> Engine:
    """Import and load the heavy part, with the libraries' chatter turned down."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    import diffusers  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    for library in (diffusers, transformers):
        chatter: Any = library.utils.logging
        chatter.set_verbosity_error()
        chatter.disable_progress_bar()
    from generation.engine import Engine, EngineOptions  # noqa: PLC0415

    engine = Engine(EngineOptions(**options))
    engine.warm_up()
    return engine


def _serve(
    engine: Engine, inbox: _Inbox, channel: _Channel, message: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Do one job; the answer for the parent."""
    job_id = message["id"]

    def report(progress: Progress) -> None:
        inbox.check(job_id)
        channel.say(
            {
                "is": "progress",
                "id": job_id,
                "stage": progress.stage,
                "done": progress.done,
                "total": progress.total,
            }
        )

    try:
        request = GenerationRequest.from_json(message["request"])
        clips = engine.make(request, Path(message["folder"]), job_id, report)
    except RiffCancelledError:
        return {"is": "cancelled", "id": job_id}
    except GenerationError as error:
        return {"is": "failed", "id": job_id, "sentence": str(error)}
    except Exception:
        log.exception("riff %s failed", job_id)
        return {"is": "failed", "id": job_id, "sentence": _UNEXPECTED}
    return {"is": "made", "id": job_id, "clips": [clip.to_json() for clip in clips]}


if __name__ == "__main__":
    main()
