"""A loopback Discord: REST and gateway over real HTTP and WebSocket, for the real discord.py.

Written from Discord's public API documentation (v10). It keeps guilds, channels and messages in
memory, lets users act (`world.say`, `world.slash`, `world.press`, …), answers as Discord
documents, notes every breach of a documented limit in `world.violations`, and can be told to
misbehave (`rest.faults`, `Gateway.drop`). A fixture ends with `assert world.violations == []`.

    models.py        people, guilds, channels, messages, as data and JSON
    state.py         the world: what is said in it, and how users act
    people.py        users, guilds, roles, members, bans, timeouts, installs
    base.py          time, ids, events and waiting, under both
    clock.py         the world's own time
    permissions.py   roles and overwrites
    interactions.py  slash commands, autocomplete, menus, buttons, modals, as users use them
    interaction.py   one of them, and what the bot made of it
    commands.py      what the bot registered, and what a client lets users send
    limits.py, components.py  documented limits on messages and components
    http.py          errors, faults, message bodies
    rest.py          the HTTP side; routes in accounts.py, guilds.py,
                     messages.py, webhooks.py
    ratelimits.py    buckets, for tests that set limits with `rest.limit`
    gateway.py       the WebSocket side
    cdn.py           downloads of attachments
    client.py        the real discord.py connected to it, for tests of the peer itself
    server.py        all of it on one loopback port
"""

from tests.peers.discord.commands import NotOfferedError
from tests.peers.discord.http import Fault, rate_limited
from tests.peers.discord.interaction import Choice, Interaction, Response
from tests.peers.discord.models import Attachment, Channel, Guild, Member, Message, Role, User
from tests.peers.discord.permissions import Permission
from tests.peers.discord.server import DiscordPeer
from tests.peers.discord.state import World

__all__ = [
    "Attachment",
    "Channel",
    "Choice",
    "DiscordPeer",
    "Fault",
    "Guild",
    "Interaction",
    "Member",
    "Message",
    "NotOfferedError",
    "Permission",
    "Response",
    "Role",
    "User",
    "World",
    "rate_limited",
]
