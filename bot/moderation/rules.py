"""Block and allow lists: which words of a text may not stand there.

An entry is a word (`darn`), the beginning of words (`darn*`), a phrase (`darn it`), or a regular
expression between slashes (`/d[a4]rn/`), which is searched in the folded text. Words and phrases
are also found where they are disguised, but only between word boundaries:

- spelled with digits and signs (`d4rn`, `d@rn`, `d*rn`), stretched (`darrrrn`), or both;
- cut up by signs (`d.a-r_n`), or by blanks, where the parts make no sense by themselves
  (`d a r n`, `da rn`, but not `the rapist` or `pen is`).

Finding words takes one look-up per stretch of text, however many there are. Regular expressions
come from people and may take for ever, so they are searched by the `regex` package, which gives up
after a while; a text that could not be checked in time does not pass.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from bot.errors import BadInputRefusal
from bot.moderation.normalise import JOKER, LEET, Folded, Piece, fold, pieces, runs

MAX_EXPRESSION = 200
SEARCH_SECONDS = 0.05
"""For one regular expression in one text."""
BUDGET_SECONDS = 0.25
"""For all regular expressions in all texts of one request."""

_LONGEST = 60
_MOST_JOKERS = 0.5
# Two of these are never spelled in a row, so two are a stretched one. (Doubled n, p or s make
# other words: "rapping".)
_NEVER_DOUBLE = frozenset("ahijkquvwxy")
# Parts of a sentence that make sense: what they happen to spell across a blank is nobody's fault.
_COMMON = frozenset(
    "a i o s t d m an am as at be by do go he hi if in is it la me my no of oh ok on or ox so "
    "to up us we ad all and any are art ask ass bad bag ban bar bat bay bed bet big bit box boy "
    "bus but buy can cap car cat cop cow cry cut day did die dog dot dry due ear eat egg end "
    "eye far fat few fit fix fly for fun gap gas get god got gun guy had has hat her hey him "
    "hip hit hot how ice ill ink its jam jar jaw jet job joy key kid lab law lay leg let lie "
    "lip log lot low mad man map may men met mix mob mud net new nod not now nut odd off oil "
    "old one our out owl own pan pay pen pet pie pig pin pit pop pot put ran rap rat raw red "
    "rib rid rip rob rod row rub run sad sat saw say sea see set sex she shy sin sip sir sit "
    "six sky son sun tag tap tax tea ten the tie tin tip toe too top toy try two use van war "
    "was wax way web wet who why win wit won yes yet you zip that this with from they have what "
    "when time than then them some like into just your more very here there were been high hard "
    "hits push rock beat bass soft slow fast deep dark kick hand hole head blow back side down "
    "over tone rain".split()
)
_COUNTED = regex.compile(r"(?<!\\)\{(\d*)(?:,(\d*))?\}")
_REFUSED = regex.compile(r"\(\?(?:R|&|P>|P&|\d|[+-]\d)|(?<!\\[pPNx]|\\)\{(?!\d|,\d)")
_MOST_COUNTED = 1000
_NASTY = ("a" * 200, "aaaa b " * 40, "ab" * 100, "0" * 200, " " * 200, "lo-fi beat with rain " * 9)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: `text[start:end]` of the folded text. `entry` is the rule, for the log.

    `in_time` is False where a regular expression could not say in time whether it is there.
    """

    entry: str
    start: int
    end: int
    in_time: bool = True


@dataclass(frozen=True, slots=True)
class _Word:
    """A word or phrase as it is compared: its letters with their counts."""

    entry: str
    letters: str
    is_start: bool
    is_phrase: bool


def check_entry(entry: str) -> str:
    """Refuse a list entry that cannot work.

    Returns:
        The entry.

    Raises:
        BadInputRefusal: no letters in it, or a regular expression that is wrong or too slow.
    """
    if _is_expression(entry):
        _check_expression(entry)
    elif not any(letter.isalpha() for letter in _word(entry).letters):
        raise BadInputRefusal(f"{entry[:40]!r} has no letters, so it would never be found.")
    return entry


