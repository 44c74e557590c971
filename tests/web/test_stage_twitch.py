"""From a viewer's words on Twitch to their sound on the stage, with nothing left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bot.config import Config, TwitchConfig, WebConfig
from bot.live.grid import SAMPLE_RATE
from cogs.twitch.requester import somebody
from cogs.twitch.scopes import Role
from cogs.twitch.tokens import FILE_NAME, Account, TokenStore
from tests.cogs.twitch.house import SCOPES
from tests.peers.twitch import TwitchPeer, User
from tests.web.conftest import chromium
from tests.web.recording import recorded
from tests.web.test_stage_sound import WholeBot, check_sound, listen, wait_for, wait_until_recorded

SOON = 120  # seconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that plays without asking, as OBS does."""
    with chromium("--autoplay-policy=no-user-gesture-required") as chrome:
        yield chrome


class Channel(WholeBot):
    """Mia's channel on a loopback Twitch, and the bot as it is, signed in there."""

    peer: TwitchPeer
    mia: User
    bot: User

    async def _run(self) -> None:
        async with TwitchPeer() as self.peer:
            world = self.peer.world
            self.mia, self.bot = world.add_user("Mia", "affiliate"), world.add_user("Riffbot")
            self.owner = somebody(self.mia.id, self.mia.id, self.mia.name)
            tokens = TokenStore(self._folder / FILE_NAME)
            self._sign_in(tokens, self.bot, "bot")
            self._sign_in(tokens, self.mia, "channel")
            await super()._run()
            assert world.violations == []

    def _config(self) -> Config:
        secret = self._folder / "client-secret"
        secret.touch(0o600)
        secret.write_text(str(self.peer.world.app.secret), "utf-8")
        return Config(
            data=self._folder,
            web=WebConfig(port=0, open_browser=False),
            adapters=("cogs.twitch",),
            twitch=TwitchConfig(
                client_id=self.peer.world.app.client_id,
                client_secret_file=secret,
                api_url=self.peer.api_url,
                id_url=self.peer.id_url,
                eventsub_url=self.peer.eventsub_url,
            ),
        )

    def _sign_in(self, tokens: TokenStore, user: User, role: Role) -> None:
        token = self.peer.world.grant(user, SCOPES[role])
        assert token.refresh is not None
        scopes = frozenset(SCOPES[role].split())
        tokens.keep(
            Account(user.id, user.login, user.name, (role,), scopes, token.access, token.refresh)
        )

    def until_listening(self) -> None:
        """Wait until the bot hears what is said in the channel."""
        world = self.peer.world

        def listens() -> bool:
            heard = world.feed.enabled(app=world.app, user=self.bot)
            return any(one.type == "channel.chat.message" for one in heard)

        self.do(lambda: world.until(listens, SOON))

    def types(self, user: User, text: str, answer: str) -> None:
        """Somebody types in Mia's chat, and the bot answers with these words."""
        world = self.peer.world

        async def typing() -> None:
            world.say(self.mia, user, text)
            await world.until(
                lambda: any(answer in line for line in world.said_by(self.mia, self.bot)), SOON
            )

        self.do(typing)


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    opened = Channel(tmp_path)
    opened.open()
    yield opened
    opened.close()


def test_a_viewers_vote_on_twitch_is_heard_and_credited(browser: Browser, channel: Channel) -> None:
    channel.until_listening()
    channel.types(channel.mia, "!live start", "The live session is on")
    page = listen(browser, channel.url)
    ana = channel.peer.world.add_user("Ana")
    channel.types(ana, "!vote soft organ", "Your vote: soft organ")
    part = page.locator("#parts li").filter(has_text="soft organ")
    expect(part.locator(".by")).to_contain_text("Ana", timeout=SOON * 1000)
    # Its loudness is that of whole loops.
    session = channel.session
    heard = next(one for one in channel.entered.values() if one.kind == "mix")
    assert [(share.prompt, share.by) for share in heard.shares] == [("soft organ", ("Ana",))]
    wait_for(page, f"report.joins.some(({{ number }}) => number === {heard.number})", SOON)
    joins = page.evaluate("riffbotStage.report.joins")
    began = next(join["actual"] for join in joins if join["number"] == heard.number)
    started = page.evaluate("riffbotStage.report.started")
    length = began - started + 2 * session.performance.grid.loop
    wait_until_recorded(page, length / SAMPLE_RATE + 2)
    report = page.evaluate("riffbotStage.report")
    recording = recorded(page, since=report["started"])
    assert report["late"] == 0
    check_sound(recording, report["joins"], channel.entered, session.sounds)
    page.close()
