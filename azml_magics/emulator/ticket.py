"""A run under way: as the dispatcher holds it, and as the store tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .definition import LOCAL, Definition, parse
from .harvest import folder_of
from .verdict import Trouble

if TYPE_CHECKING:
    from .runner import Execution, Outcome
    from .service import Service

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
