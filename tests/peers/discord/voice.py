"""Voice of the loopback Discord: who is in which channel, and a server that takes sound (v8).

    lounge = world.add_channel(guild, "lounge", is_voice=True)
    peer.voice.join(lounge, mia)           # VOICE_STATE_UPDATE
    peer.voice.leave(guild, mia)
    peer.voice.move(room, world.bot)       # as a moderator drags somebody
    peer.voice.cut()                       # the voice WebSocket dies without a goodbye
    peer.voice.packets                     # what the bot said: decrypted Opus, as it came

Sound is encrypted for transport (aead_xchacha20_poly1305_rtpsize) and not end to end: a call may
have DAVE version 0. What comes against the documentation is a line in `world.violations`.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from dataclasses import dataclass
from typing import Any

import nacl.exceptions
import nacl.secret
from aiohttp import WSMsgType, web

from tests.peers.discord.gateway import Gateway
from tests.peers.discord.models import Channel, Guild, User
from tests.peers.discord.permissions import Permission
from tests.peers.discord.state import World

IDENTIFY, SELECT_PROTOCOL, READY, HEARTBEAT, DESCRIPTION, SPEAKING = 0, 1, 2, 3, 4, 5
HEARTBEAT_ACK, HELLO = 6, 8
AUTHENTICATION_FAILED, SESSION_INVALID, DISCONNECTED = 4004, 4006, 4014
MODE = "aead_xchacha20_poly1305_rtpsize"
_DISCOVERY, _RTP_HEADER, _NONCE = 74, 12, 4
_ALL_ZERO = b"\0" * (24 - _NONCE)


@dataclass(frozen=True, slots=True)
class Packet:
    """20 ms of Opus, with the numbers that it came with."""

    ssrc: int
    sequence: int
    timestamp: int
    opus: bytes


_EARLY = 25
"""Packets, half a second of sound."""


class Call:
    """One voice connection of the bot."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, ssrc: int) -> None:
        self.socket, self.request, self.ssrc = socket, request, ssrc
        self.key = secrets.token_bytes(32)
        self.identified = False
        self.has_spoken = False
        self.early = 0
        self.last_nonce = -1


