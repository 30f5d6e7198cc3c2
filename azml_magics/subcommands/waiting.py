"""Waiting with a line of progress, for long operations and for runs; an interrupt ends only the wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..catalogue import Operation, Resource, find
from ..errors import Interrupted, RunFailed
from .schema import Context

if TYPE_CHECKING:
    from ..rest import Poller

#: A wait shorter than this shows nothing: a line that only flashes tells nobody anything.
QUIET_SECONDS = 1.0


def finish(context: Context, resource: Resource, operation: Operation, poller: Poller, name: str) -> Any:
    """Wait for a long operation's end and return the resulting frame; with `--no-wait` the poller itself."""
    if context["no_wait"]:
        return poller
    what = f"{resource.noun} {name} {operation.verb}".replace("  ", " ")

    def said(status: str, seconds: float) -> None:
        if seconds >= QUIET_SECONDS:
            context.surface.progress(f"{what}: {status}, {seconds:.0f} s")

    try:
        document = poller.wait(on_progress=said)
    finally:
        context.surface.progress("")
    if operation.method == "DELETE" or not isinstance(document, Mapping):
        state = "Deleted" if operation.method == "DELETE" else "Succeeded"
        document = {"id": name, "name": name, "state": state, "properties": {"provisioningState": state}}
    return context.row(resource, document, operation.verb)


def delays(longest: float) -> Iterator[float]:
    """The pauses between two looks: short at first, since much ends soon, then up to the longest."""
    pause = 0.3
    while True:
        yield min(pause, longest)
        pause *= 1.25


def until(
    look: Callable[[], Mapping[str, Any]],
    ended: Callable[[Mapping[str, Any]], bool],
    *,
    longest: float,
    on_look: Callable[[Mapping[str, Any], float], None],
    timeout: float | None = None,
) -> Mapping[str, Any] | None:
    """Look again and again until it has ended; None when the time-out came first."""
    begun = time.monotonic()
    for pause in delays(longest):
        seen = look()
        seconds = time.monotonic() - begun
        on_look(seen, seconds)
        if ended(seen):
            return seen
        if timeout is not None and seconds + pause > timeout:
            return None
        time.sleep(pause)
    return None  # pragma: no cover - delays never ends


def wait_for_run(
    context: Context,
    run_id: str,
    *,
    timeout: float | None = None,
    on_look: Callable[[Mapping[str, Any]], None] | None = None,
) -> Mapping[str, Any]:
    """Wait until a run has ended and return its document; Interrupted says that it goes on."""
    lifecycle = find("run").lifecycle
    assert lifecycle is not None

    def said(document: Mapping[str, Any], seconds: float) -> None:
        if on_look is not None:
            on_look(document)
        if seconds >= QUIET_SECONDS:
            context.surface.progress(f"run {run_id}: {document.get('status')}, {seconds:.0f} s")

    try:
        document = until(
            lambda: context.session.call("run.show", keys={"run": run_id}),
            lambda seen: seen.get("status") in lifecycle.ended,
            longest=context.state.settings.value("poll_seconds"),
            on_look=said,
            timeout=timeout,
        )
    except KeyboardInterrupt:
        raise Interrupted(f"no longer waiting; run {run_id} goes on", f"%azml run cancel {run_id} stops it") from None
    finally:
        context.surface.progress("")
    if context.state.stage is not None:
        context.state.stage.refresh()  # a view above this cell shows the end now, not at its next turn
    if document is None:
        raise Interrupted(f"run {run_id} has not ended in {timeout:g} s and goes on", f"%azml run watch {run_id}")
    return document


def complain_of(context: Context, document: Mapping[str, Any]) -> None:
    """Raise RunFailed for a run that did not complete, with the reason that its details give."""
    if document.get("status") == "Completed":
        return
    run_id = str(document.get("runId"))
    details = context.session.call("run.details", keys={"run": run_id})
    reason = reason_of(details)
    status = str(document.get("status"))
    said = f"run {run_id} " + ("was canceled" if status == "Canceled" else f"ended {status}")
    said += f": {reason}" if reason else ""
    raise RunFailed(said, f"%azml run logs {run_id}", status=200, raw=details)


def reason_of(document: Mapping[str, Any]) -> str:
    """Why a run failed, in the service's words, from its document or its details."""
    error = document.get("error") or {}
    error = error.get("error") or error if isinstance(error, Mapping) else {}
    return str(error.get("message") or "")
