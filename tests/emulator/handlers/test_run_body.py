"""A run's document: made, changed, shown. No store."""

from __future__ import annotations

from typing import Any

import pytest

from azml_magics.emulator.handlers.run_body import apply, details, new_run, shown
from azml_magics.emulator.identity import Identity
from azml_magics.emulator.service import Fault

EXPERIMENT = {"experimentId": "e-1", "name": "digits"}


def fresh(**more: Any) -> dict[str, Any]:
    return {**new_run(Identity.new(), "w-1", EXPERIMENT, "r-1", {"oid": "o", "name": "Somebody"}), **more}


def test_a_name_of_two_words_is_given():
    first, second = fresh()["displayName"].split("_")
    assert first.isalpha()
    assert second.isalpha()


def test_who_is_unknown_is_the_emulators_user():
    run = new_run(Identity.new(), "w-1", EXPERIMENT, "r-1", {})
    assert run["createdBy"]["userName"] == "Emulator User"


def test_nulls_change_nothing_and_unknown_names_are_passed_over():
    run = fresh()
    before = dict(run)
    apply(run, {"displayName": None, "tags": None, "colour": "red", "rootRunId": "x"})
    assert {**run, "lastModifiedUtc": before["lastModifiedUtc"]} == before


def test_a_parent_gives_its_root():
    run = fresh()
    apply(run, {}, {"runId": "p", "runUuid": "pu", "rootRunId": "top", "rootRunUuid": "tu"})
    assert (run["parentRunId"], run["rootRunId"], run["parentRunUuid"], run["rootRunUuid"]) == ("p", "top", "pu", "tu")


def test_times_of_a_submitted_run_are_not_its_clients():
    run = fresh(_submitted=True)
    apply(run, {"startTimeUtc": "2026-01-01T00:00:00Z"})
    assert run["startTimeUtc"] is None
    with pytest.raises(Fault, match="system managed"):
        apply(run, {"status": "Completed"})


def test_the_cancel_address_is_at_the_host_that_was_asked():
    run = shown(fresh(_submitted=True), "https://host", "/subscriptions/s/w")
    assert run["cancelUri"] == "https://host/execution/v1.0/subscriptions/s/w/experiments/digits/runId/r-1/cancel"
    assert shown(fresh(), "https://host", "/ws")["cancelUri"] is None


def test_details_always_have_an_object_of_logs_and_a_list_of_warnings():
    found = details(fresh(), None, {})
    assert (found["logFiles"], found["warnings"], found["runDefinition"]) == ({}, [], None)
