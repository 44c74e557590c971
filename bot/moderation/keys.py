"""Every setting there is: what it may be, where it may be set and by whom, and what it is for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from bot.errors import BadInputRefusal
from bot.moderation.levels import Level
from bot.moderation.rules import check_entry
from bot.moderation.values import (
    AUTO,
    Choice,
    Duration,
    Entries,
    Flag,
    Kind,
    Number,
    Shares,
    Text,
)
from generation.request import MAX_CLIPS, MAX_GUIDANCE_SCALE, MAX_PROMPT_CHARACTERS, MAX_STEPS

ScopeKind = Literal["global", "community", "channel", "user"]
SCOPES: tuple[ScopeKind, ...] = ("global", "community", "channel", "user")
Section = Literal["sound", "asking", "who", "words", "live", "events", "answers"]
SECTIONS: Mapping[Section, str] = {
    "sound": "How riffs sound where nobody says otherwise",
    "asking": "How much may be asked for",
    "who": "Who may ask, and where",
    "words": "Which words may be asked for",
    "live": "The live session",
    "events": "Channel points, and what viewers' events do",
    "answers": "Answers and what is kept",
}

_GLOBAL: tuple[ScopeKind, ...] = ("global",)
_COMMUNITY: tuple[ScopeKind, ...] = ("global", "community")
_CHANNEL: tuple[ScopeKind, ...] = ("global", "community", "channel")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        default: what applies where nobody set it.
        help: one sentence for people.
        scopes: where it may be set; the innermost one that says something counts.
        level: who may set it for a community or channel. Globally only the owner may; for somebody
            else alone, moderators.
        own: whether everybody may choose it for themselves.
        stricter: `lower` or `higher` where inner scopes may only be stricter than what applies
            globally, so that no community can take more than the operator gives.
        adds_up: a list to which every scope adds, instead of replacing it.
        private: not shown where others can read along.
        consumer: the part that acts on it, where that part has still to come; until then it is
            kept, inherited and checked, and changes nothing.
    """

    name: str
    section: Section
    kind: Kind
    default: Any
    help: str
    scopes: tuple[ScopeKind, ...] = SCOPES
    level: Level = Level.MODERATOR
    own: bool = False
    stricter: Literal["", "lower", "higher"] = ""
    adds_up: bool = False
    private: bool = False
    consumer: str = ""


_ROLES = Entries("roles", 100, 100)
_WORDS = Entries("words, phrases or /regular expressions/", 500, 200, check_entry)

