"""Checkpoints from the Hugging Face hub: only the needed files, resumed where they were cut off."""

from __future__ import annotations

import enum
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from filelock import FileLock

from generation.errors import CheckpointError
from generation.layout import choose_files, choose_weights

DEFAULT_CONFIGS = "stable-diffusion-v1-5/stable-diffusion-v1-5"

RIFFUSION = "riffusion/riffusion-model-v1"
"""The checkpoint that started it all: about 4 GB, for a GPU."""

_ID = re.compile(r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?:@(?P<revision>[\w][\w./-]*))?")
_ETAG = re.compile(r"[\w-]{8,128}")
_LARGE = 1_000_000
_SPARE = 200_000_000
_STARTER_WORKS = 'the checkpoint "starter" needs no download'


class Wanted(enum.Enum):
    """What of a repository is needed."""

    CHECKPOINT = "a whole checkpoint"
    SETTINGS = "its settings and vocabulary, without weights"
    VAE = "an autoencoder by itself"


@dataclass(frozen=True, slots=True)
class Download:
    """How far a download is: bytes of all files together, and the file at hand."""

    done: int
    total: int
    file: str


OnDownload = Callable[[Download], None]


def is_hub_id(name: str) -> bool:
    """Whether a name looks like `owner/name` or `owner/name@revision`."""
    return _ID.fullmatch(name) is not None


def fetch(
    name: str,
    *,
    wanted: Wanted = Wanted.CHECKPOINT,
    half: bool = False,
    offline: bool = False,
    cache: Path | None = None,
    on_download: OnDownload | None = None,
) -> Path:
    """The local folder of a repository, after downloading what is missing.

    What was downloaded completely before is used without asking anybody, so that a start does not
    depend on the network. Where a revision is not named, the newest of the first download stays.

    Args:
        name: `owner/name`, or with `@` and a branch, tag or commit.
        wanted: which files are needed.
        half: whether 16-bit weights are enough.
        offline: True asks nobody.
        cache: where downloads are kept; None is the usual place.
        on_download: told of progress; what it raises ends the download, which can be resumed.

    Raises:
        CheckpointError: no such repository, no network, no permission, no room on the disk.
    """
    matched = _ID.fullmatch(name)
    if matched is None:
        raise CheckpointError(f"{name!r} is no hub id: I need owner/name.")
    # Imported here: it is slow, and only those who use the hub need it.
    from huggingface_hub import constants  # noqa: PLC0415

    folder = _Repository(matched["repo"], matched["revision"] or "main", cache)
    kept = folder.kept(wanted, half)
    if kept is not None:
        return kept
    if offline or constants.HF_HUB_OFFLINE:
        raise CheckpointError(
            f"The checkpoint {name!r} was not downloaded completely yet, and I am told to stay "
            f"offline: get it with riffbot download {name}, or use another; {_STARTER_WORKS}."
        )
    return folder.download(wanted, half, on_download or (lambda progress: None))


def is_kept(
    name: str, *, wanted: Wanted = Wanted.CHECKPOINT, half: bool = False, cache: Path | None = None
) -> bool:
    """Whether a repository was downloaded completely, for `fetch` with the same arguments."""
    matched = _ID.fullmatch(name)
    if matched is None:
        return False
    repository = _Repository(matched["repo"], matched["revision"] or "main", cache)
    return repository.kept(wanted, half) is not None


