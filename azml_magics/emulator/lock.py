"""One emulator a data directory: a lock that the system takes back when its holder ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

if sys.platform == "win32":
    import msvcrt

    #: Far behind the text: a locked byte cannot be read there, and the process id must be.
    BYTE = 1 << 20

    def _take(handle: int, wait: bool) -> None:
        os.lseek(handle, BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(handle: int, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


class Lock:
    """A file that one process at a time holds; it says which one. Closing gives it back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def acquire(self, *, wait: bool = False) -> bool:
        """Hold it from now on; False when another process does."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(handle, wait)
        except OSError:
            os.close(handle)
            return False
        os.truncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle
        return True

    def release(self) -> None:
        """Give it back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        self.acquire(wait=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: Path) -> int:
    """The process that holds the lock, 0 when none does: a number that cannot belong to somebody else meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        _take(handle, wait=False)
    except OSError:
        return int(path.read_bytes()[:20] or 0)
    finally:
        os.close(handle)
    return 0
