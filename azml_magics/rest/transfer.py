"""Files on their way to the service and from it: multipart bodies out of files, names made safe, whole files only.

Nothing is held in memory as a whole, and no name that comes from outside leads out of the folder that was chosen
(users 4: artifact names and zip entries that climb were found in every client there is).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from ..errors import TransportError, UsageError
from .packing import CHUNK
from .protocol import Part

__all__ = ["Multipart", "contained"]


class Multipart:
    """A multipart/form-data body that is read from disk while it is sent, as often as it takes.

    Iterating gives its bytes, `len` their number: requests streams such an object with a Content-Length.
    """

    def __init__(self, parts: Sequence[Part], boundary: str = "") -> None:
        self._boundary = boundary or secrets.token_hex(16)
        self._parts = [(_head(part, self._boundary), part.content, _size(part.content)) for part in parts]
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        """The header that goes with the body."""
        return f"multipart/form-data; boundary={self._boundary}"

    def __len__(self) -> int:
        return sum(len(head) + size + 2 for head, _, size in self._parts) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for head, content, size in self._parts:
            yield head
            if isinstance(content, bytes):
                yield content
            else:
                yield from _read(content, size)
            yield b"\r\n"
        yield self._end


def _head(part: Part, boundary: str) -> bytes:
    """The lines before a part's content. Quotes and line ends in names are written as browsers write them."""
    named = f'; filename="{_escaped(part.filename)}"' if part.filename else ""
    kind = re.sub(r"[\r\n]", "", part.content_type)
    lines = (
        f"--{boundary}",
        f'Content-Disposition: form-data; name="{_escaped(part.name)}"{named}',
        f"Content-Type: {kind}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _escaped(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _size(content: bytes | Path) -> int:
    if isinstance(content, bytes):
        return len(content)
    if not content.is_file():
        raise UsageError(f"there is no file {content}")
    return content.stat().st_size


def _read(path: Path, size: int) -> Iterator[bytes]:
    """Exactly the announced number of bytes: fewer would leave the server waiting, more would be cut off."""
    left = size
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                raise UsageError(f"{path} became shorter while it was sent", "send it again")
            left -= len(chunk)
            yield chunk


def contained(folder: Path | str, name: str) -> Path:
    """The path of `name` inside the folder. TransportError for a name that leads, or may lead, anywhere else."""
    root = Path(folder).resolve()
    parts = name.split("/")
    if not _plain(name) or not all(map(_plain_part, parts)):
        raise TransportError(f"the service names a file {name!r}, which is no plain name: nothing was written")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root):
        raise TransportError(f"{name!r} leads out of {root} through a link: nothing was written")
    return path


def _plain(name: str) -> bool:
    """Whether the name is relative on every system, and nothing in it is read twice."""
    return name.isprintable() and "\\" not in name and not re.match(r"[A-Za-z]:", name)


def _plain_part(part: str) -> bool:
    # Somebody behind us may decode once more: "%2e%2e" and "a%2fb" are refused along with "..".
    decoded = unquote(unquote(part))
    if part in ("", ".") or decoded in ("", ".", "..") or "/" in decoded or "\\" in decoded or "\0" in decoded:
        return False
    return os.name != "nt" or not re.search(r'[<>:"|?*]|[ .]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)', part, re.I)