class Voice(asyncio.DatagramProtocol):
    """Voice states, the voice gateway and its UDP port."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._endpoint = ""
        self._session = ""
        self._token = ""
        self._udp: asyncio.DatagramTransport | None = None
        self._calls: dict[int, Call] = {}
        self._ssrc = 1000
        self._hanging_up: set[asyncio.Task[bool]] = set()
        self.identified = 0
        self.packets: list[Packet] = []
        gateway.on_voice_asked = self._asked

    def add_to(self, app: web.Application) -> None:
        """Serve under /voice/ of `app`."""
        app.router.add_get("/voice/", self._serve)

    async def start(self, host: str) -> None:
        """Open the UDP port; `host` is where the HTTP server is."""
        self._endpoint = f"{host}/voice"
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )

    def close(self) -> None:
        """Discord goes down."""
        if self._udp is not None:
            self._udp.close()

    # Who is where ---------------------------------------------------------------------------

    def where(self, guild: Guild, user: User) -> int | None:
        """The id of the voice channel that somebody is in."""
        state = guild.voice_states.get(user.id)
        return None if state is None else int(state["channel_id"])

    def join(self, channel: Channel, user: User) -> None:
        """Somebody goes into a voice channel."""
        assert channel.guild_id is not None
        self._tell(self._world.guilds[channel.guild_id], channel, user)

    def leave(self, guild: Guild, user: User) -> None:
        """Somebody leaves, or is disconnected by a moderator."""
        self._tell(guild, None, user)
        if user is self._world.bot:
            self._hang_up()

    def move(self, channel: Channel, user: User) -> None:
        """A moderator moves somebody."""
        self.join(channel, user)
        if user is self._world.bot:
            self._invite(str(channel.guild_id))
            self._hang_up()

    def cut(self) -> None:
        """The connections die as they do when a network does."""
        for call in self._calls.values():
            if call.request.transport is not None:
                call.request.transport.abort()

    async def _asked(self, session: str, data: dict[str, Any]) -> None:
        """The bot wants to be in another channel, or in none."""
        guild, bot = self._world.guilds[int(data["guild_id"])], self._world.bot
        self._session = session
        if data["channel_id"] is None:
            if self.where(guild, bot) is not None:
                self._tell(guild, None, bot)
            return
        channel = self._world.channels[int(data["channel_id"])]
        if not self._world.permissions(bot, channel) & Permission.CONNECT:
            return  # as Discord does: nothing comes
        moved = self.where(guild, bot) not in (None, channel.id)
        self._tell(guild, channel, bot, deaf=data["self_deaf"])
        self._invite(str(guild.id))
        if moved:
            self._hang_up()

    def _tell(
        self, guild: Guild, channel: Channel | None, user: User, *, deaf: bool = False
    ) -> None:
        member = self._world.member(guild, user)
        state = {
            "guild_id": str(guild.id),
            "channel_id": None if channel is None else str(channel.id),
            "user_id": str(user.id),
            "session_id": self._session if user is self._world.bot else secrets.token_hex(8),
            "self_deaf": deaf,
            **dict.fromkeys(("deaf", "mute", "self_mute", "self_video", "suppress"), False),
        }
        if channel is None:
            guild.voice_states.pop(user.id, None)
        else:
            guild.voice_states[user.id] = state
        self._world.tell("VOICE_STATE_UPDATE", {**state, "member": member.to_json()})

    def _invite(self, guild_id: str) -> None:
        self._token = secrets.token_hex(8)
        server = {"token": self._token, "guild_id": guild_id, "endpoint": self._endpoint}
        self._world.tell("VOICE_SERVER_UPDATE", server)

    def _hang_up(self) -> None:
        for call in self._calls.values():
            task = asyncio.create_task(call.socket.close(code=DISCONNECTED))
            self._hanging_up.add(task)
            task.add_done_callback(self._hanging_up.discard)

    # The voice gateway ----------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if request.query.get("v") != "8":
            self._wrong(f"a connection to {request.query_string!r}")
        self._ssrc += 1
        call = self._calls[self._ssrc] = Call(socket, request, self._ssrc)
        await _send(socket, HELLO, {"v": 8, "heartbeat_interval": 13_750})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    frame = message.json()
                    await self._receive(call, frame["op"], frame["d"])
                    self._world.notify()
        finally:
            del self._calls[call.ssrc]
            self._world.notify()
        return socket

    async def _receive(self, call: Call, op: int, data: Any) -> None:
        if op == HEARTBEAT:
            await _send(call.socket, HEARTBEAT_ACK, {"t": data["t"]})
        elif op == IDENTIFY:
            await self._identify(call, data)
        elif not call.identified:
            self._wrong(f"opcode {op} before identifying")
        elif op == SELECT_PROTOCOL:
            if (data["protocol"], data["data"]["mode"]) != ("udp", MODE):
                self._wrong(f"the protocol {data}")
            described = {"mode": MODE, "secret_key": list(call.key), "dave_protocol_version": 0}
            await _send(call.socket, DESCRIPTION, described)
        elif op == SPEAKING:
            call.has_spoken = True
            if data["ssrc"] != call.ssrc:
                self._wrong(f"speaking with the SSRC {data['ssrc']}")
        else:
            self._wrong(f"opcode {op}")

    async def _identify(self, call: Call, data: dict[str, Any]) -> None:
        guild = self._world.guilds[int(data["server_id"])]
        if data["token"] != self._token:
            await call.socket.close(code=AUTHENTICATION_FAILED)
            return
        if data["session_id"] != self._session or self.where(guild, self._world.bot) is None:
            await call.socket.close(code=SESSION_INVALID)
            return
        if data["max_dave_protocol_version"] < 1:
            self._wrong("a client without end-to-end encryption")  # 4017 since March 2026
        call.identified = True
        self.identified += 1
        assert self._udp is not None
        host, port = self._udp.get_extra_info("sockname")
        ready = {"ssrc": call.ssrc, "ip": host, "port": port, "heartbeat_interval": 1}
        await _send(call.socket, READY, {**ready, "modes": ["aead_aes256_gcm_rtpsize", MODE]})

    # Sound ----------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        """IP discovery, or a packet of sound."""
        if len(data) == _DISCOVERY and data[:4] == struct.pack(">HH", 1, 70):
            assert self._udp is not None
            host = address[0].encode().ljust(64, b"\0")
            answer = struct.pack(">HH", 2, 70) + data[4:8] + host + struct.pack(">H", address[1])
            self._udp.sendto(answer, address)
            return
        kind, sequence, timestamp, ssrc = struct.unpack(">HHII", data[:_RTP_HEADER])
        call = self._calls.get(ssrc)
        if call is None:
            return  # still on its way when the call ended
        nonce = data[-_NONCE:]
        box = nacl.secret.Aead(call.key)
        try:
            header, sound = data[:_RTP_HEADER], data[_RTP_HEADER:-_NONCE]
            opus = box.decrypt(sound, header, nonce + _ALL_ZERO)
        except nacl.exceptions.CryptoError:
            self._wrong("a packet that cannot be decrypted")
            return
        number = int.from_bytes(nonce, "big")
        # The word that somebody speaks comes by another socket, and may be read a little later.
        call.early += not call.has_spoken
        if kind != 0x8078 or call.early > _EARLY or number <= call.last_nonce:
            self._wrong(f"packet {sequence}: type {kind:#x}, nonce {number}")
        call.last_nonce = number
        self.packets.append(Packet(ssrc, sequence, timestamp, opus))
        self._world.notify()

    def _wrong(self, what: str) -> None:
        self._world.violations.append(f"voice: {what}")
        self._world.notify()


async def _send(socket: web.WebSocketResponse, op: int, data: dict[str, Any]) -> None:
    await socket.send_json({"op": op, "d": data})
