"""Who signed in, and their tokens: one file that only its owner can read.

Tokens are never part of a text form (`repr`, log line, exception) of anything here.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cogs.twitch.scopes import Role

log = logging.getLogger(__name__)

FILE_NAME = "twitch-tokens.json"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signed in.

    Attributes:
        roles: what the account is here: `bot`, `channel`, or both.
        lost: whether Twitch no longer accepts it, until they sign in again.
    """

    user_id: str
    login: str
    name: str
    roles: tuple[Role, ...]
    scopes: frozenset[str]
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    lost: bool = False


class TokenStore:
    """Keeps accounts; every change is on disk before it returns."""

    def __init__(self, path: Path) -> None:
        """`path` is read if it is there, and made when something is kept."""
        self._path = path
        self._accounts: dict[str, Account] = {}
        self.on_change: list[Callable[[], None]] = []

    def load(self) -> None:
        """Read the file. One that cannot be used counts as empty, and is left as it is."""
        try:
            data = json.loads(self._path.read_text("utf-8"))
            found = [_account(one) for one in data["accounts"]]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            log.error("%s cannot be read; sign in to Twitch again", self._path)
            return
        self._accounts = {account.user_id: account for account in found}
        if os.name == "posix":
            self._path.chmod(0o600)

    @property
    def all(self) -> list[Account]:
        """Every account, lost ones too."""
        return list(self._accounts.values())

    @property
    def bot(self) -> Account | None:
        """The account that speaks."""
        return next((one for one in self.all if "bot" in one.roles), None)

    @property
    def channels(self) -> list[Account]:
        """Broadcasters who signed in and are not lost."""
        return [one for one in self.all if "channel" in one.roles and not one.lost]

    def get(self, user_id: str) -> Account | None:
        """The account of somebody."""
        return self._accounts.get(user_id)

    def keep(self, account: Account) -> None:
        """Remember an account. There is one bot: who was it before is it no longer."""
        before = self._accounts.get(account.user_id)
        if before is not None:
            both = dict.fromkeys((*before.roles, *account.roles))
            account = replace(account, roles=tuple(both))
        if "bot" in account.roles:
            for other in self.all:
                if other.user_id != account.user_id and "bot" in other.roles:
                    self._demote(other)
        self._accounts[account.user_id] = account
        self._save()

    def renew(self, user_id: str, access: str, refresh: str) -> Account:
        """Keep refreshed tokens."""
        renewed = replace(self._accounts[user_id], access=access, refresh=refresh, lost=False)
        self._accounts[user_id] = renewed
        self._save(tell=False)
        return renewed

    def lose(self, user_id: str) -> None:
        """Twitch no longer accepts an account. It stays known, so that it can be renewed."""
        account = self._accounts.get(user_id)
        if account is None or account.lost:
            return
        self._accounts[user_id] = replace(account, lost=True, access="", refresh="")
        log.error(
            "Twitch no longer accepts the sign-in of %s. To renew it, open /twitch on the local "
            "web and sign in again, or run `riffbot twitch-login`; everybody else goes on.",
            account.login,
        )
        self._save()

    def forget(self, user_id: str) -> None:
        """Remove an account."""
        if self._accounts.pop(user_id, None) is not None:
            self._save()

    def _demote(self, other: Account) -> None:
        roles: tuple[Role, ...] = tuple(role for role in other.roles if role != "bot")
        if roles:
            self._accounts[other.user_id] = replace(other, roles=roles)
        else:
            del self._accounts[other.user_id]

    def _save(self, *, tell: bool = True) -> None:
        data = {"accounts": [_json(account) for account in self.all]}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(data, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)
        if tell:
            for listener in self.on_change:
                listener()


def _account(data: dict[str, Any]) -> Account:
    return Account(
        user_id=str(data["user_id"]),
        login=str(data["login"]),
        name=str(data["name"]),
        roles=tuple(data["roles"]),
        scopes=frozenset(data["scopes"]),
        access=str(data["access"]),
        refresh=str(data["refresh"]),
        lost=bool(data["lost"]),
    )


def _json(account: Account) -> dict[str, Any]:
    return {
        "user_id": account.user_id,
        "login": account.login,
        "name": account.name,
        "roles": list(account.roles),
        "scopes": sorted(account.scopes),
        "access": account.access,
        "refresh": account.refresh,
        "lost": account.lost,
    }
