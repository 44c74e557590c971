"""Sign-in at the loopback Twitch, as the real twitchio does it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import twitchio
from twitchio.authentication import OAuth, Scopes

from tests.peers.twitch import App, Fault, TwitchPeer, User
from tests.peers.twitch.client import PlainClient, connected

CALLBACK = "http://localhost:8080/twitch/callback"


def oauth(app: App, scopes: str = "user:read:chat") -> OAuth:
    return OAuth(
        client_id=app.client_id,
        client_secret=app.secret,
        redirect_uri=CALLBACK,
        scopes=Scopes(scopes.split()),
    )


async def test_a_user_signs_in(twitch: TwitchPeer, viewer: User) -> None:
    client = oauth(twitch.world.app, "user:read:chat user:write:chat")
    url = client.get_authorization_url(state="s3cret").url
    where = twitch.identity.consent(url, viewer)
    back = parse_qs(urlsplit(where).query)
    assert where.startswith(CALLBACK) and back["state"] == ["s3cret"]
    payload = await client.user_access_token(back["code"][0])
    assert sorted(payload.scope) == ["user:read:chat", "user:write:chat"]
    about = await client.validate_token(payload.access_token)
    assert (about.user_id, about.login) == (viewer.id, viewer.login)
    with pytest.raises(twitchio.HTTPException, match="authorization code"):
        await client.user_access_token(back["code"][0])
    await client.close()
    assert twitch.world.violations == []


async def test_a_token_is_revoked(twitch: TwitchPeer, viewer: User) -> None:
    token = twitch.world.grant(viewer, "user:read:chat")
    client = oauth(twitch.world.app)
    # Twitch answers with nothing, which twitchio complains about.
    with pytest.raises(twitchio.HTTPException, match="received text"):
        await client.revoke_token(token.access)
    with pytest.raises(twitchio.HTTPException) as error:
        await client.validate_token(token.access)
    assert error.value.status == 401
    await client.close()
    assert twitch.world.violations == []


async def test_a_user_refuses(twitch: TwitchPeer, viewer: User) -> None:
    url = oauth(twitch.world.app).get_authorization_url(state="x").url
    where = twitch.identity.consent(url, viewer, allows=False)
    assert parse_qs(urlsplit(where).query)["error"] == ["access_denied"]


async def test_a_browser_signs_in(twitch: TwitchPeer, viewer: User) -> None:
    twitch.identity.browser_user = viewer
    url = oauth(twitch.world.app).get_authorization_url(state="x").url
    async with aiohttp.ClientSession() as session:
        page = await (await session.get(url)).text()
        assert "user:read:chat" in page and "Authorize" in page
        form = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        answer = await session.post(
            f"{twitch.id_url}/oauth2/authorize",
            data={**form, "decision": "allow"},
            allow_redirects=False,
        )
        assert answer.status == 302 and "code=" in answer.headers["Location"]


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"redirect_uri": "http://evil.example/"}, "redirect"),
        ({"scope": "user:read:everything"}, "scope"),
        ({"client_id": "nobody"}, "client"),
        ({"response_type": "token"}, "response_type"),
        ({"state": ""}, "state"),
    ],
)
async def test_bad_authorize_pages_are_violations(
    twitch: TwitchPeer, change: dict[str, str], violation: str
) -> None:
    asked = {
        "client_id": twitch.world.app.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "user:read:chat",
        "state": "x",
    }
    async with aiohttp.ClientSession() as session:
        await session.get(f"{twitch.id_url}/oauth2/authorize", params={**asked, **change})
    assert len(twitch.world.violations) == 1 and violation in twitch.world.violations[0]


async def test_expired_tokens_are_refreshed(
    twitch: TwitchPeer, viewer: User, riffbot: User
) -> None:
    world = twitch.world
    token = world.grant(riffbot, "user:read:chat")
    async with connected(twitch, riffbot, token) as client:
        world.expire(riffbot)
        (found,) = await client.fetch_users(logins=["ana"], token_for=riffbot.id)
        assert found.id == viewer.id
        (refreshed,) = await world.until(lambda: client.events("token_refreshed"))
        assert refreshed.user_id == riffbot.id and refreshed.token != token.access
        # The old refresh token is used up, so whoever does not save the new one is signed out.
        with pytest.raises(twitchio.HTTPException):
            await client.http.refresh_token(token.refresh or "used up")
    assert world.violations == []


async def test_revoked_tokens_cannot_be_refreshed(twitch: TwitchPeer, riffbot: User) -> None:
    token = twitch.world.grant(riffbot, "user:read:chat")
    assert token.refresh is not None
    twitch.world.disconnect(riffbot)
    client = PlainClient(twitch, riffbot)
    await client.login(load_tokens=False, save_tokens=False)
    with pytest.raises(twitchio.InvalidTokenException):
        await client.add_token(token.access, token.refresh)
    await client.close(save_tokens=False)
    assert twitch.world.violations == []


async def test_devices_sign_in_without_a_secret(twitch: TwitchPeer, riffbot: User) -> None:
    twitch.identity.device_interval = 0
    app = twitch.world.add_app(public=True)
    client = oauth(app)
    flow = await client.device_code_flow()
    assert flow["user_code"] in flow["verification_uri"]
    with pytest.raises(twitchio.HTTPException) as pending:
        await client.request_json(_device_route(app, flow["device_code"]))
    assert pending.value.extra["message"] == "authorization_pending"
    twitch.identity.activate(flow["user_code"], riffbot)
    token = await client.device_code_authorization(device_code=flow["device_code"], interval=0)
    refreshed = await client.refresh_token(token["refresh_token"])
    twitch.world.advance(31 * 86_400)
    with pytest.raises(twitchio.HTTPException):
        await client.refresh_token(refreshed.refresh_token)
    await client.close()
    assert twitch.world.violations == []


async def test_impatient_devices_are_violations(twitch: TwitchPeer) -> None:
    app = twitch.world.add_app(public=True)
    client = oauth(app)
    flow = await client.device_code_flow()
    for _ in range(2):
        with pytest.raises(twitchio.HTTPException):
            await client.request_json(_device_route(app, flow["device_code"]))
    await client.close()
    assert len(twitch.world.violations) == 1


async def test_sign_in_may_fail(twitch: TwitchPeer) -> None:
    twitch.identity.faults.append(Fault("POST", "/oauth2/token", status=500))
    client = oauth(twitch.world.app)
    with pytest.raises(twitchio.HTTPException) as error:
        await client.client_credentials_token()
    assert error.value.status == 500
    assert (await client.client_credentials_token()).access_token
    await client.close()


def _device_route(app: App, device_code: str) -> twitchio.http.Route:
    params = {
        "client_id": app.client_id,
        "device_code": device_code,
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }
    return twitchio.http.Route("POST", "/oauth2/token", use_id=True, params=params)
