"""A run under way as the store tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from azml_magics.emulator.ticket import (
    compute_of,
    mark,
    request_stop,
    submission_of,
    tell_why,
    ticket_of,
    under_way,
)
from tests.emulator.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, "real") as lab:
        yield lab
        for run in under_way(lab.service):
            lab.service.dispatcher.cancel(f"{lab.workspace_id}/{run['runId']}")
        lab.until(lab.service.dispatcher.idle, bool)


def test_a_submission_is_read_from_the_store(lab):
    key = f"{lab.workspace_id}/{lab.start(Arguments=[1], NodeCount=2)}"
    submission = submission_of(lab.service, key)
    assert submission is not None
    assert (submission.definition.arguments, submission.place.experiment) == (("1",), "digits")
    ticket = ticket_of(key, submission, 7)
    assert (ticket.node_count, ticket.number, ticket.interrupted) == (2, 7, False)
    assert ticket.compute.endswith("/computes/cpu-compute")
    assert submission_of(lab.service, "nobody/nothing") is None


def test_the_machine_itself_is_no_compute():
    assert (compute_of("/ws", "Local"), compute_of("/WS", "C1")) == ("", "/ws/computes/c1")


def test_runs_under_way_are_told_oldest_first_and_only_submitted_ones(lab):
    submitted = [lab.start(), lab.start()]
    lab.record("mine", status="Running")
    assert [run["runId"] for run in under_way(lab.service)] == submitted


def test_a_run_that_was_asked_to_stop_keeps_that_status(lab):
    run_id = lab.start()
    key = f"{lab.workspace_id}/{run_id}"
    submission = submission_of(lab.service, key)
    assert submission is not None
    assert request_stop(lab.service, key, "enough", going_on=True) == "CancelRequested"
    mark(lab.service, ticket_of(key, submission, 0), "Running", startTimeUtc="then")
    run = lab.show(run_id)
    assert (run["status"], run["startTimeUtc"], run["cancelationReason"]) == ("CancelRequested", "then", "enough")


def test_a_run_of_which_nothing_goes_on_has_stopped(lab):
    lab.record("mine", status="Running")
    assert request_stop(lab.service, f"{lab.workspace_id}/mine", "", going_on=False) == "Canceled"
    assert lab.show("mine")["endTimeUtc"]
    assert request_stop(lab.service, "nobody/nothing", "", going_on=False) is None


def test_only_a_queued_run_is_told_why_it_waits(lab):
    run_id = lab.start()
    key = f"{lab.workspace_id}/{run_id}"
    submission = submission_of(lab.service, key)
    assert submission is not None
    lab.wait(run_id, "Preparing")
    tell_why(lab.service, ticket_of(key, submission, 0), {"code": "c", "message": "m"})
    assert lab.show(run_id)["queueingInfo"] is None
