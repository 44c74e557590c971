"""Text → the embeddings that steer the UNet: weights by brackets, any length, cached."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from generation.checkpoint import Checkpoint

EMPHASIS = 1.1
"""What one pair of round brackets multiplies by, and one of square brackets divides by."""
HEAVIEST = 10.0
"""The largest weight; what is beyond only makes noise, or overflows in half precision."""
CACHED = 64
"""Embeddings that an encoder remembers."""
_CENTRED = 0.05
"""Mean over root mean square below which embeddings count as centred."""

_EXPLICIT = re.compile(r":\s*(\d+(?:\.\d*)?|\.\d+)\s*$")
_PIECES = re.compile(r"\\[\\()\[\]]|[()\[\]]|[^\\()\[\]]+|\\")

Weighted = tuple[str, float]


def parse_prompt(text: str) -> list[Weighted]:
    r"""Split a prompt into parts of equal weight.

    The syntax that users of Stable Diffusion know from AUTOMATIC1111's web UI ("Attention/emphasis"
    in its documentation): `(word)` weighs 1.1, `(word:1.3)` weighs 1.3, `[word]` weighs 1/1.1;
    brackets nest and their weights multiply; `\(`, `\)`, `\[`, `\]` and `\\` stand for the
    character itself. A bracket without its partner is a character like any other: no text is an
    error. Weights end at 10.

    >>> parse_prompt("slow (warm:1.5) piano")
    [('slow ', 1.0), ('warm', 1.5), (' piano', 1.0)]

    Returns:
        At least one (text, weight); neighbours differ in weight, and no text is empty unless all
        of it is.
    """
    parts: list[Weighted] = []
    openers: list[tuple[str, int]] = []  # bracket, index in `parts` where it stands
    for piece in _PIECES.findall(text):
        if piece in ("(", "["):
            openers.append((piece, len(parts)))
            parts.append((piece, 1.0))  # literal until its partner is found
        elif piece in (")", "]"):
            if not _close("(" if piece == ")" else "[", parts, openers):
                parts.append((piece, 1.0))
        else:
            parts.append((piece[1:] if len(piece) > 1 and piece[0] == "\\" else piece, 1.0))
    return _joined(parts)


def _close(bracket: str, parts: list[Weighted], openers: list[tuple[str, int]]) -> bool:
    """Weigh what lies between the nearest such opening bracket and here; False without one."""
    if not any(opener == bracket for opener, _ in openers):
        return False
    opener, start = openers.pop()
    while opener != bracket:  # one of the other kind, left open inside: it stays a character
        opener, start = openers.pop()
    factor = EMPHASIS if bracket == "(" else 1 / EMPHASIS
    inside = parts[start + 1 :]
    if bracket == "(" and inside and (match := _EXPLICIT.search(inside[-1][0])):
        factor = float(match[1])
        inside[-1] = (inside[-1][0][: match.start()], inside[-1][1])
    weighed = [(text, weight * factor) for text, weight in inside]
    # Empty parts take the brackets' places: earlier openers keep their index, and an outer bracket
    # does not look for its own weight in here.
    parts[start:] = [("", 1.0), *weighed, ("", 1.0)]
    return True


def _joined(parts: Iterable[Weighted]) -> list[Weighted]:
    joined: list[Weighted] = []
    for text, raw in parts:
        weight = min(raw, HEAVIEST)
        if not text:
            continue
        if joined and joined[-1][1] == weight:
            joined[-1] = (joined[-1][0] + text, weight)
        else:
            joined.append((text, weight))
    return joined or [("", 1.0)]


class PromptEncoder:
    """The text encoder of a checkpoint, with the embeddings it made last. Not thread-safe."""

    def __init__(self, checkpoint: Checkpoint, cached: int = CACHED) -> None:
        """Encode with `checkpoint`, remembering the last `cached` embeddings (0.2 MB each)."""
        self._checkpoint = checkpoint
        self._cached = cached
        self._cache: OrderedDict[tuple[str, int], Tensor] = OrderedDict()

    @property
    def window(self) -> int:
        """Tokens of one chunk, start and end marks included: what the encoder reads at once."""
        return _window(self._checkpoint)

    def chunks(self, text: str) -> int:
        """How many chunks `text` fills, at least 1."""
        ids, _ = _weighted_tokens(self._checkpoint, text)
        return max(1, -(-len(ids) // (self.window - 2)))

    def clear(self) -> None:
        """Forget all embeddings: the encoder has changed, or memory is short."""
        self._cache.clear()

    @torch.inference_mode()
    def encode(self, text: str, chunks: int = 1) -> Tensor:
        """Encode one prompt.

        A text longer than the encoder's window is cut into chunks; each is encoded with its own
        start and end mark, and the results are laid side by side along the token axis. A shorter
        one is filled up with empty chunks, because all rows of a batch, prompts and negative
        prompts, need the same number.

        Weights multiply the embeddings of their tokens, and then everything is scaled so that the
        mean over all numbers is what it was: E' = w·E · mean(E) / mean(w·E). This is how
        AUTOMATIC1111's web UI does it, and diffusers' community pipeline `lpw_stable_diffusion`,
        from which Riffusion has it. Where the mean is too close to 0 to divide by, as with encoders
        whose embeddings are centred, the root mean square is kept instead.

        Args:
            text: with the syntax of `parse_prompt`.
            chunks: how many to fill, at least `self.chunks(text)`.

        Returns:
            Shape `(chunks · window, width)`, in the encoder's dtype, on its device. Not to be
            changed: the cache holds it.

        Raises:
            ValueError: the text fills more chunks.
        """
        key = (text, chunks)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        embedding = self._encode(text, chunks)
        self._cache[key] = embedding
        while len(self._cache) > self._cached:
            self._cache.popitem(last=False)
        return embedding

    def _encode(self, text: str, chunks: int) -> Tensor:
        ids, weights = _weighted_tokens(self._checkpoint, text)
        room = self.window - 2
        if len(ids) > chunks * room:
            raise ValueError(f"{len(ids)} tokens do not fit into {chunks} chunks of {room}")
        starts = range(0, chunks * room, room)
        rows = [ids[at : at + room] for at in starts]
        embedding = _encode(self._checkpoint, rows, self.window).flatten(0, 1)
        if all(weight == 1 for weight in weights):
            return embedding
        padded = [1.0] * (chunks * self.window)
        for number, at in enumerate(starts):
            first = number * self.window + 1
            part = weights[at : at + room]
            padded[first : first + len(part)] = part
        return weigh(embedding, torch.tensor(padded, device=embedding.device))


def weigh(embedding: Tensor, weights: Tensor) -> Tensor:
    """Multiply tokens by weights, keeping the mean over all numbers (see `PromptEncoder.encode`).

    Args:
        embedding: shape `(tokens, width)`.
        weights: shape `(tokens,)`.

    Returns:
        Shape and dtype of `embedding`.
    """
    before = embedding.float()
    after = before * weights[:, None]
    rms_before, rms_after = (e.square().mean().sqrt() for e in (before, after))
    if rms_after == 0:
        return embedding
    if min(before.mean().abs() / rms_before, after.mean().abs() / rms_after) > _CENTRED:
        ratio = before.mean() / after.mean()
        if ratio > 0:
            return (after * ratio).to(embedding.dtype)
    return (after * (rms_before / rms_after)).to(embedding.dtype)


def _window(checkpoint: Checkpoint) -> int:
    positions = int(checkpoint.text_encoder.config.max_position_embeddings)
    read = min(positions, int(checkpoint.tokenizer.model_max_length))
    return min(checkpoint.preferences.max_tokens or read, read)


def _weighted_tokens(checkpoint: Checkpoint, text: str) -> tuple[list[int], list[float]]:
    ids: list[int] = []
    weights: list[float] = []
    for part, weight in parse_prompt(text):
        tokens = _tokens(checkpoint.tokenizer, part)
        ids += tokens
        weights += [weight] * len(tokens)
    return ids, weights


def _tokens(tokenizer: Any, text: str) -> list[int]:
    # A text that happens to contain "[SEP]" or "<|endoftext|>" is not to end the prompt there.
    ids = tokenizer(
        text, add_special_tokens=False, truncation=False, verbose=False, split_special_tokens=True
    ).input_ids
    return [expanded for token in ids for expanded in _vectors(tokenizer, token)]


def _vectors(tokenizer: Any, token: int) -> list[int]:
    """A textual inversion of several vectors is stored as `name`, `name_1`, `name_2`, …."""
    added = tokenizer.added_tokens_decoder
    if token not in added:
        return [token]
    vocabulary = tokenizer.get_added_vocab()
    name, ids = str(added[token]), [token]
    while (following := vocabulary.get(f"{name}_{len(ids)}")) is not None:
        ids.append(following)
    return ids


def _encode(checkpoint: Checkpoint, rows: Sequence[Sequence[int]], window: int) -> torch.Tensor:
    tokenizer, encoder = checkpoint.tokenizer, checkpoint.text_encoder
    # CLIP marks the ends with bos/eos, BERT with cls/sep.
    start = _first(tokenizer.bos_token_id, tokenizer.cls_token_id)
    end = _first(tokenizer.eos_token_id, tokenizer.sep_token_id)
    pad = _first(tokenizer.pad_token_id, end)
    ids = [[start, *row, end, *([pad] * (window - 2 - len(row)))] for row in rows]
    input_ids = torch.tensor(ids, device=checkpoint.device)
    lengths = torch.tensor([len(row) + 2 for row in rows], device=checkpoint.device)
    mask = (torch.arange(window, device=checkpoint.device)[None] < lengths[:, None]).long()
    # Stable Diffusion's CLIP was trained without a padding mask, BERT-like encoders with one.
    uses_mask = encoder.config.model_type == "bert" or getattr(
        encoder.config, "use_attention_mask", False
    )
    output: torch.Tensor = encoder(
        input_ids, attention_mask=mask if uses_mask else None
    ).last_hidden_state
    return output


def _first(*ids: int | None) -> int:
    return next(number for number in ids if number is not None)
