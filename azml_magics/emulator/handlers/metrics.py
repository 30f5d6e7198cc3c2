"""Metrics: written and read in full by protocol v2, queried over many runs by protocol v1. Both see the same rows."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..conditions import AnyOf, Condition, Where
from ..filters import METRIC, accepts
from ..service import Call, Handler, Reply, Service
from ..times import normal
from .common import scope_of, skip_of, token_of, token_page
from .experiments import experiment_of
from .history import bad, body_of, lowered, missing, wanted
from .metric_log import BadMetric, Row, add, names_of, read_rows, rows_of, run_metric, stream_of
from .runs import find_run

#: Metrics on a page of a query, and rows on a page of one metric.
METRICS_PAGE, ROWS_PAGE = 1000, 5000
#: A page of a query ends when it holds as many rows, however few metrics those are.
ROWS_A_QUERY = 20_000
RUNS_BATCH = 100


def write(service: Service, call: Call) -> Reply:
    """Log metrics: 200, or 207 with those that cannot be logged (wire-v1 9)."""
    workspace_id = scope_of(service, call)
    run = find_run(service, workspace_id, call.keys["run"])
    values = lowered(body_of(call)).get("values")
    if not isinstance(values, list):
        raise bad("values is not a list of metrics.")
    logged, errors = [], []
    for dto in values:
        try:
            logged.append(read_rows(dto))
        except BadMetric as problem:
            refusal: dict[str, Any] = {"code": "UserError", "message": f"{problem}.", "details": [], "innerError": None}
            errors.append({"metric": dto, "errorResponse": {"error": refusal}})
    add(service, workspace_id, run["runId"], logged)
    return Reply({"errors": errors}, 207 if errors else 200)


def list_names(service: Service, call: Call) -> Reply:
    """The names of a run's metrics, with the columns of each."""
    workspace_id = scope_of(service, call)
    run = find_run(service, workspace_id, call.keys["run"])
    token = str(lowered(body_of(call)).get("continuationtoken") or "")
    skip = skip_of(token)
    names = names_of(service, workspace_id, run["runId"])
    page = names[skip : skip + METRICS_PAGE]
    more = len(names) > skip + METRICS_PAGE
    found = [_named(service, stream_of(workspace_id, run["runId"], name), name) for name in page]
    return token_page(found, skip + METRICS_PAGE if more else None)


def read(service: Service, call: Call) -> Reply:
    """One metric of a run, row by row; 404 means that there is none of that name (wire-v1 16.13)."""
    workspace_id, body = scope_of(service, call), lowered(body_of(call))
    run = find_run(service, workspace_id, call.keys["run"])
    name = str(body.get("metricname") or "")
    stream = stream_of(workspace_id, run["runId"], name)
    first = service.store.rows(stream, 0, 1) if name else []
    if not first:
        raise missing(f"Metric {name} of run {run['runId']}")
    start, end = (_time(body.get(key)) for key in ("starttime", "endtime"))
    after = skip_of(str(body.get("continuationtoken") or ""))
    page = service.store.rows(stream, after, ROWS_PAGE + 1)
    rows = [
        row
        for _, row in page[:ROWS_PAGE]
        if (start or "") <= row["createdUtc"] and (not end or row["createdUtc"] <= end)
    ]
    more = len(page) > ROWS_PAGE
    return Reply(
        {
            "dataContainerId": run["dataContainerId"],
            "name": name,
            "columns": {c: k for row in rows or [first[0][1]] for c, k in row["columns"].items()},
            "value": [{key: row[key] for key in ("metricId", "createdUtc", "step", "data")} for row in rows],
            "continuationToken": token_of(page[ROWS_PAGE - 1][0]) if more else None,
            "properties": {"uxMetricType": first[0][1]["type"]},
        }
    )


