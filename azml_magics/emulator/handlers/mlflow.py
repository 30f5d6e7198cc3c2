"""MLflow's tracking protocol on the documents of run history: what one of them writes, the other reads.

A run that was submitted keeps the status that the emulator gives it, whatever its script says when it ends.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ..conditions import AnyOf, Condition, Order, Where
from ..service import Call, Fault, Handler, Reply, Service
from ..verdict import ENDED
from . import mlflow_body as body_forms
from .common import now, scope_of, skip_of, token_of
from .experiments import by_id, by_name, find_or_make
from .history import bad, body_of, missing
from .metric_log import BadMetric, Row, add, scalar_row, stream_of
from .mlflow_asked import entries, list_of, moment_of, searched, view, whole
from .mlflow_body import NAME_TAG, PARENT_TAG, STATUSES
from .mlflow_search import conditions, orders
from .run_body import new_run
from .runs import file_run, find_run

#: The experiment that MLflow takes when none is chosen, and the name that it has with the service's plugin.
DEFAULT_ID, DEFAULT_NAME = "0", "Default"
LARGEST_PAGE, PAGE, HISTORY_PAGE = 1000, 100, 25_000


def show_experiment(service: Service, call: Call) -> Reply:
    """An experiment by its id."""
    return Reply({"experiment": body_forms.experiment(_experiment(service, call, call.param("experiment_id")))})


def find_experiment(service: Service, call: Call) -> Reply:
    """An experiment by its name."""
    name = call.param("experiment_name")
    found = by_name(service, scope_of(service, call), name)
    if found is None:
        raise missing(f"Experiment {name}")
    return Reply({"experiment": body_forms.experiment(found)})


def search_experiments(service: Service, call: Call) -> Reply:
    """The experiments, those that are archived only when asked for."""
    body = body_of(call)
    archived = view(body.get("view_type"))
    where: list[Condition] = searched(conditions, body.get("filter"))
    if archived is not None:
        where.append(Where(("archivedTime",), "ne" if archived else "eq"))
    order: list[Order] = searched(orders, body.get("order_by"))
    found, token = _page(service, call, "experiment", where, order)
    return Reply({"experiments": [body_forms.experiment(document) for document in found], "next_page_token": token})


def create_experiment(service: Service, call: Call) -> Reply:
    """Create an experiment; one of that name is refused."""
    workspace_id, name = scope_of(service, call), str(body_of(call).get("name") or "")
    if by_name(service, workspace_id, name) is not None:
        raise Fault(400, "RESOURCE_ALREADY_EXISTS", f"Experiment(name={name}) already exists.")
    return Reply({"experiment_id": find_or_make(service, workspace_id, name)["experimentId"]})


def create_run(service: Service, call: Call) -> Reply:
    """Create a run that its client manages."""
    workspace_id, body = scope_of(service, call), body_of(call)
    experiment = _experiment(service, call, str(body.get("experiment_id") or DEFAULT_ID))
    run = new_run(service.identity, workspace_id, experiment, str(uuid.uuid4()), call.caller)
    moment = moment_of(body.get("start_time")) or now()
    run.update(status="Running", startTimeUtc=moment, runTypeV2={"orchestrator": "External", "traits": []})
    run["displayName"] = str(body.get("run_name") or run["displayName"])
    _tag(run, entries(body.get("tags")))
    parent = service.store.get("run", f"{workspace_id}/{run['tags'].get(PARENT_TAG)}")
    if parent is not None:
        run.update(parentRunId=parent["runId"], rootRunId=parent["rootRunId"])
    file_run(service, workspace_id, run)
    return Reply({"run": body_forms.whole(run)})


def show_run(service: Service, call: Call) -> Reply:
    """A run with its last metrics, its parameters and its tags."""
    run_id = call.param("run_id") or call.param("run_uuid")
    return Reply({"run": body_forms.whole(find_run(service, scope_of(service, call), run_id))})


def update_run(service: Service, call: Call) -> Reply:
    """Change a run's status, end and name."""
    body = body_of(call)
    status = str(body.get("status") or "")
    if status and status not in (*STATUSES, "SCHEDULED"):
        raise bad(f"{status!r} is not a status of a run.")

    def edit(run: dict[str, Any]) -> None:
        run["displayName"] = str(body.get("run_name") or run["displayName"])
        if not status or run.get("_submitted") or run["status"] in ENDED:
            return
        run["status"] = STATUSES.get(status, "NotStarted")
        if run["status"] in ENDED:
            run["endTimeUtc"] = moment_of(body.get("end_time")) or now()

    return Reply({"run_info": body_forms.info(_changed(service, call, edit))})


def search_runs(service: Service, call: Call) -> Reply:
    """The runs of some experiments that a search lets through, the latest first unless told otherwise."""
    body = body_of(call)
    ids = [_experiment(service, call, str(i))["experimentId"] for i in body.get("experiment_ids") or []]
    where: list[Condition] = [AnyOf(tuple(Where(("experimentId",), "eq", i) for i in ids))]
    where += searched(conditions, body.get("filter"))
    hidden = view(body.get("run_view_type"))
    if hidden is not None:
        where.append(Where(("hidden",), "eq", hidden))
    order: list[Order] = searched(orders, body.get("order_by"))
    found, token = _page(service, call, "run", where, order or [(("startTimeUtc",), True)])
    return Reply({"runs": [body_forms.whole(run) for run in found], "next_page_token": token})


