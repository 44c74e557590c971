"""Only the model at work keeps its weights in memory, where they lie in a file.

Text encoder, UNet and autoencoder work one after another. What of them is mapped from a file can be
given back while another works, and comes back from the system's file cache when it is needed: a few
tenths of a second per picture for a full-size model, and a third of the peak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from generation.weights import Pages


def take_turns(models: Mapping[str, Any], pages: Mapping[str, Pages | None]) -> None:
    """Give back a model's mapped memory whenever another model begins to work.

    Args:
        models: by part.
        pages: what each model's weights lie in; None for a model that is in memory as a whole.
    """
    held = {part: one for part, one in pages.items() if one is not None}
    if not held:
        return
    turns = _Turns(held)
    for part, model in models.items():
        # An autoencoder is entered by encode() and decode(), never by forward().
        entries = [model.encoder, model.decoder] if part == "vae" else [model]
        for entry in entries:
            entry.register_forward_pre_hook(turns.hook(part))


class _Turns:
    def __init__(self, pages: Mapping[str, Pages]) -> None:
        self._pages = pages
        self._working = ""

    def hook(self, part: str) -> Any:
        def enter(module: torch.nn.Module, inputs: Any) -> None:
            if self._working == part:
                return
            self._working = part
            for other, pages in self._pages.items():
                if other != part:
                    pages.release()

        return enter
