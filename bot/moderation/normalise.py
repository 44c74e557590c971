"""Text as it is meant, whatever it is written with: for comparing with rules, never for showing.

`fold` undoes what changes the look of a word but not the word: case, accents, full-width and
mathematical alphabets (compatibility decomposition, Unicode Standard Annex #15), invisible
characters, and letters that look like Latin ones. `pieces` cuts the result where words end.

Most look-alikes need no table: the name of a character says which Latin letter it is a form of
("LATIN SMALL LETTER O WITH STROKE", "LATIN LETTER SMALL CAPITAL R"). The table below adds letters
of other scripts that are drawn like Latin ones, in the sense of Unicode Technical Standard #39.
That standard's own data maps to one prototype of each look (l for 1, I and |), which is made for
comparing identifiers and would turn half of plain English into something else.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Letter by letter: what is drawn like it in Greek, Cyrillic, Armenian, Cherokee and elsewhere.
_LOOKS = {
    "a": "\u03b1\u0430\u13aa\u0251\u2c70\u15c5",
    "b": "\u03b2\u0432\u044c\u13cf\u15f7\u0462\u0463\u0e3f\u1e9f",
    "c": "\u03f2\u0441\u13df\u1455\u2ca5\u03c2",
    "d": "\u0501\u0257\u13e7\u15de\u146f\u20ab",
    "e": "\u03b5\u0435\u0454\u04bd\u13ac\u1d07\u0511\u212e\u018f\u0259\u025b\u03f5\u0511",
    "f": "\u03dd\u0584\u15b4\u0192\u0493",
    "g": "\u0581\u13c0\u050d\u13f3\u0261",
    "h": "\u04bb\u043d\u0570\u13bb\u0571\u04a5\u0452\u045b",
    "i": "\u03b9\u0456\u0457\u13a5\u04cf\u0131\u0269\ua647\u037a\u1fbe",
    "j": "\u0458\u03f3\u13ab\u0575",
    "k": "\u03ba\u043a\u13e6\u04a1\u049b\u20ad",
    "l": "\u13de\u2113\u0196\u05df\u14aa",
    "|": "\u05c0\u01c0\u2223\u2758\u2223",
    "m": "\u043c\u13b7\u03fb\u20a5",
    "n": "\u03b7\u0438\u0578\u057c\u0439\u03a0\u043f\u0418\u20a6",
    "o": "\u03bf\u043e\u0585\u0555\u03c3\u00f0\u0ae6\u0be6\u0966\u06f5\u0e50\u0275\u2c9f\u0d20",
    "p": "\u03c1\u0440\u13e2\u2ca3\u01bf\u20b1\u03f8",
    "q": "\u0566\u051b\u0563",
    "r": "\u0433\u042f\u13a1\u044f\u027e\u1d26\u0453",
    "s": "\u0455\u13da\u054f\u10fd\u01bd\ua645",
    "t": "\u03c4\u0442\u13a2\u2ca7\u20ae\u04ad",
    "u": "\u03c5\u057d\u0446\u146c\u222a\u028b",
    "v": "\u03bd\u0475\u13d9\u22c1\u05d8",
    "w": "\u03c9\u0448\u0449\u0461\u13b3\u051d\u20a9\u0561",
    "x": "\u03c7\u0445\u2cad\u04b3\u166d\u2a2f\u00d7",
    "y": "\u03b3\u0443\u04af\u13a9\u045e\u0443\u20b4\u00a5\u0263",
    "z": "\u03b6\u13c3\u01b6",
    "ae": "\u00e6\u04d5",
    "oe": "\u0153",
    "th": "\u00fe",
    "ss": "\u00df",
}
_TABLE = {look: letter for letter, looks in _LOOKS.items() for look in looks.lower()}
_NAMED = re.compile(
    r"LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL|LETTER) "
    r"(?:SMALL CAPITAL |TURNED |REVERSED |SIDEWAYS |OPEN |CLOSED |DOTLESS |SCRIPT |BARRED |INSULAR "
    r"|BLACKLETTER |AFRICAN |LONG |TOP HALF |BOTTOM HALF )*([A-Z])(?: WITH .*| BAR.*)?\Z"
)
_FRAMED = re.compile(
    r"(?:NEGATIVE (?:CIRCLED|SQUARED)|REGIONAL INDICATOR SYMBOL|CIRCLED|SQUARED|CROSSED "
    r"NEGATIVE SQUARED) (?:LATIN )?(?:SMALL |CAPITAL )?LETTER ([A-Z])\Z"
)
# Letters, by category, that show nothing.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5\u2800\u034f\u1806")
_APOSTROPHES = frozenset("'\u2019\u2018\u02bc\u02bb\u00b4`\u02b9\u05f3")
_INVISIBLE = frozenset({"Mn", "Me", "Cf", "Cc", "Cs", "Co", "Cn"})

LEET = {
    "0": "o", "1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b",
    "9": "g", "@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "\u20ac": "e", "\u00a2": "c",
    "\u00a3": "l", "\u00a1": "i", "(": "c", "<": "c", "\u00a7": "s",
}  # fmt: skip
"""Digits and signs that stand for letters. What stands for i stands for l as well."""

JOKER = "*"
"""Stands for any one letter of a word."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as rules see it, and where each of its characters comes from.

    Attributes:
        text: lower-case, mostly plain letters.
        origin: for each character of `text`, its index in what was folded.
    """

    text: str
    origin: tuple[int, ...]

    def of_original(self, original: str, start: int, end: int) -> str:
        """What was written at `text[start:end]`."""
        return original[self.origin[start] : self.origin[end - 1] + 1]


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a text between two blanks or separating signs.

    Attributes:
        text: letters, digits, and signs that may stand for letters.
        start, end: where in the folded text.
        spaced: whether there is a blank, and not only a sign, before it.
    """

    text: str
    start: int
    end: int
    spaced: bool


