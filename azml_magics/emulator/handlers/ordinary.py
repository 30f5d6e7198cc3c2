"""The ordinary verbs of ARM on plain documents: what a resource type does that has no handlers of its own.

A document is kept under its ARM id, lower case, so what is nested lies under its parent's.
"""

from __future__ import annotations

import string
from typing import Any

from ..service import Call, Fault, Handler, Reply, Service
from .common import arm_key, now, workspace_of
from .gateway import listing, require_registration

PREFIX = "/providers/Microsoft.MachineLearningServices/"


def identifier(call: Call) -> str:
    """The ARM id that a call's path stands for, with its keys as they were typed."""
    names = (name for _, name, _, _ in string.Formatter().parse(call.operation.path) if name)
    return call.operation.path.format(**{name: call.keys[name] for name in names})


def type_of(arm_id: str) -> str:
    """The resource type of an id: its every second segment behind the provider."""
    segments = arm_id.partition(PREFIX)[2].split("/")
    return PREFIX.split("/")[2] + "/" + "/".join(segments[::2])


def show_all(service: Service, call: Call) -> Reply:
    """The documents of a collection, oldest first."""
    workspace_of(service, call)
    return listing(service, call, call.resource.noun, arm_key(identifier(call)))


def show(service: Service, call: Call) -> Reply:
    """One document."""
    return Reply(_found(service, call))


def create(service: Service, call: Call) -> Reply:
    """Create or replace a document: 201 for a new one, 200 for one that was there."""
    require_registration(service, call)
    workspace_of(service, call)
    if not isinstance(call.body, dict):
        raise Fault(400, "InvalidRequestContent", "The request content was invalid: a JSON object is needed.")
    arm_id = identifier(call)
    old = service.store.get(call.resource.noun, arm_key(arm_id))
    given = call.body.get("properties")
    document: dict[str, Any] = {
        **call.body,
        "id": old["id"] if old else arm_id,
        "name": arm_id.rpartition("/")[2],
        "type": type_of(arm_id),
        "properties": {**(given if isinstance(given, dict) else {}), "provisioningState": "Succeeded"},
        "systemData": {**_authored(call, old), "lastModifiedAt": now()},
    }
    service.store.put(call.resource.noun, arm_key(arm_id), document, arm_key(arm_id.rpartition("/")[0]))
    return Reply(document, 200 if old else 201)


def update(service: Service, call: Call) -> Reply:
    """Merge tags and properties into a document."""
    require_registration(service, call)
    _found(service, call)
    change = call.body if isinstance(call.body, dict) else {}

    def merge(document: dict[str, Any]) -> None:
        for part in ("tags", "properties"):
            if isinstance(change.get(part), dict):
                document[part] = {**(document.get(part) or {}), **change[part]}
        document["systemData"]["lastModifiedAt"] = now()

    return Reply(service.store.change(call.resource.noun, arm_key(identifier(call)), merge))


def delete(service: Service, call: Call) -> Reply:
    """Delete a document; 204 says that there was none."""
    workspace_of(service, call)
    gone = service.store.delete(call.resource.noun, arm_key(identifier(call)))
    return Reply(status=200 if gone else 204)


def _found(service: Service, call: Call) -> dict[str, Any]:
    workspace = workspace_of(service, call)
    arm_id = identifier(call)
    document = service.store.get(call.resource.noun, arm_key(arm_id))
    if document is None:
        text = f"The Resource '{type_of(arm_id)}/{arm_id.rpartition('/')[2]}' under resource group"
        raise Fault(404, "ResourceNotFound", f"{text} '{workspace['id'].split('/')[4]}' was not found.")
    return document


def _authored(call: Call, old: dict[str, Any] | None) -> dict[str, Any]:
    """Who made a document and when: kept when it is replaced."""
    made = (old or {}).get("systemData") or {}
    return {
        "createdAt": made.get("createdAt") or now(),
        "createdBy": made.get("createdBy") or str(call.caller.get("name") or call.caller.get("appid") or ""),
        "createdByType": "Application",
    }


VERBS: dict[str, Handler] = {
    "list": show_all,
    "show": show,
    "create": create,
    "update": update,
    "delete": delete,
}
