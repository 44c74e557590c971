"""`/radio join`, `leave`, `volume`, `now`: the live session, or a clip on repeat, as voice.

The same as `!radio …`, where a reply to a clip's post names that clip.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, voice_client, voice_state
from discord.ext import commands

from bot.chat import Said, quoted
from bot.errors import BadInputRefusal, BusyRefusal, ForbiddenRefusal, NotFoundRefusal
from bot.grammar import Command
from bot.jobs import Job, Requester
from bot.live.view import segment_json
from bot.moderation.commands import Reply
from cogs.discord.asking import promptly
from cogs.discord.faults import log
from cogs.discord.parts import Parts
from cogs.discord.place import PLATFORM
from cogs.discord.replies import reply_to
from cogs.discord.requester import requester_in
from cogs.discord.slash import Field, make_command
from cogs.discord.station import CONNECT_ERRORS, Station, clips_of, is_playable

if TYPE_CHECKING:
    from cogs.discord.client import RiffbotClient

Interaction = discord.Interaction[Any]

_OFFERED, _LONGEST_CHOICE = 25, 100
_STOP_SECONDS = 3.0
NOT_INSTALLED = (
    "I have no voice yet: whoever runs me has to install PyNaCl and davey (with pip install "
    "'discord.py[voice]') and restart me."
)
NOT_A_SERVER = "Voice channels belong to servers: use this on one that I am a member of."
JOIN_FIRST = "Go into a voice channel first; I come to where you are."
NO_STAGES = "I play in voice channels, not on stages."
NOT_ON = "The radio is off; a moderator who is in a voice channel turns it on with !radio join."
NOTHING = "There is nothing to play yet: start with !riff lo-fi beat, or !live start."
USAGE = "There are !radio join, !radio leave, !radio volume 50 and !radio now."


class RadioCog(commands.Cog):
    """One station for each server."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._services = parts, parts.services
        self._stations: dict[int, Station] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._bots: set[int] = set()
        self._client: RiffbotClient | None = None
        clip = Field("clip", app_commands.Range[str, 1, _LONGEST_CHOICE],
                     "A clip of this server, or its number, 1 being the latest",
                     complete=self._offered)  # fmt: skip
        percent = Field("percent", app_commands.Range[int, 0, 100], "How loud", required=True)
        group = app_commands.Group(
            name="radio",
            description="The live session, or a clip on repeat, in your voice channel",
            allowed_contexts=app_commands.AppCommandContext(guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True),
        )
        for name, text, fields in (
            ("join", "Play in the voice channel that you are in", [clip]),
            ("leave", "Leave the voice channel", []),
            ("volume", "How loud the radio plays", [percent]),
            ("now", "What plays", []),
        ):
            group.add_command(make_command(name, text, fields, self._slash(name)))
        self.made_commands = [group]

    def attach(self, client: RiffbotClient) -> None:
        """Voice takes the connection; and `!radio` is answered from now on."""
        self._client = client
        self._parts.desk.add("radio", self._typed)

    async def cog_unload(self) -> None:
        """The bot stops, or connects anew: every radio goes off."""
        stations = [asyncio.create_task(station.close()) for station in self._stations.values()]
        if stations:
            await asyncio.wait(stations, timeout=_STOP_SECONDS)

    @commands.Cog.listener()
    async def on_voice_state_update(
        self, member: discord.Member, before: discord.VoiceState, after: discord.VoiceState
    ) -> None:
        """Who listens may have changed."""
        if member.bot:
            self._bots.add(member.id)
        station = self._stations.get(member.guild.id)
        if station is not None:
            station.people_changed()

    # Commands -------------------------------------------------------------------------------

    def _slash(self, name: str) -> Any:
        async def run(interaction: Interaction, values: dict[str, Any]) -> None:
            requester = requester_in(interaction, interaction.client.operators)
            argument = str(values.get("clip", values.get("percent", "")))
            work = self._answer(requester, name, argument, None)
            sentence = await promptly(interaction, work)
            await reply_to(interaction, Reply(sentence), self._parts.prefix, privately=False)

        return run

    async def _typed(self, said: Said, command: Command) -> Reply:
        name, _, rest = command.rest.strip().partition(" ")
        return Reply(
            await self._answer(said.requester, name.lower(), rest.strip(), said.replied_job)
        )

    async def _answer(
        self, by: Requester, name: str, argument: str, replied_job: str | None
    ) -> str:
        guild = self._guild_of(by)
        access = self._services.moderation.rules.access
        if name == "now":
            access.require(by, "live-look")
            return self._now(guild)
        if name not in ("join", "leave", "volume"):
            raise BadInputRefusal(USAGE)
        access.require(by, "radio")
        async with self._turns.setdefault(guild.id, asyncio.Lock()):
            match name:
                case "join":
                    return await self._join(guild, by, argument, replied_job)
                case "leave":
                    return await self._leave(guild)
                case _:
                    return self._set_volume(guild, argument)

    async def _join(
        self, guild: discord.Guild, by: Requester, clip: str, replied_job: str | None
    ) -> str:
        if not (voice_client.has_nacl and voice_state.has_dave):
            raise BadInputRefusal(NOT_INSTALLED)
        channel = _channel_of(guild, int(by.user))
        named = await self._clip(guild, clip or replied_job)
        station = self._stations.get(guild.id)
        if station is not None and station.closing:
            await station.close()
            station = None
        if station is None or station.channel != channel:
            _check(guild, channel)
        try:
            if station is None:
                station = Station(
                    self._services, self._connected(), guild, self._bots, self._forget
                )
                await station.open(channel, named)
                self._stations[guild.id] = station
            else:
                await station.move(channel, named)
        except CONNECT_ERRORS as error:
            log.warning("Discord: no voice on “%s”: %s", guild.name, error or type(error).__name__)
            raise BusyRefusal(
                f"I could not connect to {channel.name}; please try again in a moment.", 10.0
            ) from error
        return self._now(guild)

    def _forget(self, station: Station) -> None:
        for guild_id in [key for key, one in self._stations.items() if one is station]:
            del self._stations[guild_id]

    async def _leave(self, guild: discord.Guild) -> str:
        station = self._station(guild)
        await station.close()
        return "The radio is off."

    def _set_volume(self, guild: discord.Guild, argument: str) -> str:
        percent = argument.removesuffix("%").strip()
        if not (percent.isascii() and percent.isdigit() and int(percent) <= 100):
            raise BadInputRefusal("Say how loud, from 0 to 100, such as !radio volume 50.")
        self._station(guild).set_volume(int(percent))
        return f"The radio plays at {int(percent)} %."

    def _now(self, guild: discord.Guild) -> str:
        station = self._station(guild)
        channel = station.channel
        where = "" if channel is None else f"In {channel.name}, at {station.volume} %: "
        session = self._services.live.at(station.where)
        job = station.on_air.job
        if job is not None:
            return f"{where}{quoted(job)} by {job.requester.name}, seed {job.request.seed}."
        if session is not None and station.on_air.session == session.id:
            segment = session.performance.timeline.at(session.playhead)
            title = segment_json(session.performance, segment)["title"]
            return f"{where}the live session, with {title}."
        return self._services.moderation.rules.halts.notice(*station.where) or NOTHING

    # Which ----------------------------------------------------------------------------------

    def _connected(self) -> RiffbotClient:
        assert self._client is not None, "commands come only once it is attached"
        return self._client

    def _guild_of(self, by: Requester) -> discord.Guild:
        guild = self._connected().get_guild(int(by.community)) if by.community else None
        if guild is None:
            raise BadInputRefusal(NOT_A_SERVER)
        return guild

    def _station(self, guild: discord.Guild) -> Station:
        station = self._stations.get(guild.id)
        if station is None:
            raise NotFoundRefusal(NOT_ON)
        return station

    async def _clip(self, guild: discord.Guild, named: str | None) -> str | None:
        """The id of the riff that somebody names by number, id or reply."""
        if not named:
            return None
        where = (PLATFORM, str(guild.id))
        number = named.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 4:
            playable = await clips_of(self._services, where)
            if not 1 <= int(number) <= len(playable):
                raise NotFoundRefusal(
                    f"The latest clips here have numbers 1 to {len(playable)}, not {number}."
                    if playable
                    else NOTHING
                )
            return playable[int(number) - 1].id
        job = (await self._services.studio.view(named)).job
        if not is_playable(job) or (job.requester.platform, job.requester.community) != where:
            raise NotFoundRefusal("That is no clip of this server that could be heard.")
        return job.id

    async def _offered(
        self, interaction: Interaction, typed: str
    ) -> list[app_commands.Choice[str]]:
        requester = requester_in(interaction, interaction.client.operators)
        found = await clips_of(self._services, (PLATFORM, requester.community))
        wanted = typed.casefold()
        return [
            app_commands.Choice(name=_title(number, job), value=job.id)
            for number, job in enumerate(found, 1)
            if wanted in job.request.prompt.casefold() or wanted == str(number)
        ][:_OFFERED]


