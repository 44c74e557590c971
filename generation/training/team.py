"""Several processes that train one model."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Team:
    """Processes that train one model: each on its own samples, all with the mean gradient.

    On a machine that is busy with other work, two processes of one thread each do more than one
    process of two threads, which waits for the slower thread in every operation.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """Join as number `rank` of `size`; `torch.distributed` must be set up if size > 1."""
        self.rank, self.size = rank, size

    def average_gradients(self, model: nn.Module, stop: bool) -> bool:
        """Average the gradients in place; returns true if any process wants to stop.

        Whoever is left behind by a killed command wants to: nobody could stop it any more, and the
        next run would train beside it.
        """
        if self.size == 1:
            return stop
        parent = multiprocessing.parent_process()
        stop = stop or (parent is not None and not parent.is_alive())
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor([float(stop)])])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        sizes = [g.numel() for g in gradients]
        means = torch.split(flat[:-1], sizes)
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return bool(flat[-1] > 0)

    def add_up(self, parts: list[Tensor]) -> None:
        """Replace every tensor by its sum over the processes, in place."""
        if self.size == 1:
            return
        flat = torch.cat([part.flatten() for part in parts])
        torch.distributed.all_reduce(flat)
        pieces = torch.split(flat, [part.numel() for part in parts])
        for part, piece in zip(parts, pieces, strict=True):
            part.copy_(piece.view_as(part))


Member = Callable[[Team, argparse.Namespace], None]
"""What every member of a team runs; a function at the top level of a module."""


def _join(rank: int, port: int, member: Member, options: argparse.Namespace) -> None:
    size: int = options.processes
    torch.set_num_threads(1 if size > 1 else max(1, options.threads))
    if size > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
    member(Team(rank, size), options)
    if size > 1:
        torch.distributed.destroy_process_group()


def run_team(member: Member, options: argparse.Namespace) -> None:
    """Run `member` in `options.processes` processes, or here with `options.threads` threads."""
    if options.processes > 1:
        library: Any = torch.multiprocessing
        library.spawn(_join, (free_port(), member, options), nprocs=options.processes)
    else:
        _join(0, 0, member, options)


def add_team(parser: argparse.ArgumentParser) -> None:
    """Add `--processes` and `--threads`."""
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="threads of a lone process")


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
