"""The real web server on a loopback port, for tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from bot.jobs import Job
from bot.store.ledger import Ledger
from bot.store.sources import Sources
from bot.web.server import LocalWeb
from generation.request import Clip
from tests.bot.conftest import Kit


class Site:
    """The real web server on a loopback port, and a browserless client."""

    def __init__(
        self,
        kit: Kit,
        web: LocalWeb,
        http: aiohttp.ClientSession,
        clips: Path,
        sources: Sources,
    ) -> None:
        self.kit, self.web, self.http, self.clips = kit, web, http, clips
        self.sources = sources

    async def post(self, path: str, data: Any, **headers: str) -> tuple[int, Any]:
        async with self.http.post(path, json=data, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(path, headers=headers) as response:
            return response.status, await response.json()

    async def render(self, ledger: Ledger) -> Job:
        """Do what the worker would: files on disk, then the ledger."""
        job = await ledger.claim("worker-1", 60)
        assert job is not None
        folder = self.clips / job.id[:2]
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for kind in ("mp3", "wav", "png"):
            (folder / f"{job.id}.{kind}").write_bytes(kind.encode() * 100)
            files[kind] = f"{job.id[:2]}/{job.id}.{kind}"
        recipe = {"seed": "7", "request": json.dumps(replace(job.request, clips=1).to_json())}
        await ledger.record_rendered(job, [Clip(0, files, 5.12, 44100, 225_792, recipe)])
        return job
