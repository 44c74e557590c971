from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from bot.config import Config, ConfigError, load_config

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("RIFFBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(text)
    return path


def test_nothing_is_needed() -> None:
    assert load_config().web.port == 7433


def test_the_example_is_complete_and_holds_the_defaults() -> None:
    assert load_config(EXAMPLE).model_dump() == load_config().model_dump()
    values = tomllib.loads(EXAMPLE.read_text())
    for section, model in Config.model_fields.items():
        nested = getattr(model.annotation, "model_fields", None)
        if nested is None:
            assert section in values
        else:
            missing = set(nested) - set(values[section])
            without_default = {"token_file", "client_secret_file", "seed_images", "loras",
                               "inversions"}  # fmt: skip
            assert missing <= without_default, f"[{section}] lacks {missing}"


def test_options_win_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "[web]\nport = 1\nhost = 'a'\nopen_browser = false\n")
    monkeypatch.setenv("RIFFBOT_WEB__PORT", "2")
    monkeypatch.setenv("RIFFBOT_WEB__HOST", "b")
    web = load_config(path, {"web.port": 3}).web
    assert (web.port, web.host, web.open_browser) == (3, "b", False)


def test_config_toml_of_the_current_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nburst = 9\n")
    assert load_config().limits.burst == 9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nprot = 3", ["web.prot", "web.port"]),
        ("limit = 3", ["limit", "limits"]),
        ("[web]\nport = 'many'", ["web.port", "many"]),
        ("[web]\nport = 99999", ["web.port", "99999"]),
        ("[limits]\nburst = 0", ["limits.burst"]),
        ("a = ", ["TOML"]),
        ("[discord]\ntoken = 'x'", ["RIFFBOT_DISCORD_TOKEN", "token_file"]),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_data_folder_means_the_same_everywhere(tmp_path: Path) -> None:
    assert load_config().data == tmp_path / "riffbot-data"
    path = written(tmp_path, "data = '~/riffs'")
    assert load_config(path).data == Path.home() / "riffs"


def test_a_missing_file_is_said() -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*nowhere"):
        load_config(Path("nowhere.toml"))


def test_a_mistyped_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIFFBOT_WEB__PROT", "2")
    with pytest.raises(ConfigError, match="RIFFBOT_WEB__PORT"):
        load_config()


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config().discord_token() is None
    monkeypatch.setenv("RIFFBOT_DISCORD_TOKEN", " secret ")
    assert load_config().discord_token() == "secret"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_token_file_is_for_its_owner_only(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    config = load_config(written(tmp_path, f"[discord]\ntoken_file = '{token}'"))
    token.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        config.discord_token()
    token.chmod(0o600)
    assert config.discord_token() == "secret"
    token.write_text("")
    with pytest.raises(ConfigError, match="empty"):
        config.discord_token()
