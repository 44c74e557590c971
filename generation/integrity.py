"""Are these the files that were meant? Hashes of a checkpoint, and its licence."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from generation import remembered
from generation.errors import CheckpointError
from generation.parts import read_json

SEAL = "sha256.json"
_SEALED_BESIDES = (
    "model_index.json",
    "riffbot.json",
    "phrases.json.gz",
    "seeds.json",
    "seeds.safetensors",
)
_WORTH_REMEMBERING = 200_000_000
_SETTLED = 10.0
_SHA256 = re.compile("[0-9a-f]{64}")
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_LICENCE = re.compile(r"^license:[ \t]*(?:\n[ \t]*-[ \t]*)?(\S[^\n]*)$", re.MULTILINE)
_LICENCE_NAME = re.compile(r"^license_name:[ \t]*(\S[^\n]*)$", re.MULTILINE)


class Hashing:
    """Hashes files in the background, beside the reading of their weights."""

    def __init__(self, files: Mapping[str, Path], sealed: Path) -> None:
        """Hash `files`, anew if the folder `sealed` has a list to compare them with."""
        one = _sha256 if (sealed / SEAL).is_file() else _known_sha256
        self._folder = sealed
        self._files = dict(sorted(files.items()))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hashing")
        paths = dict.fromkeys(self._files.values())  # a single file may hold several parts
        self._digests = {path: self._pool.submit(one, path) for path in paths}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 over names and digests of all files."""
        digest = hashlib.sha256()
        for name, path in self._files.items():
            digest.update(f"{name}\0{self._digests[path].result()}\n".encode())
        return digest.hexdigest()[:16]

    def check_seal(self) -> None:
        """Compare with the `sha256.json` in the folder, where there is one.

        Raises:
            CheckpointError: a file is not as it was when the list was written.
        """
        folder = self._folder
        if not (folder / SEAL).is_file():
            return
        sealed = read_json(folder / SEAL)
        found = {
            path.relative_to(folder).as_posix(): digest.result()
            for path, digest in self._digests.items()
            if path.is_relative_to(folder)
        }
        for name in _SEALED_BESIDES:
            if (folder / name).is_file():
                found[name] = _sha256(folder / name)
        changed = [name for name, digest in found.items() if sealed.get(name, digest) != digest]
        if changed:
            raise CheckpointError(
                f"{changed[0]} of the checkpoint is damaged or was changed: its SHA-256 is not the "
                f"one in {SEAL}; please install the checkpoint again."
            )


def read_licence(folder: Path) -> str:
    """The licence that a model card states in its front matter (`README.md`), or empty."""
    try:
        card = (folder / "README.md").read_text("utf-8", "replace")
    except OSError:
        return ""
    front = _FRONT_MATTER.match(card.replace("\r\n", "\n"))
    if front is None:
        return ""
    found = [pattern.search(front.group(1)) for pattern in (_LICENCE, _LICENCE_NAME)]
    names = [one.group(1).strip().strip("\"'")[:80] for one in found if one is not None]
    # "other" means: see the name.
    return names[-1] if names and names[0] == "other" else (names or [""])[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _known_sha256(path: Path) -> str:
    """The hash of a file, from memory if it has not been touched since.

    Four gigabytes take seconds, at every start. A file that changed within the resolution of its
    file system's clock could pass for unchanged, so one that is too new is not remembered.
    """
    found = path.stat()
    if found.st_size < _WORTH_REMEMBERING:
        return _sha256(path)
    key = f"{path.resolve()} {found.st_size} {found.st_mtime_ns} {found.st_ino}"
    known = remembered.recall("sha256", key)
    if isinstance(known, str) and _SHA256.fullmatch(known):
        return known
    digest = _sha256(path)
    if time.time() - found.st_mtime > _SETTLED:
        remembered.note("sha256", key, digest)
    return digest
