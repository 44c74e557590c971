"""How platforms plug in: one small protocol, loaded by module name from the configuration.

An adapter module (say `cogs.discord`) has a function
`create(services: Services) -> Adapter | None`, which returns None where the platform
is not configured (no token, for instance). `bot` never imports an adapter by itself.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bot.jobs import Delivery

if TYPE_CHECKING:
    from aiohttp import web

    from bot.services import Services

log = logging.getLogger(__name__)


class Adapter(Protocol):
    """A platform the studio can be asked from and can answer to."""

    platform: str

    async def start(self) -> None:
        """Connect and begin to take requests; return once under way, not when done.

        Raises:
            AdapterError: it cannot start; the sentence tells the operator what to do.
        """

    async def deliver(self, delivery: Delivery) -> str:
        """Answer at `delivery.address` and return a receipt (a message id, say) for the ledger.

        Raises:
            DeliveryRetry: not now; it is tried again later.
            DeliveryImpossible: never; the clip stays in history.
        """

    async def stop(self) -> None:
        """Disconnect. Called at most once, also when `start` failed or was never called."""


@runtime_checkable
class HasPages(Protocol):
    """An adapter with pages of its own on the local web, for signing in, say."""

    def pages(self, is_owner: Callable[[web.Request], bool]) -> Iterable[web.RouteDef]:
        """Their routes, below `/` and the adapter's platform; asked once, before `start`.

        Args:
            is_owner: whether a request comes from who runs the bot.
        """


class AdapterError(Exception):
    """An adapter cannot start; `str(error)` tells the operator what to do about it."""


class DeliveryRetry(Exception):  # noqa: N818 - names what to do
    """This delivery did not work now. `retry_after` is in seconds; None leaves it to the outbox."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class DeliveryImpossible(Exception):  # noqa: N818 - names what to do
    """This delivery can never work (the channel is gone, the bot was removed)."""


def load_adapters(names: Iterable[str], services: Services) -> list[Adapter]:
    """Import each named module and create its adapter; modules that return None are left out.

    Raises:
        AdapterError: a module does not exist or has no `create`.
    """
    adapters: list[Adapter] = []
    for name in names:
        try:
            module = importlib.import_module(name)
            create = module.create
        except (ImportError, AttributeError) as error:
            raise AdapterError(
                f"The adapter {name!r} could not be loaded ({error}). "
                "Check `adapters` in the configuration."
            ) from error
        adapter = create(services)
        if adapter is None:
            log.info("adapter %s is not configured and stays off", name)
        else:
            adapters.append(adapter)
    return adapters
