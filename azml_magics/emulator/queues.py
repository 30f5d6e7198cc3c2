"""Which run is next: runs wait for their compute's nodes in the order of their submission. Not thread-safe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from .nodes import Nodes, capacity, least, patience
from .ticket import Ticket

#: More nodes than anything has: this machine as the target "local", and runs that had their nodes before a restart.
UNLIMITED = 1 << 30


class Queues:
    """The nodes of all computes, and who gets them."""

    def __init__(self) -> None:
        self._nodes = Nodes()

    def choose(self, compute: Mapping[str, Any] | None, tickets: Iterable[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
        """The runs of one compute that get their nodes now, and those that are ready and have to wait.

        The first that does not get its nodes, or is still being prepared, holds up the ones behind it; a run whose
        packages are being installed does not. No compute stands for the machine itself, which has no limit.
        """
        limit = UNLIMITED if compute is None else capacity(compute)
        started: list[Ticket] = []
        waiting: list[Ticket] = []
        held_up = False
        for ticket in sorted(tickets, key=lambda ticket: ticket.number):
            if ticket.phase in ("launched", "building") or ticket.interrupted:
                continue
            ready = ticket.phase == "queued" and ticket.stage == "idle"
            if ready and not held_up and self._take(ticket, limit):
                started.append(ticket)
                continue
            held_up = True
            if ready:
                waiting.append(ticket)
        return started, waiting

    def hold(self, ticket: Ticket) -> None:
        """Give a run its nodes whatever the limit: it has had them since before the emulator was started."""
        self._take(ticket, UNLIMITED)

    def give_back(self, ticket: Ticket) -> None:
        """Take a run's nodes back."""
        self._nodes.give_back(ticket.compute, ticket.run_id, time.time())

    def forget(self, compute: str) -> None:
        """A compute is gone, and its nodes with it."""
        self._nodes.forget(compute)

    def standing(self, compute: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The nodes that a compute has now: held ones, and idle ones that have not gone yet."""
        key = str(compute["id"]).lower()
        return self._nodes.standing(key, least(compute), patience(compute), time.time())

    def reasons(
        self, compute: Mapping[str, Any] | None, waiting: Iterable[Ticket]
    ) -> list[tuple[Ticket, dict[str, str]]]:
        """Why runs wait, told once for each: code and message of its `queueingInfo`.

        [inferred] the service's codes and texts are not recorded
        """
        untold = [ticket for ticket in waiting if not ticket.told]
        for ticket in untold:
            ticket.told = True
        return [] if compute is None else [(ticket, self._reason(compute, ticket)) for ticket in untold]

    def _reason(self, compute: Mapping[str, Any], ticket: Ticket) -> dict[str, str]:
        limit, key = capacity(compute), str(compute["id"]).lower()
        if limit == 0:
            properties = compute["properties"]
            state = (properties.get("properties") or {}).get("state") or properties.get("provisioningState")
            return {"code": "ComputeNotReady", "message": f"Compute {compute['name']} is not ready: {state}."}
        wanted, busy = ticket.node_count, limit - self._nodes.free(key, limit)
        text = f"Waiting for {wanted} node(s) of {compute['name']}: {busy} of {limit} are busy"
        return {"code": "WaitingForNodes", "message": f"{text}, and runs that were submitted earlier go first."}

    def _take(self, ticket: Ticket, limit: int) -> bool:
        given = self._nodes.take(ticket.compute, ticket.run_id, ticket.node_count, limit, time.time())
        if given:
            ticket.phase = "launched"
        return given
