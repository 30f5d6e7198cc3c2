"""One picture of a run, as the views take it: plain values, frozen, with no idea where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal, NamedTuple

from ..catalogue.history import RUN_LIFECYCLE

#: What a status looks like: the family that picks icon and colour.
Look = Literal["waiting", "running", "done", "failed", "canceled", "unknown"]

# The history service's words and those that v2 jobs add; the list is open-ended, so anything else is "unknown".
_LOOKS: dict[str, Look] = {
    "NotStarted": "waiting",
    "Starting": "waiting",
    "Provisioning": "waiting",
    "Preparing": "waiting",
    "Queued": "waiting",
    "Paused": "waiting",
    "CancelRequested": "waiting",
    "Running": "running",
    "Finalizing": "running",
    "Completed": "done",
    "Failed": "failed",
    "NotResponding": "failed",
    "Canceled": "canceled",
}


class Metric(NamedTuple):
    """The last value that a run logged under a name, at which step, and how many values there are."""

    name: str
    last: object
    step: int | None = None
    values: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One station on a run's way; `mark` says whether it is behind, under way or still ahead."""

    name: str
    mark: Literal["past", "now", "ahead", "end"]
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment.

    `reason` is why it failed, or why it still waits. `phases` are the statuses it went through and when each
    began (None: not known), oldest first. `log` is the end of its log, as much as is at hand. `as_of` is the
    service's clock when it answered: the page ticks by it, so that a kernel whose clock is off shows the right
    elapsed time.
    """

    run_id: str
    experiment: str = ""
    display_name: str = ""
    status: str = ""
    compute: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    phases: tuple[tuple[str, datetime | None], ...] = ()
    log: str = ""
    metrics: tuple[Metric, ...] = ()
    studio_url: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime | None = None

    @property
    def name(self) -> str:
        """What people call the run: its display name, else its id."""
        return self.display_name or self.run_id

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in RUN_LIFECYCLE.ended

    @property
    def link(self) -> str:
        """The studio's page, or nothing: a link that is not https is not shown."""
        return self.studio_url if self.studio_url.startswith("https://") else ""

    @property
    def elapsed(self) -> float | None:
        """Seconds from start to end; None while there is no end."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, (aware(self.ended) - aware(self.started)).total_seconds())


def aware(moment: datetime) -> datetime:
    """That moment in UTC; one without a zone is taken to be UTC, as the service means it."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def look(status: str) -> Look:
    """Which family of icon and colour a status belongs to."""
    return _LOOKS.get(status, "unknown")


def steps(snapshot: Snapshot, most: int = 8) -> list[Step]:
    """The run's way: what it went through, where it is, and what usually comes; the last `most` at most."""
    phases = [(name, aware(began) if began else None) for name, began in snapshot.phases]
    if snapshot.status and (not phases or phases[-1][0] != snapshot.status):
        phases.append((snapshot.status, began_by_record(snapshot)))
    way = [Step(name, "past", began, after[1]) for (name, began), after in pairwise(phases)]
    if phases:
        way.append(Step(phases[-1][0], "end" if snapshot.over else "now", phases[-1][1]))
    return way[-most:] + [Step(name, "ahead") for name in _ahead(snapshot)]


def began_by_record(snapshot: Snapshot) -> datetime | None:
    """When the present status began, where the run's own times tell."""
    moment = snapshot.ended if snapshot.over else snapshot.started if snapshot.status == "Running" else None
    return aware(moment) if moment else None


def follow(before: Snapshot | None, after: Snapshot) -> Snapshot:
    """The snapshot with a clock, and with the way that was seen where the service tells none.

    Run history keeps no list of statuses with their times; who watches sees them change. How long the first one had
    lasted by then is not known, and is not made up.
    """
    stamped = after if after.as_of is not None else replace(after, as_of=datetime.now(UTC))
    if after.phases or not after.status:
        return stamped
    seen = before.phases if before is not None else ()
    if not seen or seen[-1][0] != after.status:
        began = began_by_record(after) or (stamped.as_of if seen else None)
        seen = (*seen, (after.status, began))
    return replace(stamped, phases=seen)


def _ahead(snapshot: Snapshot) -> tuple[str, ...]:
    order = RUN_LIFECYCLE.order
    return order[order.index(snapshot.status) + 1 :] if snapshot.status in order else ()
