"""The `riffbot` command."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from bot import app
from bot.config import Config, ConfigError, load_config
from bot.errors import Refusal
from bot.make_cli import add_config_option, add_make_command
from bot.upgrade import offer_better
from generation.download_cli import add_download_command
from generation.errors import GenerationError
from generation.media_cli import add_commands as add_media_commands
from generation.version import version

log = logging.getLogger("riffbot")

_STOPPED_BY_CTRL_C = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 where all went well, 2 for unusable input."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.func(arguments)
    except (ConfigError, app.StartError, GenerationError, Refusal) as error:
        print(f"riffbot: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _STOPPED_BY_CTRL_C
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="riffbot", description="Turns `!riff lo-fi beat` into a seamless music loop."
    )
    parser.add_argument("--version", action="version", version=f"riffbot {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="start the bot with its local chat")
    add_config_option(run)
    run.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    run.add_argument("--port", type=int, help="port of the local chat (default 7433)")
    run.add_argument("--data", type=Path, help="folder of everything the bot keeps")
    run.add_argument("--no-open", action="store_true", help="do not open a browser")
    run.set_defaults(func=_run)

    login = commands.add_parser(
        "twitch-login", help="sign in to Twitch with a code, where no browser is at hand"
    )
    add_config_option(login)
    login.add_argument(
        "--as", dest="role", choices=("bot", "channel", "both"), default="both",
        help="what the account is to be: the bot's voice, a channel, or both (default)",
    )  # fmt: skip
    login.set_defaults(func=_twitch_login)

    add_make_command(commands)
    add_download_command(commands)
    add_media_commands(commands)
    return parser


# run ----------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    options = {
        "web.host": arguments.host,
        "web.port": arguments.port,
        "data": arguments.data,
        "web.open_browser": False if arguments.no_open else None,
    }
    config = load_config(
        arguments.config, {key: value for key, value in options.items() if value is not None}
    )
    _set_up_logging(config.log_level)
    return asyncio.run(_serve(config))


def _twitch_login(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    _set_up_logging(config.log_level)
    # By name, as adapters are: this package knows no platform.
    sign_in = importlib.import_module("cogs.twitch.login").sign_in
    return int(asyncio.run(sign_in(config, arguments.role)))


async def _serve(config: Config) -> int:
    stop = asyncio.Event()
    _on_stop_signal(asyncio.get_running_loop(), stop.set)
    async with app.running(config) as running:
        if running.web is not None:
            print(f"Riffbot's local chat: {running.web.url}", flush=True)
            print(f"Sign in as owner (once): {running.web.owner_url}", flush=True)
            if config.web.open_browser and _has_screen():
                # Finding a browser may block; a daemon thread never keeps the program alive.
                threading.Thread(
                    target=webbrowser.open, args=(running.web.owner_url,), daemon=True
                ).start()
        terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        offer = asyncio.create_task(offer_better(running.worker, config.data, terminal))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait(
            {stopping, *running.tasks}, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        offer.cancel()
        await asyncio.wait([offer])
        failed = [task for task in done if task is not stopping]
        for task in failed:
            log.critical("a part of Riffbot failed and it has to stop", exc_info=task.exception())
        if not failed:
            print("Stopping; what is queued waits for the next start.", flush=True)
    return 1 if failed else 0


def _on_stop_signal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` on Ctrl-C or a service manager's request, on every platform."""

    def from_handler(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, from_handler)


def _has_screen() -> bool:
    return not sys.platform.startswith("linux") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _set_up_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
    # In detail it would write down what everybody says, and the addresses of interactions, which
    # hold the secrets that they are answered with.
    logging.getLogger("discord").setLevel(max(logging.INFO, logging.getLogger().level))


if __name__ == "__main__":
    sys.exit(main())
