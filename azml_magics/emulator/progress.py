"""Long operations: what was begun, when its effect is due, how it ended; all of it in the store.

Promises: one thread applies the effects, each when it is due, and an operation reads Succeeded only after its
effect. What was under way when the emulator ended goes on at the next start, so an effect may come twice: effects
are written so that the second time changes nothing. Knows neither HTTP nor ARM's addresses.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .service import Fault
from .store import Store, Where

if TYPE_CHECKING:
    from .service import Service

#: What an operation does to the service when it is due; its arguments were given to `begin`.
Effect = Callable[["Service", dict[str, Any]], None]

IN_PROGRESS, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"
KIND = "operation"
TEMPOS = ("at-once", "demo", "real")

#: Seconds at the tempos demo and real; what is not named takes USUAL. At-once is 0 for all.
SECONDS: Mapping[str, tuple[float, float]] = {
    "compute.create": (2.0, 40.0),
    "compute.delete": (1.5, 30.0),
    "compute.start": (2.0, 45.0),
    "compute.restart": (3.0, 60.0),
    "workspace.create": (3.0, 60.0),
    "workspace.delete": (2.0, 40.0),
}
USUAL = (1.0, 20.0)
#: How long a careful client waits between two polls, at each tempo.
PAUSE_MILLISECONDS = {"at-once": 100, "demo": 500, "real": 5000}
BATCH = 500

log = logging.getLogger(__name__)


class Progress:
    """The operations of one store, applied by a thread of its own between `start` and `close`."""

    def __init__(self, store: Store, tempo: str = "at-once") -> None:
        if tempo not in TEMPOS:
            raise ValueError(f"tempo is one of {', '.join(TEMPOS)}, not {tempo!r}")
        self._store = store
        self._tempo = tempo
        self._service: Service | None = None
        self._effects: dict[str, Effect] = {}
        self._due: list[tuple[float, str]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def bind(self, service: Service, effects: Mapping[str, Effect]) -> None:
        """Tell which service the effects change, and the effects by name."""
        self._service = service
        self._effects = dict(effects)

    def start(self) -> None:
        """Take up what was under way when the emulator ended, then apply effects as they come due."""
        pending: list[dict[str, Any]] = []
        more = True
        while more:
            where = (Where(("status",), "eq", IN_PROGRESS),)
            found, more = self._store.page(KIND, where=where, skip=len(pending), size=BATCH)
            pending += found
        with self._wake:
            # added to what was begun meanwhile; what is in both is applied once (`_finish`)
            self._due += [(operation["due"], operation["id"]) for operation in pending]
            heapq.heapify(self._due)
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop applying effects; what is not due yet stays in the store for the next start."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()

    def seconds(self, what: str) -> float:
        """How long something takes at this tempo, such as `compute.create`."""
        demo, real = SECONDS.get(what, USUAL)
        return {"at-once": 0.0, "demo": demo, "real": real}[self._tempo]

    @property
    def pause_milliseconds(self) -> int:
        """What to tell a client that asks when to poll again."""
        return PAUSE_MILLISECONDS[self._tempo]

    def begin(
        self,
        kind: str,
        effect: str,
        arguments: Mapping[str, Any],
        seconds: float = 0.0,
        *,
        error: Mapping[str, Any] | None = None,
    ) -> str:
        """Begin an operation and return its id; with an `error` it ends Failed, after its effect.

        `kind` says whose operation it is: "compute" ids are GUIDs, all others 43 characters, as the service's are
        (service-facts 4.3). The answer's body must have been composed before: the effect may come at any moment.
        """
        operation_id = str(uuid.uuid4()) if kind == "compute" else secrets.token_urlsafe(32)
        begun = time.time()
        operation: dict[str, Any] = {
            "id": operation_id,
            "kind": kind,
            "effect": effect,
            "arguments": dict(arguments),
            "status": IN_PROGRESS,
            "begun": begun,
            "due": begun + seconds,
            "error": None if error is None else dict(error),
        }
        self._store.add(KIND, operation_id, operation)
        with self._wake:
            heapq.heappush(self._due, (operation["due"], operation_id))
            self._wake.notify_all()
        return operation_id

    def status(self, operation_id: str) -> dict[str, Any] | None:
        """The operation's document: id, kind, effect, arguments, status, error; None when there is no such one."""
        return self._store.get(KIND, operation_id)

    def _run(self) -> None:
        while (operation_id := self._next()) is not None:
            self._finish(operation_id)

    def _next(self) -> str | None:
        """Wait for the next operation that is due; None when this is being closed."""
        with self._wake:
            while not self._closing:
                if not self._due:
                    self._wake.wait()
                    continue
                rest = self._due[0][0] - time.time()
                if rest <= 0:
                    return heapq.heappop(self._due)[1]
                self._wake.wait(rest)
            return None

    def _finish(self, operation_id: str) -> None:
        operation = self._store.get(KIND, operation_id)
        if operation is None or operation["status"] != IN_PROGRESS:
            return  # it was queued twice: by `begin`, and by the `start` that read it from the store
        error = self._apply(operation) or operation["error"]
        ending = {"status": SUCCEEDED if error is None else FAILED, "error": error, "ended": time.time()}
        self._store.change(KIND, operation_id, lambda document: document.update(ending))

    def _apply(self, operation: dict[str, Any]) -> dict[str, Any] | None:
        """Apply the effect; the error that it ended with, or None."""
        effect = self._effects.get(operation["effect"])
        if effect is None or self._service is None:
            return _error("NotEmulated", f"This version of the emulator cannot finish {operation['effect']!r}.")
        try:
            effect(self._service, operation["arguments"])
        except Fault as fault:
            return _error(fault.code, fault.message, fault.details)
        except Exception:
            log.exception("effect %s failed", operation["effect"])
            return _error("InternalServerError", f"The emulator failed in {operation['effect']!r}; its log says more.")
        return None


def _error(code: str, message: str, details: list[Any] | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "details": details or []}
