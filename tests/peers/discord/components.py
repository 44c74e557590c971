"""Discord's documented limits on message components and modals ("Component Reference").

Checks return what breaches them, in words; an empty list is a pass.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.peers.discord.models import walk

ACTION_ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SECTION, TEXT_DISPLAY, THUMBNAIL, MEDIA_GALLERY, FILE, SEPARATOR = 9, 10, 11, 12, 13, 14
CONTAINER, LABEL, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 17, 18, 19, 21, 22, 23
SELECTS = {STRING_SELECT, 5, 6, 7, 8}
LINK, PREMIUM = 5, 6
MAX_COMPONENTS, MAX_ROWS, MAX_ROW_BUTTONS = 40, 5, 5
MAX_DISPLAYED = 4000
_IN_LABELS = SELECTS | {TEXT_INPUT, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX}
_MODERN = {ACTION_ROW, SECTION, TEXT_DISPLAY, MEDIA_GALLERY, FILE, SEPARATOR, CONTAINER}


def message_components(components: list[dict[str, Any]], *, modern: bool) -> list[str]:
    """What is wrong with a message's components; `modern` is whether it has IS_COMPONENTS_V2."""
    found: list[str] = []
    everything = walk(components)
    if modern:
        if len(everything) > MAX_COMPONENTS:
            found.append(f"{len(everything)} components in a message")
        kinds = _MODERN
        shown = sum(len(c.get("content", "")) for c in everything if c["type"] == TEXT_DISPLAY)
        found += _within("the text displays", shown, 0, MAX_DISPLAYED)
    else:
        kinds = {ACTION_ROW}
        if len(components) > MAX_ROWS:
            found.append(f"{len(components)} action rows in a message")
    found += [
        f"a component of type {c['type']} on top" for c in components if c["type"] not in kinds
    ]
    found += _unique_ids(everything)
    for component in everything:
        if component["type"] == ACTION_ROW:
            found += _row(component.get("components", []))
        elif component["type"] == BUTTON:
            found += _button(component)
        elif component["type"] in SELECTS:
            found += _select(component)
        elif component["type"] == SECTION:
            found += _within("a section's texts", len(component.get("components", [])), 1, 3)
        elif component["type"] == MEDIA_GALLERY:
            found += _within("a gallery's items", len(component.get("items", [])), 1, 10)
        elif component["type"] in {TEXT_INPUT, LABEL}:
            found.append("an input outside of a modal")
    return found


def modal(data: dict[str, Any]) -> list[str]:
    """What is wrong with a modal."""
    found = _text("a modal's custom_id", data.get("custom_id"), 1, 100)
    found += _text("a modal's title", data.get("title"), 1, 45)
    components = data.get("components", [])
    found += _within("a modal's components", len(components), 1, 5)
    found += _unique_ids(walk(components))
    for component in components:
        if component["type"] == ACTION_ROW:
            inner = component.get("components", [])
            if [c["type"] for c in inner] != [TEXT_INPUT]:
                found.append("an action row in a modal that is not one text input")
            for text_input in inner:
                found += _text("an input's label", text_input.get("label"), 1, 45)
                found += _modal_item(text_input)
        elif component["type"] == LABEL:
            found += _text("a label", component.get("label"), 1, 45)
            found += _text("a label's description", component.get("description") or "", 0, 100)
            item = component.get("component") or {"type": None}
            if item["type"] not in _IN_LABELS:
                found.append(f"a label around a component of type {item['type']}")
            else:
                found += _modal_item(item)
        elif component["type"] != TEXT_DISPLAY:
            found.append(f"a component of type {component['type']} in a modal")
    return found


def _row(inner: list[dict[str, Any]]) -> list[str]:
    kinds = [component["type"] for component in inner]
    if kinds and kinds == [BUTTON] * len(kinds):
        return _within("a row's buttons", len(kinds), 1, MAX_ROW_BUTTONS)
    if len(kinds) == 1 and kinds[0] in SELECTS:
        return []
    return [f"an action row of components {kinds}"]


