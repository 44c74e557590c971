"""Interactions on the loopback Discord, as the real discord.py sees and answers them."""

from __future__ import annotations

import io
import time

import aiohttp
import discord
import pytest
from discord import app_commands

from tests.peers.discord import (
    Channel,
    DiscordPeer,
    Fault,
    Guild,
    NotOfferedError,
    Permission,
    User,
)
from tests.peers.discord.client import PlainClient, connected


class Panel(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="again", custom_id="again")
    async def again(
        self, interaction: discord.Interaction, button: discord.ui.Button[discord.ui.View]
    ) -> None:
        await interaction.response.edit_message(content="pressed")

    @discord.ui.button(label="edit", custom_id="edit", emoji="🖋")
    async def edit(
        self, interaction: discord.Interaction, button: discord.ui.Button[discord.ui.View]
    ) -> None:
        await interaction.response.send_modal(Words())

    @discord.ui.select(
        custom_id="steps",
        placeholder="steps",
        options=[discord.SelectOption(label="few", value="4"), discord.SelectOption(label="many")],
    )
    async def steps(
        self, interaction: discord.Interaction, select: discord.ui.Select[discord.ui.View]
    ) -> None:
        await interaction.response.send_message(f"{select.values}", ephemeral=True)


class Fields(discord.ui.Modal, title="All kinds"):
    menu: discord.ui.Label[discord.ui.View] = discord.ui.Label(
        text="Kind",
        component=discord.ui.Select(
            custom_id="kind", options=[discord.SelectOption(label="Calm", value="calm")]
        ),
    )
    file: discord.ui.Label[discord.ui.View] = discord.ui.Label(
        text="File", component=discord.ui.FileUpload(custom_id="file")
    )
    one: discord.ui.Label[discord.ui.View] = discord.ui.Label(
        text="One",
        component=discord.ui.RadioGroup(
            custom_id="one",
            options=[
                discord.RadioGroupOption(label="A", value="a"),
                discord.RadioGroupOption(label="B", value="b"),
            ],
        ),
    )
    sure: discord.ui.Label[discord.ui.View] = discord.ui.Label(
        text="Sure", component=discord.ui.Checkbox(custom_id="sure")
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        menu, file, one, sure = (
            label.component for label in (self.menu, self.file, self.one, self.sure)
        )
        assert isinstance(menu, discord.ui.Select) and isinstance(file, discord.ui.FileUpload)
        assert isinstance(one, discord.ui.RadioGroup) and isinstance(sure, discord.ui.Checkbox)
        data = await file.values[0].read()
        text = f"{menu.values} {data!r} {one.value} {sure.value}"
        await interaction.response.send_message(text, ephemeral=True)


class Words(discord.ui.Modal, title="New words"):
    prompt: discord.ui.TextInput[discord.ui.View] = discord.ui.TextInput(
        label="Prompt", custom_id="prompt", default="lo-fi", max_length=20
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"now {self.prompt.value}")


async def setup(client: PlainClient) -> None:
    tree = client.tree

    @tree.command(description="Make a loop")
    @app_commands.describe(prompt="What to play", steps="How often to look at it", file="A file")
    async def riff(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 20],
        steps: app_commands.Range[int, 1, 50] = 12,
        file: discord.Attachment | None = None,
    ) -> None:
        await interaction.response.defer()
        found = b"" if file is None else await file.read()
        sent = discord.File(io.BytesIO(found or b"x"), "loop.mp3", description="a loop")
        text = f"{prompt} {steps} {interaction.user.display_name}"
        await interaction.edit_original_response(content=text, attachments=[sent], view=Panel())
        await interaction.followup.send("only you", ephemeral=True)

    @riff.autocomplete("prompt")
    async def complete(
        interaction: discord.Interaction, typed: str
    ) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=typed + end, value=typed + end) for end in ("a", "b")]

    @tree.context_menu(name="Who is it")
    async def who(interaction: discord.Interaction, user: discord.Member) -> None:
        view = discord.ui.View()
        menu: discord.ui.UserSelect[discord.ui.View] = discord.ui.UserSelect(custom_id="people")

        async def chosen(interaction: discord.Interaction) -> None:
            await interaction.response.edit_message(content=f"{menu.values[0].display_name}")

        menu.callback = chosen  # type: ignore[method-assign]
        view.add_item(menu)
        roles = [role.name for role in user.roles[1:]]
        await interaction.response.send_message(f"{user.display_name} {roles}", view=view)

    @tree.command(description="Keep somebody out")
    async def block(
        interaction: discord.Interaction,
        user: discord.Member,
        place: discord.TextChannel,
        role: discord.Role,
    ) -> None:
        text = f"{user.display_name} {place.name} {role.name} {user.id == interaction.user.id}"
        await interaction.response.send_message(text)

    @tree.context_menu(name="Remix this")
    async def remix(interaction: discord.Interaction, message: discord.Message) -> None:
        names = [attachment.filename for attachment in message.attachments]
        await interaction.response.send_message(f"{message.content} {names}", ephemeral=True)

    group = app_commands.Group(
        name="riffset",
        description="Settings",
        default_permissions=discord.Permissions(manage_guild=True),
        guild_only=True,
    )

    @group.command(description="Show them")
    async def show(interaction: discord.Interaction, key: str) -> None:
        await interaction.response.send_message(f"{key}: {interaction.permissions.manage_guild}")

    @tree.command(description="A form")
    async def form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Fields())

    @tree.command(description="Says nothing")
    async def silent(interaction: discord.Interaction) -> None:
        interaction.client.dispatch("silence", interaction)

    tree.add_command(group)
    client.add_view(Panel())
    await tree.sync()