def _check_expression(entry: str) -> None:
    if len(entry) > MAX_EXPRESSION:
        raise BadInputRefusal(
            f"A regular expression has at most {MAX_EXPRESSION} characters; make two of it."
        )
    counts = [int(most or least or 1) for least, most in _COUNTED.findall(entry)]
    # Counts are unrolled, so a few nested ones would take all memory there is.
    if math.prod(max(1, count) for count in counts) > _MOST_COUNTED or _REFUSED.search(entry):
        raise BadInputRefusal(
            f"{entry} asks for too much: counted repeats may come to {_MOST_COUNTED} in all, and "
            "recursion and fuzzy matching are not allowed."
        )
    try:
        expression = _compiled(entry)
        if expression.search("") is not None:
            raise BadInputRefusal(f"{entry} is found in every text; it would block everything.")
        for text in _NASTY:
            expression.search(text, timeout=SEARCH_SECONDS)
    except (regex.error, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise BadInputRefusal(f"{entry} is not a regular expression I can read: {error}.") from None
    except TimeoutError:
        raise BadInputRefusal(
            f"{entry} takes too long even on plain text; write it without repeats inside repeats."
        ) from None


class Rules:
    """Compiled lists."""

    def __init__(self, blocked: Iterable[str], allowed: Iterable[str] = ()) -> None:
        self._blocked, self._allowed = _Lists(blocked), _Lists(allowed)

    @property
    def has_expressions(self) -> bool:
        """Whether a check may take noticeable time."""
        return bool(self._blocked.expressions or self._allowed.expressions)

    def find(self, texts: Sequence[str]) -> tuple[str, Finding] | None:
        """The first text, with what in it is blocked; None when all may pass."""
        deadline = time.monotonic() + BUDGET_SECONDS
        for text in texts:
            folded = fold(text)
            allowed: list[Finding] | None = None
            for found in self._blocked.search(folded, deadline):
                if allowed is None:
                    allowed = [a for a in self._allowed.search(folded, deadline) if a.in_time]
                if not any(a.start <= found.start and found.end <= a.end for a in allowed):
                    return text, found
        return None


@lru_cache(maxsize=256)
def compiled_rules(blocked: tuple[str, ...], allowed: tuple[str, ...]) -> Rules:
    """The rules of these lists, compiled once."""
    return Rules(blocked, allowed)


class _Lists:
    """One list: its words by the outline of their letters, and its regular expressions."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.expressions: list[str] = []
        self._words: dict[str, list[_Word]] = defaultdict(list)
        self._starts: dict[str, list[_Word]] = defaultdict(list)
        self._all: list[_Word] = []
        self._longest = 0
        for entry in entries:
            if _is_expression(entry):
                self.expressions.append(entry)
                continue
            word = _word(entry)
            self._all.append(word)
            # By its letters, and by its letters where i and l cannot be told apart.
            for letters in {word.letters, word.letters.translate(_L_AS_I)}:
                outline = _outline(letters)
                (self._starts if word.is_start else self._words)[outline].append(word)
                self._longest = max(self._longest, len(outline))

    def search(self, folded: Folded, deadline: float) -> Iterator[Finding]:
        """Everything found, words first."""
        if self._longest:
            yield from self._search_words(pieces(folded.text))
        for entry in self.expressions:
            yield from _search_expression(entry, folded.text, deadline)

    def _search_words(self, parts: Sequence[Piece]) -> Iterator[Finding]:
        # Of the pieces at either end, signs may not count; those between have to fit in.
        least = [len(runs(part.text)) for part in parts]
        for first in range(len(parts)):
            between = 0
            for last in range(first, len(parts)):
                between += least[last - 1] if last - first > 1 else 0
                if between > self._longest:
                    break
                window = parts[first : last + 1]
                entry = self._match(window)
                if entry is not None:
                    yield Finding(entry, window[0].start, window[-1].end)

    def _match(self, window: Sequence[Piece]) -> str | None:
        """The entry that these pieces spell together."""
        joined = "".join(part.text for part in window)
        if not any(letter.isalpha() for letter in joined):
            return None
        whole = _may_be_joined(window)
        for reading, has_bars in _readings(joined):
            for word in self._like(_outline(reading)):
                letters = word.letters.translate(_L_AS_I) if has_bars else word.letters
                fits = whole or (word.is_phrase and not word.is_start)
                if fits and _spells(reading, letters, is_start=word.is_start):
                    return word.entry
        if JOKER in joined and whole:
            return self._match_jokers(joined)
        return None

    def _like(self, outline: str) -> Iterator[_Word]:
        """Words of this outline, and beginnings of it."""
        yield from self._words.get(outline, ())
        if self._starts:
            for length in range(1, len(outline) + 1):
                yield from self._starts.get(outline[:length], ())

    def _match_jokers(self, joined: str) -> str | None:
        """`f*ck`: signs for the letters that one does not write."""
        if joined.count(JOKER) > _MOST_JOKERS * len(joined):
            return None
        read = "".join(LEET.get(letter, letter) for letter in joined)
        for word in self._all:
            if len(word.letters) == len(read) and all(
                is_ in (wanted, JOKER) for wanted, is_ in zip(word.letters, read, strict=True)
            ):
                return word.entry
        return None


def _is_expression(entry: str) -> bool:
    return len(entry) > 2 and entry.startswith("/") and entry.endswith("/")


def _word(entry: str) -> _Word:
    is_start = entry.endswith("*")
    parts = pieces(fold(entry.removesuffix("*")).text)
    letters = "".join(part.text for part in parts).strip(JOKER)[:_LONGEST]
    return _Word(entry, letters, is_start, is_phrase=any(part.spaced for part in parts[1:]))


@lru_cache(maxsize=1024)
def _compiled(entry: str) -> regex.Pattern[str]:
    return regex.compile(entry[1:-1], regex.IGNORECASE | regex.VERSION0)


def _search_expression(entry: str, text: str, deadline: float) -> Iterator[Finding]:
    seconds = min(SEARCH_SECONDS, deadline - time.monotonic())
    try:
        if seconds <= 0:
            raise TimeoutError
        for match in _compiled(entry).finditer(text, timeout=seconds):
            if match.end() > match.start():
                yield Finding(entry, match.start(), match.end())
    except TimeoutError:
        yield Finding(entry, 0, len(text), in_time=False)


def _may_be_joined(window: Sequence[Piece]) -> bool:
    """Whether pieces read as one word: cut up letter by letter, by signs, or into non-words."""
    if len(window) == 1 or not any(part.spaced for part in window[1:]):
        return True
    return all(len(part.text) == 1 for part in window) or not all(
        part.text in _COMMON for part in window
    )


def _readings(joined: str) -> Iterator[tuple[str, bool]]:
    """What a piece of text may be meant to say: signs as letters, and as mere ornament.

    The second value tells that there was a sign for i or l, and that every l is written as i.
    """
    yield joined, False
    if not any(letter in LEET for letter in joined):
        return
    # A bracket before a digit is ornament, and the digit may still be a letter: "(2onker".
    starts = [joined.lstrip(signs) for signs in ("", _MARKS, _SIGNS)]
    trimmed = {start.rstrip(signs) for start in starts for signs in ("", _MARKS, _SIGNS)}
    letters = "".join(letter for letter in joined if letter.isalnum())
    for text in {*trimmed, letters}:
        has_bars = not _BARS.isdisjoint(text)
        read = text.translate(_AS_LETTERS)
        yield (read.translate(_L_AS_I), True) if has_bars else (read, False)


_SIGNS = "".join(LEET)
_MARKS = "".join(sign for sign in LEET if not sign.isalnum())
_AS_LETTERS = str.maketrans(LEET)
_BARS = frozenset(sign for sign, letter in LEET.items() if letter == "i")
_L_AS_I = str.maketrans("l", "i")


def _outline(word: str) -> str:
    """The letters of a word with none twice in a row."""
    return "".join(letter for letter, _ in runs(word))


def _spells(text: str, word: str, *, is_start: bool = False) -> bool:
    """Whether a text spells a word, where letters may be stretched.

    A letter counts as stretched where it stands three times or more, and more often than in the
    word; or twice, if it is one that is never doubled.
    """
    written, wanted = runs(text), runs(word)
    if len(written) < len(wanted) or (len(written) > len(wanted) and not is_start):
        return False
    last = len(wanted) - 1
    for index, ((letter, count), (expected, needed)) in enumerate(
        zip(written, wanted, strict=False)
    ):
        if letter != expected:
            return False
        stretched = count > needed and (count >= 3 or letter in _NEVER_DOUBLE)
        goes_on = is_start and index == last and count >= needed
        if count != needed and not stretched and not goes_on:
            return False
    return True
