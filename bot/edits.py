"""Asking for a riff with other values: the form that an edit fills in, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.ask import Ask
from bot.errors import BadInputRefusal
from bot.grammar import parse_ask, parse_blend, parse_options
from bot.options import read_option
from bot.recipes import more_options, words_of
from generation.request import DEFAULT_STRENGTH, GenerationRequest


@dataclass(frozen=True, slots=True)
class EditForm:
    """The values of a riff as people see and change them, all of it text.

    Attributes:
        prompt: of a blend or mix with its arrow or plus signs.
        seed: empty for another one.
        steps: empty for the checkpoint's own number.
        more: further options as they are typed: `--bpm 90 --length 4bars`.
    """

    prompt: str
    negative: str = ""
    seed: str = ""
    steps: str = ""
    more: str = ""

    @classmethod
    def of(cls, request: GenerationRequest) -> EditForm:
        """The present values."""
        more = more_options(request)
        if request.kind == "remix":
            strength = DEFAULT_STRENGTH if request.strength is None else request.strength
            more = f"--strength {strength:g} {more}".strip()
        return cls(
            prompt=words_of(request),
            negative=request.negative,
            seed=str(request.seed),
            steps="" if request.steps is None else str(request.steps),
            more=more,
        )

    def to_ask(self, request: GenerationRequest) -> Ask:
        """What is asked for now. What it is built on stays; what was cleared is left open.

        Args:
            request: what the form was filled in from.

        Raises:
            BadInputRefusal: a value is out of range, or there is no prompt.
        """
        values = self._values(request)
        if request.kind in ("blend", "mix"):
            words = parse_blend(self.prompt)
            return replace(words, **{"clips": words.clips, **values})
        base = Ask.of(request)
        # Its words have changed, so what it once varied is no measure any more.
        kind = "text" if request.kind == "variation" else request.kind
        cleared: dict[str, Any] = {
            "guidance_scale": None, "bpm": None, "length": None, "clips": None, "sampler": "",
            "adapters": (), "start": "", "loop": None, "variation": None, "variation_seed": None,
        }  # fmt: skip
        prompt = parse_ask(self.prompt).prompt
        if parse_ask(self.prompt) != Ask(prompt=prompt):
            raise BadInputRefusal("Options such as --bpm 90 go into the field for more options.")
        return replace(base, **{**cleared, **values, "prompt": prompt, "kind": kind})

    def _values(self, request: GenerationRequest) -> Mapping[str, Any]:
        seed, steps = self.seed.strip(), self.steps.strip()
        command = {"remix": "blend", "blend": "blend", "mix": "blend"}.get(request.kind, "riff")
        more = parse_options(self.more, command)
        for name, written in (("seed", seed), ("steps", steps)):
            if name in more:
                raise BadInputRefusal(f"There is a field for the {name}; leave --{name} out.")
            if written:
                more[name] = read_option(name, written)
        return {
            "seed": None,
            "steps": None,
            **more,
            "negative": read_option("negative", self.negative),
        }
