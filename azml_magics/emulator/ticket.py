"""A run under way: as the dispatcher holds it, and as the store tells of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .definition import LOCAL, Definition, parse
from .harvest import folder_of
from .store import AnyOf, Where
from .times import stamp
from .verdict import CANCELED, ENDED, Trouble

if TYPE_CHECKING:
    from .runner import Execution, Outcome
    from .service import Service

#: What a submitted run may be when the emulator ends under it.
UNDER_WAY = ("NotStarted", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested")
BATCH = 500
#: The supervisor's folder in a run's.
SUPERVISOR = "supervisor"
#: "idle" between two steps; "busy" while a thread takes one; "running" while the process is; "over".
Stage = Literal["idle", "busy", "running", "over"]
#: How far it is: while it is "preparing" later runs of its compute wait for it; when that takes long, as when
#: packages are installed ("building"), they do not; "queued" waits for nodes; "launched" has them.
Phase = Literal["preparing", "building", "queued", "launched"]


@dataclass(slots=True, eq=False)
class Ticket:
    """A run under way. What changes is changed under the dispatcher's lock, or by the one thread that is busy."""

    key: str
    run_id: str
    workspace_id: str
    #: The store's key of its compute; empty for "local", which has no limit.
    compute: str
    node_count: int
    #: Its place in the order of submission.
    number: int
    stage: Stage = "idle"
    phase: Phase = "preparing"
    #: Whether its document says already why it waits.
    told: bool = False
    cancelled: bool = False
    trouble: Trouble | None = None
    execution: Execution | None = field(default=None, repr=False)
    outcome: Outcome | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it is not to go on."""
        return self.cancelled or self.trouble is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run belongs and works: its workspace's id and ARM path, its experiment, its folder."""

    workspace_id: str
    workspace_path: str
    experiment: str
    experiment_id: str
    run_id: str
    folder: Path

    @property
    def code(self) -> Path:
        """Where the zip is unpacked and the script works."""
        return self.folder / "code"

    @property
    def home(self) -> Path:
        """The run's home folder: fresh, so that nothing of the user's is read by accident."""
        return self.folder / "home"

    @property
    def supervisor(self) -> Path:
        """Where the supervisor of its process keeps what it knows."""
        return self.folder / SUPERVISOR


@dataclass(frozen=True, slots=True)
class Submission:
    """What the store knows of a submitted run: its definition, the digest of its code, where it belongs."""

    definition: Definition
    snapshot: str
    place: Place


def submission_of(service: Service, key: str) -> Submission | None:
    """What was submitted under a key; None when it is gone, with its workspace."""
    run, plan = service.store.get("run", key), service.store.get("definition", key)
    if run is None or plan is None:
        return None
    place = Place(
        workspace_id=run["_workspaceId"],
        workspace_path=plan["workspace"],
        experiment=run["_experiment"],
        experiment_id=run["experimentId"],
        run_id=run["runId"],
        folder=folder_of(service, run),
    )
    return Submission(parse(plan["configuration"]), plan["snapshot"], place)


def compute_of(workspace_path: str, target: str) -> str:
    """The store's key of the compute that a target names; empty for the machine itself."""
    return "" if target.lower() == LOCAL else f"{workspace_path}/computes/{target}".lower()


def ticket_of(key: str, submission: Submission, number: int) -> Ticket:
    """The ticket of a submitted run."""
    place, definition = submission.place, submission.definition
    return Ticket(
        key,
        place.run_id,
        place.workspace_id,
        compute_of(place.workspace_path, definition.target),
        definition.node_count,
        number,
    )


def under_way(service: Service) -> list[dict[str, Any]]:
    """The submitted runs that have not ended, in the order of their submission."""
    where = (AnyOf(tuple(Where(("status",), "eq", status) for status in UNDER_WAY)),)
    found: list[dict[str, Any]] = []
    more = True
    while more:
        page, more = service.store.page("run", where=where, skip=len(found), size=BATCH)
        found += page
    return sorted((run for run in found if run.get("_submitted")), key=lambda run: str(run["createdUtc"]))


def mark(service: Service, ticket: Ticket, status: str, **facts: Any) -> None:
    """Write a status down, unless the run was asked to stop, and `facts` all the same; what has ended stays."""

    def edit(run: dict[str, Any]) -> None:
        if run["status"] in ENDED:
            return
        run.update(facts, lastModifiedUtc=stamp(time.time()))
        if run["status"] != "CancelRequested":
            run["status"] = status

    service.store.change("run", ticket.key, edit)


def request_stop(service: Service, key: str, reason: str, *, going_on: bool) -> str | None:
    """Write down that a run is to stop; that it has, when nothing of it goes on here. Its status then, if it exists."""

    def edit(run: dict[str, Any]) -> None:
        if run["status"] in ENDED:
            return
        moment = stamp(time.time())
        run.update(status="CancelRequested", cancelationReason=reason or None, lastModifiedUtc=moment)
        if not going_on:
            run.update(status=CANCELED, endTimeUtc=moment)

    after = service.store.change("run", key, edit)
    return None if after is None else str(after["status"])


def tell_why(service: Service, ticket: Ticket, info: dict[str, str]) -> None:
    """Write down what a run waits for, as its `queueingInfo`."""

    def edit(run: dict[str, Any]) -> None:
        if run["status"] == "Queued":
            run["queueingInfo"] = {**info, "lastRefreshTimestamp": stamp(time.time())}

    service.store.change("run", ticket.key, edit)
