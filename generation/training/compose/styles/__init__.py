"""Every style, registered by importing its module; add a module here and it is known."""

from generation.training.compose.styles import (  # noqa: F401
    bells_and_noises,
    classical,
    electronic,
    jazz,
    rock,
    solos,
    urban,
    world,
    world_traditions,
)
