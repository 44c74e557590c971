"""Instruments that a prompt names, and loops that have them."""

from __future__ import annotations

import pytest

from generation.instruments import Asked, asked_instruments, fit

NAMES = {
    "clean guitar": ["electric guitar", "clean electric guitar"],
    "nylon guitar": ["nylon guitar", "Spanish guitar"],
    "piano": ["piano", "grand piano"],
    "electric piano": ["electric piano", "rhodes"],
    "standard kit": ["drums", "drum kit"],
}


@pytest.mark.parametrize(
    ("prompt", "best"),
    [
        ("jazz with a rhodes", {"electric piano"}),
        ("Electric Guitar riff", {"clean guitar"}),
        ("spanish-guitar, drums", {"nylon guitar", "standard kit"}),
        ("guitar", {"clean guitar", "nylon guitar"}),
        ("piano without drums", {"piano"}),
        ("guitar solo, no piano", {"clean guitar", "nylon guitar"}),
        ("electric feelings", set()),
        ("two pianos and guitarists", {"piano"}),
        ("a drum", {"standard kit"}),
        ("", set()),
    ],
)
def test_what_is_named_is_asked_for(prompt: str, best: set[str]) -> None:
    asked = asked_instruments(prompt, NAMES)
    nouns = {one.noun for one in asked.values()}
    most = {noun: max(a.share for a in asked.values() if a.noun == noun) for noun in nouns}
    assert {name for name, one in asked.items() if one.share == most[one.noun]} == best


def test_a_noun_counts_once_by_its_best_instrument() -> None:
    asked = {"a": Asked("guitar", 0.5), "b": Asked("guitar", 1.0), "c": Asked("drums", 1.0)}
    assert fit(asked, ["a"]) == 0.5
    assert fit(asked, ["a", "b"]) == fit(asked, ["b", "other"]) == 1.0
    assert fit(asked, ["c", "b"]) == 2.0
    assert fit(asked, []) == fit({}, ["a"]) == 0.0
