"""Experiments: names that group runs. A name is taken once; an experiment is known by its id."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from ..filters import EXPERIMENT, NULLS, BadFilter, Fields, conditions, nulls_of, orders
from ..service import Call, Fault, Handler, Reply, Service
from ..store import Condition, Exists, Order, Where
from .common import PAGE, now, scope_of, skip_of, token_page

#: wire-v1 3: the names that are taken.
NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}", re.ASCII)
LARGEST_PAGE = 500
VIEWS: Mapping[str, tuple[Condition, ...]] = {
    "default": (Where(("archivedTime",), "eq"),),
    "activeonly": (Where(("archivedTime",), "eq"),),
    "archivedonly": (Where(("archivedTime",), "ne"),),
    "all": (),
}


def bad(message: str) -> Fault:
    """The answer to what the caller got wrong."""
    return Fault(400, "UserError", message, inner="BadArgument")


def missing(what: str) -> Fault:
    """The answer for what is not there (wire-v1 3.3: "Run demo_1 was not found")."""
    return Fault(404, "UserError", f"{what} was not found", inner="NotFoundError")


def public(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what is the emulator's own."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


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
    document = {
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


def page_size(text: Any) -> int:
    """How many documents a page is to have; the service gives fewer than asked when it likes (wire-v1 3.1)."""
    if text in (None, ""):
        return PAGE
    try:
        size = int(text)
    except (TypeError, ValueError):
        size = 0
    if size < 1:
        raise bad(f"top must be a whole number above 0, not {text!r}.")
    return min(size, LARGEST_PAGE)


def body_of(call: Call) -> Mapping[str, Any]:
    """The body of a call that takes an object; an empty one counts as one."""
    if call.body is None:
        return {}
    if not isinstance(call.body, Mapping):
        raise bad("The body is not a JSON object.")
    return call.body


def wanted(fields: Fields, text: Any, order: Any, *, falling: bool = False) -> tuple[list[Condition], list[Order]]:
    """A filter and an order in the store's terms; 400 for what cannot be read."""
    texts = [part for part in (text, order) if part is not None]
    if not all(isinstance(part, str) for part in texts):
        raise bad("filter and orderby are texts.")
    try:
        return list(conditions(text, fields)), list(orders(order, fields, falling=falling))
    except BadFilter as problem:
        raise bad(f"The query cannot be read: {problem}.") from None


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
    body = {name.lower(): value for name, value in body_of(call).items()}
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
