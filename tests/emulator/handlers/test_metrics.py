"""Metrics: what one protocol writes, all of them read, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        lab.record("r1")
        yield lab


def scalar(name: str, value: object, step: int | None = None, time: str = "2026-01-02T03:04:05.5Z") -> dict:  # type: ignore[type-arg]
    row = {"metricId": "m", "createdUtc": time, "step": step, "data": {name: value}}
    properties = {"uxMetricType": "azureml.v1.scalar"}
    return {"name": name, "columns": {name: "double"}, "value": [row], "properties": properties}


def log(lab: Lab, *dtos: object, run: str = "r1"):
    return lab.call("run.write-metrics", {"values": list(dtos), "reportErrors": True}, run=run)


def read(lab: Lab, name: str, run: str = "r1", **body: object):
    return lab.call("run.read-metric", {"metricName": name, **body}, run=run).body


def test_a_metric_is_read_as_it_was_written(lab):
    assert log(lab, scalar("acc", 0.5, 1), scalar("loss", 2), scalar("acc", 0.75, 2)).status == 200
    found = read(lab, "acc")
    assert (found["name"], found["columns"], found["dataContainerId"]) == ("acc", {"acc": "double"}, "dcid.r1")
    assert [(row["step"], row["data"]) for row in found["value"]] == [(1, {"acc": 0.5}), (2, {"acc": 0.75})]
    assert found["value"][0]["createdUtc"] == "2026-01-02T03:04:05.5000000+00:00"
    assert (found["continuationToken"], found["properties"]) == (None, {"uxMetricType": "azureml.v1.scalar"})


def test_names_are_listed_with_their_columns(lab):
    log(lab, scalar("b/c", 1), scalar("a", 1))
    found = lab.call("run.list-metrics", None, run="r1").body
    assert found["value"] == [
        {"metricKey": {"namespace": None, "name": "a"}, "columns": {"a": "double"}},
        {"metricKey": {"namespace": None, "name": "b/c"}, "columns": {"b/c": "double"}},
    ]
    assert found["continuationToken"] is None


def test_a_metric_that_is_not_there_is_a_404(lab):
    assert lab.refused("run.read-metric", {"metricName": "acc"}, run="r1").status == 404
    assert lab.refused("run.read-metric", {}, run="r1").status == 404
    assert lab.refused("run.list-metrics", {}, run="r2").status == 404


def test_a_table_keeps_its_columns(lab):
    row = {"data": {"x": 1, "y": 2.5, "s": "a", "t": True, "n": None}}
    log(lab, {"name": "row", "value": [row], "properties": {"uxMetricType": "azureml.v1.table"}})
    found = read(lab, "row")
    assert found["columns"] == {"x": "int", "y": "double", "s": "string", "t": "bool", "n": "none"}
    assert found["value"][0]["data"] == row["data"]
    assert found["value"][0]["metricId"]
    assert found["properties"]["uxMetricType"] == "azureml.v1.table"


def test_what_cannot_be_logged_is_told_and_the_rest_is_logged(lab):
    broken = [{"value": []}, {"name": "x", "value": 3}, {"name": "y", "value": [{"data": {}, "step": "a"}]}, "odd"]
    answer = log(lab, scalar("acc", 1), *broken)
    assert (answer.status, len(answer.body["errors"])) == (207, 4)
    assert set(answer.body["errors"][0]) == {"metric", "errorResponse"}
    assert len(read(lab, "acc")["value"]) == 1
    assert lab.refused("run.write-metrics", {"values": 3}, run="r1").status == 400


def test_numbers_that_json_has_not_survive(lab):
    log(lab, scalar("loss", math.nan), scalar("loss", math.inf))
    values = [row["data"]["loss"] for row in read(lab, "loss")["value"]]
    assert math.isnan(values[0])
    assert math.isinf(values[1])


def test_a_metric_is_read_within_times(lab):
    dtos = [scalar("acc", n, n, f"2026-01-02T03:04:{n:02}Z") for n in range(10)]
    log(lab, *dtos)
    found = read(lab, "acc", startTime="2026-01-02T03:04:03Z", endTime="2026-01-02T03:04:05Z")
    assert [row["step"] for row in found["value"]] == [3, 4, 5]
    assert lab.refused("run.read-metric", {"metricName": "acc", "startTime": "soon"}, run="r1").status == 400


def test_a_long_metric_goes_on_by_its_token(lab):
    row = {"data": {"acc": 1.0}}
    log(lab, {"name": "acc", "value": [row] * 5003})
    first = read(lab, "acc")
    assert (len(first["value"]), bool(first["continuationToken"])) == (5000, True)
    rest = read(lab, "acc", continuationToken=first["continuationToken"])
    assert (len(rest["value"]), rest["continuationToken"]) == (3, None)


def query(lab: Lab, text: str | None = None, strategy: str = "", **body: object):
    parameters = {"mergestrategytype": strategy} if strategy else {}
    return lab.call("run.metrics", {"filter": text, **body}, parameters, experiment="digits").body


def test_a_query_merges_the_rows_of_each_metric(lab):
    log(lab, scalar("acc", 0.5, 1), scalar("acc", 0.75, 2, "2026-01-02T03:04:06Z"))
    found = query(lab, "RunId eq r1")["value"]
    assert len(found) == 1
    metric = found[0]
    assert (metric["runId"], metric["name"], metric["metricType"]) == ("r1", "acc", "azureml.v1.scalar")
    assert (metric["cells"], metric["steps"], metric["numCells"]) == ([{"acc": 0.5}, {"acc": 0.75}], [1, 2], 2)
    assert metric["createdUtc"] == "2026-01-02T03:04:06.0000000+00:00"
    assert metric["schema"] == {
        "numProperties": 1,
        "properties": [{"propertyId": "acc", "name": "acc", "type": "double"}],
    }


def test_a_query_gives_a_row_an_entry_when_nothing_is_to_be_merged(lab):
    log(lab, scalar("acc", 0.5, 1), scalar("acc", 0.75, 2))
    assert [m["cells"] for m in query(lab, None, "None")["value"]] == [[{"acc": 0.5}], [{"acc": 0.75}]]


def test_a_query_asks_many_runs_at_once(lab):
    for number in range(2, 5):
        lab.record(f"r{number}")
        log(lab, scalar("acc", number), run=f"r{number}")
    lab.record("elsewhere", experiment="other")
    log(lab, scalar("acc", 9), run="elsewhere")
    found = query(lab, "RunId eq r2 or RunId eq r4 or RunId eq elsewhere or RunId eq nobody")["value"]
    assert [metric["runId"] for metric in found] == ["r2", "r4"]
    assert {metric["runId"] for metric in query(lab)["value"]} == {"r2", "r3", "r4"}


def test_a_query_filters_rows_by_name_type_and_time(lab):
    log(lab, scalar("acc", 1), scalar("acc", 2, None, "2026-01-03T00:00:00Z"), scalar("loss", 3))
    assert [m["name"] for m in query(lab, "name eq loss")["value"]] == ["loss"]
    assert query(lab, "CreatedUtc gt 2026-01-02T12:00:00Z")["value"][0]["cells"] == [{"acc": 2}]
    assert query(lab, "MetricType eq azureml.v1.table")["value"] == []
    assert lab.refused("run.metrics", {"filter": "(Colour eq red)"}, experiment="digits").status == 400


def test_a_query_goes_on_by_its_token(lab):
    log(lab, *(scalar(name, 1) for name in "abcde"))
    lab.record("r2")
    log(lab, scalar("f", 1), run="r2")
    names, token = [], None
    while True:
        page = query(lab, None, top=2, **({"continuationToken": token} if token else {}))
        names += [metric["name"] for metric in page["value"]]
        token = page["continuationToken"]
        if token is None:
            break
    assert names == ["a", "b", "c", "d", "e", "f"]
    assert lab.refused("run.metrics", {"continuationToken": "x"}, experiment="digits").status == 400


def test_the_last_value_of_a_scalar_is_kept_with_the_run(lab):
    log(lab, scalar("acc", 0.5, 2), scalar("acc", 0.9, 1), scalar("loss", math.nan))
    kept = lab.service.store.get("run", f"{lab.workspace_id}/r1")
    assert kept is not None
    assert kept["_metrics"]["acc"]["value"] == 0.5
    assert (kept["_metrics"]["loss"]["value"], kept["_metrics"]["loss"]["special"]) == (None, "NaN")