def _button(button: dict[str, Any]) -> list[str]:
    style = button.get("style")
    found = _text("a button's label", button.get("label") or "", 0, 80)
    if style == LINK:
        found += _text("a button's url", button.get("url"), 1, 512)
        if "custom_id" in button:
            found.append("a link button with a custom_id")
    elif style in {1, 2, 3, 4}:
        found += _text("a button's custom_id", button.get("custom_id"), 1, 100)
        if button.get("url"):
            found.append("a url on a button that is no link")
    elif style != PREMIUM:
        found.append(f"a button of style {style}")
    if style != PREMIUM and not button.get("label") and not button.get("emoji"):
        found.append("a button with neither label nor emoji")
    return found


def _select(select: dict[str, Any], *, in_modal: bool = False) -> list[str]:
    found = _text("a menu's custom_id", select.get("custom_id"), 1, 100)
    found += _text("a menu's placeholder", select.get("placeholder") or "", 0, 150)
    least, most = _one(select.get("min_values")), _one(select.get("max_values"))
    found += _within("a menu's min_values", least, 0, 25) + _within("max_values", most, 1, 25)
    if least > most:
        found.append(f"a menu that wants {least} to {most} values")
    if in_modal and select.get("disabled"):
        found.append("a disabled menu in a modal")
    if in_modal and select.get("required", True) and least == 0:
        found.append("a required menu with min_values 0")
    if select["type"] == STRING_SELECT:
        options = select.get("options", [])
        found += _within("a menu's options", len(options), 1, 25) + _options(options)
        if max(least, sum(bool(option.get("default")) for option in options)) > most:
            found.append("more defaults than may be chosen")
        if most > len(options):
            found.append(f"max_values {most} of {len(options)} options")
    return found


def _options(options: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for option in options:
        found += _text("an option's label", option.get("label"), 1, 100)
        found += _text("an option's value", option.get("value"), 1, 100)
        found += _text("an option's description", option.get("description") or "", 0, 100)
    twice = [value for value, n in Counter(o.get("value") for o in options).items() if n > 1]
    return found + [f"the option value {value!r} twice" for value in twice]


def _modal_item(item: dict[str, Any]) -> list[str]:
    if item["type"] in SELECTS:
        return _select(item, in_modal=True)
    found = _text("an input's custom_id", item.get("custom_id"), 1, 100)
    if item["type"] in {RADIO_GROUP, CHECKBOX_GROUP}:
        options = item.get("options", [])
        fewest = 2 if item["type"] == RADIO_GROUP else 1
        return found + _within("a group's options", len(options), fewest, 10) + _options(options)
    if item["type"] == FILE_UPLOAD:
        found += _within("an upload's min_values", _one(item.get("min_values")), 0, 10)
        return found + _within("an upload's max_values", _one(item.get("max_values")), 1, 10)
    if item["type"] != TEXT_INPUT:
        return found
    if item.get("style") not in {1, 2}:
        found.append(f"a text input of style {item.get('style')}")
    least, most = item.get("min_length") or 0, item.get("max_length") or 4000
    found += _within("min_length", least, 0, 4000) + _within("max_length", most, 1, 4000)
    found += _text("an input's placeholder", item.get("placeholder") or "", 0, 100)
    return found + _text("an input's value", item.get("value") or "", 0, most)


def _unique_ids(components: list[dict[str, Any]]) -> list[str]:
    ids = Counter(c["custom_id"] for c in components if "custom_id" in c)
    return [f"the custom_id {custom_id!r} twice" for custom_id, n in ids.items() if n > 1]


def _one(number: int | None) -> int:
    """What is left out, or null, means one."""
    return 1 if number is None else number


def _text(what: str, text: object, least: int, most: int) -> list[str]:
    if not isinstance(text, str):
        return [f"{what} that is {text!r}"]
    return _within(f"the characters of {what}", len(text), least, most)


def _within(what: str, number: int, least: int, most: int) -> list[str]:
    return [] if least <= number <= most else [f"{what}: {number} (allowed: {least} to {most})"]
