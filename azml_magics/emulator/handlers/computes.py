"""Computes: clusters and instances, as ARM has them and as the regional server repeats them for the v1 SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..progress import Effect
from ..service import Call, Fault, Handler, Reply, Service
from .common import arm_key, scope_of, workspace_key, workspace_of
from .compute_body import CLUSTER, INSTANCE, last_operation, refused, requested, rescaled, settled, with_nodes
from .gateway import listing, require_registration
from .operations import accepted

#: What an instance is while it is being turned, what it is then, and the service's name of the operation.
TURNS = {
    "start": ("Starting", "Running", "Start"),
    "stop": ("Stopping", "Stopped", "Stop"),
    "restart": ("Restarting", "Running", "Restart"),
}


def compute_key(keys: Mapping[str, str]) -> str:
    """The store's key of the compute that a call's path names."""
    return arm_key(workspace_key(keys), "computes", keys["name"])


def new_compute(service: Service, workspace: Mapping[str, Any], name: str, body: Any) -> dict[str, Any]:
    """A compute's document as a PUT is answered with it; the workspace's region when the body names none."""
    identity = service.identity
    author = {"userId": identity.object_id, "userOrgId": identity.tenant_id, "userName": identity.user_name}
    # [inferred] any region is taken: the service has computes outside the workspace's, and here all are this machine
    if isinstance(body, dict) and not body.get("location"):
        body = {**body, "location": workspace["location"]}
    return {"id": f"{workspace['id']}/computes/{name}", **requested(name, body, author)}


def nodes_of(service: Service, workspace_id: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a cluster right now: those that hold runs, and idle ones up to its minimum."""
    name, outer = document["name"], document["properties"]
    if outer["computeType"] != CLUSTER:
        return []
    nodes: list[dict[str, Any]] = []
    dispatcher = service.dispatcher
    if dispatcher is not None:
        found = dispatcher.nodes(workspace_id, name)
        nodes += [{"nodeState": "running" if node.get("runId") else "idle", **node} for node in found]
    missing = outer["properties"]["scaleSettings"]["minNodeCount"] - len(nodes)
    idle = [{"nodeId": f"{name}-{n}", "nodeState": "idle"} for n in range(len(nodes), len(nodes) + missing)]
    return nodes + idle


def list_computes(service: Service, call: Call) -> Reply:
    """The computes of a workspace, with their node counts."""
    scope = scope_of(service, call)
    return listing(service, call, "compute", scope, view=lambda d: with_nodes(d, nodes_of(service, scope, d)))


def show(service: Service, call: Call) -> Reply:
    """One compute, with its node counts."""
    scope, document = scope_of(service, call), _compute(service, call)
    return Reply(with_nodes(document, nodes_of(service, scope, document)))


def create(service: Service, call: Call) -> Reply:
    """Create or replace a compute: 201 with the document, for a replaced one too (fact 13)."""
    require_registration(service, call)
    workspace, key = workspace_of(service, call), compute_key(call.keys)
    old = service.store.get("compute", key)
    document = new_compute(service, workspace, old["name"] if old else call.keys["name"], call.body)
    if old:
        _require_ready(old)
        document["properties"]["createdOn"] = old["properties"]["createdOn"]
    service.store.put("compute", key, document, workspace["properties"]["workspaceId"])
    return _begun(service, call, "compute.settle", {"key": key}, "compute.create", status=201, body=document)


def update(service: Service, call: Call) -> Reply:
    """Change a cluster's scale settings: 200 with the document and, as the specification has it, an operation."""
    require_registration(service, call)
    workspace_of(service, call)
    old = _compute(service, call)
    _require_ready(old)
    document, key = rescaled(old, call.body), compute_key(call.keys)
    service.store.change("compute", key, lambda stored: stored.update(document))
    return _begun(service, call, "compute.settle", {"key": key}, "compute.update", status=200, body=document)


def delete(service: Service, call: Call) -> Reply:
    """Delete a compute; what becomes of the machines must be said, whatever the article says (fact 14)."""
    require_registration(service, call)
    scope, document = scope_of(service, call), _compute(service, call)
    # [inferred] the refusal's text; both words are taken, though deleting is all there is to do here
    if call.param("underlyingResourceAction").lower() not in ("delete", "detach"):
        raise refused("The query parameter underlyingResourceAction is required: Delete or Detach.")
    key = compute_key(call.keys)
    service.store.change("compute", key, _marked("Deleting"))
    arguments = {"key": key, "workspaceId": scope, "name": document["name"]}
    return _begun(service, call, "compute.delete", arguments, "compute.delete")


