"""Experiments: made once, found by name and id, listed, renamed, tagged, archived."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def names(reply) -> list[str]:
    return [experiment["name"] for experiment in reply.body["value"]]


def test_creating_twice_finds_the_same_one(lab):
    first = lab.experiment("digits")
    assert lab.experiment("digits") == first
    assert set(first) == {
        "experimentId",
        "name",
        "description",
        "createdUtc",
        "tags",
        "archivedTime",
        "latestCreatedRunId",
        "latestCreatedRunCreatedUtc",
    }


def test_creating_at_the_same_time_makes_one(lab):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lab.experiment, ["digits"] * 16))
    assert len({experiment["experimentId"] for experiment in found}) == 1
    assert names(lab.call("experiment.list")) == ["digits"]


def test_it_is_found_by_name_and_by_id(lab):
    made = lab.experiment()
    assert lab.call("experiment.show", experiment="digits").body == made
    assert lab.call("experiment.show-by-id", experiment_id=made["experimentId"]).body == made


def test_what_is_not_there_is_told_in_run_historys_words(lab):
    fault = lab.refused("experiment.show", experiment="nothing")
    assert (fault.status, fault.code, fault.inner) == (404, "UserError", "NotFoundError")
    assert "Experiment nothing was not found" in fault.message


@pytest.mark.parametrize("name", ["-first", "with blank", "a/b", "", "x" * 256, "ü"])
def test_a_name_that_is_none_is_refused(lab, name):
    assert lab.refused("experiment.create", experiment=name).status == 400


def test_tags_are_merged_and_the_rest_is_replaced(lab):
    key = lab.experiment()["experimentId"]
    lab.call("experiment.update", {"tags": {"a": "1", "b": "2"}, "description": "x"}, experiment_id=key)
    found = lab.call("experiment.update", {"tags": {"b": "3"}}, experiment_id=key).body
    assert (found["tags"], found["description"]) == ({"a": "1", "b": "3"}, "x")


def test_an_archived_experiment_is_listed_only_when_asked_for(lab):
    lab.experiment("kept")
    key = lab.experiment("old")["experimentId"]
    assert lab.call("experiment.update", {"archive": True}, experiment_id=key).body["archivedTime"]
    assert names(lab.call("experiment.list")) == ["kept"]
    for view, found in (("All", ["kept", "old"]), ("ArchivedOnly", ["old"]), ("ActiveOnly", ["kept"])):
        assert names(lab.call("experiment.query", {"viewType": view})) == found
        assert names(lab.call("experiment.list", None, {"viewtype": view})) == found
    lab.call("experiment.update", {"archive": False}, experiment_id=key)
    assert names(lab.call("experiment.list")) == ["kept", "old"]


def test_a_new_name_is_the_only_one_it_is_found_by(lab):
    key = lab.experiment("before")["experimentId"]
    lab.call("experiment.update", {"name": "after"}, experiment_id=key)
    assert lab.call("experiment.show", experiment="after").body["experimentId"] == key
    assert lab.refused("experiment.show", experiment="before").status == 404
    lab.experiment("before")
    assert lab.refused("experiment.update", {"name": "before"}, experiment_id=key).status == 409


def test_a_query_has_filter_order_and_pages(lab):
    for name in ("b", "a", "c"):
        lab.experiment(name)
    assert names(lab.call("experiment.query", {"filter": "(name eq a)"})) == ["a"]
    assert names(lab.call("experiment.query", {"orderBy": "Name desc"})) == ["c", "b", "a"]
    first = lab.call("experiment.query", {"top": 2, "orderby": "Name"}).body
    assert (first["nextLink"], len(first["value"])) == (None, 2)
    rest = lab.call(
        "experiment.query", {"top": 2, "orderby": "Name", "continuationToken": first["continuationToken"]}
    ).body
    assert ([e["name"] for e in rest["value"]], rest["continuationToken"]) == (["c"], None)


@pytest.mark.parametrize(
    "body",
    [
        {"filter": "(colour eq red)"},
        {"filter": 3},
        {"orderby": "Colour"},
        {"top": 0},
        {"top": "many"},
        {"viewType": "Odd"},
        {"continuationToken": "x"},
        [],
    ],
)
def test_a_query_that_cannot_be_read_is_a_400(lab, body):
    fault = lab.refused("experiment.query", body)
    assert (fault.status, fault.code) == (400, "UserError")


def test_the_latest_run_is_kept_in_mind(lab):
    lab.record("r1")
    lab.record("r2")
    assert lab.call("experiment.show", experiment="digits").body["latestCreatedRunId"] == "r2"
