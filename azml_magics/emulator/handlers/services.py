"""Deployed services: created by a long operation, shown, listed, asked for keys and logs, deleted."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from ..conditions import Where
from ..contents import Missing, files_of_url
from ..definition import pick, shown
from ..service import REGION, Call, Fault, Handler, Reply, Service
from ..store import Exists
from .common import now, scope_of
from .history import public
from .management import bad_request, body_of, conditions, listing, not_found, person, words

#: What a name may be: it becomes a host name, and the official client checks the same.
NAME = re.compile(r"(?=.{3,32}$)[a-z]([-a-z0-9]*[a-z0-9])", re.ASCII)
SUFFIX = f"{REGION}.azurecontainer.io"
LINES = 5000
RESOURCES = "containerResourceRequirements"
#: What is only shown again.
PASSED_ON = ("description", "dataCollection", "cname", "encryptionProperties", "vnetConfiguration")


def create(service: Service, call: Call) -> Reply:
    """Begin a deployment; what it says now is 202 and where to ask how it goes."""
    workspace_id = scope_of(service, call)
    body = body_of(call, "name", "computeType")
    _check(body)
    request = _image_request(service, workspace_id, body)
    operation = str(uuid.uuid4())
    document = _document(workspace_id, body, request) | {"operationId": operation, "createdBy": person(call)}
    where = _location(call, operation)
    _claim(service, document, overwrite=bool(body.get("overwrite")))
    key, operation_key = document["_key"], f"{workspace_id}/{operation}"
    # before the service: one whose deployment nobody knows would wait for ever
    service.store.add("deployment", operation_key, _progress(operation, where, body["name"]), workspace_id)
    service.store.put("service", key, document, workspace_id)
    arguments = {"service": key, "operation": operation_key}
    service.progress.begin("service", "service.deploy", arguments, service.progress.seconds("service.create"))
    return Reply(status=202, headers={"Operation-Location": where})


def deploy(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of a deployment that is due: it goes on in a thread of its own, since `init()` may take long."""
    service.deployments.deploy(arguments["service"], arguments["operation"])


def list_services(service: Service, call: Call) -> Reply:
    """The workspace's services, last changed first unless asked otherwise (the specification's default)."""
    where = conditions(call, {"name": "name", "computeType": "computeType", "imageId": "imageId"})
    if call.param("modelId"):
        where.append(Where(("_models", call.param("modelId")), "ne", None))
    if call.param("modelName"):
        where.append(Where(("_models", call.param("modelName")), "ne", None))
    reply = listing(service, call, "service", scope_of(service, call), where, "UpdatedAtDesc")
    for document in reply.body["value"]:
        _expand(document, call)
    return reply


def show(service: Service, call: Call) -> Reply:
    """One service."""
    return Reply(_expand(public(_find(service, call)), call))


def delete(service: Service, call: Call) -> Reply:
    """End a service and forget it: 200, or 204 when there is none (wire-v1 11)."""
    key = f"{scope_of(service, call)}/{call.keys['service']}"
    document = service.store.get("service", key)
    if document is None:
        return Reply(status=204)
    # nothing brings it up from here on, and nothing of that name is made before its files are gone
    service.store.change("service", key, lambda found: found.update(state="Transitioning", operationId=""))
    service.deployments.remove(key)
    service.store.delete("service", key)
    service.store.delete("dns", document["_label"])
    return Reply()


def keys(service: Service, call: Call) -> Reply:
    """The keys that a service is scored with."""
    return Reply(_find(service, call)["_keys"])


def logs(service: Service, call: Call) -> Reply:
    """The last lines of what a service printed, `tail` of them."""
    document = _find(service, call)
    text = call.param("tail")
    lines = int(text) if text.isdecimal() else LINES
    return Reply({"content": service.deployments.log(document["_key"], lines)})


def operation(service: Service, call: Call) -> Reply:
    """Where a deployment stands."""
    document = service.store.get("deployment", f"{scope_of(service, call)}/{call.keys['operation']}")
    if document is None:
        raise not_found("OperationNotFound", f"Operation with id {call.keys['operation']} was not found.")
    return Reply(public(document))


def _find(service: Service, call: Call) -> dict[str, Any]:
    document = service.store.get("service", f"{scope_of(service, call)}/{call.keys['service']}")
    if document is None:
        raise not_found("ServiceNotFound", f"Service with name {call.keys['service']} was not found.")
    return document


def _expand(document: dict[str, Any], call: Call) -> dict[str, Any]:
    """Leave the models out unless they were asked for (the specification's `expand`)."""
    if call.param("expand").lower() != "true":
        document["models"] = []
    return document


def _check(body: Mapping[str, Any]) -> None:
    for name in (body["name"], body.get("dnsNameLabel") or body["name"]):
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            text = "3 to 32 lower-case letters, digits and '-', beginning with a letter and not ending with '-'"
            raise bad_request("InvalidServiceName", f"The name {name!r} is not valid: {text}.")
    if body["computeType"].upper() != "ACI":
        raise bad_request("NotEmulated", f"The emulator deploys to ACI only, not to {body['computeType']}.")
    if not isinstance(body.get("environmentImageRequest"), Mapping):
        raise bad_request("NotEmulated", "The emulator builds no images: it needs an environmentImageRequest.")