@dataclass(frozen=True, slots=True)
class _Repository:
    repo: str
    revision: str
    cache: Path | None

    def kept(self, wanted: Wanted, half: bool) -> Path | None:
        """The folder of an earlier download, if it is complete.

        Which files make it complete was noted when the download ended.
        """
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

        probe = "config.json" if wanted is Wanted.VAE else "model_index.json"
        found = try_to_load_from_cache(
            self.repo, probe, cache_dir=self.cache, revision=self.revision
        )
        if not isinstance(found, str):
            return None
        folder = Path(found).parent
        note = _note(folder, wanted, half)
        names = note.read_text("utf-8").splitlines() if note.is_file() else []
        return folder if names and all((folder / name).exists() for name in names) else None

    def download(self, wanted: Wanted, half: bool, on_download: OnDownload) -> Path:
        from huggingface_hub import HfApi, hf_hub_download  # noqa: PLC0415
        from huggingface_hub import errors as hub_errors  # noqa: PLC0415

        try:
            endpoint = os.environ.get("HF_ENDPOINT")  # read now: the library read it long ago
            api = HfApi(endpoint=endpoint)
            info = api.model_info(self.repo, revision=self.revision, files_metadata=True)
            sizes = {one.rfilename: one.size or 0 for one in info.siblings or ()}
            chosen = _choose(sizes, wanted, half)
            if not chosen:
                raise CheckpointError(
                    f"{self.repo!r} on the hub is no checkpoint that I can use: I need one in "
                    "diffusers format, with a model_index.json."
                )
            self._check_disk(sum(sizes[name] for name in chosen))
            bar = _progress_bar({name: sizes[name] for name in chosen}, on_download)
            for name in chosen:
                # By the commit, so that a push in between cannot mix two versions.
                if sizes[name] >= _LARGE:
                    self._fetch_blob(name, str(info.sha), endpoint, bar(name))
                path = hf_hub_download(
                    self.repo, name, revision=info.sha, cache_dir=self.cache,
                    tqdm_class=bar(name), endpoint=endpoint,
                )  # fmt: skip
            folder = Path(path).parents[name.count("/")]
            self._remember(str(info.sha))
            _note(folder, wanted, half).write_text("\n".join(chosen) + "\n", "utf-8")
            return folder
        except hub_errors.HFValidationError as error:
            raise CheckpointError(f"{self.repo!r} is no valid hub id.") from error
        except hub_errors.HfHubHTTPError as error:
            _refuse_http(self.repo, self.revision, error)
        except OSError as error:
            if error.errno is not None and getattr(error, "filename", None):
                raise CheckpointError(
                    f"The download of {self.repo!r} cannot be kept: {error.strerror}."
                ) from error
            _refuse_network(self.repo, error)
        except CheckpointError:
            raise
        except Exception as error:
            # The HTTP client's errors have no public base in common with Python's own.
            if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
                _refuse_network(self.repo, error)
            raise

    def _fetch_blob(self, name: str, commit: str, endpoint: str | None, bar: Any) -> None:
        """Download a large file so that it can be resumed by another process.

        huggingface_hub takes up a broken connection, but throws the part of a file away when its
        process ends (version 2.4). What lies complete among its blobs it does not ask for again,
        so this puts it there.
        """
        from huggingface_hub import (  # noqa: PLC0415
            get_hf_file_metadata,
            hf_hub_url,
            utils,
        )
        from huggingface_hub.file_download import http_get  # noqa: PLC0415

        url = hf_hub_url(self.repo, name, revision=commit, endpoint=endpoint)
        found = get_hf_file_metadata(url, endpoint=endpoint)
        if found.etag is None or not _ETAG.fullmatch(found.etag):
            return
        blob = self._folder() / "blobs" / found.etag
        part = blob.with_name(f"{blob.name}.riffbot-part")
        blob.parent.mkdir(parents=True, exist_ok=True)
        headers: dict[str, str] = utils.build_hf_headers()  # type: ignore[attr-defined]
        if urlsplit(found.location).netloc != urlsplit(url).netloc:
            headers.pop("authorization", None)  # another host need not know the token
        with FileLock(f"{part}.lock"):
            if blob.exists():
                return
            with part.open("ab") as stream:
                if found.size is not None and stream.tell() > found.size:
                    stream.truncate(0)
                http_get(
                    found.location, stream, resume_size=stream.tell(), headers=headers,
                    expected_size=found.size, displayed_filename=name, tqdm_class=bar,
                )  # fmt: skip
            part.replace(blob)

    def _folder(self) -> Path:
        from huggingface_hub import constants  # noqa: PLC0415
        from huggingface_hub.file_download import repo_folder_name  # noqa: PLC0415

        cache = Path(self.cache or constants.HF_HUB_CACHE)
        return cache / repo_folder_name(repo_id=self.repo, repo_type="model")

    def _remember(self, commit: str) -> None:
        """Note which commit a branch stood for, as the library does when it is asked by branch."""
        if self.revision != commit:
            file = self._folder() / "refs" / self.revision
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(commit, "ascii")

    def _check_disk(self, size: int) -> None:
        place = self._folder()
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if size + _SPARE > free:
            raise CheckpointError(
                f"The download of {self.repo!r} takes {size / 1e9:.1f} GB and only "
                f"{free / 1e9:.1f} GB are free on the disk."
            )


