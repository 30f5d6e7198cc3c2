"""A few threads that do what they are handed, in turn. Daemons: nothing they are at keeps the process from ending."""

from __future__ import annotations

import logging
import queue
import threading
import time

from .timeline import Action

log = logging.getLogger(__name__)


class Workers:
    """So many threads, started when there is something to do. After `close` nothing is begun any more."""

    def __init__(self, count: int, name: str) -> None:
        self._names = [f"{name}-{number}" for number in range(count)]
        self._actions: queue.SimpleQueue[Action | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def hand(self, action: Action) -> None:
        """Have something done on one of the threads."""
        with self._lock:
            if self._closed:
                return
            if not self._threads:
                self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for name in self._names]
                for thread in self._threads:
                    thread.start()
        self._actions.put(action)

    def close(self, seconds: float) -> None:
        """Begin nothing more and wait so long for what is under way."""
        with self._lock:
            self._closed = True
        deadline = time.monotonic() + seconds
        for _ in self._threads:
            self._actions.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (action := self._actions.get()) is not None and not self._closed:
            try:
                action()
            except Exception:
                log.exception("an action failed")
