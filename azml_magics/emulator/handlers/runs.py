"""Runs as run history knows them: found, shown, created and changed by their clients. Executing them is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..definition import shown as shown_definition
from ..filters import RUN
from ..harvest import LOG_FOLDERS, ORIGIN, of_container
from ..service import Call, Handler, Reply, Service
from ..store import Condition, Exists, Order, Where
from .common import scope_of, skip_of, token_page, workspace_of
from .experiments import experiment_of
from .history import bad, body_of, lowered, missing, page_size, wanted
from .links import link_to
from .run_body import RUN_ID, apply, details, new_run, shown

#: Newest first. [inferred] what the service does when no order is asked for; its clients always ask for one
NEWEST: Order = (("createdUtc",), True)


def run_of(service: Service, call: Call, workspace_id: str) -> dict[str, Any]:
    """The run that a call's path names; 404 when there is none, or not in the experiment that the path names."""
    run = find_run(service, workspace_id, call.keys["run"])
    if "experiment" in call.keys or "experiment_id" in call.keys:
        experiment = experiment_of(service, call, workspace_id)
        if run["experimentId"] != experiment["experimentId"]:
            raise missing(f"Run {call.keys['run']}")
    return run


def find_run(service: Service, workspace_id: str, run_id: str) -> dict[str, Any]:
    """The run of an id; 404 when there is none."""
    run = service.store.get("run", f"{workspace_id}/{run_id}")
    if run is None:
        raise missing(f"Run {run_id}")
    return run


def file_run(service: Service, workspace_id: str, run: dict[str, Any]) -> None:
    """Put a new run on record, and its experiment in mind of it; raises `Exists` when there is one of its id."""
    service.store.add("run", f"{workspace_id}/{run['runId']}", run, workspace_id)
    latest = {"latestCreatedRunId": run["runId"], "latestCreatedRunCreatedUtc": run["createdUtc"]}
    key = f"{workspace_id}/{run['experimentId']}"
    service.store.change("experiment", key, lambda experiment: experiment.update(latest))


def path_of(service: Service, call: Call) -> str:
    """The ARM path of a call's workspace, in the case that it is kept in."""
    return str(workspace_of(service, call)["id"])


def list_runs(service: Service, call: Call) -> Reply:
    """The runs of an experiment that a filter lets through."""
    workspace_id, body = scope_of(service, call), lowered(body_of(call))
    where, order = wanted(RUN, body.get("filter"), body.get("orderby"))
    token = str(body.get("continuationtoken") or "")
    return _of_experiment(service, call, workspace_id, (where, order), token, body.get("top"))


def list_by_get(service: Service, call: Call) -> Reply:
    """The same by GET, which no specification has but clients use (service-facts 35)."""
    workspace_id = scope_of(service, call)
    return _of_experiment(service, call, workspace_id, _asked(call), _token(call), call.param("$top"))


def children(service: Service, call: Call) -> Reply:
    """The direct children of a run; all its descendants are asked for by `RootRunId eq`."""
    workspace_id = scope_of(service, call)
    run = run_of(service, call, workspace_id)
    where, order = _asked(call)
    where = [Where(("parentRunId",), "eq", run["runId"]), *where]
    return _page(service, call, workspace_id, (where, order), _token(call), call.param("$top"))


def show(service: Service, call: Call) -> Reply:
    """One run."""
    run = run_of(service, call, scope_of(service, call))
    return Reply(shown(run, call.base, path_of(service, call)))


def show_details(service: Service, call: Call) -> Reply:
    """A run's definition, error and log files, while it goes on too."""
    workspace_id = scope_of(service, call)
    run = run_of(service, call, workspace_id)
    plan = service.store.get("definition", f"{workspace_id}/{run['runId']}")
    definition = run.get("runDefinition") if plan is None else shown_definition(plan["configuration"])
    place = (service, workspace_id, ORIGIN, run["dataContainerId"])
    files = (file for folder in LOG_FOLDERS for file in of_container(*place, folder))
    logs = {file["path"]: link_to(service, workspace_id, file) for file in files}
    return Reply(details(run, definition, logs))


def update(service: Service, call: Call) -> Reply:
    """Create a run, or change the one of that id: the same request (wire-v1 16.17)."""
    workspace_id, body, run_id = scope_of(service, call), body_of(call), call.keys["run"]
    if body.get("runId") not in (None, run_id):
        raise bad(f"The body's runId {body['runId']!r} is not the path's.")
    parent = _parent(service, workspace_id, body.get("parentRunId"))
    known = service.store.get("run", f"{workspace_id}/{run_id}")
    if known is None:
        return Reply(_created(service, call, workspace_id, run_id, parent))
    run_of(service, call, workspace_id)
    changed = service.store.change("run", f"{workspace_id}/{run_id}", lambda run: apply(run, body, parent))
    return Reply(shown(changed or known, call.base, path_of(service, call)))


def _created(
    service: Service, call: Call, workspace_id: str, run_id: str, parent: Mapping[str, Any] | None
) -> dict[str, Any]:
    if "experiment" not in call.keys and "experiment_id" not in call.keys:
        raise missing(f"Run {run_id}")
    if not RUN_ID.fullmatch(run_id):
        raise bad(f"{run_id!r} is not an id for a run: letters, digits, _ and -, at most 256, not - or _ first.")
    experiment, body = experiment_of(service, call, workspace_id), body_of(call)
    run = new_run(service.identity, workspace_id, experiment, run_id, call.caller)
    apply(run, body, parent)
    try:
        file_run(service, workspace_id, run)
    except Exists:
        run = service.store.change("run", f"{workspace_id}/{run_id}", lambda run: apply(run, body, parent)) or run
    return shown(run, call.base, path_of(service, call))


def _parent(service: Service, workspace_id: str, run_id: Any) -> dict[str, Any] | None:
    if run_id is None:
        return None
    parent = service.store.get("run", f"{workspace_id}/{run_id}")
    if parent is None:
        # [inferred] what the service says to a parent that is not there
        raise bad(f"Parent run {run_id} was not found.")
    return parent


def _asked(call: Call) -> tuple[list[Condition], list[Order]]:
    """The filter and the order of a GET; `$sortorder` is the direction where `$orderby` has none."""
    falling = call.param("$sortorder").lower() == "desc"
    return wanted(RUN, call.param("$filter"), call.param("$orderby"), falling=falling)


def _token(call: Call) -> str:
    return call.param("$continuationToken") or call.param("continuationToken")


def _of_experiment(
    service: Service,
    call: Call,
    workspace_id: str,
    asked: tuple[list[Condition], list[Order]],
    token: str,
    top: Any,
) -> Reply:
    experiment = experiment_of(service, call, workspace_id)
    where = [Where(("experimentId",), "eq", experiment["experimentId"]), *asked[0]]
    return _page(service, call, workspace_id, (where, asked[1]), token, top)


def _page(
    service: Service,
    call: Call,
    workspace_id: str,
    asked: tuple[list[Condition], list[Order]],
    token: str,
    top: Any,
) -> Reply:
    where, order = asked
    skip, size = skip_of(token), page_size(top)
    found, more = service.store.page("run", workspace_id, where=where, order=order or [NEWEST], skip=skip, size=size)
    path = path_of(service, call)
    return token_page([shown(run, call.base, path) for run in found], skip + size if more else None)


HANDLERS: dict[str, Handler] = {
    "run.list": list_runs,
    "run.list-by-get": list_by_get,
    "run.show": show,
    "run.details": show_details,
    "run.children": children,
    "run.update": update,
}
