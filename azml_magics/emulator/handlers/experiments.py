"""Experiments: names that group runs. A name is taken once; an experiment is known by its id."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from ..filters import EXPERIMENT, NULLS, nulls_of
from ..service import Call, Fault, Handler, Reply, Service
from ..store import Condition, Exists, Where
from .common import now, scope_of, skip_of, token_page
from .history import bad, body_of, lowered, missing, page_size, public, wanted

#: wire-v1 3: the names that are taken.
NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}", re.ASCII)
VIEWS: Mapping[str, tuple[Condition, ...]] = {
    "default": (Where(("archivedTime",), "eq"),),
    "activeonly": (Where(("archivedTime",), "eq"),),
    "archivedonly": (Where(("archivedTime",), "ne"),),
    "all": (),
}


def by_id(service: Service, workspace_id: str, experiment_id: str) -> dict[str, Any] | None:
    """The experiment of an id."""
    return service.store.get("experiment", f"{workspace_id}/{experiment_id}")


def by_name(service: Service, workspace_id: str, name: str) -> dict[str, Any] | None:
    """The experiment of a name."""
    entry = service.store.get("experimentName", f"{workspace_id}/{name}")
    return None if entry is None else by_id(service, workspace_id, entry["experimentId"])


def find_or_make(service: Service, workspace_id: str, name: str) -> dict[str, Any]:
    """The experiment of a name, made when there is none: whoever asks at the same time gets the same one."""
    found = by_name(service, workspace_id, name)
    if found is not None:
        return found
    if not NAME.fullmatch(name):
        raise bad(f"{name!r} is not a name for an experiment: letters, digits, _ and -, at most 255, not - or _ first.")
    document: dict[str, Any] = {
        "experimentId": str(uuid.uuid4()),
        "name": name,
        "description": None,
        "createdUtc": now(),
        "tags": {},
        "archivedTime": None,
        "latestCreatedRunId": None,
        "latestCreatedRunCreatedUtc": None,
    }
    key = f"{workspace_id}/{document['experimentId']}"
    service.store.add("experiment", key, document, workspace_id)
    try:
        entry = {"experimentId": document["experimentId"]}
        service.store.add("experimentName", f"{workspace_id}/{name}", entry, workspace_id)
    except Exists:
        service.store.delete("experiment", key)
        return by_name(service, workspace_id, name) or document
    return document


def experiment_of(service: Service, call: Call, workspace_id: str) -> dict[str, Any]:
    """The experiment that a call's path names, by name or by id; 404 when there is none."""
    name = call.keys.get("experiment")
    identifier = call.keys.get("experiment_id", "")
    found = by_id(service, workspace_id, identifier) if name is None else by_name(service, workspace_id, name)
    if found is None:
        raise missing(f"Experiment {identifier if name is None else name}")
    return found


def list_experiments(service: Service, call: Call) -> Reply:
    """The experiments of the workspace; those that are archived only when asked for."""
    return _page(
        service,
        call,
        view=call.param("viewType"),
        query=(call.param("$filter"), call.param("$orderby")),
        token=call.param("$continuationToken") or call.param("continuationToken"),
        top=call.param("$top"),
    )


def query(service: Service, call: Call) -> Reply:
    """The experiments that a filter lets through."""
    body = lowered(body_of(call))
    return _page(
        service,
        call,
        view=body.get("viewtype") or call.param("viewType"),
        query=(body.get("filter"), body.get("orderby")),
        token=body.get("continuationtoken") or "",
        top=body.get("top"),
    )


def show(service: Service, call: Call) -> Reply:
    """One experiment, by name or by id."""
    return Reply(public(experiment_of(service, call, scope_of(service, call))))


def create(service: Service, call: Call) -> Reply:
    """Create an experiment, or find it: the same answer either way (wire-v1 4)."""
    return Reply(public(find_or_make(service, scope_of(service, call), call.keys["experiment"])))


def update(service: Service, call: Call) -> Reply:
    """Rename, describe, tag, archive or reactivate an experiment; tags are merged."""
    workspace_id = scope_of(service, call)
    experiment, body = experiment_of(service, call, workspace_id), body_of(call)
    name = body.get("name") or experiment["name"]
    if name != experiment["name"]:
        _rename(service, workspace_id, experiment, name)
    tags = body.get("tags")
    if not isinstance(tags, Mapping | None):
        raise bad("tags is not an object.")

    def edit(document: dict[str, Any]) -> None:
        document["name"] = name
        if "description" in body:
            document["description"] = body["description"]
        document["tags"] = {**document["tags"], **(tags or {})}
        document[NULLS] = nulls_of(document, "tags")
        if "archive" in body:
            document["archivedTime"] = (document["archivedTime"] or now()) if body["archive"] else None

    changed = service.store.change("experiment", f"{workspace_id}/{experiment['experimentId']}", edit)
    return Reply(public(changed or experiment))


def _rename(service: Service, workspace_id: str, experiment: Mapping[str, Any], name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise bad(f"{name!r} is not a name for an experiment.")
    entry = {"experimentId": experiment["experimentId"]}
    try:
        service.store.add("experimentName", f"{workspace_id}/{name}", entry, workspace_id)
    except Exists:
        # [inferred] what the service says to a name that is taken
        raise Fault(409, "UserError", f"Experiment {name} already exists", inner="ConflictError") from None
    service.store.delete("experimentName", f"{workspace_id}/{experiment['name']}")


def _page(service: Service, call: Call, *, view: Any, query: tuple[Any, Any], token: Any, top: Any) -> Reply:
    workspace_id = scope_of(service, call)
    shown = VIEWS.get(str(view or "Default").lower())
    if shown is None:
        raise bad(f"viewType is Default, All, ActiveOnly or ArchivedOnly, not {view!r}.")
    where, order = wanted(EXPERIMENT, *query)
    skip, size = skip_of(str(token or "")), page_size(top)
    found, more = service.store.page(
        "experiment", workspace_id, where=[*shown, *where], order=order, skip=skip, size=size
    )
    return token_page([public(document) for document in found], skip + size if more else None)


HANDLERS: dict[str, Handler] = {
    "experiment.list": list_experiments,
    "experiment.query": query,
    "experiment.show": show,
    "experiment.show-by-id": show,
    "experiment.create": create,
    "experiment.update": update,
}
