"""Runs on their way: NotStarted, Preparing, Queued, Running, Finalizing, and Completed, Failed or Canceled.

Promises: a run starts when its compute has nodes for it, first come first served; no run holds up another that has
its nodes; every status is in the store, so that after a restart each run goes on from where it was. A run whose
document is gone (its workspace was deleted) is stopped and forgotten.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .conclusion import conclude
from .harvest import clear_others, folder_of
from .launch import prepare
from .queues import Queues
from .store import Where
from .ticket import (
    SUPERVISOR,
    Ticket,
    mark,
    request_stop,
    submission_of,
    tell_why,
    ticket_of,
    under_way,
)
from .timeline import Timeline
from .times import stamp
from .verdict import ENDED, Trouble
from .workers import Workers

if TYPE_CHECKING:
    from .runner import Outcome
    from .service import Service

#: How long a run that is being prepared keeps its place before later ones that are ready.
HOLD = 1.0
#: How often a compute is looked at again while runs wait for it to be ready, or to grow.
LOOK_AGAIN = 0.5
#: How long closing waits for a step that is being taken; a preparation is not waited for.
PATIENCE = 5.0
GONE = Trouble("The compute that the run was submitted to was deleted.", "ComputeNotFound")
BUG = Trouble("The emulator failed to take the run on its way; the emulator's log tells more.", "EmulatorBug")

Step = Callable[[Ticket], None]

log = logging.getLogger(__name__)


class Dispatcher:
    """Takes the runs of one service through their phases, each step on a thread of a pool."""

    _service: Service

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tickets: dict[str, Ticket] = {}
        self._watched: set[str] = set()
        self._queues = Queues()
        self._numbers = itertools.count()
        self._workers = Workers(4, "dispatch")
        # apart, since a preparation may install packages for minutes
        self._preparers = Workers(4, "prepare")
        self._timeline = Timeline(self._workers.hand)

    def bind(self, service: Service) -> None:
        """Tell whose runs these are."""
        self._service = service

    def start(self) -> None:
        """Take up the runs that were under way when the emulator ended, in the order of their submission."""
        runs = under_way(self._service)
        clear_others(self._service, runs)
        for run in runs:
            self._take_up(run)

    def close(self) -> None:
        """Take no more steps. Processes go on; what they come to is seen at the next start."""
        self._timeline.close()
        self._preparers.close(0)
        self._workers.close(PATIENCE)

    def submit(self, key: str) -> None:
        """Set a run on its way; its document and its definition are in the store."""
        ticket = self._admit(key)
        if ticket is not None:
            self._next(ticket, self._preparing)

    def cancel(self, key: str, reason: str = "") -> None:
        """Ask a run to stop: CancelRequested until its last process is gone, then Canceled. An ended one stays."""
        with self._lock:
            ticket = self._tickets.get(key)
            status = request_stop(self._service, key, reason, going_on=ticket is not None)
            if ticket is None or status in (None, *ENDED):
                return
            ticket.cancelled = True
        self._interrupt(ticket)

    def compute_gone(self, workspace_id: str, name: str) -> None:
        """A compute was deleted: the runs that wait for it or run on it fail, and say why."""
        end = f"/computes/{name}".lower()
        with self._lock:
            computes = {t.compute for t in self._tickets.values() if t.workspace_id == workspace_id}
        for compute in computes:
            if compute.endswith(end):
                self._lose(compute)

    def nodes(self, workspace_id: str, compute: str) -> list[dict[str, Any]]:
        """The nodes of a compute now: those that runs hold, and idle ones that have not gone yet."""
        where = (Where(("name",), "eq", compute),)
        found, _ = self._service.store.page("compute", workspace_id, where=where, size=1)
        if not found:
            return []
        with self._lock:
            return self._queues.standing(found[0])

    def idle(self) -> bool:
        """Whether no run is under way."""
        with self._lock:
            return not self._tickets

    def _admit(self, key: str) -> Ticket | None:
        submission = submission_of(self._service, key)
        if submission is None:
            return None
        with self._lock:
            ticket = self._tickets[key] = ticket_of(key, submission, next(self._numbers))
        return ticket

    def _take_up(self, run: dict[str, Any]) -> None:
        """Go on with a run of an earlier life of the emulator."""
        ticket = self._admit(f"{run['_workspaceId']}/{run['runId']}")
        if ticket is None:
            return
        ticket.cancelled = run["status"] == "CancelRequested"
        if not run.get("_launched"):
            self._next(ticket, self._preparing)
            return
        with self._lock:
            ticket.stage = "running"
            self._queues.hold(ticket)
        folder = folder_of(self._service, run) / SUPERVISOR
        on_start, on_end = partial(self._on_start, ticket), partial(self._on_end, ticket)
        self._service.runner.adopt(ticket.key, folder, on_end, on_start)
        if ticket.cancelled:
            self._service.runner.stop(ticket.key)

    def _next(self, ticket: Ticket, step: Step, what: str = "") -> None:
        """Have a step taken, after the seconds that something takes at this tempo."""
        workers = self._preparers if step == self._unpacking else self._workers
        take = partial(workers.hand, partial(self._take, ticket, step))
        seconds = self._service.progress.seconds(what) if what else 0.0
        if seconds:
            self._timeline.after(seconds, take)
        else:
            take()

    def _take(self, ticket: Ticket, step: Step) -> None:
        """Take a step; the last one instead, when the run is not to go on."""
        with self._lock:
            if ticket.stage != "idle":
                return
            ticket.stage = "busy"
        try:
            (self._closing if ticket.interrupted else step)(ticket)
        except Exception:
            log.exception("run %s", ticket.key)
            self._stumble(ticket)

    def _stumble(self, ticket: Ticket) -> None:
        """A step failed: the run fails with it, unless it was the last one."""
        if ticket.stage != "over":
            ticket.trouble = ticket.trouble or BUG
            self._rest(ticket)

    def _rest(self, ticket: Ticket) -> bool:
        """The thread is done with a run. True when it is to go on; else its last step is set going."""
        with self._lock:
            ticket.stage = "idle"
            going = not ticket.interrupted
        if not going:
            self._next(ticket, self._closing)
        return going

    def _interrupt(self, ticket: Ticket) -> None:
        """Stop a run wherever it is. A thread that is busy with it sees the flag by itself."""
        if ticket.stage == "running":
            self._service.runner.stop(ticket.key)
        else:
            self._next(ticket, self._closing)

    def _preparing(self, ticket: Ticket) -> None:
        mark(self._service, ticket, "Preparing")
        if self._rest(ticket):
            self._next(ticket, self._unpacking, "run.preparing")

    def _unpacking(self, ticket: Ticket) -> None:
        self._timeline.after(HOLD, partial(self._pass, ticket))
        submission = submission_of(self._service, ticket.key)
        if submission is not None:
            prepared = prepare(self._service, submission)
            if isinstance(prepared, Trouble):
                ticket.trouble = ticket.trouble or prepared
            else:
                ticket.execution = prepared
                mark(self._service, ticket, "Queued")
        if self._rest(ticket):
            self._next(ticket, self._queueing, "run.queued")

    def _pass(self, ticket: Ticket) -> None:
        """Let later runs pass one whose preparation takes its time: it may be installing packages."""
        with self._lock:
            if ticket.phase != "preparing":
                return
            ticket.phase = "building"
        self._serve(ticket.compute)

    def _queueing(self, ticket: Ticket) -> None:
        with self._lock:
            ticket.phase = "queued"
        if self._rest(ticket):
            self._serve(ticket.compute)

    def _launching(self, ticket: Ticket) -> None:
        assert ticket.execution is not None
        # from here on a later emulator has to look for a process
        self._service.store.change("run", ticket.key, lambda run: run.update(_launched=True))
        with self._lock:
            ticket.stage = "running"
        on_start, on_end = partial(self._on_start, ticket), partial(self._on_end, ticket)
        self._service.runner.start(ticket.key, ticket.execution, on_start, on_end)
        ticket.execution = None

    def _on_start(self, ticket: Ticket, key: str, moment: float) -> None:
        mark(self._service, ticket, "Running", startTimeUtc=stamp(moment), queueingInfo=None)
        if ticket.interrupted:  # it was asked to stop before the runner knew it
            self._service.runner.stop(key)

    def _on_end(self, ticket: Ticket, _key: str, outcome: Outcome) -> None:
        with self._lock:
            ticket.outcome, ticket.stage = outcome, "idle"
        self._next(ticket, self._finalizing)

    def _finalizing(self, ticket: Ticket) -> None:
        mark(self._service, ticket, "Finalizing")
        with self._lock:
            ticket.stage = "idle"
        self._next(ticket, self._closing, "run.finalizing")

    def _closing(self, ticket: Ticket) -> None:
        """Write down how a run ended, then give its nodes to the next one."""
        try:
            conclude(self._service, ticket)
        finally:
            with self._lock:
                ticket.stage = "over"
                self._tickets.pop(ticket.key, None)
                self._queues.give_back(ticket)
            self._serve(ticket.compute)

    def _serve(self, compute: str) -> None:
        """Start the runs that a compute has nodes for now, in the order of their submission; tell the rest why not."""
        document = self._service.store.get("compute", compute) if compute else None
        if compute and document is None:
            self._lose(compute)
            return
        with self._lock:
            self._watched.discard(compute)
            queue = [ticket for ticket in self._tickets.values() if ticket.compute == compute]
            started, waiting = self._queues.choose(document, queue)
            reasons = self._queues.reasons(document, waiting)
        for ticket in started:
            self._next(ticket, self._launching)
        for ticket, reason in reasons:
            tell_why(self._service, ticket, reason)
        if waiting:
            self._watch(compute)

    def _watch(self, compute: str) -> None:
        """Look at a compute again while runs wait for it: it may become ready, or grow."""
        with self._lock:
            if compute in self._watched:
                return
            self._watched.add(compute)
        self._timeline.after(LOOK_AGAIN, partial(self._serve, compute))

    def _lose(self, compute: str) -> None:
        with self._lock:
            gone = [ticket for ticket in self._tickets.values() if ticket.compute == compute]
            for ticket in gone:
                ticket.trouble = ticket.trouble or GONE
            self._queues.forget(compute)
        for ticket in gone:
            self._interrupt(ticket)
