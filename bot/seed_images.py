"""Pictures that clips start from, by name: those that ship, and a folder of the operator's."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from bot.errors import NotFoundRefusal

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_SHIPPED = Path(str(resources.files("generation"))) / "seed_images"


class SeedImages:
    """Finds `name.png` in the operator's folder first, then among those that ship."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = [folder, _SHIPPED] if folder else [_SHIPPED]

    def find(self, name: str) -> Path:
        """The picture of this name.

        Raises:
            NotFoundRefusal: there is none; the sentence lists what there is.
        """
        if _NAME.match(name):
            for folder in self._folders:
                path = folder / f"{name}.png"
                if path.is_file():
                    return path
        raise NotFoundRefusal(
            f"There is no seed image {name[:40]!r}; there are {', '.join(self.names())}."
        )

    def names(self) -> list[str]:
        """Every name there is."""
        found = (path.stem for folder in self._folders for path in folder.glob("*.png"))
        return sorted({name for name in found if _NAME.match(name)})
