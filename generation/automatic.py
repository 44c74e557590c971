"""Which checkpoint draws where the operator left that open."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from generation import hub
from generation.checkpoint import STARTER, Checkpoint, CheckpointOptions, load_checkpoint
from generation.errors import CheckpointError
from generation.placement import choose_placement

log = logging.getLogger(__name__)

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Choice:
    """What draws.

    Attributes:
        name: as `generation.checkpoint.load_checkpoint` takes it.
        better: what this machine could draw with if it were downloaded; empty if nothing.
    """

    name: str
    better: str = ""


def choose_checkpoint(
    name: str, device: torch.device, *, half: bool, cache: Path | None = None
) -> Choice:
    """Take what was named, or for `auto` what suits the device: Riffusion's own on a GPU.

    Nothing is downloaded here: until Riffusion's checkpoint is there, the starter draws.

    Args:
        name: what the operator wrote.
        device: where to draw.
        half: whether weights take 16 bits there, which decides the files of a download.
        cache: where downloads are kept; None is the usual place.
    """
    if name != AUTO:
        return Choice(name)
    if device.type == "cpu":
        return Choice(STARTER)
    if hub.is_kept(hub.RIFFUSION, half=half, cache=cache):
        return Choice(hub.RIFFUSION)
    return Choice(STARTER, better=hub.RIFFUSION)


def load_chosen(
    name: str, device: torch.device, options: CheckpointOptions
) -> tuple[Choice, Checkpoint]:
    """Choose and load. Where Riffusion's checkpoint was an automatic choice and cannot be loaded
    (a GPU with too little memory, say), the starter draws.

    Raises:
        CheckpointError: as `load_checkpoint` does.
    """
    half = choose_placement(device, wanted=options.dtype).half
    choice = choose_checkpoint(name, device, half=half, cache=options.hub_cache)
    try:
        return choice, load_checkpoint(choice.name, device, options)
    except CheckpointError as error:
        if name != AUTO or choice.name == STARTER:
            raise
        log.warning("%s The starter draws instead.", error)
        return Choice(STARTER), load_checkpoint(STARTER, device, options)
