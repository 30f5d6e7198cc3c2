"""The filter language: the strings that the official clients send, read and applied by the real store."""

from __future__ import annotations

import pytest

from azml_magics.emulator.conditions import AllOf, AnyOf, Where
from azml_magics.emulator.filters import (
    EXPERIMENT,
    METRIC,
    NULLS,
    RUN,
    BadFilter,
    accepts,
    conditions,
    nulls_of,
    orders,
)
from azml_magics.emulator.store import Store

RUNS = {
    "top": {
        "runId": "top",
        "parentRunId": None,
        "status": "Completed",
        "runType": "azureml.scriptrun",
        "target": "cpu",
        "hidden": False,
        "runNumber": 7,
        "createdUtc": "2026-01-02T00:00:00.0000000+00:00",
        "tags": {"phase": "dev", "my key": "a and b", "with.dot": "x"},
        "properties": {"azureml.runsource": "experiment"},
        "runTypeV2": {"orchestrator": "Execution"},
        "_traits": {"fast": True},
    },
    "child": {
        "runId": "child",
        "parentRunId": "top",
        "rootRunId": "top",
        "status": "Failed",
        "runType": "hyperdrive",
        "target": None,
        "hidden": True,
        "runNumber": 8,
        "createdUtc": "2025-12-31T23:00:00.0000000+00:00",
        "tags": {"phase": "prod (final)", "empty": None},
        "properties": {},
        "runTypeV2": {"orchestrator": "External"},
        "_nulls": {"tags": {"empty": True}},
    },
}

CASES = [
    ("", {"top", "child"}),
    ("(ParentRunId eq null)", {"top"}),
    ("(ParentRunId ne null)", {"child"}),
    ("(RunType eq X or Properties/azureml.runsource eq experiment)", {"top"}),
    ("(Status eq Completed)", {"top"}),
    ("status EQ Failed", {"child"}),
    ('(Tags/phase eq "dev")', {"top"}),
    ('(Tags/phase eq "prod (final)")', {"child"}),
    ("(Tags/phase eq 'prod (final)')", {"child"}),
    ('(Tags/my key eq "a and b")', {"top"}),
    ("(Tags/with.dot eq x)", {"top"}),
    ("(Tags/empty ne null or Tags/empty eq null)", {"child"}),
    ("(Tags/absent ne null or Tags/absent eq null)", set()),
    ('(Properties/azureml.runsource eq "experiment")', {"top"}),
    ("(CreatedUtc ge 2026-01-01 00:00:00+00:00)", {"top"}),
    ("(CreatedUtc lt 2026-01-01T00:00:00Z)", {"child"}),
    ("(CreatedUtc ge 2026-01-01 01:00:00.5+02:00)", {"top"}),
    ("(RunTypeV2/Orchestrator eq Execution)", {"top"}),
    ("(RunTypeV2/Traits/fast ne null) or (RunTypeV2/Traits/slow ne null)", {"top"}),
    ("(Target eq cpu)", {"top"}),
    ("RootRunId eq top and RunId ne top", {"child"}),
    ("(Hidden eq true)", {"child"}),
    ("RunNumber gt 7", {"child"}),
    ('((ParentRunId eq null) and (Status eq Completed) and (Tags/phase eq "dev"))', {"top"}),
    ("((Status eq Completed or Status eq Failed) and (ParentRunId eq top))", {"child"}),
    ("Status eq Completed or Status eq Failed and RunId eq nobody", {"top"}),
]


@pytest.mark.parametrize(("text", "found"), CASES)
def test_a_filter_lets_these_runs_through(tmp_path, text, found):
    store = Store(tmp_path / "store.sqlite")
    for key, run in RUNS.items():
        store.add("run", key, run, "ws")
    where = conditions(text, RUN)
    assert {run["runId"] for run in store.page("run", "ws", where=where)[0]} == found
    assert {key for key, run in RUNS.items() if all(accepts(c, run) for c in where)} == found
    store.close()


@pytest.mark.parametrize(
    "text",
    [
        "Status",
        "Status eq",
        "(Status eq Running",
        "Status eq Running)",
        "(Status eq Running) (Target eq cpu)",
        "Nonsense eq 1",
        "Tags eq 1",
        "CreatedUtc ge yesterday",
        "Hidden eq perhaps",
        "RunNumber gt many",
        "Status ge null",
        "Status like R",
        "()",
        "(" * 60 + "Status eq X" + ")" * 60,
    ],
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(BadFilter):
        conditions(text, RUN)


def test_run_ids_of_a_metrics_query_become_alternatives_of_one_path():
    found = conditions("RunId eq a or RunId eq b", METRIC)
    assert found == (AnyOf((Where(("runId",), "eq", "a"), Where(("runId",), "eq", "b"))),)


def test_conditions_of_a_metrics_query_apply_to_plain_rows():
    where = AllOf(conditions("name eq acc and CreatedUtc gt 2026-01-01T00:00:00Z and MetricType eq t", METRIC))
    row = {"name": "acc", "createdUtc": "2026-01-01T00:00:01.0000000+00:00", "metricType": "t"}
    assert accepts(where, row)
    assert not accepts(where, {**row, "name": "loss"})


def test_a_field_of_another_kind_of_document_is_not_known():
    with pytest.raises(BadFilter):
        conditions("(ParentRunId eq null)", EXPERIMENT)


def test_orders_have_directions_and_a_default():
    assert orders("StartTimeUtc desc, RunId", RUN) == ((("startTimeUtc",), True), (("runId",), False))
    assert orders("CreatedUtc", RUN, falling=True) == ((("createdUtc",), True),)
    assert orders("Tags/my key asc", RUN) == ((("tags", "my key"), False),)
    assert orders(None, RUN) == ()


def test_an_order_by_an_unknown_field_is_refused():
    with pytest.raises(BadFilter):
        orders("Colour desc", RUN)


def test_keys_that_hold_null_are_kept_apart():
    assert nulls_of(RUNS["child"], "tags", "properties") == RUNS["child"][NULLS]
    assert nulls_of(RUNS["top"], "tags", "properties") == {}