_ALL = (
    # Sound
    Key("model", "sound", Text(unset=AUTO), "", "The model that draws.", own=True,
        consumer="several models"),
    Key("steps", "sound", Number(1, MAX_STEPS, whole=True, auto=True), None,
        "Denoising steps; more are finer and slower.", own=True),
    Key("guidance", "sound", Number(0, MAX_GUIDANCE_SCALE, auto=True), None,
        "How closely to follow the words.", own=True),
    Key("length", "sound", Duration(), None, "How long a riff is.", own=True),
    Key("loops", "sound", Number(1, MAX_CLIPS, whole=True), 1,
        "How many loops one riff makes.", own=True),
    Key("seamless", "sound", Flag(), True,
        "Whether the end of a riff joins its start.", own=True),
    Key("bpm", "sound", Number(20, 400, auto=True), None, "Tempo in beats per minute.", own=True),
    Key("denoising", "sound", Number(0, 1, auto=True), None,
        "How far a remix goes from what it starts from.", own=True),
    # Asking
    Key("prompt-length", "asking", Number(1, MAX_PROMPT_CHARACTERS, whole=True),
        MAX_PROMPT_CHARACTERS, "The most characters in a prompt.", stricter="lower"),
    Key("burst", "asking", Number(1, 1e9), 5.0,
        "How many riffs somebody may ask for at once.", stricter="lower"),
    Key("period", "asking", Number(1e-6, 86_400), 30.0,
        "Seconds until somebody may ask for one more.", stricter="higher"),
    Key("largest", "asking", Number(1, 1e9), 20.0,
        "The most work in one riff, in default riffs.", stricter="lower"),
    Key("waiting", "asking", Number(1, 1e9, whole=True), 10,
        "How many riffs of one person may wait.", stricter="lower"),
    Key("community-burst", "asking", Number(1, 1e9), 60.0,
        "How many riffs a community may ask for at once.", _COMMUNITY, stricter="lower"),
    Key("community-period", "asking", Number(1e-6, 86_400), 2.0,
        "Seconds until a community may ask for one more.", _COMMUNITY, stricter="higher"),
    Key("community-waiting", "asking", Number(1, 1e9, whole=True), 100,
        "How many riffs of a community may wait.", _COMMUNITY, stricter="lower"),
    Key("global-burst", "asking", Number(1, 1e9), 200.0,
        "How many riffs everybody together may ask for at once.", _GLOBAL),
    Key("global-period", "asking", Number(1e-6, 86_400), 0.5,
        "Seconds until everybody together may ask for one more.", _GLOBAL),
    Key("global-waiting", "asking", Number(1, 1e9, whole=True), 200,
        "How many riffs may wait in all.", _GLOBAL),
    Key("allowances", "asking", Shares(0.01, float("inf")), {},
        "How many times as much people with a role may ask for; inf has no limit.", _GLOBAL),
    Key("turns", "asking", Choice(("fair", "first-come")), "fair",
        "Whether people take turns, or who came first is served first.", _COMMUNITY),
    # Who
    Key("who-may-riff", "who", Choice(("everyone", "roles", "subscribers", "followers")),
        "everyone", "Who may ask for riffs; moderators always may.", _CHANNEL),
    Key("riff-roles", "who", _ROLES, [],
        "The roles that may ask, where who-may-riff says roles.", _CHANNEL),
    Key("follower-days", "who", Number(0, 3650), 0.0,
        "How many days somebody has to follow, where who-may-riff says followers.", _CHANNEL),
    Key("channels", "who", Entries("channels", 200, 100), [],
        "The channels where I answer; none means all.", _COMMUNITY),
    Key("admin-roles", "who", _ROLES, [], "Roles that make their holders admins.",
        ("community",), Level.ADMIN),
    Key("moderator-roles", "who", _ROLES, [], "Roles that make their holders moderators.",
        ("community",), Level.ADMIN),
    Key("blocked-roles", "who", _ROLES, [], "Roles whose holders may not ask for anything.",
        ("community",), Level.ADMIN),
    # Words
    Key("shipped-list", "words", Flag(), True,
        "Whether the short list of slurs that comes with me applies.", _COMMUNITY, Level.ADMIN),
    Key("blocked-words", "words", _WORDS, [],
        "Words, word beginnings*, phrases or /regular expressions/ that may not be asked for.",
        _CHANNEL, adds_up=True, private=True),
    Key("allowed-words", "words", _WORDS, [],
        "The same, that may be asked for although a blocked one is found in them.",
        _CHANNEL, adds_up=True, private=True),
    # Live
    Key("steer", "live", Choice(("everyone", "roles", "subscribers", "followers", "moderators")),
        "everyone", "Who may steer the live session.", _CHANNEL),
    Key("vote-weights", "live", Shares(0, 100), {},
        "How much the votes of people with a role count.", _CHANNEL),
    Key("vote-half-life", "live", Number(5, 600), 45.0,
        "Seconds after which a vote counts half.", _CHANNEL),
    Key("minimum-hold", "live", Number(0, 3600), 20.0,
        "Seconds that a prompt stays in the live mix before votes can push it out.", _CHANNEL),
    Key("live-bpm", "live", Number(60, 200), 120.0,
        "Tempo of the next live session.", _CHANNEL),
    Key("live-prompts", "live", Number(1, 6, whole=True), 4,
        "How many prompts the live mix holds.", _CHANNEL),
    Key("live-speed", "live", Number(0.05, 1), 0.35,
        "Share of the live mix that may change within one loop.", _CHANNEL),
    Key("live-guests", "live", Number(0, 16, whole=True), 2,
        "Loops that a riff sounds in the live session when it is ready; 0 keeps riffs out.",
        _CHANNEL),
    Key("safe-loop", "live", Text(), "", "The riff that plays while everything is stopped.",
        _COMMUNITY),
    # Events
    Key("reward-riff", "events", Number(0, 1_000_000, whole=True), 0,
        "Channel points for a riff; 0 takes that reward away.", _COMMUNITY, Level.ADMIN),
    Key("reward-blend", "events", Number(0, 1_000_000, whole=True), 0,
        "Channel points for a blend; 0 takes that reward away.", _COMMUNITY, Level.ADMIN),
    Key("reward-vote", "events", Number(0, 1_000_000, whole=True), 0,
        "Channel points for a vote that counts more; 0 takes that reward away.",
        _COMMUNITY, Level.ADMIN),
    Key("reward-vote-weight", "events", Number(1, 20), 2.0,
        "How often a vote counts that channel points paid for.", _COMMUNITY),
    Key("on-follow", "events", Text(), "",
        "What a new follower votes for, such as warm strings x2; x3 alone counts their next "
        "vote three times.", _COMMUNITY),
    Key("on-subscribe", "events", Text(), "",
        "What a new subscriber votes for, written as in on-follow.", _COMMUNITY),
    Key("on-gift", "events", Text(), "",
        "What somebody who gives subscriptions votes for, written as in on-follow.", _COMMUNITY),
    Key("on-cheer", "events", Text(), "",
        "What somebody who cheers with bits votes for, written as in on-follow.", _COMMUNITY),
    Key("on-raid", "events", Text(), "",
        "What somebody who raids the channel votes for, written as in on-follow.", _COMMUNITY),
    Key("on-hype-train", "events", Text(), "",
        "What gets votes when a hype train begins, written as in on-follow.", _COMMUNITY),
    Key("live-follows-stream", "events", Flag(), False,
        "Whether the live session begins and ends with the stream.", _COMMUNITY),
    # Answers
    Key("verbosity", "answers", Choice(("quiet", "normal", "chatty")), "normal",
        "How much I say besides the riff.", own=True, consumer="the replies in chat"),
    Key("retention-days", "answers", Number(0, 36_500), 90.0,
        "Days that riffs are kept; 0 is for ever.", _COMMUNITY, Level.ADMIN,
        consumer="tidying up by community"),
)  # fmt: skip

KEYS: Mapping[str, Key] = {key.name: key for key in _ALL}
"""Every setting by name."""

_OTHER_NAMES = {
    "loop": "seamless",
    "clips": "loops",
    "tempo": "bpm",
    "strength": "denoising",
    "cfg": "guidance",
    "rate": "period",
    "cap": "waiting",
    "queue-cap": "community-waiting",
}


def find_key(name: str) -> Key:
    """The setting that is meant by `name`.

    Raises:
        BadInputRefusal: there is none; the sentence names the nearest.
    """
    plain = name.strip().lower().replace("_", "-")
    plain = _OTHER_NAMES.get(plain, plain)
    if plain in KEYS:
        return KEYS[plain]
    near = difflib.get_close_matches(plain, [*KEYS, *_OTHER_NAMES], n=1, cutoff=0.0)[0]
    raise BadInputRefusal(f"There is no setting {name[:40]!r}; the nearest is {near}.")


@cache
def shipped_words() -> tuple[str, ...]:
    """The list of blocked words that comes with this program."""
    text = (resources.files("bot.moderation") / "words.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))
