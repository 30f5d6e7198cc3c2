"""What a kernel gives to its live views: a way to show and replace an output, and the cell that is running.

IPython stays outside: the magics hand in two functions and tell when a cell begins and ends. There is one stage a
kernel. Without one (a script, plain IPython) a view has only its text and starts no thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .poller import Poller

#: What an output consists of, by MIME type.
Bundle = dict[str, Any]


class Publish(Protocol):
    """Shows a bundle under a display id, or replaces what stands under it."""

    def __call__(self, bundle: Bundle, display_id: str, *, update: bool) -> None:
        """Send it to the front end."""


class View(Protocol):
    """Something live that can be ended."""

    def refresh(self) -> None:
        """Look at the service now."""

    def close(self) -> None:
        """Stop asking, leave the static face behind, and have the stage forget it."""


class Stage:
    """Shows the live views of one kernel, with one poller for all, and ends those whose cell runs again.

    `parent` returns the message that the kernel now answers (IPython's `get_parent`): it names the cell and its
    execution, where the front end tells them. A view belongs to that execution; when the cell is run again, edited or
    not, the view of the time before is closed. Views in one execution stand side by side.
    """

    def __init__(self, publish: Publish, parent: Callable[[], Mapping[str, Any] | None]) -> None:
        self.publish = publish
        self.poller = Poller()
        self.busy = False
        self._parent = parent
        self._lock = threading.Lock()
        self._views: dict[str, list[tuple[str, View]]] = {}

    def begin_cell(self, *_: object) -> None:
        """A cell begins (IPython's `pre_run_cell`): what it showed the last time ends."""
        self.busy = True
        cell, execution = self._where()
        if not cell:
            return
        with self._lock:
            old = [view for when, view in self._views.get(cell, ()) if when != execution]
        for view in old:
            view.close()

    def end_cell(self, *_: object) -> None:
        """It ended (`post_run_cell`)."""
        self.busy = False

    def hold(self, view: View) -> None:
        """Remember that the running cell shows this view."""
        cell, execution = self._where()
        with self._lock:
            self._views.setdefault(cell, []).append((execution, view))

    def forget(self, view: View) -> None:
        """The view has ended."""
        with self._lock:
            for cell, shown in list(self._views.items()):
                if left := [pair for pair in shown if pair[1] is not view]:
                    self._views[cell] = left
                else:
                    del self._views[cell]

    def views(self) -> list[View]:
        """The views that are live, each once."""
        with self._lock:
            return list(dict.fromkeys(view for shown in self._views.values() for _, view in shown))

    def refresh(self) -> None:
        """Have every live view look at the service now, on the caller's thread."""
        for view in self.views():
            view.refresh()

    def close(self) -> None:
        """End every view and the poller."""
        for view in self.views():
            view.close()
        self.poller.close()

    def _where(self) -> tuple[str, str]:
        """The running cell's id and this execution's; empty where the front end does not tell."""
        parent = self._parent() or {}
        cell = parent.get("metadata", {}).get("cellId")
        execution = parent.get("header", {}).get("msg_id")
        return str(cell or ""), str(execution or "")
