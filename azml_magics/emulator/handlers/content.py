"""Content that is answered piece by piece: so much of an open file, however the file grows meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

CHUNK = 1 << 20
OCTETS = "application/octet-stream"


def size_of(file: BinaryIO) -> int:
    """How large an open file is now."""
    return os.fstat(file.fileno()).st_size


def pieces(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """So many bytes of a file from a place on; the file is closed behind them."""
    with file:
        file.seek(start)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
