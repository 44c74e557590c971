"""The local web server, which is also the adapter of the local chat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.adapters import AdapterError
from bot.chat import ChatDesk
from bot.jobs import Delivery
from bot.seed_images import SeedImages
from bot.services import Services
from bot.web.api import Api, answer_refusals
from bot.web.building import Building
from bot.web.clip_page import ClipPage
from bot.web.identity import PLATFORM, Identity
from bot.web.moderation import ModerationDesk
from bot.web.riffusion import RiffusionApi
from bot.web.security import add_headers, guard
from bot.web.socket import Socket
from bot.web.stage import Stage

_STATIC = Path(str(resources.files("bot.web") / "static"))
_MAX_BODY = 64 * 1024


class LocalWeb:
    """Chat page, HTTP API and clip files on one port.

    For the local chat, *delivered* means committed to history: pages read it from there, so
    `deliver` has nothing left to do.
    """

    platform = PLATFORM

    def __init__(
        self,
        services: Services,
        identity: Identity,
        health: Callable[[], dict[str, Any]],
    ) -> None:
        config, studio = services.config.web, services.studio
        sources, clips = services.sources, services.clips
        self._config = config
        self._identity = identity
        self._socket = Socket(studio, identity, health)
        building = Building(services.lineage, sources, identity)
        desk = ModerationDesk(services.moderation, identity)
        api = Api(studio, identity, clips, health, ChatDesk(services))
        page = ClipPage(studio, services.history, services.exports, _STATIC, config.public_url)
        self._stage = Stage(services.live, clips, _STATIC, config.public_url)
        parts = (self._stage, api, building, desk, page)
        routes = [route for part in parts for route in part.routes()]
        if config.riffusion_api:
            images = SeedImages(config.seed_images)
            steps = config.riffusion_steps
            routes += RiffusionApi(studio, sources, images, clips, steps).routes()
        self._app = self._make_app(routes)
        self._runner = web.AppRunner(self._app, access_log=None)
        self.port = config.port

    @property
    def url(self) -> str:
        """Where the page is."""
        host = "127.0.0.1" if self._config.host in ("0.0.0.0", "::") else self._config.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def owner_url(self) -> str:
        """The one-time link by which the owner signs in."""
        return self.url + self._identity.owner_fragment

    def add_pages(self, pages: Iterable[web.RouteDef]) -> None:
        """Serve further routes; before `start`."""
        self._app.add_routes(pages)

    @property
    def is_owner(self) -> Callable[[web.Request], bool]:
        """Tells whether a request comes from who runs the bot."""
        return self._identity.is_owner

    async def start(self) -> None:
        """Listen.

        Raises:
            AdapterError: the address is taken or not ours.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._config.host, self._config.port)
        try:
            await site.start()
        except OSError as error:
            raise AdapterError(
                f"The local web cannot listen on {self._config.host} port {self._config.port} "
                f"({error.strerror or error}); stop what uses it, or choose another with --port."
            ) from error
        self.port = self._runner.addresses[0][1]

    async def deliver(self, delivery: Delivery) -> str:
        """Nothing to send: the clip is in history."""
        return "history"

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        await self._socket.close_all()
        await self._stage.close_all()
        await self._runner.cleanup()

    def _make_app(self, routes: list[web.RouteDef]) -> web.Application:
        public = urlsplit(self._config.public_url).hostname
        hosts = {self._config.host, *self._config.allowed_hosts, *filter(None, [public])}
        app = web.Application(
            middlewares=[answer_refusals, guard(hosts)], client_max_size=_MAX_BODY
        )
        app.on_response_prepare.append(add_headers)
        app.add_routes(routes)
        app.router.add_get("/api/socket", self._socket.handle)
        app.router.add_get("/", _page)
        app.router.add_get("/settings", _settings_page)
        app.router.add_static("/static", _STATIC)
        return app


async def _page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(_STATIC / "index.html", headers={"Cache-Control": "no-cache"})


async def _settings_page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(_STATIC / "settings.html", headers={"Cache-Control": "no-cache"})
