"""Members, permissions, moderation, installs and the soundboard of the loopback Discord."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

import discord
import imageio_ffmpeg
import pytest

from tests.peers.discord import Channel, DiscordPeer, Guild, NotOfferedError, Permission, User
from tests.peers.discord.client import PlainClient, connected
from tests.peers.discord.permissions import EVERYTHING

MODERATING = discord.Intents(guilds=True, guild_messages=True, moderation=True)


@pytest.fixture
def tom(peer: DiscordPeer) -> User:
    return peer.world.add_user("Tom")


async def heard(client: PlainClient, event: str) -> tuple[object, ...]:
    found = await client.peer.world.until(lambda: client.events(event))
    return found[-1]


async def test_roles_and_overwrites_add_up(
    peer: DiscordPeer, guild: Guild, channel: Channel, mia: User, tom: User
) -> None:
    world = peer.world
    assert world.permissions(mia, channel) & Permission.BAN_MEMBERS
    assert not world.permissions(tom, channel) & Permission.MANAGE_MESSAGES
    role = world.add_role(guild, "mod", Permission.MANAGE_MESSAGES)
    world.give_role(guild, tom, role)
    assert world.permissions(tom, channel) & Permission.MANAGE_MESSAGES
    world.overwrite(channel, guild.everyone, deny=Permission.SEND_MESSAGES)
    with pytest.raises(NotOfferedError):
        world.say(channel, tom, "hello")
    world.overwrite(channel, role, allow=Permission.SEND_MESSAGES)
    world.say(channel, tom, "hello")
    world.overwrite(channel, tom, deny=Permission.SEND_MESSAGES)
    assert not world.permissions(tom, channel) & Permission.SEND_MESSAGES
    world.give_role(guild, tom, world.add_role(guild, "boss", Permission.ADMINISTRATOR))
    assert world.permissions(tom, channel) & Permission.SEND_MESSAGES


async def test_discord_py_reads_the_same_permissions(
    peer: DiscordPeer, guild: Guild, channel: Channel, mia: User, tom: User
) -> None:
    world = peer.world
    role = world.add_role(guild, "mod", Permission.MANAGE_GUILD)
    world.give_role(guild, tom, role)
    world.overwrite(channel, role, deny=Permission.ATTACH_FILES)
    async with connected(peer, intents=MODERATING) as client:
        world.say(channel, tom, "hello")
        (message,) = await heard(client, "message")
        assert isinstance(message, discord.Message) and isinstance(message.author, discord.Member)
        assert [r.name for r in message.author.roles] == ["@everyone", "mod"]
        may = message.channel.permissions_for(message.author)
        own = int(world.permissions(tom, channel))
        assert may.manage_guild and not may.attach_files
        # discord.py leaves voice permissions out of text channels.
        voice = Permission.USE_SOUNDBOARD | Permission.CONNECT | Permission.SPEAK
        textual = int(EVERYTHING & ~voice)
        assert may.value & textual == own & textual


async def test_a_ban_is_heard_and_ends_what_they_may(
    peer: DiscordPeer, guild: Guild, channel: Channel, mia: User, tom: User
) -> None:
    world = peer.world
    world.say(channel, tom, "hello")
    async with connected(peer, intents=MODERATING) as client:
        world.ban(guild, tom, by=mia, reason="spam")
        _, banned = await heard(client, "member_ban")
        assert isinstance(banned, discord.User) and banned.id == tom.id
        with pytest.raises(NotOfferedError, match="banned"):
            world.say(channel, tom, "hello again")
        world.unban(guild, tom)
        await heard(client, "member_unban")
        assert client.events("audit_log_entry_create") == []


async def test_a_timeout_is_in_the_audit_log_for_who_may_read_it(
    peer: DiscordPeer, guild: Guild, channel: Channel, mia: User, tom: User
) -> None:
    world = peer.world
    auditor = world.add_role(guild, "auditor", Permission.VIEW_AUDIT_LOG)
    world.give_role(guild, world.bot, auditor)
    async with connected(peer, intents=MODERATING) as client:
        world.time_out(guild, tom, 600, by=mia)
        (entry,) = await heard(client, "audit_log_entry_create")
        assert isinstance(entry, discord.AuditLogEntry)
        assert entry.action is discord.AuditLogAction.member_update
        assert entry.target is not None and entry.target.id == tom.id
        assert entry.after.timed_out_until is not None
        # Member updates are for the privileged intent.
        assert client.events("raw_member_update") == client.events("member_update") == []
        with pytest.raises(NotOfferedError):
            world.say(channel, tom, "hello")
        world.advance(601)
        world.say(channel, tom, "hello")


async def test_deleted_messages_are_heard_one_by_one_or_together(
    peer: DiscordPeer, channel: Channel, mia: User
) -> None:
    world = peer.world
    said = [world.say(channel, mia, f"number {number}") for number in range(3)]
    async with connected(peer, intents=MODERATING) as client:
        world.delete(said[0])
        (one,) = await heard(client, "raw_message_delete")
        world.purge(said[1:])
        (many,) = await heard(client, "raw_bulk_message_delete")
        assert isinstance(one, discord.RawMessageDeleteEvent)
        assert isinstance(many, discord.RawBulkMessageDeleteEvent)
        assert {one.message_id} | many.message_ids == {message.id for message in said}


async def test_refusals(peer: DiscordPeer, guild: Guild, channel: Channel, mia: User) -> None:
    world = peer.world
    async with connected(peer, intents=MODERATING) as client:
        place = client.get_partial_messageable(channel.id)
        world.overwrite(channel, guild.everyone, deny=Permission.ATTACH_FILES)
        with pytest.raises(discord.Forbidden) as caught:
            await place.send(file=discord.File(io.BytesIO(b"x"), "a.mp3"))
        assert caught.value.code == 50013
        world.overwrite(channel, guild.everyone, deny=Permission.SEND_MESSAGES)
        with pytest.raises(discord.Forbidden) as caught:
            await place.send("hello")
        assert caught.value.code == 50013
        world.overwrite(channel, guild.everyone, deny=Permission.VIEW_CHANNEL)
        with pytest.raises(discord.Forbidden) as caught:
            await place.send("hello")
        assert caught.value.code == 50001
        world.delete_channel(channel)
        with pytest.raises(discord.NotFound) as lost:
            await place.send("hello")
        assert lost.value.code == 10003
        mia.takes_dms = False
        dm = await client.create_dm(discord.Object(mia.id))
        with pytest.raises(discord.Forbidden) as caught:
            await dm.send("hello")
        assert caught.value.code == 50007
        assert world.violations == []


async def test_an_app_that_only_its_user_installed(peer: DiscordPeer, mia: User, tom: User) -> None:
    world = peer.world
    channels = [
        world.add_channel(world.add_guild(mia, "elsewhere", has_bot=False)),
        world.private_channel(tom, mia),
    ]

    async def setup(client: PlainClient) -> None:
        @client.tree.command(description="Make a loop")
        @discord.app_commands.allowed_installs(guilds=True, users=True)
        @discord.app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
        async def riff(interaction: discord.Interaction) -> None:
            assert interaction.is_user_integration() and not interaction.is_guild_integration()
            kinds = (interaction.context.guild, interaction.context.private_channel)
            await interaction.response.send_message(f"{kinds}")
            with contextlib.suppress(discord.HTTPException):
                for number in range(6):
                    await interaction.followup.send(f"{number}")

        await client.tree.sync()

    async with connected(peer, intents=MODERATING, setup=setup) as client:
        for channel, kinds in zip(channels, ["(True, False)", "(False, True)"], strict=True):
            with pytest.raises(NotOfferedError):
                world.slash(channel, mia, "riff")
            tom.installed = True
            asked = world.slash(channel, tom, "riff")
            reply = await asked.reply()
            assert reply.content.replace("None", "False") == kinds
            await world.until(lambda: world.violations)
            assert len(asked.followups) == 5
            assert "follow-ups" in world.violations.pop()
            assert not reply.ephemeral
            with pytest.raises(discord.Forbidden):
                await client.get_partial_messageable(channel.id).send("here I am")
        everyone = world.guilds[channels[0].guild_id or 0].everyone
        world.overwrite(channels[0], everyone, deny=Permission.USE_EXTERNAL_APPS)
        reply = await world.slash(channels[0], tom, "riff").reply()
        assert reply.seen_by is tom
        await world.until(lambda: world.violations)
        world.say(channels[0], tom, "not for the bot")
        assert client.events("message") == []


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """MP3s of 1 s and of 6 s."""
    made = []
    for seconds in (1, 6):
        path = Path(tmp_path_factory.mktemp("sound") / f"{seconds}.mp3")
        tone = ["-f", "lavfi", "-i", f"sine=440:duration={seconds}"]
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
        subprocess.run([ffmpeg, "-loglevel", "error", *tone, str(path)], check=True)
        made.append(path.read_bytes())
    return made


async def test_the_soundboard_takes_what_fits(
    peer: DiscordPeer, guild: Guild, channel: Channel, sounds: list[bytes]
) -> None:
    world = peer.world
    async with connected(peer, intents=MODERATING | discord.Intents(expressions=True)) as client:
        place = client.get_guild(guild.id)
        assert place is not None
        with pytest.raises(discord.Forbidden) as caught:
            await place.create_soundboard_sound(name="riff", sound=sounds[0])
        assert caught.value.code == 50013
        maker = world.add_role(guild, "maker", Permission.CREATE_GUILD_EXPRESSIONS)
        world.give_role(guild, world.bot, maker)
        made = await place.create_soundboard_sound(name="riff", sound=sounds[0], emoji="🎵")
        assert world.sounds[made.id] == sounds[0]
        assert [sound["name"] for sound in guild.sounds] == ["riff"]
        await heard(client, "soundboard_sound_create")
        assert world.violations == []
        for name, sound in (("long", sounds[1]), ("r", sounds[0]), ("big", sounds[0] * 100)):
            with pytest.raises(discord.HTTPException):
                await place.create_soundboard_sound(name=name, sound=sound)
        assert len(world.violations) == 3
        for number in range(7):
            await place.create_soundboard_sound(name=f"riff {number}", sound=sounds[0])
        with pytest.raises(discord.HTTPException) as full:
            await place.create_soundboard_sound(name="more", sound=sounds[0])
        assert full.value.code == 30045