def fold(text: str) -> Folded:
    """The text as rules see it; folding twice changes nothing."""
    found: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text):
        # A capital I amid small letters may be meant as an l, which looks the same.
        is_bar = character == "I" and text[index - 1 : index].islower()
        for plain in "|" if is_bar else _fold_character(character):
            found.append(plain)
            origin.append(index)
    return Folded("".join(found), tuple(origin))


# Unicode decomposes these to a plain sigma, which looks like an o; they look like a c.
_LUNATE = "\u03f2\u03f9"


@lru_cache(maxsize=8192)
def _fold_character(character: str) -> str:
    if character in _APOSTROPHES:
        return ""  # "let's" is one word
    if character.isspace():
        return " "
    if character in _LUNATE:
        return "c"
    plain = unicodedata.normalize("NFKD", character).casefold()
    # Decomposing can give capitals, and casefolding what decomposes once more.
    plain = unicodedata.normalize("NFKD", plain).casefold()
    return "".join(_look(one) for one in plain)


def _look(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() and character not in _APOSTROPHES else ""
    if character in _TABLE:
        return _TABLE[character]
    if character in _BLANK or character in _APOSTROPHES:
        return ""
    name = unicodedata.name(character, "")
    match = _NAMED.match(name) or _FRAMED.match(name)
    if match is not None:
        return match[1].lower()
    if unicodedata.category(character) in _INVISIBLE:
        return ""
    return " " if character.isspace() else character


def pieces(text: str) -> list[Piece]:
    """Cut a folded text at blanks and at signs that stand for no letter."""
    found: list[Piece] = []
    start, spaced = None, True
    for index, character in enumerate(f"{text} "):
        if character.isalnum() or character in LEET or character == JOKER:
            start = index if start is None else start
            continue
        if start is not None:
            found.append(Piece(text[start:index], start, index, spaced))
            start, spaced = None, False
        spaced = spaced or character == " "
    return found


def runs(word: str) -> tuple[tuple[str, int], ...]:
    """A word as letters and how often each stands there: `aabc` → a2 b1 c1."""
    found: list[tuple[str, int]] = []
    for letter in word:
        if found and found[-1][0] == letter:
            found[-1] = (letter, found[-1][1] + 1)
        else:
            found.append((letter, 1))
    return tuple(found)
