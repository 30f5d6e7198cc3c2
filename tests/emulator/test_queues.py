"""Who is next: the order of submission, and who may be passed."""

from __future__ import annotations

from azml_magics.emulator.queues import Queues
from azml_magics.emulator.ticket import Phase, Ticket

COMPUTE = "/ws/computes/c"


def compute(nodes: int, state: str = "Succeeded") -> dict:  # type: ignore[type-arg]
    scale = {"maxNodeCount": nodes, "minNodeCount": 0}
    inner = {"computeType": "AmlCompute", "provisioningState": state, "properties": {"scaleSettings": scale}}
    return {"id": COMPUTE, "name": "c", "properties": inner}


def ticket(number: int, phase: Phase = "queued", nodes: int = 1, where: str = COMPUTE) -> Ticket:
    return Ticket(f"ws/r{number}", f"r{number}", "ws", where, nodes, number, phase=phase)


def chosen(queues: Queues, document: object, *tickets: Ticket) -> tuple[list[str], list[str]]:
    started, waiting = queues.choose(document, tickets)  # type: ignore[arg-type]
    return [t.run_id for t in started], [t.run_id for t in waiting]


def test_as_many_start_as_there_are_nodes_oldest_first():
    assert chosen(Queues(), compute(2), ticket(3), ticket(1), ticket(2)) == (["r1", "r2"], ["r3"])


def test_one_that_is_still_prepared_keeps_its_place():
    assert chosen(Queues(), compute(2), ticket(1, "preparing"), ticket(2)) == ([], ["r2"])


def test_one_whose_packages_are_installed_is_passed():
    assert chosen(Queues(), compute(2), ticket(1, "building"), ticket(2)) == (["r2"], [])


def test_one_that_is_not_to_go_on_holds_nobody_up():
    stopped = ticket(1, "preparing")
    stopped.cancelled = True
    assert chosen(Queues(), compute(1), stopped, ticket(2)) == (["r2"], [])


def test_the_machine_itself_has_no_limit():
    assert len(chosen(Queues(), None, *(ticket(n, where="") for n in range(9)))[0]) == 9


def test_nodes_come_free_when_they_are_given_back():
    queues, first, second = Queues(), ticket(1), ticket(2)
    assert chosen(queues, compute(1), first, second) == (["r1"], ["r2"])
    queues.give_back(first)
    assert chosen(queues, compute(1), second) == (["r2"], [])


def test_a_run_of_before_the_restart_holds_its_nodes_whatever_the_limit():
    queues, old = Queues(), ticket(1, "preparing", nodes=3)
    queues.hold(old)
    assert chosen(queues, compute(1), old, ticket(2)) == ([], ["r2"])


def test_the_reason_tells_nodes_from_readiness():
    queues, waiting = Queues(), ticket(2)
    chosen(queues, compute(1), ticket(1), waiting)
    assert [reason["code"] for _, reason in queues.reasons(compute(1), [waiting])] == ["WaitingForNodes"]
    assert queues.reasons(compute(1), [waiting]) == []
    other = ticket(3)
    assert "Creating" in queues.reasons(compute(1, "Creating"), [other])[0][1]["message"]