def turn(service: Service, call: Call) -> Reply:
    """Start, stop or restart an instance; a cluster scales by itself and is refused."""
    require_registration(service, call)
    workspace_of(service, call)
    document = _compute(service, call)
    verb = call.operation.verb
    kind = document["properties"]["computeType"]
    if kind != INSTANCE:
        # [inferred] the text, after that of listKeys (service-facts 3.3)
        raise refused(f"{kind} computes do not have a state to {verb}. This operation is not supported.")
    _require_ready(document)
    between, after, name = TURNS[verb]
    key = compute_key(call.keys)
    service.store.change("compute", key, _turned(between, name, "InProgress"))
    arguments = {"key": key, "state": after, "operation": name}
    return _begun(service, call, "compute.turn", arguments, f"compute.{verb}")


def nodes(service: Service, call: Call) -> Reply:
    """The nodes of a cluster: under `nodes`, not `value` (wire-v2 2.4)."""
    scope, document = scope_of(service, call), _compute(service, call)
    kind = document["properties"]["computeType"]
    if kind != CLUSTER:
        # [inferred] an instance's listNodes was never recorded
        raise refused(f"{kind} computes do not have nodes to list. This operation is not supported.")
    place = {"privateIpAddress": "127.0.0.1", "publicIpAddress": "127.0.0.1", "port": 50000}
    found = [{**place, **node} for node in nodes_of(service, scope, document)]
    return Reply({"computeType": kind, "nodes": found})


def _begun(
    service: Service,
    call: Call,
    effect: str,
    arguments: Mapping[str, Any],
    what: str,
    *,
    status: int = 202,
    body: Any = None,
) -> Reply:
    operation_id = service.progress.begin("compute", effect, arguments, service.progress.seconds(what))
    headers = accepted(service, call, "compute", operation_id)
    return Reply(body, status, headers)


def _compute(service: Service, call: Call) -> dict[str, Any]:
    document = service.store.get("compute", compute_key(call.keys))
    if document is not None:
        return document
    workspace, name, group = call.keys["workspace"], call.keys["name"], call.keys["group"]
    if call.operation.host != "arm":
        raise Fault(404, "UserError", f"Compute {name} was not found in {workspace}.", inner="NotFoundError")
    # [inferred] a missing compute was never recorded, not even on DELETE; the gateway's words for any resource
    text = (
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/{workspace}/computes/{name}' under resource group"
    )
    text += f" '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    raise Fault(404, "ResourceNotFound", text)


def _require_ready(document: Mapping[str, Any]) -> None:
    """[inferred] What is being deleted cannot be changed any more."""
    if document["properties"]["provisioningState"] == "Deleting":
        raise Fault(409, "Conflict", f"Compute {document['name']} is being deleted.")


def _marked(state: str) -> Any:
    def edit(document: dict[str, Any]) -> None:
        document["properties"]["provisioningState"] = state
        if document["properties"]["computeType"] == INSTANCE:
            document["properties"]["properties"]["state"] = state

    return edit


def _turned(state: str, operation: str, status: str) -> Any:
    def edit(document: dict[str, Any]) -> None:
        if document["properties"]["provisioningState"] != "Deleting":
            document["properties"]["properties"].update(state=state, lastOperation=last_operation(operation, status))

    return edit


def settle(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of create and update: the compute is ready, unless it is being deleted."""

    def edit(document: dict[str, Any]) -> None:
        if document["properties"]["provisioningState"] != "Deleting":
            document.update(settled(document))

    service.store.change("compute", arguments["key"], edit)


def remove(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of delete: the compute is gone, and its runs are told."""
    service.store.delete("compute", arguments["key"])
    dispatcher = service.dispatcher
    if dispatcher is not None:
        dispatcher.compute_gone(arguments["workspaceId"], arguments["name"])


def finish_turn(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of start, stop and restart."""
    edit = _turned(arguments["state"], arguments["operation"], "Succeeded")
    service.store.change("compute", arguments["key"], edit)


HANDLERS: dict[str, Handler] = {
    "compute.list": list_computes,
    "compute.show": show,
    "compute.list-regional": list_computes,
    "compute.show-regional": show,
    "compute.create": create,
    "compute.update": update,
    "compute.delete": delete,
    "compute.start": turn,
    "compute.stop": turn,
    "compute.restart": turn,
    "compute.nodes": nodes,
}

EFFECTS: dict[str, Effect] = {
    "compute.settle": settle,
    "compute.delete": remove,
    "compute.turn": finish_turn,
}
