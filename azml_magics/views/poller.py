"""One daemon thread that asks the service for all views of a kernel, and how often it asks.

A thread of its own is the only way that goes on while a cell blocks. One for all, not one a tick: each new thread
that sends to the front end opens a socket. The thread keeps no cell's context, so that what it sends carries the
cell now running as its parent; nbclient drops every message of another parent. A job therefore prints nothing.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

#: A job does one turn and returns the seconds to the next, or None when it is through.
Job = Callable[[], float | None]

#: Without a sign that somebody looks for this long …
UNSEEN = 60.0
#: … a view is polled no more often than this.
SLOW = 30.0
#: The doubling after failures ends here; only the service's own Retry-After may ask for more.
WORST = 60.0
_LONGEST = 3_600.0
_IDLE = 30.0

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Entry:
    job: Job
    alive: bool = True


class Poller:
    """Runs jobs when they are due, one after the other, on a daemon thread that exists while there are any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, str, _Entry]] = []
        self._jobs: dict[str, _Entry] = {}
        self._number = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, key: str, job: Job, delay: float = 0.0) -> None:
        """Run `job` after `delay` seconds and then as often as it asks; it takes the place of the key's old job."""
        with self._changed:
            self._drop(key)
            entry = self._jobs[key] = _Entry(job)
            self._push(key, entry, delay)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="azml-poller")
                self._thread.start()
            self._changed.notify_all()

    def remove(self, key: str) -> None:
        """End the key's job. A turn that is under way is not waited for, and is its last."""
        with self._changed:
            self._drop(key)
            self._changed.notify_all()

    def keys(self) -> list[str]:
        """The jobs that go on."""
        with self._changed:
            return list(self._jobs)

    def close(self) -> None:
        """End every job; the thread ends after the turn it is in."""
        with self._changed:
            for key in list(self._jobs):
                self._drop(key)
            self._changed.notify_all()

    def _drop(self, key: str) -> None:
        if (entry := self._jobs.pop(key, None)) is not None:
            entry.alive = False

    def _push(self, key: str, entry: _Entry, delay: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + max(0.0, delay), next(self._number), key, entry))

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            key, entry = turn
            try:
                again = entry.job()
            except Exception:  # a bug in one view must not stop the others
                logger.exception("a view's job failed and was ended")
                again = None
            with self._changed:
                if again is None:
                    if self._jobs.get(key) is entry:
                        self._drop(key)
                elif entry.alive:
                    self._push(key, entry, again)

    def _next(self) -> tuple[str, _Entry] | None:
        """Wait for the next job that is due; None when there was nothing to do for a while."""
        with self._changed:
            while True:
                while self._due and not self._due[0][3].alive:
                    heapq.heappop(self._due)
                if self._due:
                    left = self._due[0][0] - time.monotonic()
                    if left <= 0:
                        return heapq.heappop(self._due)[2:]
                    self._changed.wait(left)
                elif not self._changed.wait(_IDLE) and not self._due:
                    self._thread = None  # the next add starts a new one
                    return None


class Pace:
    """How long a view waits for its next turn: its interval, more after failures, more when nobody looks.

    A closed tab sends no goodbye, so a page says «seen» while it is visible, and silence counts as absence. A page
    whose messages cannot come through because a cell runs is excused (`busy`).
    """

    def __init__(self, interval: float, now: Callable[[], float] = time.monotonic) -> None:
        self.interval = max(0.05, float(interval))
        self.slow = False
        self._now = now
        self._failures = 0
        self._asked = 0.0
        self._seen = now()

    def succeeded(self) -> None:
        """The service answered: back to the interval."""
        self._failures = 0

    def failed(self, retry_after: float | None = None) -> None:
        """It did not: wait twice as long as the last time, and no less than it asked for."""
        self._failures += 1
        self._asked = min(_LONGEST, retry_after) if retry_after is not None and retry_after > 0 else 0.0

    def seen(self) -> bool:
        """Somebody looks. True when the view had been slowed down, so that its turn should come at once."""
        self._seen = self._now()
        was, self.slow = self.slow, False
        return was and not self._failures

    def wait(self, *, busy: bool = False) -> float:
        """Seconds to the next turn."""
        wait = self.interval
        if self._failures:
            doubled = self.interval * 2.0 ** min(self._failures, 12)
            wait = max(self.interval, min(WORST, doubled), self._asked)
        if not busy and self._now() - self._seen > UNSEEN:
            self.slow = True
            wait = max(wait, SLOW)
        return wait
