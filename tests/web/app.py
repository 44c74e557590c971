"""The real program as a child process, for tests that look at it from outside."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp

START_SECONDS = 240.0
STOP_SECONDS = 30.0


class App:
    """`riffbot run` in a folder of its own, on a free port of the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "riffbot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until a riff can be taken."""
        command = [sys.executable, "-m", "bot.cli", "run", "--no-open"]
        command += ["--data", str(self.folder / "data"), "--port", str(self.port)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RIFFBOT_")}
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        listening = threading.Event()
        threading.Thread(target=self._keep_log, args=(self._process, listening)).start()
        try:
            listening.wait(START_SECONDS)
            # In a thread of its own, since Playwright keeps an event loop running in this one.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, self._until_ready()).result()
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            self.stop()
            raise RuntimeError(f"riffbot did not become ready:\n{self.log()}") from error

    def _keep_log(self, process: subprocess.Popen[bytes], listening: threading.Event) -> None:
        """Copy what it prints to the log, and tell when it listens (or never will)."""
        assert process.stdout is not None
        with self._log.open("ab") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if b"#owner=" in line:
                    listening.set()
        listening.set()

    async def _until_ready(self) -> None:
        """Listen to its socket until it says that a riff can be taken."""
        async with (
            asyncio.timeout(START_SECONDS),
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{self.url}/api/socket") as socket,
        ):
            await socket.send_json({"watch": []})
            while (await socket.receive_json())["studio"]["state"] != "ready":
                pass

    def stop(self) -> None:
        """Stop it as Ctrl+C does, and make sure that it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log(self) -> str:
        """What it has printed, over all its starts."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def owner_link(self) -> str:
        """The link that makes its visitor the owner, as printed at the latest start."""
        return str(re.findall(rf"{re.escape(self.url)}/#owner=\S+", self.log())[-1])

    def health(self) -> dict[str, Any]:
        """What `/healthz` says; empty while nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as refusal:
            return dict(json.load(refusal))
        except OSError:
            return {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
