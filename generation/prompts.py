"""Text → the embeddings that steer the UNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from generation.checkpoint import Checkpoint


@torch.inference_mode()
def embed(checkpoint: Checkpoint, texts: Sequence[str]) -> torch.Tensor:
    """Encode prompts of any length.

    A text longer than the encoder's window is cut into chunks of `max_tokens - 2` tokens; each is
    encoded with its own start and end mark and the results are laid side by side along the token
    axis. All texts are padded to the same number of chunks, because the halves of
    classifier-free guidance share one batch.

    Args:
        texts: one per row of the batch; the empty text is the unconditional prompt.

    Returns:
        Embeddings, shape `(len(texts), chunks · max_tokens, width)`, in the encoder's dtype.
    """
    window = _window(checkpoint)
    tokens = [_tokens(checkpoint.tokenizer, text) for text in texts]
    room = window - 2
    chunks = max(1, max(-(-len(ids) // room) for ids in tokens))
    encoded = [
        _encode(checkpoint, [ids[at : at + room] for ids in tokens], window)
        for at in range(0, chunks * room, room)
    ]
    return torch.cat(encoded, dim=1)


def _window(checkpoint: Checkpoint) -> int:
    positions = int(checkpoint.text_encoder.config.max_position_embeddings)
    return min(checkpoint.preferences.max_tokens or positions, positions)


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, truncation=False).input_ids)


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
