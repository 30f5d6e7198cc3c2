"""One file behind a signed link: streamed to disk, gone on with after a break, never half under its own name.

The link is its own permission, so no token goes with it (service-facts 38).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from ..errors import ServiceError, TransportError
from .failures import failure_of
from .protocol import Request

if TYPE_CHECKING:
    import requests

    from .transport import Transport

#: What is read at once, and the most that a break loses.
CHUNK = 1 << 18
#: Breaks in a row without a single byte in between that are borne.
BREAKS = 4

#: Told the bytes that are there, and the bytes there will be (0 when the server does not say).
Progress = Callable[[int, int], None]


def fetch(
    transport: Transport, url: str, target: Path | BinaryIO, *, resume: bool = False, progress: Progress | None = None
) -> int:
    """Write what the link leads to into the target and return its whole size in bytes.

    A path is written beside itself (`NAME.part`) and gets its name when it is complete. With `resume` such a
    part is kept after a break and gone on with the next time, and an open file is gone on with at its position.
    """
    check(url)
    if not isinstance(target, Path):
        return _Download(transport, url, target, progress).run(target.tell() if resume else 0)
    part = target.with_name(target.name + ".part")
    if not resume or part.is_symlink():
        part.unlink(missing_ok=True)  # what an earlier try left, or a link that leads elsewhere
    try:
        with part.open("r+b" if part.exists() else "x+b") as file:
            size = _Download(transport, url, file, progress).run(file.seek(0, os.SEEK_END))
        part.replace(target)
    except BaseException:
        if not resume:
            part.unlink(missing_ok=True)
        raise
    return size


def size_of(transport: Transport, url: str) -> int | None:
    """The size of what a signed link leads to, without reading it; None when the server does not say."""
    check(url)
    answer = transport.answer(Request("HEAD", url, anonymous=True), repeat=True)
    length = answer.header("content-length")
    return int(length) if length.isdecimal() else None


def check(url: str) -> None:
    """Raise for a link that would send its signature in the clear; on this machine itself it may."""
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in (("http", "127.0.0.1"), ("http", "localhost")):
        raise TransportError(f"the link to {parts.netloc or 'a file'} is no https link: not followed")


class _Download:
    """One download over as many connections as it takes."""

    def __init__(self, transport: Transport, url: str, file: BinaryIO, progress: Progress | None) -> None:
        self._transport, self._url, self._file, self._progress = transport, url, file, progress
        self._etag = ""

    def run(self, start: int) -> int:
        at, breaks = start, 0
        while True:
            response = self._open(at)
            if response is None:
                return at
            if at and response.status_code != 206:
                at = self._restart()
            began, total = at, _total(response, at)
            failure: TransportError | None = None
            try:
                for chunk in response.iter_content(CHUNK):
                    self._file.write(chunk)
                    at += len(chunk)
                    if self._progress:
                        self._progress(at, total)
            except OSError as error:
                if not _from_network(error):
                    raise
                failure = failure_of(error, urlsplit(self._url).netloc, self._transport.timeout).error
            finally:
                response.close()
            if failure is None:
                return at
            breaks = 0 if at > began else breaks + 1
            if breaks > BREAKS:
                raise failure

    def _open(self, at: int) -> requests.Response | None:
        """The rest of the file; None when there is no rest. Another version of the file is begun anew."""
        headers = {"Accept-Encoding": "identity"}
        if at:
            headers["Range"] = f"bytes={at}-"
            headers |= {"If-Match": self._etag} if self._etag else {}
        try:
            response = self._transport.open(Request("GET", self._url, headers=headers, anonymous=True), repeat=True)
        except ServiceError as error:
            if at and error.status == 416:
                return None
            if not at or error.status != 412:
                raise
            self._restart()
            return self._open(0)
        self._etag = response.headers.get("etag", "")
        return response

    def _restart(self) -> int:
        self._file.seek(0)
        self._file.truncate()
        return 0


def _total(response: requests.Response, at: int) -> int:
    """The size of the whole file, from how much is still to come."""
    length = response.headers.get("content-length", "")
    return at + int(length) if length.isdecimal() else 0


def _from_network(error: OSError) -> bool:
    import requests

    return isinstance(error, requests.RequestException)
