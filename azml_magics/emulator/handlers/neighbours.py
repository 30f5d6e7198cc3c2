"""The resources around a workspace, as ARM has them in general: shown, created, deleted by type and name.

The article creates them before the workspace, and tells what happens to one whose registry is deleted.
"""

from __future__ import annotations

from typing import Any

from ..service import REGION, Call, Fault, Handler, Reply, Service
from .common import group_of
from .dependencies import dependency_key


def identifier(call: Call) -> str:
    """The ARM id that a call's path stands for."""
    keys = call.keys
    place = f"/subscriptions/{keys['subscription']}/resourceGroups/{keys['group']}"
    return f"{place}/providers/{keys['provider']}/{keys['kind']}/{keys['dependency']}"


def show(service: Service, call: Call) -> Reply:
    """One resource."""
    group_of(service, call)
    document = service.store.get("dependency", dependency_key(identifier(call)))
    if document is None:
        keys = call.keys
        text = f"The Resource '{keys['provider']}/{keys['kind']}/{keys['dependency']}' under resource group"
        raise Fault(404, "ResourceNotFound", f"{text} '{keys['group']}' was not found.")
    return Reply(document)


def create(service: Service, call: Call) -> Reply:
    """Create or replace a resource: the emulator keeps what it is told and does nothing with it."""
    group_of(service, call)
    if not isinstance(call.body, dict):
        raise Fault(400, "InvalidRequestContent", "The request content was invalid: a JSON object is needed.")
    arm_id, given = identifier(call), call.body.get("properties")
    document: dict[str, Any] = {
        "id": arm_id,
        "name": call.keys["dependency"],
        "type": f"{call.keys['provider']}/{call.keys['kind']}",
        "location": call.body.get("location") or REGION,
        "tags": call.body.get("tags") or {},
        "properties": {**(given if isinstance(given, dict) else {}), "provisioningState": "Succeeded"},
    }
    new = service.store.put("dependency", dependency_key(arm_id), document, arm_id.lower().partition("/providers/")[0])
    return Reply(document, 201 if new else 200)


def delete(service: Service, call: Call) -> Reply:
    """Delete a resource, whoever stands on it: so does ARM."""
    group_of(service, call)
    gone = service.store.delete("dependency", dependency_key(identifier(call)))
    return Reply(status=200 if gone else 204)


HANDLERS: dict[str, Handler] = {"dependency.show": show, "dependency.create": create, "dependency.delete": delete}
