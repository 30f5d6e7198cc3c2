"""Odd values of service-facts 5, 9 and 10 become typed tables, and none of them raises."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from azml_magics.catalogue import RESOURCES, Column, find
from azml_magics.records import dig, span, to_frame, when, widen

RUN, COMPUTE, WORKSPACE = find("run"), find("compute"), find("workspace")
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)

FORMATS = [
    ("2023-04-27T16:38:00.4914018+00:00", (2023, 4, 27, 16, 38, 0, 491401)),
    ("2022-05-10T22:29:58.5732398Z", (2022, 5, 10, 22, 29, 58, 573239)),
    ("2023-04-14T06:40:57.303468+00:00", (2023, 4, 14, 6, 40, 57, 303468)),
    ("2022-05-14T00:26:50.839105Z", (2022, 5, 14, 0, 26, 50, 839105)),
    ("2023-03-10 10:15:00", (2023, 3, 10, 10, 15, 0, 0)),
    ("2024-12-08T01:11:11.05147+00:00", (2024, 12, 8, 1, 11, 11, 51470)),
    ("2023-01-25T22:55:06.711+00:00", (2023, 1, 25, 22, 55, 6, 711000)),
    ("2022-07-10T10:00:00Z", (2022, 7, 10, 10, 0, 0, 0)),
    ("2022-05-10T22:31:51.02906Z", (2022, 5, 10, 22, 31, 51, 29060)),
    ("2022-03-10 10:15:00-08:00", (2022, 3, 10, 18, 15, 0, 0)),
    ("2023-01-09T13:53:25+00:00", (2023, 1, 9, 13, 53, 25, 0)),
    ("2022-12-14T03:54:41", (2022, 12, 14, 3, 54, 41, 0)),
    ("2022-08-17T04:35:09.8209+00:00", (2022, 8, 17, 4, 35, 9, 820900)),
    ("2022-05-17T17:05:22.21+00:00", (2022, 5, 17, 17, 5, 22, 210000)),
    ("2022-04-29T00:18:20.8557Z", (2022, 4, 29, 0, 18, 20, 855700)),
]
NO_TIMES = [None, "", " ", "null", "8/20/2024 4:48:47 PM", "yesterday", 5, 1.5, True, [], {}, "2023-13-01T00:00:00Z"]


@pytest.mark.parametrize(("text", "parts"), FORMATS)
def test_every_recorded_format_is_read_to_the_microsecond(text, parts):
    assert when(text) == datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize("value", NO_TIMES)
def test_what_is_no_time_is_none(value):
    assert when(value) is None


def test_a_column_of_all_formats_and_of_no_times_reads_as_each_does_alone():
    values = [text for text, _ in FORMATS] + NO_TIMES + ["0001-01-01T00:00:00Z", " 2022-07-10T10:00:00Z ", NOW]
    frame = to_frame(RUN, [{"createdUtc": value} for value in values])
    assert frame["created"].dtype == "datetime64[us, UTC]"
    assert [None if pd.isna(v) else v for v in frame["created"]] == [when(value) for value in values]


def test_a_moment_before_the_first_year_is_missing():
    assert when("0001-01-01T00:00:00+05:00") is None


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("00:10:53.6438246", timedelta(minutes=10, seconds=53, microseconds=643824)),
        ("00:00:00", timedelta()),
        ("1.02:00:00", timedelta(days=1, hours=2)),
        ("-00:00:01.5", timedelta(seconds=-1.5)),
        ("PT2M", None),
        ("", None),
        (None, None),
        (12, None),
    ],
)
def test_a_dotnet_timespan_is_a_length(text, length):
    assert span(text) == length


@pytest.mark.parametrize(
    ("path", "document", "value"),
    [
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a": None}, None),
        ("a.b", {"a": [1]}, None),
        ("a|b", {"a": None, "b": 2}, 2),
        ("a|b", {"a": "", "b": "x"}, "x"),
        ("a|b", {"a": "", "b": None}, ""),
        ("a|b", {"a": 0, "b": 1}, 0),
        ("a.x|b.y", {"b": {"y": False}}, False),
        ("id#resourceGroups", {"id": "/subscriptions/s/resourcegroups/My-RG/providers/P"}, "My-RG"),
        ("id#resourceGroups", {"id": "/subscriptions/s"}, None),
        ("id#resourceGroups", {"id": "/subscriptions/s/resourceGroups"}, None),
        ("id#resourceGroups", {}, None),
    ],
)
def test_a_path_leads_to_the_first_value_that_holds_something(path, document, value):
    assert dig(document, path) == value


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.noun)
def test_an_empty_table_has_the_columns_and_dtypes_of_a_full_one(resource):
    odd = [None, "", "x", 7, 2**70, float("nan"), True, [1], {"k": None}]
    full = to_frame(resource, [{"tags": value, "properties": value, "name": value, "id": value} for value in odd])
    empty = to_frame(resource, [])
    assert list(empty.columns) == [column.name for column in resource.columns]
    assert empty.dtypes.equals(full.dtypes)
    assert empty.index.equals(pd.RangeIndex(0))


def test_dtypes_follow_the_kind():
    kinds = ["text", "int", "bool", "float", "time", "map", "list"]
    frame = to_frame(RUN, [], [Column(kind, "x", kind) for kind in kinds])
    assert [str(frame[kind].dtype) for kind in [*kinds, "duration"]] == [
        "str",
        "Int64",
        "boolean",
        "Float64",
        "datetime64[us, UTC]",
        "object",
        "object",
        "timedelta64[us]",
    ]


ODD = [
    ("text", None, None),
    ("text", "", ""),
    ("text", 3, "3"),
    ("text", True, "true"),
    ("text", {"a": [1]}, '{"a": [1]}'),
    ("text", "Null", "Null"),
    ("int", 5, 5),
    ("int", "5", 5),
    ("int", 5.0, 5),
    ("int", 5.5, None),
    ("int", "NaN", None),
    ("int", 2**80, None),
    ("int", True, None),
    ("int", {}, None),
    ("float", "0.25", 0.25),
    ("float", 3, 3.0),
    ("float", "NaN", None),
    ("float", False, None),
    ("bool", True, True),
    ("bool", "True", True),
    ("bool", "false", False),
    ("bool", 1, None),
    ("bool", "Null", None),
    ("map", {"empty_tag": None, "测试 ": "x"}, {"empty_tag": None, "测试 ": "x"}),
    ("map", None, {}),
    ("map", "text", {}),
    ("list", [1, [2]], [1, [2]]),
    ("list", None, []),
]


@pytest.mark.parametrize(("kind", "value", "cell"), ODD)
def test_an_odd_value_becomes_a_cell_of_its_kind_or_is_missing(kind, value, cell):
    frame = to_frame(find("blob"), [{"x": value}, {"x": value}, {}], [Column("c", "x", kind)])
    shown = frame["c"][0]
    assert (None if cell is None and pd.isna(shown) else shown) == cell


def run(**values):
    return {"runId": "r", "status": "Running", **values}


@pytest.mark.parametrize(
    ("document", "duration"),
    [
        (
            run(startTimeUtc="2026-01-02T11:00:00Z", endTimeUtc="2026-01-02T11:30:00.5Z"),
            timedelta(minutes=30.0083333333),
        ),
        (run(startTimeUtc="2026-01-02T11:00:00Z", endTimeUtc=None), timedelta(hours=1)),
        (run(startTimeUtc="2026-01-02T12:00:05Z"), timedelta(0)),
        (run(startTimeUtc=None, status="Queued"), None),
        (run(startTimeUtc=None, endTimeUtc="2026-01-02T11:00:00Z", status="Canceled"), None),
        (run(startTimeUtc="2026-01-02T11:00:00Z", status="Failed"), None),
        (run(startTimeUtc="2026-01-02T11:00:00Z", status={"odd": 1}), timedelta(hours=1)),
    ],
    ids=["ended", "running", "clock lags", "not begun", "canceled in the queue", "ended, no time", "odd status"],
)
def test_a_duration_counts_up_to_now_only_while_the_run_goes_on(document, duration):
    shown = to_frame(RUN, [document], now=NOW)["duration"][0]
    assert pd.isna(shown) if duration is None else abs(shown - duration) < timedelta(milliseconds=1)


def test_without_a_lifecycle_what_has_no_end_goes_on():
    column = Column("took", "begin end", "elapsed")
    frame = to_frame(find("blob"), [{"begin": "2026-01-02T11:00:00Z"}], [column], now=NOW)
    assert frame["took"][0] == timedelta(hours=1)


def test_a_compute_reads_as_recorded_before_and_after_it_was_made():
    creating = {
        "id": "/subscriptions/s/…/computes/c",
        "name": "c",
        "location": "eastus",
        "tags": None,
        "properties": {
            "computeType": "AmlCompute",
            "provisioningState": "Creating",
            "properties": {"vmPriority": None, "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0}},
        },
    }
    row = to_frame(COMPUTE, [creating]).iloc[0]
    assert (row["name"], row["type"], row["state"], row["max_nodes"]) == ("c", "AmlCompute", "Creating", 1)
    assert pd.isna(row["priority"])
    assert pd.isna(row["current_nodes"])
    assert row["location"] == "eastus"


def test_a_workspace_of_2022_has_its_creation_from_system_data():
    document = {
        "id": "/subscriptions/s/resourceGroups/g/x",
        "systemData": {"createdAt": "2022-05-10T22:31:51.02906Z"},
    }
    row = to_frame(WORKSPACE, [document]).iloc[0]
    assert (row["group"], row["created"]) == ("g", datetime(2022, 5, 10, 22, 31, 51, 29060, tzinfo=UTC))


@dataclass
class Place:
    workspace: str


def test_a_table_knows_where_it_came_from_in_plain_values():
    frame = to_frame(RUN, [], operation="run.list", scope=Place("ws"), now=NOW)
    assert frame.attrs["azml"] == {
        "operation": "run.list",
        "scope": {"workspace": "ws"},
        "time": "2026-01-02T12:00:00+00:00",
    }


def test_documents_may_come_one_by_one_and_need_not_be_objects():
    frame = to_frame(RUN, iter([{"runId": "a"}, None, "text", {"runId": "b"}]))
    assert list(frame["run_id"].fillna("-")) == ["a", "-", "-", "b"]


def test_a_wide_table_has_a_column_for_every_key_in_the_order_they_came():
    frame = to_frame(RUN, [{"runId": "a"}, {"runId": "b"}])
    widen(frame, "metric", "float", [{"loss": 0.5}, {"a.b": "0.25", "loss": "NaN"}])
    assert list(frame.columns[-2:]) == ["metric.loss", "metric.a.b"]
    assert frame["metric.loss"].dtype == "Float64"
    assert frame["metric.loss"].isna().tolist() == [False, True]
    assert frame["metric.a.b"][1] == 0.25


def test_three_hundred_metrics_are_no_warning():
    frame = to_frame(RUN, [{"runId": "a"}])
    widen(frame, "metric", "float", [{f"m{i}": i for i in range(300)}])
    assert frame["metric.m299"][0] == 299


def test_pandas_is_imported_when_a_table_is_made_and_not_before():
    code = "import sys, azml_magics.records; print({'pandas', 'requests', 'msal'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