def _title(number: int, job: Job) -> str:
    line = f"{number}. {quoted(job)} by {job.requester.name}"
    return line if len(line) <= _LONGEST_CHOICE else line[: _LONGEST_CHOICE - 1] + "…"


def _channel_of(guild: discord.Guild, user: int) -> discord.VoiceChannel:
    """Where somebody is listening.

    Raises:
        BadInputRefusal: nowhere, or on a stage.
    """
    for channel in guild.voice_channels:
        if user in channel.voice_states:
            return channel
    if any(user in stage.voice_states for stage in guild.stage_channels):
        raise BadInputRefusal(NO_STAGES)
    raise BadInputRefusal(JOIN_FIRST)


def _check(guild: discord.Guild, channel: discord.VoiceChannel) -> None:
    """Whether the bot may play there.

    Raises:
        ForbiddenRefusal: a permission is missing.
        BadInputRefusal: the channel is full.
    """
    may = channel.permissions_for(guild.me)
    missing = [
        name
        for name, there in (
            ("View Channel", may.view_channel),
            ("Connect", may.connect),
            ("Speak", may.speak),
        )
        if not there
    ]
    if missing:
        raise ForbiddenRefusal(
            f"I lack the permission {' and '.join(missing)} in {channel.name}: somebody who runs "
            "this server has to give it to me."
        )
    full = channel.user_limit and len(channel.voice_states) >= channel.user_limit
    if full and not may.move_members:
        raise BadInputRefusal(f"{channel.name} is full.")
