"""A loopback Twitch: sign-in, Helix and EventSub over real HTTP and WebSocket.

Written from Twitch's public documentation, for the real twitchio. It keeps people, their channels,
chats, tokens and subscriptions in memory, lets users act, answers as Twitch documents, notes every
breach of a documented rule in `world.violations`, and can be told to misbehave. A fixture ends
with `assert peer.world.violations == []`.

    async with TwitchPeer() as peer:
        world = peer.world
        mia = world.add_user("Mia", "affiliate")         # a broadcaster; a channel is its owner
        ana, bot = world.add_user("Ana"), world.add_user("Riffbot")
        token = world.grant(bot, "user:read:chat user:write:chat user:bot")   # .access, .refresh
        message = world.say(mia, ana, "!riff lo-fi", badges=["vip"])
        world.cheer(mia, ana, "Cheer100 !vote rain")     # bits come from the cheermotes
        world.share(message, bob)                        # it shows in a shared chat, too
        world.time_out(mia, ana, 600); world.ban(mia, ana); world.delete(message)
        await world.until(lambda: world.said_by(mia, bot))
        world.advance(30.0)                              # the world's own clock
        reward = world.reward_named(mia, "Riff")         # as the bot made it
        redemption = world.redeem(mia, ana, reward, "lo-fi")     # .status; world.balance(mia, ana)
        world.follow(mia, ana); world.subscribe(mia, ana); world.gift(mia, None, [ana])
        world.raid(bob, mia); world.hype_train(mia); world.go_live(mia); world.go_offline(mia)
        world.expire(bot); world.disconnect(mia)         # tokens end; an app is thrown out
        peer.helix.faults.append(Fault("POST", "/chat/messages", status=503))
        peer.eventsub.drop(); peer.eventsub.ask_to_reconnect(); peer.eventsub.repeat(1)
        peer.identity.consent(url, mia)                  # mia agrees on an authorize page

`world.app` is the registered application (client_id, secret); `world.add_app(public=True)` makes
one without a secret. A bot is pointed at `peer.api_url`, `peer.id_url` and `peer.eventsub_url`;
client.py says where twitchio keeps these.

    models.py       people, channels, messages, tokens, as data
    base.py         time, ids, violations, waiting (the clock is the loopback Discord's)
    tokens.py       apps, scopes, tokens
    people.py       roles, follows, bans, streams
    points.py       rewards and redemptions; happenings.py gifts, raids, hype trains and the like
    talk.py         chats; fragments.py cuts messages into emotes, cheermotes and mentions
    kinds.py        kinds of EventSub subscriptions and the scopes that they need
    feed.py         subscriptions; transports.py carries them over sockets and conduits
    state.py        the world: all of it
    identity.py     sign-in pages, tokens, device codes
    helix.py        REST; routes in helix_*.py; errors and callers in http.py
    eventsub.py     the WebSocket side
    client.py       the real twitchio connected to it, for tests of the peer itself
    server.py       all of it on one loopback port
"""

from tests.peers.discord.http import Fault
from tests.peers.twitch.models import App, ChatMessage, ChatModes, Redemption, Reward, Token, User
from tests.peers.twitch.points import NotRedeemableError
from tests.peers.twitch.server import TwitchPeer
from tests.peers.twitch.state import World

__all__ = [
    "App",
    "ChatMessage",
    "ChatModes",
    "Fault",
    "NotRedeemableError",
    "Redemption",
    "Reward",
    "Token",
    "TwitchPeer",
    "User",
    "World",
]
