"""The settings page's routes, and moderators' commands in the local chat."""

from __future__ import annotations

from typing import Any

import pytest

from bot.moderation.keys import KEYS
from tests.bot.web.site import Site


async def sign_in(site: Site) -> None:
    token = site.web.owner_url.partition("#owner=")[2]
    assert (await site.post("/api/owner", {"token": token}))[0] == 200


async def put(site: Site, data: Any) -> tuple[int, Any]:
    async with site.http.put("/api/settings", json=data) as response:
        return response.status, await response.json()


def shown(answer: Any) -> dict[str, Any]:
    return {one["key"]: one for part in answer["sections"] for one in part["settings"]}


async def test_the_owner_sets_and_resets_what_the_page_shows(site: Site) -> None:
    await sign_in(site)
    status, answer = await put(site, {"scope": "global", "key": "steps", "value": "20"})
    assert (status, shown(answer)["steps"]["value"]) == (200, "20")
    _, answer = await site.get("/api/settings?scope=community")
    assert (shown(answer)["steps"]["set"], shown(answer)["steps"]["source"]) == (
        False,
        "everywhere",
    )
    words = {"scope": "community", "key": "blocked-words", "value": ["zonk", "/a, b{1,2}/", ""]}
    _, answer = await put(site, words)
    assert shown(answer)["blocked-words"]["entries"] == ["zonk", "/a, b{1,2}/"]
    _, answer = await site.post("/api/settings/reset", {"scope": "global", "key": "steps"})
    assert shown(answer)["steps"]["source"] == "default"
    _, seen = await site.get("/api/moderation")
    assert len(seen["log"]) == 3


async def test_every_setting_is_on_the_page(site: Site) -> None:
    await sign_in(site)
    seen: set[str] = set()
    for scope in ("global", "community", "user"):
        seen |= shown((await site.get(f"/api/settings?scope={scope}"))[1]).keys()
    assert seen == set(KEYS)


async def test_a_text_that_is_not_set_is_an_empty_field(site: Site) -> None:
    await sign_in(site)
    text = {"type": "text", "unset": "not set"}
    for value, wanted in (("warm strings", "warm strings"), ("", "not set")):
        data = {"scope": "community", "key": "on-follow", "value": value}
        setting = shown((await put(site, data))[1])["on-follow"]
        assert (setting["value"], setting["control"]) == (wanted, text)


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("PUT", "/api/settings", {"scope": "global", "key": "steps", "value": 20}),
        ("PUT", "/api/settings", {"scope": "community", "key": "steps", "value": 20}),
        ("PUT", "/api/settings", {"scope": "user", "key": "burst", "value": 2}),
        ("POST", "/api/settings/reset", {"scope": "community", "key": "steps"}),
        ("POST", "/api/settings/import", {"scope": "community", "toml": "", "dry_run": False}),
        ("GET", "/api/settings/export?scope=community", None),
        ("GET", "/api/settings/export?scope=global", None),
        ("GET", "/api/moderation", None),
        ("POST", "/api/chat", {"text": "!panic"}),
        ("POST", "/api/chat", {"text": "!queue skip"}),
        ("POST", "/api/chat", {"text": "!riffset steps 20"}),
    ],
)
async def test_a_member_may_not_and_the_owner_may(
    site: Site, method: str, path: str, data: Any
) -> None:
    await site.post("/api/riffs", {"prompt": "jazz"})
    async with site.http.request(method, path, json=data) as response:
        assert response.status == 403
    await sign_in(site)
    async with site.http.request(method, path, json=data) as response:
        assert response.status == 200


async def test_a_member_chooses_for_themselves_and_sees_no_rules(site: Site) -> None:
    status, answer = await put(site, {"scope": "user", "key": "steps", "value": 9})
    assert (status, shown(answer)["steps"]["value"]) == (200, "9")
    _, answer = await site.get("/api/settings?scope=community")
    assert "blocked-words" not in shown(answer)


@pytest.mark.parametrize(
    "data",
    [
        {"scope": "global", "key": "steps", "value": -1},
        {"scope": "global", "key": "stpes", "value": 1},
        {"scope": "moon", "key": "steps", "value": 1},
        {"scope": ["global"], "key": "steps", "value": 1},
        {"scope": "global", "key": None, "value": 1},
        {"scope": "global", "key": "steps"},
        {"scope": "global", "key": "turns", "value": {"a": 1}},
    ],
)
async def test_bad_values_get_a_sentence(site: Site, data: Any) -> None:
    await sign_in(site)
    status, answer = await put(site, data)
    if status == 200:  # no value is "auto" where that is a value
        assert "value" not in data
    else:
        assert (status, answer["error"][-1]) == (400, ".")


async def test_an_import_can_be_rehearsed(site: Site) -> None:
    await sign_in(site)
    data = {"scope": "global", "toml": "steps = 20"}
    _, answer = await site.post("/api/settings/import", data)
    assert answer["changes"] == ["steps: not set \u2192 20"]
    _, answer = await site.get("/api/settings?scope=global")
    assert not shown(answer)["steps"]["set"]
    await site.post("/api/settings/import", {**data, "dry_run": False})
    _, answer = await site.get("/api/settings/export?scope=global")
    assert "\nsteps = 20\n" in answer["toml"]


async def test_the_page_is_there(site: Site) -> None:
    async with site.http.get("/settings") as response:
        assert response.status == 200
        assert "Settings" in await response.text()
