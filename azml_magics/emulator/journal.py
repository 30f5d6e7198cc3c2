"""What was asked of the emulator, kept in the store in batches. Never a token, a signature or a body."""

from __future__ import annotations

import logging
import threading
from typing import Any

from .store import Store, StoreError

log = logging.getLogger(__name__)

STREAM = "journal"
#: How long a request waits at most, in seconds.
DELAY = 0.25


class Journal:
    """Rows wait in memory and are written together, on a thread that is not the asker's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def add(self, row: dict[str, Any]) -> None:
        """Take down one request."""
        with self._lock:
            self._rows.append(row)
        self._wanted.set()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            rows, self._rows = self._rows, []
        if rows:
            self._store.append(STREAM, rows)

    def close(self) -> None:
        """Write what waits, and take down nothing more."""
        self._closing.set()
        self._wanted.set()
        self._thread.join()
        self.flush()

    def _write(self) -> None:
        while not self._closing.is_set():
            self._wanted.wait()
            self._wanted.clear()
            self._closing.wait(DELAY)  # others may come meanwhile: one transaction for all of them
            try:
                self.flush()
            except StoreError:
                log.exception("the journal lost some rows")
