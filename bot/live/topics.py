"""What is voted for: prompts, with those that say the same in other words taken together.

Two prompts are one topic where their words are the same (in any order, singular or plural), or
where the checkpoint's own text encoder puts them next to each other. The encoder has little sense
of opposites ("fast techno" lies next to "slow techno"), so a word that decides something keeps its
prompt apart.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

NEAR = 0.82
"""Cosine similarity of two prompts' embeddings from which on they are one topic: with the starter's
encoder "lo-fi beat" and "lofi beats" have 0.83, "techno synth" and "dark techno" 0.75."""

_WORD = re.compile(r"[^\W_]+")
_FILLERS = frozenset("a an the some of and with please more music".split())
_DECISIVE = frozenset(
    "no not without fast slow faster slower dark bright happy sad loud quiet soft hard heavy light "
    "high low major minor male female acoustic electric day night summer winter".split()
)


@dataclass(slots=True)
class Topic:
    """One thing that is voted for.

    Attributes:
        id: unique within its session.
        prompt: in the words of who asked first.
        seed: of its noise; the same words give the same seed within a session.
        words: by which it is recognised.
        vector: unit length, if the encoder has been asked.
    """

    id: str
    prompt: str
    seed: int
    words: frozenset[str]
    vector: npt.NDArray[np.float32] | None = field(default=None, repr=False)


class Topics:
    """All topics of a session."""

    def __init__(self, seed: int) -> None:
        """`seed` of the session: other sessions hear other music for the same words."""
        self.seed = seed
        self._topics: dict[str, Topic] = {}
        self._by_words: dict[frozenset[str], str] = {}
        self._count = 0

    def __getitem__(self, topic_id: str) -> Topic:
        return self._topics[topic_id]

    def __contains__(self, topic_id: str) -> bool:
        return topic_id in self._topics

    def __len__(self) -> int:
        return len(self._topics)

    def all(self) -> list[Topic]:
        """Every topic there is."""
        return list(self._topics.values())

    def find(self, prompt: str) -> Topic:
        """The topic of these words, new if need be."""
        words = words_of(prompt)
        known = self._by_words.get(words)
        if known is not None:
            return self._topics[known]
        self._count += 1
        seed = zlib.crc32(" ".join(sorted(words)).encode(), self.seed & 0xFFFFFFFF)
        return self.restore(Topic(f"t{self._count}", " ".join(prompt.split()), seed, words))

    def restore(self, topic: Topic) -> Topic:
        """Add a topic as it is."""
        self._topics[topic.id] = topic
        self._by_words[topic.words] = topic.id
        self._count = max(self._count, int(topic.id[1:]))
        return topic

    def learn(self, topic_id: str, vector: Sequence[float]) -> str | None:
        """Note a topic's embedding.

        Returns:
            The id of an older topic that says the same, if there is one.
        """
        topic = self._topics.get(topic_id)
        array = np.asarray(vector, dtype=np.float32)
        length = float(np.linalg.norm(array))
        if topic is None or not length > 0 or not math.isfinite(length):
            return None
        topic.vector = array / np.float32(length)
        best, most = None, NEAR
        for other in self._topics.values():
            if other.id == topic_id or other.vector is None or not may_be_one(topic, other):
                continue
            if other.vector.shape != topic.vector.shape:
                continue  # by another checkpoint's encoder
            likeness = float(topic.vector @ other.vector)
            if likeness >= most:
                best, most = other.id, likeness
        return best

    def merge(self, topic_id: str, into: str) -> None:
        """From now on the words of one topic mean another."""
        topic = self._topics.pop(topic_id)
        for words, meant in self._by_words.items():
            if meant == topic.id:
                self._by_words[words] = into

    def keep_only(self, wanted: Iterable[str]) -> None:
        """Forget every other topic."""
        keep = set(wanted)
        self._topics = {key: topic for key, topic in self._topics.items() if key in keep}
        self._by_words = {words: key for words, key in self._by_words.items() if key in keep}


def words_of(prompt: str) -> frozenset[str]:
    """The words by which a prompt is recognised; never empty for a prompt that is not."""
    plain = unicodedata.normalize("NFKC", prompt).casefold()
    found = [word for word in _WORD.findall(plain.replace("-", "")) if word not in _FILLERS]
    return frozenset(_singular(word) for word in found) or frozenset([plain.strip()])


def may_be_one(topic: Topic, other: Topic) -> bool:
    """Whether nothing in the words keeps two topics apart."""
    return _DECISIVE.isdisjoint(topic.words ^ other.words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
