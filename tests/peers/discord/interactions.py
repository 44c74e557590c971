"""What users do besides writing: slash commands, autocomplete, menus, buttons, modals.

Tests act through the world, and everything returns (or awaits) an `Interaction`:

    asked = world.slash(channel, mia, "riff", {"prompt": "lo-fi", "steps": 20})
    world.slash(channel, mia, "picture-to-sound", {"picture": ("a.png", data)})   # an upload
    world.slash(mia, mia, "riff", {...})                        # in her DM with the bot
    world.slash(channel, mod, "riffset show")                   # a subcommand
    choices = await world.autocomplete(mia, "riff", "prompt", "lo-", channel=channel)
    world.menu(message, mia, "Remix this")                      # a message's context menu
    world.press(message, mia, "delete")                         # a button, by custom_id or label
    world.press(message, mia, "Setting", values=["steps"])      # a select menu
    world.submit(edit, {"prompt": "jazz"})                      # the modal that `edit` opened

    await asked.answered()          # the bot has acknowledged it; says how in `asked.response`
    reply = await asked.reply()     # the message that it became, once it is no longer loading
    asked.response.ephemeral, asked.original, asked.followups, asked.acknowledged_at

What Discord's client would not offer or send (unknown command, value out of range, permissions,
a disabled button, an ephemeral message of somebody else) raises `NotOfferedError`.

Judged on the world's clock, as documented: the first answer within 3 s, exactly one, of a type
that fits; the token dead after 15 minutes. Breaches go to `world.violations`. `token_dies()` ends
a token early, which no bot can know, so that using it is refused but is no violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.peers.discord import commands as c
from tests.peers.discord.commands import NotOfferedError
from tests.peers.discord.components import (
    BUTTON,
    CHECKBOX,
    FILE_UPLOAD,
    LABEL,
    LINK,
    RADIO_GROUP,
    SELECTS,
    TEXT_DISPLAY,
    TEXT_INPUT,
)
from tests.peers.discord.interaction import (
    ANSWER_WITHIN,
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    MODAL_SUBMIT,
    Interaction,
    Values,
)
from tests.peers.discord.models import Attachment, Channel, Message, User, name_of, walk
from tests.peers.discord.permissions import APP_IN_DM, Permission

if TYPE_CHECKING:
    from tests.peers.discord.state import World


class Interactions:
    """All interactions there were, by token; makes new ones on behalf of users."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_token: dict[str, Interaction] = {}
        self.book = c.CommandBook()

    def command(
        self, where: Channel | User, user: User, name: str, options: Values | None = None
    ) -> Interaction:
        channel = self._channel(where)
        command, given, way = self._look_up(channel, user, name, options or {})
        resolved: dict[str, dict[str, Any]] = {}
        filled = []
        known, _ = command.at(name.split()[1:])
        for option in known:
            if option["name"] in given:
                value = self._resolve(channel, option, given.pop(option["name"]), resolved)
                filled.append({"name": option["name"], "type": option["type"], "value": value})
            elif option.get("required"):
                raise NotOfferedError(f"{option['name']} is required")
        if given:
            raise NotOfferedError(f"/{name} has no options {sorted(given)}")
        data = self._data(command, _nested(way, filled))
        if resolved:
            data["resolved"] = resolved
        return self._begin(COMMAND, channel, user, data)

    def typing(
        self, where: Channel | User, user: User, name: str, option: str, typed: str, others: Values
    ) -> Interaction:
        """The client asks for suggestions while `option` is being typed."""
        channel = self._channel(where)
        command, given, way = self._look_up(channel, user, name, others)
        options, _ = command.at(name.split()[1:])
        wanted = next((o for o in options if o["name"] == option), None)
        if wanted is None or not wanted.get("autocomplete"):
            raise NotOfferedError(f"/{name} completes no option {option!r}")
        filled: list[dict[str, Any]] = [
            {"name": o["name"], "type": o["type"], "value": c.check_option(o, given[o["name"]])}
            for o in options
            if o["name"] in given
        ]
        focused = {"name": option, "type": wanted["type"], "value": typed, "focused": True}
        data = self._data(command, _nested(way, [*filled, focused]))
        return self._begin(AUTOCOMPLETE, channel, user, data)

    def menu(self, target: Message | User, user: User, name: str, where: Channel) -> Interaction:
        kind = c.MESSAGE_MENU if isinstance(target, Message) else c.USER_MENU
        command, *_ = self._look_up(where, user, name, {}, kind)
        data = {**self._data(command, []), "target_id": str(target.id)}
        if isinstance(target, Message):
            # A use of the app on a message gives the app its content, with or without the intent.
            data["resolved"] = {"messages": {str(target.id): self._world.message_json(target)}}
        else:
            data["resolved"] = self._people(where, target)
        return self._begin(COMMAND, where, user, data)

    def press(
        self, message: Message, user: User, which: str, values: list[Any] | None
    ) -> Interaction:
        if message.deleted:
            raise NotOfferedError("the message is gone")
        if message.seen_by is not None and message.seen_by is not user:
            raise NotOfferedError("the message is shown to somebody else only")
        part = _component(message.components, which)
        if part.get("disabled") or part.get("style") == LINK:
            raise NotOfferedError(f"{which!r} cannot be pressed")
        data: dict[str, Any] = {"custom_id": part["custom_id"], "component_type": part["type"]}
        if part["type"] in SELECTS:
            data |= self._selected(message.channel, part, values or [])
        return self._begin(COMPONENT, message.channel, user, data, message)

    def submit(self, opened: Interaction, values: Values) -> Interaction:
        modal = None if opened.response is None else opened.response.modal
        if modal is None:
            raise NotOfferedError("no modal was opened")
        if opened.submitted is not None and opened.submitted.response is not None:
            raise NotOfferedError("the modal closed when it was submitted")
        left, resolved = dict(values), dict[str, Any]()
        components = [
            self._submitted(opened.channel, part, left, resolved) for part in modal["components"]
        ]
        if left:
            raise NotOfferedError(f"the modal has no fields {sorted(left)}")
        data = {"custom_id": modal["custom_id"], "components": components, "resolved": resolved}
        opened.submitted = self._begin(
            MODAL_SUBMIT, opened.channel, opened.user, data, opened.message
        )
        return opened.submitted

    def note_unanswered(self) -> None:
        """Time passed: what the bot has heard of and not answered in time is a violation."""
        for interaction in self.by_token.values():
            age = self._world.clock.time - interaction.created_at
            open_still = interaction.heard and not interaction.died
            if interaction.acknowledged_at is None and open_still and age > ANSWER_WITHIN:
                interaction.died = True
                self._world.violations.append(
                    f"{interaction.title} was not answered within {ANSWER_WITHIN:.0f} s"
                )

    def _channel(self, where: Channel | User) -> Channel:
        return where if isinstance(where, Channel) else self._world.dm_channel(where)

    def _look_up(
        self, channel: Channel, user: User, name: str, options: Values, kind: int = c.CHAT_INPUT
    ) -> tuple[c.Command, dict[str, object], list[tuple[str, int]]]:
        """A command that this user may use there, their options, and its path."""
        first, *path = name.split() if kind == c.CHAT_INPUT else [name]
        command = self.book.find(first, kind, channel.guild_id)
        context, installs = self._context(channel, user)
        self._check_user(channel, user)
        may = self._world.permissions(user, channel)
        in_guild = context == c.GUILD
        if in_guild and not may & Permission.USE_APPLICATION_COMMANDS:
            raise NotOfferedError(f"{user.name} may not use commands here")
        if not command.is_offered(context, {int(key) for key in installs}, may):
            raise NotOfferedError(f"{name!r} is not shown to {user.name} here")
        way = command.at(path)[1] if kind == c.CHAT_INPUT else []
        return command, dict(options), way

    def _context(self, channel: Channel, user: User) -> tuple[int, dict[str, str]]:
        """The interaction context, and the installs which allow the app there."""
        installs = {"1": str(user.id)} if user.installed else {}
        if channel.guild_id is None:
            if channel.between:
                return c.PRIVATE_CHANNEL, installs
            return c.BOT_DM, {"0": "0", **installs}
        if self._world.guilds[channel.guild_id].has_bot:
            installs = {"0": str(channel.guild_id), **installs}
        return c.GUILD, installs

    def _data(self, command: c.Command, options: list[dict[str, Any]]) -> dict[str, Any]:
        data = {"id": str(command.id), "name": command.name, "type": command.kind}
        return {**data, "options": options} if options else data

    def _resolve(
        self,
        channel: Channel,
        option: dict[str, Any],
        value: object,
        resolved: dict[str, dict[str, Any]],
    ) -> Any:
        """An option's value on the wire; what it refers to goes into `resolved`."""
        if option["type"] == c.ATTACHMENT:
            if isinstance(value, tuple):
                value = self._world.upload(*value)
            if not isinstance(value, Attachment):
                raise NotOfferedError(f"{option['name']} takes a file")
            resolved.setdefault("attachments", {})[str(value.id)] = value.to_json()
            return str(value.id)
        if isinstance(value, User):
            for kind, people in self._people(channel, value).items():
                resolved.setdefault(kind, {}).update(people)
        elif isinstance(value, Channel):
            resolved.setdefault("channels", {})[str(value.id)] = {
                **value.to_json(),
                "permissions": str(int(self._world.permissions(self._world.bot, value))),
            }
        elif option["type"] in {c.ROLE, c.MENTIONABLE} and hasattr(value, "to_json"):
            resolved.setdefault("roles", {})[str(getattr(value, "id", 0))] = value.to_json()
        return c.check_option(option, value)

    def _people(self, channel: Channel, user: User) -> dict[str, dict[str, Any]]:
        found = {"users": {str(user.id): user.to_json()}}
        if channel.guild_id is not None:
            member = self._world.member_json(user, channel)
            for absent in ("user", "deaf", "mute"):
                del member[absent]
            found["members"] = {str(user.id): member}
        return found

    def _selected(
        self, channel: Channel, part: dict[str, Any], values: list[Any]
    ) -> dict[str, Any]:
        """The chosen values of a select menu."""
        least, most = part.get("min_values", 1), part.get("max_values", 1)
        if not least <= len(values) <= most:
            raise NotOfferedError(f"the menu wants {least} to {most} values, not {len(values)}")
        if "options" in part:
            by_label = {o["label"]: o["value"] for o in part["options"]}
            chosen = [by_label.get(value, value) for value in values]
            offered = set(by_label.values())
            if not set(chosen) <= offered:
                raise NotOfferedError(f"the menu offers {sorted(offered)}, not {chosen}")
            return {"values": chosen}
        resolved: dict[str, dict[str, Any]] = {}
        kind = {5: c.USER, 6: c.ROLE, 7: c.MENTIONABLE, 8: c.CHANNEL}[part["type"]]
        chosen = [
            self._resolve(channel, {"name": "value", "type": kind}, value, resolved)
            for value in values
        ]
        return {"values": chosen, "resolved": resolved}

    def _submitted(
        self,
        channel: Channel,
        part: dict[str, Any],
        left: dict[str, object],
        resolved: dict[str, Any],
    ) -> dict[str, Any]:
        """A component of a modal as it comes back."""
        kind, number = part["type"], part.get("id", 0)
        if kind == TEXT_DISPLAY:
            return {"type": kind, "id": number}
        if kind == LABEL:
            item = self._field(channel, part["component"], part["label"], left, resolved)
            return {"type": kind, "id": number, "component": item}
        inner = [
            self._field(channel, i, i.get("label"), left, resolved) for i in part["components"]
        ]
        return {"type": kind, "id": number, "components": inner}

    def _field(
        self,
        channel: Channel,
        item: dict[str, Any],
        label: str | None,
        left: dict[str, object],
        resolved: dict[str, Any],
    ) -> dict[str, Any]:
        key = item["custom_id"] if item["custom_id"] in left else label or item["custom_id"]
        found = {"type": item["type"], "id": item.get("id", 0), "custom_id": item["custom_id"]}
        if item["type"] == TEXT_INPUT:
            text = str(left.pop(key, item.get("value") or ""))
            least, most = item.get("min_length") or 0, item.get("max_length") or 4000
            if item.get("required", True) and not text:
                raise NotOfferedError(f"the field {label!r} is required")
            if text and not least <= len(text) <= most:
                raise NotOfferedError(f"the field {label!r} takes {least} to {most} characters")
            return {**found, "value": text}
        defaults = [o["value"] for o in item.get("options", []) if o.get("default")]
        key_given = key in left
        given: Any = left.pop(key, item.get("default", defaults))
        if item["type"] in SELECTS:
            chosen = self._selected(channel, item, _listed(given))
            for kind, things in chosen.pop("resolved", {}).items():
                resolved.setdefault(kind, {}).update(things)
            return {**found, **chosen}
        if item["type"] == FILE_UPLOAD:
            uploads = [self._world.upload(*file) for file in given] if key_given else []
            for upload in uploads:
                resolved.setdefault("attachments", {})[str(upload.id)] = upload.to_json()
            return {**found, "values": _enough(item, [str(upload.id) for upload in uploads])}
        if item["type"] == CHECKBOX:
            return {**found, "value": bool(given)}
        offered = {option["label"]: option["value"] for option in item["options"]}
        chosen_values = [offered.get(v, v) for v in _listed(given)]
        if not set(chosen_values) <= set(offered.values()):
            raise NotOfferedError(f"the field {label!r} offers {list(offered)}, not {given!r}")
        if item["type"] == RADIO_GROUP:
            return {**found, "value": next(iter(_enough(item, chosen_values)), None)}
        return {**found, "values": _enough(item, chosen_values)}

    def _begin(
        self,
        kind: int,
        channel: Channel,
        user: User,
        data: dict[str, Any],
        message: Message | None = None,
    ) -> Interaction:
        world = self._world
        context, installs = self._context(channel, user)
        self._check_user(channel, user)
        made = Interaction(
            world, world.snowflake(), kind, user, channel, data, world.clock.time, installs, message
        )
        self.by_token[made.token] = made
        made.heard = world.tell("INTERACTION_CREATE", self._json(made, context), channel)
        return made

    def _check_user(self, channel: Channel, user: User) -> None:
        if channel.guild_id is None:
            if user not in (channel.recipient, *channel.between):
                raise NotOfferedError(f"{user.name} takes no part in that conversation")
            return
        if user.id in self._world.guilds[channel.guild_id].banned:
            raise NotOfferedError(f"{user.name} is banned there")
        if not self._world.permissions(user, channel) & Permission.VIEW_CHANNEL:
            raise NotOfferedError(f"{user.name} does not see #{channel.name}")

    def _json(self, made: Interaction, context: int) -> dict[str, Any]:
        world, channel = self._world, made.channel
        may = APP_IN_DM
        if channel.guild_id is not None:
            # Where only its user installed the app, it may do what they may.
            whose = world.bot if str(c.GUILD_INSTALL) in made.installs else made.user
            may = world.permissions(whose, channel)
        data: dict[str, Any] = {
            "id": str(made.id),
            "application_id": str(world.application_id),
            "type": made.kind,
            "data": made.data,
            "channel_id": str(channel.id),
            "channel": {
                **channel.to_json(),
                "permissions": str(int(world.permissions(made.user, channel))),
            },
            "token": made.token,
            "version": 1,
            "app_permissions": str(int(may)),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": made.installs,
            "context": context,
            "attachment_size_limit": channel.upload_limit,
        }
        if channel.guild_id is None:
            data["user"] = made.user.to_json()
        else:
            guild = {"id": str(channel.guild_id), "locale": "en-US", "features": []}
            member = world.member_json(made.user, channel)
            data |= {"guild_id": guild["id"], "guild": guild, "member": member}
            data["guild_locale"] = "en-US"
        if made.message is not None:
            data["message"] = world.message_json(made.message)
        return data


def _nested(way: list[tuple[str, int]], options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for name, kind in reversed(way):
        options = [{"name": name, "type": kind, "options": options}]
    return options


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _enough(item: dict[str, Any], values: list[str]) -> list[str]:
    """What was chosen in a field, if it is as much as the field wants."""
    least = 0 if item.get("required") is False else item.get("min_values")
    most = item.get("max_values")
    least = 1 if least is None else least
    most = len(item.get("options", [0])) if most is None else most
    if not least <= len(values) <= most:
        raise NotOfferedError(f"the field takes {least} to {most} values, not {len(values)}")
    return values


def _component(components: list[dict[str, Any]], which: str) -> dict[str, Any]:
    """A button or menu by its custom_id, or by what it says or a part of that."""
    parts = [p for p in walk(components) if p["type"] == BUTTON or p["type"] in SELECTS]
    for part in parts:
        if part.get("custom_id") == which:
            return part
    for part in parts:
        if which.lower() in (name_of(part) or "").lower():
            return part
    raise NotOfferedError(f"nothing like {which!r} among {[name_of(p) for p in parts]}")
