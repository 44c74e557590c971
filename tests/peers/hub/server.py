"""Serves repositories to the real `huggingface_hub` client over real sockets.

Routes, as the client of version 1 and 2 calls them:

- `GET /api/models/OWNER/NAME[/revision/REV]`: the commit and the list of files, with sizes.
- `HEAD` and `GET /OWNER/NAME/resolve/REV/PATH`: one file, whole or from a byte on (`Range`).

A file can be told to break the connection half-way, once or always.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """What a repository holds, and how it misbehaves.

    Attributes:
        files: contents by path.
        cuts: for a path, after how many bytes each next answer breaks off.
        gated: whether its terms have to be accepted first.
    """

    files: Mapping[str, bytes]
    commit: str = "c" * 40
    cuts: dict[str, list[int]] = field(default_factory=dict)
    gated: bool = False


class Hub:
    """`with Hub({"owner/name": Repository(…)}) as hub: … hub.url …`."""

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self.repositories = dict(repositories)
        self.requests: list[tuple[str, str, str]] = []  # method, path, range
        self._lock = threading.Lock()
        hub = self

        class Handler(_Handler):
            peer = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """What `HF_ENDPOINT` has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def got(self, path: str) -> list[str]:
        """The `Range` of each GET of a file, in order; empty where there was none."""
        return [
            range_
            for method, asked, range_ in self.requests
            if method == "GET" and asked.endswith(f"/{path}")
        ]

    def next_cut(self, repository: Repository, path: str) -> int | None:
        """After how many bytes this answer to a GET is to break off."""
        with self._lock:
            cuts = repository.cuts.get(path, [])
            return cuts.pop(0) if cuts else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    peer: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.peer.requests.append((self.command, path, self.headers.get("Range", "")))
        api, file = _API.fullmatch(path), _FILE.fullmatch(path)
        found = api or file
        repository = self.peer.repositories.get(found[1]) if found else None
        if repository is None:
            self._refuse(404, "RepoNotFound")
        elif repository.gated:
            self._refuse(403, "GatedRepo")
        elif found is not None and found[2] not in (None, "main", repository.commit):
            self._refuse(404, "RevisionNotFound")
        elif api:
            self._send_list(api[1], repository)
        elif file:
            self._send_file(repository, file[3])

    def _send_list(self, name: str, repository: Repository) -> None:
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": _sha1(data)}
            for path, data in repository.files.items()
        ]
        answer: dict[str, Any] = {
            "_id": "1", "id": name, "modelId": name, "sha": repository.commit, "private": False,
            "tags": [], "downloads": 0, "likes": 0, "siblings": siblings,
        }  # fmt: skip
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send_file(self, repository: Repository, path: str) -> None:
        data = repository.files.get(path)
        if data is None:
            self._refuse(404, "EntryNotFound")
            return
        headers = {
            "ETag": f'"{_sha1(data)}"',
            "X-Repo-Commit": repository.commit,
            "Accept-Ranges": "bytes",
        }
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        cut = self.peer.next_cut(repository, path) if self.command == "GET" else None
        if not asked:
            self._send(200, data, headers, cut)
            return
        start = int(asked[1])
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206, data[start:], headers, cut)

    def _refuse(self, status: int, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code}
        self._send(status, json.dumps({"error": code}).encode(), headers)

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[:cut])
        self.wfile.flush()
        self.close_connection = True


def _sha1(data: bytes) -> str:
    """A blob's name in git, which is its ETag."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()
