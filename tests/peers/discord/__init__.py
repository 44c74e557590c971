"""A loopback Discord: REST and gateway over real HTTP and WebSocket, for the real discord.py.

Written from Discord's public API documentation (v10). It keeps guilds, channels and messages in
memory, answers as Discord documents, notes every breach of a documented limit in
`world.violations`, and can be told to misbehave (`faults`, `Gateway.drop`).

    state.py    what exists: users, guilds, channels, messages; events go to whoever listens
    rest.py     the HTTP side
    gateway.py  the WebSocket side
    server.py   both on one loopback port
"""

from tests.peers.discord.rest import Fault, rate_limited
from tests.peers.discord.server import DiscordPeer
from tests.peers.discord.state import Attachment, Channel, Guild, Message, User, World

__all__ = [
    "Attachment",
    "Channel",
    "DiscordPeer",
    "Fault",
    "Guild",
    "Message",
    "User",
    "World",
    "rate_limited",
]
