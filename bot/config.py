"""The operator's configuration: one TOML file, overridden by the environment, checked at start.

Every key has a default, so no file is needed. `RIFFBOT_WEB__PORT=9000` overrides `[web] port`.
Secrets are never read from the TOML file: a token comes from the environment
(`RIFFBOT_DISCORD_TOKEN`) or from a file that only its owner can read (`[discord] token_file`).
"""

from __future__ import annotations

import difflib
import math
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

_ENV_PREFIX = "RIFFBOT_"
_SECRETS = {
    "discord.token": "RIFFBOT_DISCORD_TOKEN",
    "twitch.client_secret": "RIFFBOT_TWITCH_CLIENT_SECRET",
}


class ConfigError(Exception):
    """The configuration cannot be used; `str(error)` is one sentence for the operator."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _public_address(url: str) -> str:
    """Empty, or where others reach the web server: no path, query or password."""
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("it has to look like https://riffs.example.org")
    if parts.query or parts.fragment or parts.path.strip("/"):
        raise ValueError("it ends after the host name and port")
    return f"{parts.scheme}://{parts.netloc}"


class WebConfig(_Section):
    """The local web: chat page and HTTP API."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=7433, ge=0, le=65535)
    allowed_hosts: tuple[str, ...] = ()
    public_url: Annotated[str, AfterValidator(_public_address)] = ""
    open_browser: bool = True
    riffusion_api: bool = True
    riffusion_steps: int = Field(default=25, ge=1, le=100)
    seed_images: Path | None = None

    @property
    def stage_url(self) -> str:
        """Where stages are, up to their keys."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        local = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        return f"{self.public_url.rstrip('/') or local}/stage/"


class EngineConfig(_Section):
    """The worker process that draws."""

    checkpoint: str = "auto"
    device: str = "auto"
    threads: int = Field(default=0, ge=0, le=256)
    inversion: str = "standard"
    dtype: str = "auto"
    compiled: bool = False
    configs: str = ""
    vae: str = ""
    loras: Path | None = None
    inversions: Path | None = None
    stall_timeout: float = Field(default=180.0, gt=0)
    start_timeout: float = Field(default=300.0, gt=0)
    memory_gigabytes: float = Field(default=0.0, ge=0)
    batch: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = "auto"

    def for_worker(self, sources: Path) -> dict[str, Any]:
        """The worker process's settings (`generation.engine.EngineOptions`), as plain JSON."""
        return {
            "checkpoint": self.checkpoint,
            "device": self.device,
            "threads": self.threads,
            "inversion": self.inversion,
            "sources": str(sources),
            "dtype": self.dtype,
            "compiled": self.compiled,
            "configs": self.configs,
            "vae": self.vae,
            "loras": str(self.loras or ""),
            "inversions": str(self.inversions or ""),
            # Gigabytes come when somebody asks for them: by `riffbot download`.
            "offline": True,
        }


class LimitsConfig(_Section):
    """How much one user, one community, and everybody together may ask for.

    Rates are in default riffs: one of twice the length or twice the steps counts as two.
    """

    burst: float = Field(default=5, ge=1)
    period: float = Field(default=30.0, gt=0)
    community_burst: float = Field(default=60, ge=1)
    community_period: float = Field(default=2.0, gt=0)
    global_burst: float = Field(default=200, ge=1)
    global_period: float = Field(default=0.5, gt=0)
    largest: float = Field(default=20.0, ge=1)
    queued_per_user: int = Field(default=10, ge=1)
    queued_per_community: int = Field(default=100, ge=1)
    queued_in_all: int = Field(default=200, ge=1)
    allowances: dict[str, Annotated[float, Field(gt=0)]] = {"owner": math.inf, "moderator": 4.0}


class RetentionConfig(_Section):
    """How much is kept of what was made."""

    clips_gigabytes: float = Field(default=5.0, gt=0)
    sources_gigabytes: float = Field(default=1.0, gt=0)
    sessions_gigabytes: float = Field(default=2.0, gt=0)
    days: float = Field(default=90.0, ge=0)
    reserve_megabytes: float = Field(default=200.0, ge=0)


class DiscordConfig(_Section):
    """The Discord adapter. Without a token it stays off."""

    token_file: Path | None = None
    prefix: str = Field(default="!", min_length=1, max_length=5)
    api_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    gateway_url: str = Field(default="", pattern=r"^(wss?://\S+)?$")


