"""`riffbot twitch-login`: signing in from a terminal, with a code that is typed in elsewhere."""

from __future__ import annotations

import sys

import aiohttp

from bot.config import Config, ConfigError
from cogs.twitch.http import TwitchError, TwitchHttp
from cogs.twitch.pages import ROLES
from cogs.twitch.scopes import needed
from cogs.twitch.signing import SignIn, SignInError
from cogs.twitch.tokens import FILE_NAME, TokenStore


async def sign_in(config: Config, role: str) -> int:
    """Sign in once and keep the tokens; the exit status.

    Args:
        config: whose data folder keeps them. A running bot reads them at its next start.
        role: `bot`, `channel` or `both`.

    Raises:
        ConfigError: there is no client id, or the file with the secret cannot be used.
    """
    if not config.twitch.client_id:
        raise ConfigError(
            "Register an application at https://dev.twitch.tv/console first, and set its client id "
            "as twitch.client_id."
        )
    tokens = TokenStore(config.data / FILE_NAME)
    tokens.load()
    http = TwitchHttp(config.twitch, config.twitch_secret(), tokens)
    print("Riffbot asks Twitch for these permissions, and nothing else:")
    for scope, reason in needed(ROLES[role]).items():
        print(f"  {scope}: to {reason}")
    try:
        account = await SignIn(http, tokens).by_device(ROLES[role], _tell)
    except (SignInError, TwitchError, aiohttp.ClientError, OSError) as error:
        print(f"riffbot: {error}", file=sys.stderr)
        return 2
    finally:
        await http.close()
    print(f"{account.login} is signed in. Start Riffbot (again) to go on.")
    return 0


def _tell(address: str, code: str) -> None:
    print(f"Open {address} and type in {code}", flush=True)