def _choose(files: Iterable[str], wanted: Wanted, half: bool) -> list[str]:
    names = list(files)
    if wanted is Wanted.VAE:
        inside = "vae/" if "vae/config.json" in names else ""
        here = [name.removeprefix(inside) for name in names if name.startswith(inside)]
        weights = choose_weights("vae", here, half)
        return [f"{inside}config.json", *(inside + name for name in weights)] if weights else []
    if "model_index.json" not in names:
        return []
    return choose_files(names, half=half, weights=wanted is Wanted.CHECKPOINT)


def _note(folder: Path, wanted: Wanted, half: bool) -> Path:
    kind = f"{wanted.name.lower()}{'-half' if half else ''}"
    return folder.parent / f"{folder.name}.riffbot-{kind}"


def _progress_bar(sizes: Mapping[str, int], on_download: OnDownload) -> Callable[[str], Any]:
    """What the library shows its progress with; ours reports the sum over all files."""
    done = dict.fromkeys(sizes, 0)
    total, lock = sum(sizes.values()), threading.Lock()

    def bar_of(file: str) -> Any:
        class Bar:
            def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
                self.update(initial)

            def update(self, count: float | None = 1) -> None:
                with lock:
                    done[file] = min(sizes[file], done[file] + int(count or 0))
                    progress = Download(sum(done.values()), total, file)
                on_download(progress)

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def close(self) -> None:
                pass

            def refresh(self) -> None:
                pass

            def set_postfix_str(self, *_: object, **__: object) -> None:
                pass

        return Bar

    return bar_of


def _refuse_http(repo: str, revision: str, error: Any) -> NoReturn:
    from huggingface_hub import errors as hub_errors  # noqa: PLC0415

    status = getattr(error.response, "status_code", None)
    if isinstance(error, hub_errors.GatedRepoError):
        sentence = (
            f"{repo!r} wants its terms accepted: do that on its page on the hub, then log in here "
            "with `hf auth login`."
        )
    elif isinstance(error, hub_errors.RevisionNotFoundError):
        sentence = f"{repo!r} exists on the hub, but not its version {revision!r}."
    elif isinstance(error, hub_errors.RepositoryNotFoundError) or status in (401, 404):
        sentence = (
            f"There is no checkpoint {repo!r}, neither as a folder here nor on the hub (or it is "
            "private)."
        )
    else:
        sentence = (
            f"The hub answered {status} when asked for {repo!r}; please try again later. Until "
            f"then, {_STARTER_WORKS}."
        )
    raise CheckpointError(sentence) from error


def _refuse_network(repo: str, error: BaseException) -> NoReturn:
    host = os.environ.get("HF_ENDPOINT", "huggingface.co").removeprefix("https://")
    raise CheckpointError(
        f"I cannot reach the hub ({host}) to get {repo!r}: check the network and try again; what "
        f"has come so far is kept. Until then, {_STARTER_WORKS}."
    ) from error