class TwitchConfig(_Section):
    """The Twitch adapter. Without a client id it stays off.

    Attributes:
        client_id: of the application registered at dev.twitch.tv/console.
        client_secret_file: file with its secret; a public application has none.
        channels: login names of channels to join whose owners do not sign in.
        api_url, id_url, eventsub_url: another server; empty for Twitch itself.
    """

    client_id: str = Field(default="", pattern=r"^[A-Za-z0-9]*$")
    client_secret_file: Path | None = None
    channels: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,25}$")], ...] = ()
    api_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    id_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    eventsub_url: str = Field(default="", pattern=r"^(wss?://\S+)?$")


def _absolute(path: Path) -> Path:
    """Settled at start, so that every part means the same folder."""
    return path.expanduser().absolute()


class Config(BaseSettings):
    """Everything an operator can set. Read it with `load_config`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=_ENV_PREFIX,
        env_nested_delimiter="__",
    )

    data: Annotated[Path, AfterValidator(_absolute)] = Field(
        default=Path("riffbot-data"), validate_default=True
    )
    log_level: str = "info"
    adapters: tuple[str, ...] = ("cogs.discord", "cogs.twitch")
    web: WebConfig = WebConfig()
    engine: EngineConfig = EngineConfig()
    limits: LimitsConfig = LimitsConfig()
    retention: RetentionConfig = RetentionConfig()
    discord: DiscordConfig = DiscordConfig()
    twitch: TwitchConfig = TwitchConfig()

    def discord_token(self) -> str | None:
        """The Discord bot token, or None where none is configured.

        Raises:
            ConfigError: the token file is missing, empty or readable by others.
        """
        return _secret("RIFFBOT_DISCORD_TOKEN", self.discord.token_file, "discord.token_file")

    def twitch_secret(self) -> str | None:
        """The secret of the Twitch application, or None where none is configured.

        Raises:
            ConfigError: its file is missing, empty or readable by others.
        """
        path = self.twitch.client_secret_file
        return _secret("RIFFBOT_TWITCH_CLIENT_SECRET", path, "twitch.client_secret_file")


def load_config(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read the configuration from `path` (if given), the environment, then `overrides`.

    Args:
        path: a TOML file; None reads `config.toml` in the current folder where there is one.
        overrides: command-line options by dotted key, e.g. `{"web.port": 9000}`; they win.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type or range; one sentence that names the
            key and, for an unknown one, the nearest that exists.
    """
    values = _read_toml(path)
    _refuse_secrets(values)
    _check_environment()

    class Layered(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, values)

    try:
        return Layered(**_nested(overrides or {}))
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from error
    except SettingsError as error:
        raise ConfigError(f"An environment variable cannot be read: {error}.") from error


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`{"web.port": 9000}` → `{"web": {"port": 9000}}`."""
    values: dict[str, Any] = {}
    for dotted, value in overrides.items():
        *sections, name = dotted.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return values


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        path = Path("config.toml")
        if not path.exists():
            return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no configuration file {path}.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _refuse_secrets(values: Mapping[str, Any]) -> None:
    for dotted, variable in _SECRETS.items():
        place: Any = values
        for part in dotted.split("."):
            place = place.get(part) if isinstance(place, Mapping) else None
        if place is not None:
            raise ConfigError(
                f"{dotted} does not belong in the configuration file, where others may read it: "
                f"set the environment variable {variable}, or name a file of mode 600 as "
                f"{dotted}_file."
            )


def _check_environment() -> None:
    """An unknown RIFFBOT_… variable is a typo that would otherwise be ignored in silence."""
    known = {variable.lower() for variable in _SECRETS.values()} | {
        f"{_ENV_PREFIX}{key.replace('.', '__')}".lower() for key in _known_keys(Config)
    }
    for variable in os.environ:
        name = variable.lower()
        if name.startswith(_ENV_PREFIX.lower()) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigError(
                f"I do not know the environment variable {variable}; "
                f"did you mean {near[0].upper()}?"
            )


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys.extend(_known_keys(field.annotation, f"{prefix}{name}."))
    return keys


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(Config), n=1, cutoff=0.0)
        return f"I do not know the configuration key {key!r}; the nearest I know is {near[0]!r}."
    return f"The configuration key {key!r} cannot be {first['input']!r}: {first['msg']}."


def _secret(variable: str, path: Path | None, key: str) -> str | None:
    if value := os.environ.get(variable, "").strip():
        return value
    if path is None:
        return None
    try:
        # Windows keeps access lists instead of mode bits, and reports 0o666 for every file.
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path} can be read by others: run `chmod 600 {path}` ({key}).")
        value = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{key} names {path}, which cannot be read: {error.strerror}.") from error
    if not value:
        raise ConfigError(f"{key} names {path}, which is empty.")
    return value
