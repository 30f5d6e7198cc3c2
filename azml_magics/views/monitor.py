"""The live view of one run: `%azml run watch`.

The poller's thread fetches; only what changed goes to the page, in one message; the page ticks by itself. When the
run has ended the view makes way for plain HTML: a reopened notebook has no model for a widget, and JupyterLab then
shows an error, never the HTML beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..errors import AzmlError
from . import text
from .html import facts, run_card, run_text
from .poller import Pace
from .snapshot import Snapshot, Step, aware, follow, look, steps
from .stage import Bundle, Stage

_STATIC = Path(__file__).with_name("static")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_METRICS = 200


class RunMonitor(anywidget.AnyWidget):
    """A run, watched until it ends.

    `fetch` returns the run as it is now. It is called once here, so that a run that does not exist fails the cell, and
    then on the poller's thread; its errors stand in the view, which goes on. `cancel` asks the service to stop the run
    and is called on that thread too. Without a `stage` there is no kernel to be live in: the monitor is its text.
    """

    _esm = (_STATIC / "monitor.js").read_text(encoding="utf-8")
    _css = (_STATIC / "monitor.css").read_text(encoding="utf-8")

    # What the page knows. One trait for what changes together: a change sends the whole trait, and nothing else.
    run = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    log = traitlets.Unicode().tag(sync=True)
    metrics: Any = traitlets.List().tag(sync=True)
    pulse = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)
    live = traitlets.Bool(default_value=False).tag(sync=True)
    cancelable = traitlets.Bool(default_value=False).tag(sync=True)
    canceling = traitlets.Unicode().tag(sync=True)

    _closed = True  # until the constructor is through: a widget closes itself when it is collected

    def __init__(
        self,
        fetch: Callable[[], Snapshot],
        interval: float = 2.0,
        cancel: Callable[[], None] | None = None,
        *,
        stage: Stage | None = None,
    ) -> None:
        self._lock = threading.RLock()  # messages may come on a subshell's thread
        self.snapshot = follow(None, fetch())
        self._fetch, self._cancel, self._stage = fetch, cancel, stage
        self._pace = Pace(interval)
        self._shown = self._paused = False
        self._turns = 0
        super().__init__(cancelable=cancel is not None, pulse=self._beat(self._pace.wait()), **_traits(self.snapshot))
        self._closed = False
        self._key = str(self.model_id)
        self.on_msg(self._on_message)
        if stage is not None:
            self._ipython_display_ = self.show  # only then: IPython looks for it on the object, not on the class

    def show(self) -> None:
        """Show the view under the running cell and begin to poll; a run that is over shows its static face."""
        if self._stage is None or self._closed:
            return
        self._stage.publish(self._bundle(live=not self.snapshot.over), self._key, update=False)
        self._shown = True
        if self.snapshot.over:
            self._end()
        else:
            self._stage.hold(self)
            self.start()

    def start(self) -> None:
        """Poll, from now on."""
        with self._lock:
            if self._stage is None or self._closed or self.live or self.snapshot.over:
                return
            self._paused, self.live = False, True
            first = self._turns == 0  # the constructor has just asked
            self._stage.poller.add(self._key, self._turn, self._pace.wait() if first else 0.0)

    def stop(self) -> None:
        """Stop polling; the view stays as it is and can go on later."""
        with self._lock:
            if self._stage is not None and self.live:
                self._paused, self.live = True, False
                self._stage.poller.remove(self._key)

    def refresh(self) -> None:
        """Look at the service now, unless it is paused or over."""
        if self.live:
            self._turn()

    def close(self) -> None:
        """Stop polling and leave the static face in the widget's place."""
        with self._lock:
            if self._closed:
                return
            self._closed, self.live = True, False
        if self._stage is not None:
            self._stage.poller.remove(self._key)
            self._stage.forget(self)
            if self._shown:
                self._stage.publish(self._bundle(live=False), self._key, update=True)
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets takes it away; ours goes on showing the static face

    def __repr__(self) -> str:
        return f"<RunMonitor {text.line(self.snapshot.name, 60)!r}: {text.line(self.snapshot.status, 40)}>"

    def _repr_mimebundle_(self, **_: object) -> tuple[Bundle, dict[str, Any]]:
        live = self._stage is not None and not self._closed and not self.snapshot.over
        return self._bundle(live=live), {}

    def _bundle(self, *, live: bool) -> Bundle:
        bundle: Bundle = {"text/plain": run_text(self.snapshot), "text/html": run_card(self.snapshot)}
        if live:
            bundle[_WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return bundle

    def _turn(self) -> float | None:
        """One look at the service, on the poller's thread."""
        try:
            snapshot = follow(self.snapshot, self._fetch())
        except Exception as error:  # noqa: BLE001 - a raise here would end the view; shown in it instead
            return self._went_wrong(error)
        with self._lock:
            if self._closed:
                return None
            self.snapshot = snapshot
            self._pace.succeeded()
            wait = self._next()
            with self.hold_sync():  # one message, with the traits that changed
                self.error = ""
                self.pulse = self._beat(wait)
                for name, value in _traits(snapshot).items():
                    setattr(self, name, value)
        if snapshot.over:
            self._end()
            return None
        return wait

    def _went_wrong(self, error: Exception) -> float | None:
        with self._lock:
            if self._closed:
                return None
            self._pace.failed(_retry_after(error))
            wait = self._next()
            with self.hold_sync():
                self.error = _sentence(error)
                self.pulse = {**self.pulse, "next": wait, "turn": self._turns}
        return wait

    def _next(self) -> float:
        self._turns += 1
        return self._pace.wait(busy=self._stage is not None and self._stage.busy)

    def _beat(self, wait: float) -> dict[str, float | None]:
        """When the last answer came (`at`: this machine's clock, `now`: the service's), and when the next is due."""
        now = _seconds(self.snapshot.as_of)
        return {"at": time.time(), "now": now, "next": wait, "turn": self._turns}

    def _end(self) -> None:
        with self._lock:
            self.live = False
        if self._shown:  # else it is part of another widget: that one keeps it, at its last state
            self.close()

    def _on_message(self, _widget: object, content: object, _buffers: object) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        with self._lock:
            if self._stage is None or self._closed:
                return
            hurry = self._pace.seen()
            if kind == "pause":
                self.stop()
            elif kind == "resume" or (kind == "seen" and not self._paused):
                self.start()  # a page that draws the view without a cell of its own starts it by looking
            elif kind == "cancel" and self._cancel is not None and not self.canceling:
                self.canceling, self.notice = "asked", ""
                self._stage.poller.add(f"{self._key} cancel", self._ask_to_cancel)
            if hurry and self.live:
                self._stage.poller.add(self._key, self._turn)

    def _ask_to_cancel(self) -> None:
        """Ask the service to stop the run, on the poller's thread; then look at once how that went."""
        assert self._cancel is not None
        assert self._stage is not None
        try:
            self._cancel()
        except Exception as error:  # noqa: BLE001 - as in _turn
            with self._lock, self.hold_sync():
                self.canceling, self.notice = "", f"Not canceled: {_sentence(error)}"
            return
        with self._lock:
            if not self._closed:
                self._paused, self.live, self.canceling = False, True, "sent"
                self._stage.poller.add(self._key, self._turn)


def _traits(snapshot: Snapshot) -> dict[str, Any]:
    """What the page is to know of a run, as JSON: clean text, seconds since 1970, no number that JSON lacks."""
    fact = dict(facts(snapshot))
    return {
        "run": {
            "id": text.line(snapshot.run_id),
            "name": text.line(snapshot.name),
            "url": snapshot.link[:2_000],
            "experiment": fact["Experiment"],
            "compute": fact["Compute"],
            "tags": fact["Tags"],
        },
        "state": {
            "status": text.line(snapshot.status, 40),
            "look": look(snapshot.status),
            "over": snapshot.over,
            "began": _seconds(snapshot.started),
            "ended": _seconds(snapshot.ended),
            "started": fact["Started"],
            "reason": text.block(snapshot.reason),
            "steps": [_station(step) for step in steps(snapshot)],
        },
        "log": text.tail(snapshot.log),
        "metrics": [
            [text.line(name), text.number(last), text.number(step), text.number(values)]
            for name, last, step, values in snapshot.metrics[:_METRICS]
        ],
    }


def _station(step: Step) -> list[Any]:
    kind = look(step.name) if step.mark in ("now", "end") else "done"
    return [text.line(step.name, 40), step.mark, kind, _seconds(step.began), _seconds(step.ended)]


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else aware(moment).timestamp()


def _sentence(error: Exception) -> str:
    """One line that says what went wrong."""
    return text.line(error if isinstance(error, AzmlError) else f"{type(error).__name__}: {error}", 500)


def _retry_after(error: Exception) -> float | None:
    """The seconds that the service asked for, where the error carries them."""
    asked: object = getattr(error, "retry_after", None)
    return float(asked) if isinstance(asked, int | float) else None
