"""The addresses of long operations: the headers that name them, and the answers to those who poll."""

from __future__ import annotations

from typing import Any

from ..progress import FAILED, IN_PROGRESS
from ..service import REGION, Call, Fault, Handler, Reply, Service
from .gateway import PROVIDER


def accepted(service: Service, call: Call, kind: str, operation_id: str) -> dict[str, str]:
    """The headers of an answer that began an operation: a compute's has no Location, a workspace's both (facts 13-15).

    The live service says nothing of when to poll again (fact 19), and the official clients then wait 30 s; the
    milliseconds are a difference on purpose, since those clients honour them (wire-v2 fact 5).
    """
    url = f"{call.base}/subscriptions/{call.keys['subscription']}/providers/{PROVIDER}/locations/{REGION}"
    url += f"/{kind}OperationsStatus/{operation_id}?api-version={call.param('api-version')}"
    pause = {"retry-after-ms": str(service.progress.pause_milliseconds)}
    if kind == "compute":
        return {"Azure-AsyncOperation": f"{url}&service=new", **pause}
    return {"Location": f"{url}&type=location", "Azure-AsyncOperation": f"{url}&type=async", **pause}


def compute_status(service: Service, call: Call) -> Reply:
    """Where an operation on a compute stands."""
    return _standing(service, _operation(service, call, "compute"))


def workspace_status(service: Service, call: Call) -> Reply:
    """Where an operation on a workspace stands; with `type=location` its result, once there is one (fact 15)."""
    operation = _operation(service, call, "workspace")
    if call.param("type").lower() != "location":
        return _standing(service, operation)
    if operation["status"] == IN_PROGRESS:
        return Reply(status=202, headers=accepted(service, call, "workspace", operation["id"]))
    if operation["status"] == FAILED:
        # [inferred] the status: a failed type=location was never recorded, and 200 would pass for the workspace
        error = operation["error"]
        raise Fault(400, error["code"], error["message"], details=error.get("details", ()))
    document = service.store.get("workspace", operation["arguments"]["key"])
    return Reply(status=204) if document is None else Reply(document)


def _operation(service: Service, call: Call, kind: str) -> dict[str, Any]:
    operation = service.progress.status(call.keys["operation"])
    if operation is None or operation["kind"] != kind:
        # [inferred] code and text
        raise Fault(404, "NotFound", f"The operation '{call.keys['operation']}' could not be found.")
    return operation


def _standing(service: Service, operation: dict[str, Any]) -> Reply:
    """The poll document; a failure is HTTP 200 too (service-facts 3.5, 4.2)."""
    if operation["status"] == IN_PROGRESS:
        headers = {"retry-after-ms": str(service.progress.pause_milliseconds)}
        return Reply({"status": IN_PROGRESS}, headers=headers)
    body = {"status": operation["status"], "percentComplete": 100.0}
    return Reply(body if operation["error"] is None else {**body, "error": operation["error"]})


HANDLERS: dict[str, Handler] = {
    "operation.compute-status": compute_status,
    "operation.workspace-status": workspace_status,
}
