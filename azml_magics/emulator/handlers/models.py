"""Registered models: a name that gets a new version each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..conditions import Where
from ..contents import Missing, files_of_url
from ..service import Call, Handler, Reply, Service
from .common import now, scope_of
from .history import public
from .management import bad_request, body_of, conditions, listing, not_found, patch, person, words

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}", re.ASCII)
#: What a patch may change; the official client sends these (wire-v1 11).
CHANGEABLE = (
    "description",
    "kvTags",
    "properties",
    "derivedModelIds",
    "sampleInputData",
    "sampleOutputData",
    "resourceRequirements",
)


def register(service: Service, call: Call) -> Reply:
    """A new version of a model, whose files must be there already."""
    workspace_id = scope_of(service, call)
    body = body_of(call, "name", "url", "mimeType")
    name = body["name"]
    if NAME.fullmatch(name) is None:
        text = "letters, digits, '-', '_' and '.', beginning with a letter or a digit, 255 at most"
        raise bad_request("InvalidModelName", f"The model name {name!r} is not valid: {text}.")
    try:
        files_of_url(service, workspace_id, body["url"])
    except Missing as missing:
        raise bad_request("ModelContentNotFound", str(missing)) from None
    document = _document(body, person(call))

    def add(_: object) -> None:
        version = service.store.next_number("model", workspace_id, name)
        document.update(id=f"{name}:{version}", version=version)
        service.store.add("model", f"{workspace_id}/{document['id']}", document, workspace_id)
        _mark_latest(service, workspace_id, name)

    _together(service, workspace_id, name, add)
    return Reply(public(document))


def list_models(service: Service, call: Call) -> Reply:
    """The workspace's models, newest first unless asked otherwise; the last version of each when asked."""
    names = {"name": "name", "framework": "framework", "description": "description", "runId": "runId"}
    where = conditions(call, names)
    if call.param("latestVersionOnly").lower() == "true":
        where.append(Where(("_latest",), "eq", "yes"))
    if call.param("datasetId"):
        where.append(Where(("_datasets", call.param("datasetId")), "ne", None))
    return listing(service, call, "model", scope_of(service, call), where, "CreatedAtDesc")


def show(service: Service, call: Call) -> Reply:
    """One version of a model."""
    document = service.store.get("model", f"{scope_of(service, call)}/{call.keys['model']}")
    if document is None:
        raise _missing(call)
    return Reply(public(document))


def update(service: Service, call: Call) -> Reply:
    """Change a model's tags, properties or description by JSON Patch."""

    def edit(document: dict[str, Any]) -> None:
        patch(document, call.body, CHANGEABLE)
        for name in ("kvTags", "properties"):
            document[name] = words(document[name], name)
        document["modifiedTime"] = document["_updated"] = now()

    document = service.store.change("model", f"{scope_of(service, call)}/{call.keys['model']}", edit)
    if document is None:
        raise _missing(call)
    return Reply(public(document))


def delete(service: Service, call: Call) -> Reply:
    """Forget one version: 200, or 204 when there is none (wire-v1 11). Its number does not come back."""
    workspace_id, model = scope_of(service, call), call.keys["model"]
    name = model.rpartition(":")[0]
    if service.store.get("model", f"{workspace_id}/{model}") is None:
        return Reply(status=204)

    def remove(_: object) -> None:
        service.store.delete("model", f"{workspace_id}/{model}")
        _mark_latest(service, workspace_id, name)

    _together(service, workspace_id, name, remove)
    return Reply()


def _document(body: dict[str, Any], creator: dict[str, Any]) -> dict[str, Any]:
    """A model's document, all but its version. `datasets` is a list always: the official client needs one."""
    created = now()
    datasets = body.get("datasets") or []
    return {
        "id": None,
        "name": body["name"],
        "version": None,
        "framework": body.get("framework") or "Custom",
        "frameworkVersion": body.get("frameworkVersion"),
        "url": body["url"],
        "mimeType": body["mimeType"],
        "description": body.get("description"),
        "createdTime": created,
        "modifiedTime": created,
        "unpack": bool(body.get("unpack")),
        "parentModelId": body.get("parentModelId"),
        "runId": body.get("runId"),
        "experimentName": body.get("experimentName"),
        "kvTags": words(body.get("kvTags"), "kvTags"),
        "properties": words(body.get("properties"), "properties"),
        "derivedModelIds": [],
        "datasets": datasets,
        "sampleInputData": body.get("sampleInputData"),
        "sampleOutputData": body.get("sampleOutputData"),
        "resourceRequirements": body.get("resourceRequirements"),
        "createdBy": creator,
        "_updated": created,
        "_datasets": {str(d["id"]): True for d in datasets if isinstance(d, dict) and "id" in d},
    }


def _together(service: Service, workspace_id: str, name: str, edit: Callable[[Any], None]) -> None:
    """Do all that `edit` does to the versions of a name at once, or nothing of it: others see it done or not begun."""
    anchor = f"{workspace_id}/{name}"
    service.store.put("model-name", anchor, {"name": name}, workspace_id)
    service.store.change("model-name", anchor, edit)


def _mark_latest(service: Service, workspace_id: str, name: str) -> None:
    """Mark the highest version of a name, and no other, so that a list of last versions is one condition."""
    where = [Where(("name",), "eq", name)]
    highest, _ = service.store.page("model", workspace_id, where=where, order=((("version",), True),), size=1)
    latest = highest[0]["version"] if highest else 0
    marked, _ = service.store.page("model", workspace_id, where=[*where, Where(("_latest",), "eq", "yes")], size=100)
    for document in marked:
        if document["version"] != latest:
            _set_latest(service, workspace_id, document["id"], "no")
    if highest:
        _set_latest(service, workspace_id, highest[0]["id"], "yes")


def _set_latest(service: Service, workspace_id: str, model: str, value: str) -> None:
    service.store.change("model", f"{workspace_id}/{model}", lambda found: found.update(_latest=value))


def _missing(call: Call) -> Exception:
    return not_found("ModelNotFound", f"Model with id {call.keys['model']} was not found.")


HANDLERS: dict[str, Handler] = {
    "model.list": list_models,
    "model.show": show,
    "model.register": register,
    "model.update": update,
    "model.delete": delete,
}
