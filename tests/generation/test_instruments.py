"""Instruments that a prompt names, and loops that have them."""

from __future__ import annotations

import pytest

from generation.instruments import asked_instruments, fit

NAMES = {
    "clean guitar": ["electric guitar", "clean electric guitar"],
    "nylon guitar": ["nylon guitar", "Spanish guitar"],
    "distortion guitar": ["distortion", "distortion guitar"],
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
        ("guitar", {"clean guitar", "nylon guitar", "distortion guitar"}),
        ("an electric piano", {"electric piano"}),
        ("a guitar with distortion", {"distortion guitar"}),
        ("piano without drums", {"piano"}),
        ("nylon guitar solo, no piano", {"nylon guitar"}),
        ("electric feelings", set()),
        ("two pianos and guitarists", {"piano"}),
        ("a drum", {"standard kit"}),
        ("", set()),
    ],
)
def test_what_is_named_is_asked_for(prompt: str, best: set[str]) -> None:
    asked = asked_instruments(prompt, NAMES)
    fits = {name: fit(asked, [name]) for name in NAMES}
    nouns = {noun for shares in asked.values() for noun in shares}
    fitting = {name for name, shares in asked.items() if 1.0 in shares.values()}
    assert fitting == best
    assert all(0 <= fits[name] <= len(nouns) for name in NAMES)
    assert fit(asked, NAMES) == len(nouns)


def test_a_noun_counts_once_by_its_best_instrument() -> None:
    asked = {
        "a": {"guitar": 0.5},
        "b": {"guitar": 1.0, "distortion": 1.0},
        "c": {"drums": 1.0},
    }
    assert fit(asked, ["a"]) == 0.5
    assert fit(asked, ["a", "b"]) == fit(asked, ["b", "other"]) == 2.0
    assert fit(asked, ["a", "c"]) == 1.5
    assert fit(asked, []) == fit({}, ["a"]) == 0.0
