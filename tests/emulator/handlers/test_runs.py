"""Runs as run history answers them: RunDto, RunDetails, lists with filters, create-or-update."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def ids(reply) -> list[str]:
    return [run["runId"] for run in reply.body["value"]]


def test_what_clients_cannot_do_without_is_there(lab):
    run = lab.record("r1")
    for name in ("runNumber", "rootRunId", "runId", "status", "createdUtc", "dataContainerId", "experimentId"):
        assert run[name] is not None, name
    assert run["createdBy"]["userName"] == "Somebody"
    assert run["runNumber"] > 1_700_000_000
    assert (run["rootRunId"], run["dataContainerId"], run["status"]) == ("r1", "dcid.r1", "NotStarted")
    assert "_" in run["displayName"]
    assert not [name for name in run if name.startswith("_")]


def test_a_run_is_found_by_three_paths(lab):
    run = lab.record("r1")
    assert lab.call("run.show", run="r1").body == run
    assert lab.call("run.show", run="r1", experiment="digits").body == run
    assert lab.call("run.show", run="r1", experiment_id=run["experimentId"]).body == run


def test_a_run_is_not_found_in_another_experiment(lab):
    lab.record("r1")
    lab.experiment("other")
    fault = lab.refused("run.show", run="r1", experiment="other")
    assert (fault.status, fault.message, fault.inner) == (404, "Run r1 was not found", "NotFoundError")
    assert lab.refused("run.show", run="r1", experiment="none").status == 404
    assert lab.refused("run.show", run="r2").status == 404


def test_create_or_update_merges_tags_and_properties(lab):
    lab.record("r1", tags={"a": "1", "n": None}, properties={"p": 1}, displayName="mine")
    run = lab.record("r1", tags={"b": "2"}, properties={"q": "x"}, createdUtc="1999")
    assert run["tags"] == {"a": "1", "n": None, "b": "2"}
    assert run["properties"] == {"p": "1", "q": "x"}
    assert (run["displayName"], run["createdUtc"] > "2020") == ("mine", True)


def test_an_unknown_run_cannot_be_made_without_an_experiment(lab):
    assert lab.refused("run.update", {"tags": {}}, run="r1").status == 404
    assert lab.refused("run.update", {"tags": {}}, run="r1", experiment="none").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"runId": "other"},
        {"tags": []},
        {"status": "Sleeping"},
        {"startTimeUtc": "noon"},
        {"parentRunId": "nobody"},
        {"runTypeV2": "x"},
        [],
    ],
)
def test_a_change_that_cannot_be_made_is_a_400_and_changes_nothing(lab, body):
    before = lab.record("r1")
    assert lab.refused("run.update", body, run="r1").status == 400
    assert lab.show("r1") == before


@pytest.mark.parametrize("run_id", ["-x", "a b", "a/b", "x" * 257])
def test_an_id_that_is_none_is_refused(lab, run_id):
    lab.experiment()
    assert lab.refused("run.update", {}, experiment="digits", run=run_id).status == 400


def test_a_client_that_manages_its_run_sets_its_status_until_it_has_ended(lab):
    run = lab.record("r1", status="Running")
    assert (run["status"], bool(run["startTimeUtc"]), run["endTimeUtc"]) == ("Running", True, None)
    run = lab.record("r1", status="Completed", endTimeUtc="2026-01-02T03:04:05.5Z")
    assert run["endTimeUtc"] == "2026-01-02T03:04:05.5000000+00:00"
    assert lab.refused("run.update", {"status": "Running"}, run="r1").status == 400
    assert lab.record("r1", status="Completed", tags={"late": "1"})["tags"] == {"late": "1"}


def test_the_status_of_a_submitted_run_is_system_managed(tmp_path):
    with Lab(tmp_path, "real") as lab:
        run_id = lab.start()
        fault = lab.refused("run.update", {"status": "Completed"}, run=run_id)
        assert (fault.status, "system managed" in fault.message) == (400, True)
        assert lab.call("run.update", {"tags": {"a": "1"}}, run=run_id).body["tags"] == {"a": "1"}
        lab.call("run.cancel", experiment="digits", run=run_id)
        lab.wait(run_id)


def test_a_child_names_its_parent_and_its_root(lab):
    lab.record("top")
    lab.record("middle", parentRunId="top")
    leaf = lab.record("leaf", parentRunId="middle")
    assert (leaf["parentRunId"], leaf["rootRunId"]) == ("middle", "top")
    assert ids(lab.call("run.children", run="top")) == ["middle"]
    assert ids(lab.call("run.list", {"filter": "RootRunId eq top and RunId ne top"}, experiment="digits")) == [
        "leaf",
        "middle",
    ]


def test_children_have_filter_order_and_pages(lab):
    lab.record("top")
    for name in ("a", "b", "c"):
        lab.record(name, parentRunId="top", status="Running" if name == "b" else "NotStarted")
    assert ids(lab.call("run.children", None, {"$orderby": "RunId", "$sortorder": "Desc"}, run="top")) == [
        "c",
        "b",
        "a",
    ]
    assert ids(lab.call("run.children", None, {"$filter": "(Status eq Running)"}, run="top")) == ["b"]
    first = lab.call("run.children", None, {"$top": "2", "$orderby": "RunId asc"}, run="top")
    query = {"$top": "2", "$orderby": "RunId asc", "$continuationtoken": first.body["continuationToken"]}
    assert ids(first) + ids(lab.call("run.children", None, query, run="top")) == ["a", "b", "c"]


def test_runs_are_listed_newest_first_in_pages(lab):
    for number in range(5):
        lab.record(f"r{number}")
    lab.record("elsewhere", experiment="other")
    first = lab.call("run.list", {"top": 3}, experiment="digits")
    assert ids(first) == ["r4", "r3", "r2"]
    rest = lab.call("run.list", {"top": 3, "continuationToken": first.body["continuationToken"]}, experiment="digits")
    assert (ids(rest), rest.body["continuationToken"]) == (["r1", "r0"], None)
    assert ids(lab.call("run.list-by-get", experiment="digits")) == ["r4", "r3", "r2", "r1", "r0"]


def test_the_sdks_default_query_is_answered(lab):
    lab.record("r1", status="Running")
    lab.record("child", parentRunId="r1")
    body = {"filter": "(ParentRunId eq null)", "orderby": "StartTimeUtc desc", "top": 500}
    assert ids(lab.call("run.list", body, experiment="digits")) == ["r1"]


def test_traits_and_null_tags_can_be_asked_for(lab):
    lab.record("r1", runTypeV2={"orchestrator": "External", "traits": ["fast"]}, tags={"empty": None})
    lab.record("r2")
    for text in ("(RunTypeV2/Traits/fast ne null)", "(Tags/empty ne null or Tags/empty eq null)"):
        assert ids(lab.call("run.list", {"filter": text}, experiment="digits")) == ["r1"]


def test_a_filter_that_cannot_be_read_is_a_400(lab):
    lab.experiment()
    assert lab.refused("run.list", {"filter": "(Colour eq red)"}, experiment="digits").status == 400
    assert lab.refused("run.list-by-get", None, {"$top": "x"}, experiment="digits").status == 400


def test_details_differ_from_the_run(lab):
    lab.record("r1", runDefinition={"script": "a.py"}, target="local")
    details = lab.call("run.details", run="r1").body
    run = lab.show("r1")
    assert (details["createdTimeUtc"], details["runDefinition"]) == (run["createdUtc"], {"script": "a.py"})
    assert (details["logFiles"], details["warnings"], details["services"]) == ({}, [], {})
    assert "createdUtc" not in details


def test_details_of_a_submitted_run_have_definition_and_logs(lab):
    run = lab.run("print(1)", Arguments=["a"])
    details = lab.call("run.details", run=run["runId"]).body
    assert (details["runDefinition"]["script"], details["runDefinition"]["arguments"]) == ("hello.py", ["a"])
    assert list(details["logFiles"]) == ["user_logs/std_log.txt"]
    assert details["logFiles"]["user_logs/std_log.txt"].startswith("https://emulator")
    assert details["properties"]["azml.emulator.environment"].startswith("own interpreter")
    assert run["cancelUri"].endswith(f"/experiments/digits/runId/{run['runId']}/cancel")


def test_an_unknown_workspace_is_told(lab):
    fault = lab.refused("run.show", run="r1", workspace="nowhere")
    assert (fault.status, fault.inner) == (404, "NotFoundError")
