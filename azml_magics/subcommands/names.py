"""Live names for completion: answered from memory, filled in the background, never waited for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..catalogue import find
from ..settings import SETTINGS

if TYPE_CHECKING:
    from .state import State

#: A Tab waits so long for names that are not known yet, and no longer.
PATIENCE_SECONDS = 0.3
#: Names are asked for again when they are older.
FRESH_SECONDS = 30.0
#: More names than these help nobody who is typing.
MOST = 1000

#: Names that need no service.
FIXED: dict[str, tuple[str, ...]] = {
    "order": ("created desc", "created asc", "started desc", "ended desc", "status asc", "run_id asc"),
    "setting": tuple(setting.name for setting in SETTINGS),
}


class Names:
    """The names of each noun, as they were a short while ago."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._asked: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def of(self, noun: str) -> list[str]:
        """The names that are known now, after at most a third of a second; never an error."""
        if noun in FIXED:
            return list(FIXED[noun])
        if not self._state.logged_in:
            return []
        with self._lock:
            asked_at, names = self._known.get(noun, (0.0, []))
            if time.monotonic() - asked_at < FRESH_SECONDS and asked_at:
                return names
            waiting = self._asked.get(noun)
            if waiting is None:
                waiting = self._asked[noun] = threading.Event()
                threading.Thread(target=self._ask, args=(noun, waiting), daemon=True, name=f"azml-names-{noun}").start()
        waiting.wait(PATIENCE_SECONDS)
        return self._known.get(noun, (0.0, names))[1]

    def forget(self) -> None:
        """Forget all names: the scope or the login has changed."""
        with self._lock:
            self._known.clear()

    def _ask(self, noun: str, done: threading.Event) -> None:
        names: list[str] = []
        try:
            names = sorted(set(_SOURCES[noun](self._state)))[:MOST] if noun in _SOURCES else []
        except Exception:  # noqa: BLE001  (a Tab must never raise, whatever the service or the network does)
            names = []
        finally:
            with self._lock:
                self._known[noun] = (time.monotonic(), names)
                self._asked.pop(noun, None)
            done.set()


def _listed(noun: str, path: str) -> Callable[[State], Iterable[str]]:
    """A source that lists the noun and takes one field of each document."""
    resource = find(noun)

    def ask(state: State) -> Iterable[str]:
        keys = {"location": state.session.location()} if "{location}" in resource.operation("list").path else {}
        for document in state.session.pages(f"{noun}.list", keys=keys, top=MOST):
            yield str(document.get(path) or "")

    return ask


def _recent_runs(state: State) -> Iterable[str]:
    """The runs of the experiment that ran last are the ones that one types."""
    for experiment in state.session.pages("experiment.query", body={"viewType": "ActiveOnly"}, top=5):
        keys = {"experiment": str(experiment["name"])}
        body = {"filter": "(ParentRunId eq null)", "orderby": "CreatedUtc desc", "top": 50}
        for run in state.session.pages("run.list", keys=keys, body=body, top=50):
            yield str(run["runId"])


_SOURCES: dict[str, Callable[[State], Iterable[str]]] = {
    "subscription": _listed("subscription", "subscriptionId"),
    "group": _listed("group", "name"),
    "workspace": _listed("workspace", "name"),
    "compute": _listed("compute", "name"),
    "size": _listed("size", "name"),
    "experiment": _listed("experiment", "name"),
    "model": _listed("model", "id"),
    "service": _listed("service", "name"),
    "datastore": _listed("datastore", "name"),
    "environment": _listed("environment", "name"),
    "run": _recent_runs,
}