def log_metric(service: Service, call: Call) -> Reply:
    """Log one value."""
    body = body_of(call)
    run = _run(service, call)
    add(service, run["_workspaceId"], run["runId"], [_metric(body)])
    return Reply({})


def log_batch(service: Service, call: Call) -> Reply:
    """Log values, parameters and tags; a parameter that has another value already refuses all of it."""
    body = body_of(call)
    run = _run(service, call)
    metrics = [_metric(entry) for entry in list_of(body.get("metrics"))]
    parameters, tags = entries(body.get("params")), entries(body.get("tags"))

    def edit(run: dict[str, Any]) -> None:
        _parametrize(run, parameters)
        _tag(run, tags)

    if parameters or tags:
        _changed(service, call, edit)
    if metrics:
        add(service, run["_workspaceId"], run["runId"], metrics)
    return Reply({})


def log_parameter(service: Service, call: Call) -> Reply:
    """Log one parameter."""
    entry = entries([body_of(call)])
    _changed(service, call, lambda run: _parametrize(run, entry))
    return Reply({})


def set_tag(service: Service, call: Call) -> Reply:
    """Put a tag on a run."""
    entry = entries([body_of(call)])
    _changed(service, call, lambda run: _tag(run, entry))
    return Reply({})


def delete_tag(service: Service, call: Call) -> Reply:
    """Take a tag from a run."""
    key = str(body_of(call).get("key") or "")

    def edit(run: dict[str, Any]) -> None:
        if run["tags"].pop(key, None) is None:
            raise Fault(404, "RESOURCE_DOES_NOT_EXIST", f"No tag with name: {key} in run with id {run['runId']}")

    _changed(service, call, edit)
    return Reply({})


def history(service: Service, call: Call) -> Reply:
    """Every value of one metric, oldest first."""
    run = find_run(service, scope_of(service, call), call.param("run_id") or call.param("run_uuid"))
    name = call.param("metric_key")
    size = min(whole(call.param("max_results"), HISTORY_PAGE), HISTORY_PAGE)
    after, _, first = call.param("page_token").partition("-")
    stream = stream_of(run["_workspaceId"], run["runId"], name)
    page = service.store.rows(stream, whole(after, 0), size + 1)
    start = whole(first, 0)
    found = body_forms.history(name, [row for _, row in page[:size]], start)
    token = f"{page[size - 1][0]}-{start + size}" if len(page) > size else ""
    return Reply({"metrics": found, "next_page_token": token})


def _experiment(service: Service, call: Call, experiment_id: str) -> dict[str, Any]:
    workspace_id = scope_of(service, call)
    found = by_id(service, workspace_id, experiment_id)
    if found is None and experiment_id == DEFAULT_ID:
        found = find_or_make(service, workspace_id, DEFAULT_NAME)
    if found is None:
        raise missing(f"Experiment {experiment_id}")
    return found


def _run(service: Service, call: Call) -> dict[str, Any]:
    body = body_of(call)
    return find_run(service, scope_of(service, call), str(body.get("run_id") or body.get("run_uuid") or ""))


def _changed(service: Service, call: Call, edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    run = _run(service, call)

    def edit_and_date(run: dict[str, Any]) -> None:
        edit(run)
        run["lastModifiedUtc"] = now()

    return service.store.change("run", f"{run['_workspaceId']}/{run['runId']}", edit_and_date) or run


def _page(
    service: Service, call: Call, kind: str, where: list[Condition], order: list[Order]
) -> tuple[list[dict[str, Any]], str]:
    body = body_of(call)
    size = min(whole(body.get("max_results"), PAGE), LARGEST_PAGE)
    skip = skip_of(str(body.get("page_token") or ""))
    workspace_id = scope_of(service, call)
    found, more = service.store.page(kind, workspace_id, where=where, order=order, skip=skip, size=size)
    return found, token_of(skip + size) if more else ""


def _metric(entry: Any) -> tuple[str, list[Row]]:
    if not isinstance(entry, Mapping) or not entry.get("key"):
        raise bad("A metric has no key.")
    name = str(entry["key"])
    try:
        return name, [
            scalar_row(name, entry.get("value"), time=moment_of(entry.get("timestamp")), step=entry.get("step"))
        ]
    except BadMetric as problem:
        raise bad(f"{problem}.") from None


def _parametrize(run: dict[str, Any], entries: Mapping[str, str]) -> None:
    for key, value in entries.items():
        known = run["parameters"].get(key, value)
        if known != value:
            text = f"Changing param values is not allowed. Param with key={key!r} was already logged with value"
            raise Fault(400, "INVALID_PARAMETER_VALUE", f"{text}={known!r} for run ID={run['runId']!r}.")
        run["parameters"][key] = value


def _tag(run: dict[str, Any], entries: Mapping[str, str]) -> None:
    run["tags"] |= {key: value for key, value in entries.items() if key != NAME_TAG}
    run["displayName"] = entries.get(NAME_TAG) or run["displayName"]


HANDLERS: dict[str, Handler] = {
    "mlflow.show-experiment": show_experiment,
    "mlflow.find-experiment": find_experiment,
    "mlflow.search-experiments": search_experiments,
    "mlflow.create-experiment": create_experiment,
    "mlflow.show-run": show_run,
    "mlflow.search-runs": search_runs,
    "mlflow.create-run": create_run,
    "mlflow.update-run": update_run,
    "mlflow.log-metric": log_metric,
    "mlflow.log-batch": log_batch,
    "mlflow.log-parameter": log_parameter,
    "mlflow.set-tag": set_tag,
    "mlflow.delete-tag": delete_tag,
    "mlflow.history": history,
}
