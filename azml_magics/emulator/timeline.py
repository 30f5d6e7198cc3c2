"""Things to do later: one thread waits for the earliest of them and hands each to whoever does it.

Knows nothing of what is done. What is not due when the timeline is closed is dropped.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

Action = Callable[[], object]


class Timeline:
    """Calls `hand_over(action)` for each action when it is due; at once, without its thread, when that is now."""

    def __init__(self, hand_over: Callable[[Action], object]) -> None:
        self._hand_over = hand_over
        self._entries: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._wake = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, action: Action) -> None:
        """Have something done so many seconds from now."""
        if seconds <= 0:
            self._hand_over(action)
            return
        with self._wake:
            if self._closed:
                return
            heapq.heappush(self._entries, (time.monotonic() + seconds, next(self._numbers), action))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """Drop what is not due yet and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (action := self._next()) is not None:
            self._hand_over(action)

    def _next(self) -> Action | None:
        with self._wake:
            while not self._closed:
                rest = self._entries[0][0] - time.monotonic() if self._entries else None
                if rest is not None and rest <= 0:
                    return heapq.heappop(self._entries)[2]
                self._wake.wait(rest)
            return None