def _image_request(service: Service, workspace_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What to deploy, checked: a driver program, assets whose files are there, models, an environment."""
    request = dict(body["environmentImageRequest"])
    if not isinstance(request.get("driverProgram"), str) or not request["driverProgram"]:
        raise bad_request("InvalidRequest", "environmentImageRequest must name a driverProgram.")
    assets = request.get("assets") or []
    models = [_model(service, workspace_id, model) for model in request.get("modelIds") or []]
    try:
        for entry in (*assets, *models):
            files_of_url(service, workspace_id, str(entry["url"]))
    except (Missing, KeyError, TypeError) as problem:
        text = str(problem) if isinstance(problem, Missing) else "Each of assets must be an object with a url."
        raise bad_request("AssetNotFound", text) from None
    reference = request.get("environmentReference")
    if isinstance(reference, Mapping) and not request.get("environment"):
        request["environment"] = service.store.get("environment", f"{workspace_id}/{reference.get('name')}")
        if request["environment"] is None:
            raise bad_request("EnvironmentNotFound", f"There is no environment {reference.get('name')}.")
    _check_variables(request.get("environment"))
    return {**request, "assets": assets, "models": models}


def _check_variables(environment: Any) -> None:
    """Refuse an environment whose variables no process can be given."""
    variables = pick(environment, "environmentVariables") or {}
    if not isinstance(environment or {}, Mapping) or not isinstance(variables, Mapping):
        raise bad_request("InvalidRequest", "environment and its environmentVariables must be objects.")
    for name, value in variables.items():
        if not name or "=" in name or "\0" in f"{name}{value}":
            raise bad_request("InvalidRequest", "environmentVariables has a name or value that is not allowed.")


def _model(service: Service, workspace_id: str, model_id: Any) -> dict[str, Any]:
    document = service.store.get("model", f"{workspace_id}/{model_id}")
    if document is None:
        raise bad_request("ModelNotFound", f"Model with id {model_id} was not found.")
    return public(document)


def _document(workspace_id: str, body: Mapping[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """A service's document at its birth: the official client needs every key, values may be null (wire-v1 11)."""
    name, models, created = body["name"], request.pop("models"), now()
    label = body.get("dnsNameLabel") or name
    return {
        "id": name,
        "name": name,
        "kvTags": words(body.get("kvTags"), "kvTags"),
        "properties": words(body.get("properties"), "properties"),
        "createdTime": created,
        "updatedTime": created,
        "computeType": "ACI",
        "deploymentType": "HttpRealtimeEndpoint",
        "state": "Transitioning",
        "error": None,
        **{which: bool(body.get(which)) for which in ("authEnabled", "sslEnabled", "appInsightsEnabled")},
        "imageId": None,
        "imageDigest": None,
        "containerResourceRequirements": {"cpu": 0.1, "memoryInGB": 0.5, "gpu": None, **_object(body, RESOURCES)},
        "location": body.get("location") or REGION,
        "publicIp": None,
        "publicFqdn": f"{label}.{SUFFIX}",
        # known when the service is up: one that never came up has none (nthacker/AML-service-labs#2)
        "scoringUri": None,
        "swaggerUri": None,
        "models": models,
        "environmentImageRequest": shown(request),
        "modelConfigMap": {},
        **{which: body.get(which) for which in PASSED_ON},
        "_key": f"{workspace_id}/{name}",
        "_workspace": workspace_id,
        "_label": label,
        "_keys": _keys(body),
        "_request": request,
        "_models": {which: True for model in models for which in (model["id"], model["name"])},
        "_updated": created,
    }


def _keys(body: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a new service: those that were sent, made ones for the others."""
    given = words(_object(body, "keys"), "keys")
    return {which: given.get(which) or secrets.token_urlsafe(24) for which in ("primaryKey", "secondaryKey")}


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, Mapping):
        raise bad_request("InvalidRequest", f"{name} must be an object.")
    return dict(value)


def _claim(service: Service, document: dict[str, Any], *, overwrite: bool) -> None:
    """Take a service's name and host name, both of which must be free or its own; who scores it keeps the keys."""
    key, label = document["_key"], document["_label"]
    old = service.store.get("service", key)
    if old is not None and not overwrite:
        raise _conflict(document["name"])
    owner = service.store.get("dns", label)
    held = None if owner is None else service.store.get("service", owner["service"])
    if held is not None and held["_key"] != key:
        raise _conflict(label)
    if owner is not None:  # its own, or of a service that went with its workspace
        service.store.delete("dns", label)
    try:
        service.store.add("dns", label, {"service": key}, document["_workspace"])
    except Exists:
        raise _conflict(label) from None
    if old is not None:
        document.update(createdTime=old["createdTime"], _keys=old["_keys"])
        if old["_label"] != label:
            service.store.delete("dns", old["_label"])


def _progress(operation: str, where: str, name: str) -> dict[str, Any]:
    """The document of a deployment's operation (the specification's AsyncOperationStatus)."""
    return {
        "id": operation,
        "operationType": "Service",
        "state": "NotStarted",
        "createdTime": now(),
        "endTime": None,
        "error": None,
        "resourceLocation": where.replace(f"/operations/{operation}", f"/services/{name}"),
        "operationDetails": {"subOperationType": "DeployService", "subOperationState": None},
    }


def _conflict(name: str) -> Fault:
    """As the service says it: the reason is in the details (recorded in Sweetflowerjulia/NLP-tag-classification#1)."""
    details = [{"code": "ServiceExists", "message": f"There is already a service with the name {name}."}]
    return Fault(409, "Conflict", "Conflict", details=details)


def _location(call: Call, operation: str) -> str:
    return f"{call.url.partition('?')[0].rpartition('/services')[0]}/operations/{operation}"


HANDLERS: dict[str, Handler] = {
    "service.list": list_services,
    "service.show": show,
    "service.create": create,
    "service.delete": delete,
    "service.keys": keys,
    "service.logs": logs,
    "service.operation": operation,
}
EFFECTS = {"service.deploy": deploy}