async def test_a_slash_command_defers_edits_and_follows_up(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    async with connected(peer, setup=setup):
        assert peer.world.commands.synced == 1
        asked = peer.world.slash(
            channel, mia, "riff", {"prompt": "lo-fi", "steps": 20}, {"file": ("my a.wav", b"abc")}
        )
        assert (await asked.answered()).type == 5
        reply = await asked.reply()
        assert reply.content == "lo-fi 20 Mia"
        assert [(a.filename, a.data, a.description) for a in reply.attachments] == [
            ("loop.mp3", b"abc", "a loop")
        ]
        assert reply.labels == ["again", "🖋 edit", "steps"]
        assert reply in channel.messages.values()
        (private,) = await peer.world.until(lambda: asked.followups)
        assert private.ephemeral and private.seen_by is mia
        assert private not in channel.messages.values()
        assert peer.world.violations == []


async def test_buttons_menus_and_modals(peer: DiscordPeer, mia: User, channel: Channel) -> None:
    world = peer.world
    async with connected(peer, setup=setup):
        reply = await world.slash(channel, mia, "riff", {"prompt": "jazz"}).reply()
        chosen = world.press(reply, mia, "steps", values=["few"])
        assert (await chosen.reply()).content == "['4']"
        edited = world.press(reply, mia, "edit")
        assert (await edited.modal())["title"] == "New words"
        sent = world.submit(edited, {"prompt": "funk"})
        assert (await world.until(lambda: sent.followups))[0].content == "now funk"
        with pytest.raises(NotOfferedError, match="closed"):
            world.submit(edited, {"prompt": "blues"})
        edited = world.press(reply, mia, "edit")
        await edited.modal()
        sent = world.submit(edited)
        assert (await world.until(lambda: sent.followups))[0].content == "now lo-fi"
        edited = world.press(reply, mia, "edit")
        await edited.modal()
        with pytest.raises(NotOfferedError, match="20 characters"):
            world.submit(edited, {"prompt": "x" * 21})
        pressed = world.press(reply, mia, "again")
        await pressed.answered()
        assert (reply.content, reply.edits) == ("pressed", ["jazz 12 Mia"])
        with pytest.raises(NotOfferedError, match="nothing like"):
            world.press(reply, mia, "stop")
        assert world.violations == []


async def test_a_view_outlives_the_client(peer: DiscordPeer, mia: User, channel: Channel) -> None:
    async with connected(peer, setup=setup):
        reply = await peer.world.slash(channel, mia, "riff", {"prompt": "jazz"}).reply()
    async with connected(peer, setup=setup):
        await peer.world.press(reply, mia, "again").answered()
        assert reply.content == "pressed"


async def test_autocomplete_and_context_menu(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup):
        choices = await world.autocomplete(mia, "riff", "prompt", "lo", channel=channel)
        assert [choice.value for choice in choices] == ["loa", "lob"]
        said = world.say(channel, mia, "listen", files=[("loop.mp3", b"123")])
        shown = await world.menu(said, mia, "Remix this").reply()
        # Without the message content intent, the interaction itself carries the message.
        assert shown.content == "listen ['loop.mp3']"
        assert shown.seen_by is mia
        assert world.violations == []


async def test_only_what_a_client_offers_can_be_sent(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup):
        for options in ({}, {"prompt": "x" * 21}, {"prompt": "x", "steps": 51}, {"promt": "x"}):
            with pytest.raises(NotOfferedError):
                world.slash(channel, mia, "riff", options)
        with pytest.raises(NotOfferedError):
            world.slash(channel, mia, "raff")
        tom = world.add_user("Tom")
        with pytest.raises(NotOfferedError, match="not shown to Tom"):
            world.slash(channel, tom, "riffset show", {"key": "steps"})
        with pytest.raises(NotOfferedError):
            world.slash(mia, mia, "riffset show", {"key": "steps"})
        shown = await world.slash(channel, mia, "riffset show", {"key": "steps"}).reply()
        assert shown.content == "steps: True"
        direct = await world.slash(mia, mia, "riff", {"prompt": "at home"}).reply()
        assert direct.channel is world.dm_channel(mia)


async def test_an_answer_too_late_is_refused_and_noted(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup) as client:
        asked = world.slash(channel, mia, "silent")
        ((interaction,),) = await world.until(lambda: client.events("silence"))
        world.clock.advance(3.1)
        with pytest.raises(discord.NotFound) as caught:
            await interaction.response.send_message("sorry")
        assert caught.value.code == 10062
        assert asked.response is None
        assert len(world.violations) == 1 and "3.0 s" in world.violations[0]


async def test_silence_is_noted(peer: DiscordPeer, mia: User, channel: Channel) -> None:
    world = peer.world
    async with connected(peer, setup=setup) as client:
        world.slash(channel, mia, "silent")
        await world.until(lambda: client.events("silence"))
        world.advance(4)
        assert world.violations == ["command 'silent' of Mia was not answered within 3 s"]


async def test_a_second_answer_is_refused_and_noted(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup) as client:
        world.slash(channel, mia, "silent")
        ((interaction,),) = await world.until(lambda: client.events("silence"))
        adapter = discord.webhook.async_.async_context.get()
        params = discord.webhook.async_.interaction_response_params(5)
        session = interaction._session
        for known in (True, False):
            try:
                await adapter.create_interaction_response(
                    interaction.id, interaction.token, session=session, params=params
                )
            except discord.HTTPException as error:
                assert (known, error.code) == (False, 40060)
        assert "answered twice" in world.violations[0]


async def test_a_token_ends_after_a_quarter_of_an_hour(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup) as client:
        asked = world.slash(channel, mia, "silent")
        ((interaction,),) = await world.until(lambda: client.events("silence"))
        await interaction.response.defer()
        world.advance(14 * 60)
        await interaction.edit_original_response(content="nearly")
        world.advance(2 * 60)
        with pytest.raises(discord.HTTPException) as caught:
            await interaction.followup.send("too late")
        assert (caught.value.status, caught.value.code) == (401, 50027)
        assert "16." in world.violations[0]
        assert asked.original is not None and asked.original.content == "nearly"


async def test_a_token_may_die_early_without_anybody_being_to_blame(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup) as client:
        asked = world.slash(channel, mia, "silent")
        ((interaction,),) = await world.until(lambda: client.events("silence"))
        await interaction.response.defer(ephemeral=True)
        assert asked.original is not None and asked.original.ephemeral
        asked.token_dies()
        with pytest.raises(discord.HTTPException) as caught:
            await interaction.edit_original_response(content="nobody home")
        assert caught.value.code == 50027
        assert world.violations == []


async def test_a_blocked_event_loop_makes_late_and_a_busy_machine_does_not(
    peer: DiscordPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = peer.world.clock
    real, used = time.monotonic(), time.process_time()
    began = clock.time
    monkeypatch.setattr(time, "monotonic", lambda: real + 10)
    monkeypatch.setattr(time, "process_time", lambda: used + 0.5)
    assert 0.5 <= clock.time - began <= 1
    monkeypatch.setattr(time, "monotonic", lambda: real + 20)
    monkeypatch.setattr(time, "process_time", lambda: used + 10.5)
    assert 10 <= clock.time - began <= 11
    clock.stop()
    stopped = clock.time
    monkeypatch.setattr(time, "monotonic", lambda: real + 30)
    clock.advance(5)
    assert clock.time == stopped + 5
    monkeypatch.undo()


async def test_users_channels_and_roles_are_resolved(
    peer: DiscordPeer, mia: User, guild: Guild, channel: Channel
) -> None:
    world = peer.world
    tom = world.add_user("Tom")
    role = world.add_role(guild, "loud", Permission.MENTION_EVERYONE)
    world.give_role(guild, tom, role)
    async with connected(peer, intents=discord.Intents(guilds=True), setup=setup):
        options = {"user": tom, "place": channel, "role": role}
        blocked = await world.slash(channel, mia, "block", options).reply()
        assert blocked.content == "Tom beats loud False"
        shown = await world.menu(tom, mia, "Who is it", channel).reply()
        assert shown.content == "Tom ['loud']"
        await world.press(shown, mia, "people", [tom]).answered()
        assert shown.content == "Tom"
        assert world.violations == []


async def test_a_lost_answer_may_be_repeated(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    peer.rest.faults.append(Fault("POST", "/interactions/.*", "lost"))
    async with connected(peer, setup=setup) as client:
        asked = world.slash(channel, mia, "silent")
        ((interaction,),) = await world.until(lambda: client.events("silence"))
        with pytest.raises(aiohttp.ClientError):
            await interaction.response.send_message("hello")
        with pytest.raises(discord.HTTPException) as caught:
            await interaction.response.send_message("hello")
        assert caught.value.code == 40060
        assert (await asked.reply()).content == "hello"
        assert world.violations == []


async def test_forms_of_all_kinds(peer: DiscordPeer, mia: User, channel: Channel) -> None:
    world = peer.world
    async with connected(peer, setup=setup):
        asked = world.slash(channel, mia, "form")
        await asked.modal()
        fields = {"kind": "Calm", "file": [("a.wav", b"123")], "One": "B", "Sure": True}
        mistakes: tuple[dict[str, object], ...] = (
            {"kind": "Loud"},
            {"file": []},
            {"One": "C"},
            {"two": 2},
        )
        for wrong in mistakes:
            with pytest.raises(NotOfferedError):
                world.submit(asked, {**fields, **wrong})
        reply = await world.submit(asked, fields).reply()
        assert reply.content == "['calm'] b'123' b True"
        assert world.violations == []


async def test_a_deleted_deferral_is_followed_up_by_a_new_message(
    peer: DiscordPeer, mia: User, channel: Channel
) -> None:
    world = peer.world
    async with connected(peer, setup=setup) as client:
        asked = world.slash(channel, mia, "silent")
        ((interaction,),) = await world.until(lambda: client.events("silence"))
        await interaction.response.defer()
        assert asked.original is not None and asked.original.loading
        world.delete(asked.original)
        with pytest.raises(discord.NotFound) as caught:
            await interaction.edit_original_response(content="here")
        assert caught.value.code == 10008
        sent = await interaction.followup.send("here", wait=True)
        assert [message.id for message in asked.followups] == [sent.id] == list(channel.messages)