def query(service: Service, call: Call) -> Reply:
    """The metrics of an experiment's runs that a filter lets through, one entry a metric, its rows as cells.

    [inferred] what the merge strategy Default does; here it merges like MergeToVector, and None gives an entry a row.
    """
    workspace_id, body = scope_of(service, call), lowered(body_of(call))
    experiment = experiment_of(service, call, workspace_id)
    where, _ = wanted(METRIC, body.get("filter"), None)
    merged = call.param("mergeStrategyType", "Default").lower() != "none"
    size = _top(body.get("top"))
    cursor = _cursor(str(body.get("continuationtoken") or ""))
    found: list[dict[str, Any]] = []
    rows_seen = 0
    for place, run, name in _metrics(service, workspace_id, experiment["experimentId"], where, cursor):
        if found and (len(found) >= size or rows_seen >= ROWS_A_QUERY):
            return Reply({"value": found, "continuationToken": _token(place), "nextLink": None})
        rows = [row for _, row in rows_of(service, workspace_id, run["runId"], name) if _meets(row, run, name, where)]
        rows_seen += len(rows)
        if rows:
            groups = [rows] if merged else [[row] for row in rows]
            found += [run_metric(run, name, group) for group in groups]
    return token_page(found, None)


def _metrics(
    service: Service, workspace_id: str, experiment_id: str, where: Sequence[Condition], cursor: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], dict[str, Any], str]]:
    """Every metric from a place on: the place itself, the run, the name."""
    first_run, first_name = cursor
    ids = _run_ids(where)
    runs = (
        _chosen(service, workspace_id, ids, first_run) if ids else _all(service, workspace_id, experiment_id, first_run)
    )
    for number, run in enumerate(runs, first_run):
        if run is None or run["experimentId"] != experiment_id:
            continue
        skip = first_name if number == first_run else 0
        for position, name in enumerate(names_of(service, workspace_id, run["runId"])):
            if position >= skip:
                yield (number, position), run, name


def _chosen(service: Service, workspace_id: str, ids: Sequence[str], first: int) -> Iterator[dict[str, Any] | None]:
    return (service.store.get("run", f"{workspace_id}/{run_id}") for run_id in ids[first:])


def _all(service: Service, workspace_id: str, experiment_id: str, first: int) -> Iterator[dict[str, Any]]:
    where, more = (Where(("experimentId",), "eq", experiment_id),), True
    while more:
        page, more = service.store.page("run", workspace_id, where=where, skip=first, size=RUNS_BATCH)
        first += len(page)
        yield from page


def _run_ids(where: Sequence[Condition]) -> list[str]:
    """The runs that a filter names, when it names them one by one; empty when it does not."""
    for condition in where:
        options = list(condition.conditions) if isinstance(condition, AnyOf) else [condition]
        named = [c.value for c in options if isinstance(c, Where) and c.path == ("runId",) and c.op == "eq"]
        if len(named) == len(options):
            return [str(value) for value in dict.fromkeys(named)]
    return []


def _meets(row: Row, run: Mapping[str, Any], name: str, where: Sequence[Condition]) -> bool:
    document = {**row, "runId": run["runId"], "name": name, "metricType": row["type"]}
    return all(accepts(condition, document) for condition in where)


def _named(service: Service, stream: str, name: str) -> dict[str, Any]:
    rows = service.store.rows(stream, 0, 1)
    return {"metricKey": {"namespace": None, "name": name}, "columns": rows[0][1]["columns"] if rows else {}}


def _top(top: Any) -> int:
    if top is None:
        return METRICS_PAGE
    if not isinstance(top, int) or top < 1:
        raise bad(f"top must be a whole number above 0, not {top!r}.")
    return min(top, METRICS_PAGE)


def _time(text: Any) -> str:
    try:
        return normal(str(text)) if text else ""
    except ValueError:
        raise bad(f"{text!r} is not a time.") from None


def _token(place: tuple[int, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _cursor(token: str) -> tuple[int, int]:
    if not token:
        return 0, 0
    try:
        run, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        return max(int(run), 0), max(int(name), 0)
    except (ValueError, TypeError, binascii.Error):
        raise bad("The continuation token is not valid.") from None


HANDLERS: dict[str, Handler] = {
    "run.write-metrics": write,
    "run.list-metrics": list_names,
    "run.read-metric": read,
    "run.metrics": query,
}
