"""What runs log: one append-only stream of rows for each metric of each run, whoever wrote it and by which protocol.

A row is `metricId, createdUtc, step, data, columns, type`. The last value of each scalar is in the run's document
too, so that runs can be found and ordered by it.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..definition import pick
from ..service import Service
from ..times import milliseconds, normal
from .common import now

Row = dict[str, Any]

SCALAR = "azureml.v1.scalar"
#: Where a run keeps the last value of its scalars.
LATEST = "_metrics"
BATCH = 1000


class BadMetric(ValueError):
    """Something that cannot be logged; the text says why."""


def stream_of(workspace_id: str, run_id: str, name: str = "") -> str:
    """The stream of a metric, or what the names of all a run's streams begin with."""
    return f"metric/{workspace_id}/{run_id}/{name}"


def names_of(service: Service, workspace_id: str, run_id: str) -> list[str]:
    """The names of a run's metrics, sorted."""
    prefix = stream_of(workspace_id, run_id)
    return [stream[len(prefix) :] for stream in service.store.streams(prefix)]


def rows_of(service: Service, workspace_id: str, run_id: str, name: str) -> Iterator[tuple[int, Row]]:
    """Every row of a metric with its number, oldest first."""
    stream, after = stream_of(workspace_id, run_id, name), 0
    while page := service.store.rows(stream, after, BATCH):
        yield from page
        after = page[-1][0]


def scalar_row(name: str, value: Any, *, time: str | None = None, step: Any = None) -> Row:
    """A row for one number."""
    try:
        number = float(value)
        place = None if step is None else int(step)
    except (TypeError, ValueError, OverflowError):
        raise BadMetric(f"the value or the step of {name} is not a number: {value!r}, {step!r}") from None
    return {
        "metricId": str(uuid.uuid4()),
        "createdUtc": time or now(),
        "step": place,
        "data": {name: number},
        "columns": {name: "double"},
        "type": SCALAR,
    }


def read_rows(dto: Any) -> tuple[str, list[Row]]:
    """The name and the rows of a MetricV2Dto (wire-v1 9)."""
    if not isinstance(dto, Mapping):
        raise BadMetric("a metric is not an object")
    name, values, columns = dto.get("name"), dto.get("value"), dto.get("columns")
    if not isinstance(name, str) or not name:
        raise BadMetric("a metric has no name")
    if not isinstance(values, list) or not all(isinstance(pick(value, "data"), Mapping) for value in values):
        raise BadMetric(f"{name}: value is not a list of rows with data")
    properties = dto.get("properties")
    kind = (properties.get("uxMetricType") if isinstance(properties, Mapping) else None) or SCALAR
    return name, [_row(name, value, columns if isinstance(columns, Mapping) else {}, kind) for value in values]


def add(service: Service, workspace_id: str, run_id: str, logged: Sequence[tuple[str, Sequence[Row]]]) -> None:
    """Add rows to metrics of a run, and keep the last values in mind."""
    by_name: dict[str, list[Row]] = {}
    for name, rows in logged:
        by_name.setdefault(name, []).extend(rows)
    for name, rows in by_name.items():
        service.store.append(stream_of(workspace_id, run_id, name), rows)

    def edit(run: dict[str, Any]) -> None:
        latest = run.setdefault(LATEST, {})
        for name, rows in by_name.items():
            for row in rows:
                _remember(latest, name, row)

    service.store.change("run", f"{workspace_id}/{run_id}", edit)


def run_metric(run: Mapping[str, Any], name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Rows of one metric as a RunMetricDto of the older protocol; `steps` is the emulator's own."""
    columns = {column: kind for row in rows for column, kind in row["columns"].items()}
    properties = [{"propertyId": column, "name": column, "type": kind} for column, kind in columns.items()]
    return {
        "runId": run["runId"],
        "metricId": rows[0]["metricId"],
        "dataContainerId": run["dataContainerId"],
        "metricType": rows[0]["type"],
        "createdUtc": rows[-1]["createdUtc"],
        "name": name,
        "description": None,
        "label": None,
        "numCells": len(rows),
        "dataLocation": None,
        "cells": [row["data"] for row in rows],
        "steps": [row["step"] for row in rows],
        "schema": {"numProperties": len(properties), "properties": properties},
    }


def _row(name: str, value: Mapping[str, Any], columns: Mapping[str, Any], kind: str) -> Row:
    data = dict(value["data"])
    try:
        created = normal(str(value["createdUtc"])) if value.get("createdUtc") else now()
        step = None if value.get("step") is None else int(value["step"])
    except (TypeError, ValueError, OverflowError):
        raise BadMetric(f"{name}: createdUtc is not a time, or step is not a whole number") from None
    return {
        "metricId": str(value.get("metricId") or uuid.uuid4()),
        "createdUtc": created,
        "step": step,
        "data": data,
        "columns": {column: str(columns.get(column) or _type_of(cell)) for column, cell in data.items()},
        "type": str(kind),
    }


def _type_of(cell: Any) -> str:
    """The type of a cell that came without one (wire-v1 9)."""
    kinds = {bool: "bool", int: "int", float: "double", type(None): "none"}
    return kinds.get(type(cell), "string")


def _remember(latest: dict[str, Any], name: str, row: Row) -> None:
    """Keep a scalar when it is later than the one that is kept: by step, then by time, as MLflow has it."""
    cells = list(row["data"].values())
    if len(cells) != 1 or isinstance(cells[0], bool) or not isinstance(cells[0], int | float):
        return
    value, step, time = cells[0], row["step"] or 0, milliseconds(row["createdUtc"]) or 0
    kept = latest.get(name)
    if kept is not None and (kept["step"], kept["timestamp"]) > (step, time):
        return
    finite = math.isfinite(value)
    latest[name] = {"value": value if finite else None, "step": step, "timestamp": time}
    if not finite:  # a document holds no NaN, and a text would compare as larger than any number
        latest[name]["special"] = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
