"""The recipe that every file carries: what it takes to make it again.

One mapping from short keys to text is written in each format's own way: ID3 `TXXX` frames in
MP3, Vorbis comments in FLAC and Opus, a `LIST INFO` chunk in WAV, `iTXt` chunks in PNG. Nothing
else goes in: no time, no job number, so the same recipe gives the same bytes.
"""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import mutagen
import mutagen.flac
import mutagen.id3
import mutagen.oggopus
from PIL import Image, PngImagePlugin

from generation.errors import BadRequestError, MediaError

# mutagen is only half typed: its classes are used as what they are, untyped.
_id3: Any = mutagen.id3
_flac: Any = mutagen.flac
_oggopus: Any = mutagen.oggopus

SOFTWARE = "Riffbot"
PREFIX = "riffbot:"
_VORBIS_PREFIX = "riffbot_"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,47}")
_TITLE = "(title)"
_PADDING = 0
_MAX_WAV_CHUNK = 1 << 20


@dataclass(frozen=True)
class Tags:
    """A title and a recipe.

    Attributes:
        title: what players show; may be empty.
        recipe: text by key (`prompt`, `seed`, `steps`, `model_hash`, …). Keys are lower-case
            words of letters, digits and underscores.

    Raises:
        BadRequestError: a key that not every format can hold.
    """

    title: str = ""
    recipe: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.recipe:
            if not _KEY.fullmatch(key):
                raise BadRequestError(
                    f"The tag name {key!r} does not work in every file format; use lower-case "
                    "letters, digits and underscores."
                )
        plain = {key: _plain(value) for key, value in sorted(self.recipe.items())}
        # ID3 cannot hold an empty text: no value and an empty one are the same everywhere.
        clean = {key: value for key, value in plain.items() if value}
        object.__setattr__(self, "title", _plain(self.title))
        object.__setattr__(self, "recipe", MappingProxyType(clean))

    def __reduce__(self) -> tuple[Any, ...]:
        return Tags, (self.title, dict(self.recipe))


def _plain(text: str) -> str:
    """Text without NUL and lone surrogates, which the formats cannot hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def tag_mp3(data: bytes, tags: Tags) -> bytes:
    """The same MP3 stream with an ID3v2.4 tag in front."""
    frames = _id3.ID3()
    frames.add(_id3.TSSE(encoding=3, text=SOFTWARE))
    if tags.title:
        frames.add(_id3.TIT2(encoding=3, text=tags.title))
    for key, value in tags.recipe.items():
        frames.add(_id3.TXXX(encoding=3, desc=PREFIX + key, text=value))
    return _saved(frames, data, v2_version=4)


def tag_flac(data: bytes, tags: Tags) -> bytes:
    """The same FLAC file with Vorbis comments."""
    return _with_vorbis_comments(_flac.FLAC(io.BytesIO(data)), data, tags)


def tag_opus(data: bytes, tags: Tags) -> bytes:
    """The same Ogg Opus file with Vorbis comments."""
    return _with_vorbis_comments(_oggopus.OggOpus(io.BytesIO(data)), data, tags)


def _with_vorbis_comments(file: Any, data: bytes, tags: Tags) -> bytes:
    if file.tags is None:
        file.add_tags()
    file.tags.clear()
    file["encoder"] = SOFTWARE
    if tags.title:
        file["title"] = tags.title
    for key, value in tags.recipe.items():
        file[_VORBIS_PREFIX + key] = value
    return _saved(file, data)


def _saved(tag: Any, data: bytes, **options: int) -> bytes:
    buffer = io.BytesIO(data)
    tag.save(buffer, padding=lambda _info: _PADDING, **options)
    return buffer.getvalue()


def info_chunk(tags: Tags) -> bytes:
    """A RIFF `LIST INFO` chunk: title, software, and the recipe as JSON in the comment."""
    items = [(b"ISFT", SOFTWARE)]
    if tags.title:
        items.append((b"INAM", tags.title))
    if tags.recipe:
        items.append((b"ICMT", json.dumps(dict(tags.recipe), ensure_ascii=False)))
    body = b"INFO" + b"".join(riff_chunk(name, text.encode() + b"\0") for name, text in items)
    return riff_chunk(b"LIST", body)


def riff_chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a RIFF file: name, length, body, and a byte to make the length even."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def png_info(tags: Tags) -> PngImagePlugin.PngInfo:
    """The text chunks of a PNG."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Software", SOFTWARE)
    if tags.title:
        info.add_itxt("Title", tags.title)
    for key, value in tags.recipe.items():
        info.add_itxt(PREFIX + key, value)
    return info


def read_tags(data: bytes) -> Tags:
    """Read back the title and recipe from the bytes of a file that carries them.

    Works for MP3, FLAC, Opus, WAV and PNG; a file without a recipe gives an empty one.

    Raises:
        MediaError: the file is none of these, or is damaged.
    """
    try:
        if data.startswith(b"\x89PNG"):
            pairs = list(_png_pairs(data))
        elif data[:4] == b"RIFF":
            pairs = list(_wav_pairs(data))
        elif data[:3] == b"ID3":
            pairs = list(_id3_pairs(data))
        else:
            pairs = list(_vorbis_pairs(data))
    except (mutagen.MutagenError, OSError, ValueError, struct.error, SyntaxError) as error:
        raise MediaError("The recipe in this file could not be read; it may be cut off.") from error
    recipe = dict(pairs)
    return Tags(recipe.pop(_TITLE, ""), recipe)


def _named(key: str, prefix: str) -> str | None:
    name = key.lower().removeprefix(prefix)
    return name if key.lower().startswith(prefix) and _KEY.fullmatch(name) else None


def _png_pairs(data: bytes) -> Iterator[tuple[str, str]]:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        for key, value in image.info.items():
            if not isinstance(key, str) or not isinstance(value, str):
                continue
            if key == "Title":
                yield _TITLE, value
            elif name := _named(key, PREFIX):
                yield name, value


def _id3_pairs(data: bytes) -> Iterator[tuple[str, str]]:
    frames = _id3.ID3(io.BytesIO(data))
    for frame in frames.getall("TIT2"):
        yield _TITLE, str(frame)
    for frame in frames.getall("TXXX"):
        if name := _named(frame.desc, PREFIX):
            yield name, str(frame)


def _vorbis_pairs(data: bytes) -> Iterator[tuple[str, str]]:
    file = (
        _flac.FLAC(io.BytesIO(data)) if data[:4] == b"fLaC" else _oggopus.OggOpus(io.BytesIO(data))
    )
    for key, value in file.tags or []:
        if key.lower() == "title":
            yield _TITLE, value
        elif name := _named(key, _VORBIS_PREFIX):
            yield name, value


def _wav_pairs(data: bytes) -> Iterator[tuple[str, str]]:
    for name, body in _riff_chunks(data[12:]):
        if name != b"LIST" or body[:4] != b"INFO" or len(body) > _MAX_WAV_CHUNK:
            continue
        for item, text in _riff_chunks(body[4:]):
            plain = text.rstrip(b"\0").decode("utf-8", "replace")
            if item == b"INAM":
                yield _TITLE, plain
            elif item == b"ICMT":
                yield from _json_pairs(plain)


def _json_pairs(text: str) -> Iterator[tuple[str, str]]:
    try:
        recipe = json.loads(text)
    except ValueError:
        return
    if isinstance(recipe, dict):
        for key, value in recipe.items():
            if isinstance(value, str) and _KEY.fullmatch(key):
                yield key, value


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, position + 4)
        yield data[position : position + 4], data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
