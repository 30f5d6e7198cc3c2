"""A compute's document: what a PUT may ask for, what it is answered with, what a GET shows once it is ready.

Pure: no store, no service. A refusal is the compute provider's own, which speaks in the data plane's envelope
even through ARM (fact 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..service import REGION, Fault
from .common import now
from .sizes import find_size, require_quota

CLUSTER, INSTANCE = "AmlCompute", "ComputeInstance"
TYPES = {name.lower(): name for name in (CLUSTER, INSTANCE)}
#: Characters: DP100#50. Lengths: an instance's from pipelines-azureml#19; a cluster had 2 to 16 in 2020, and
#: [inferred] 32 is allowed here, since longer names came to be accepted.
NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
LENGTHS = {CLUSTER: (2, 32), INSTANCE: (3, 24)}
DURATION = re.compile(r"P(?=[\dT])(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?")
PRIORITIES = ("Dedicated", "LowPriority")
REMOTE_LOGIN = ("NotSpecified", "Enabled", "Disabled")
#: What an instance may be given and is shown again; everything else of a body is dropped, credentials above all.
INSTANCE_KEYS = (
    "enableSSO",
    "enableRootAccess",
    "releaseQuotaOnStop",
    "enableOSPatching",
    "idleTimeBeforeShutdown",
    "personalComputeInstanceSettings",
    "schedules",
    "setupScripts",
    "customServices",
)
NODE_STATES = ("preparing", "running", "idle", "unusable", "leaving", "preempted")


def refused(text: str) -> Fault:
    """The compute provider's refusal of a body (service-facts 3.3)."""
    return Fault(400, "UserError", text)


def requested(name: str, body: Any, created_by: Mapping[str, str]) -> dict[str, Any]:
    """The document that a PUT is answered with: what was asked for, and nulls where the service fills in later (4.4).

    `userAccountCredentials`, at the top as in the article or inside as the specification has it (fact 23), are
    neither kept nor shown.
    """
    asked = _section({"body": body}, "body")
    properties = _section(asked, "properties")
    given = properties.get("computeType")
    kind = TYPES.get(given.lower()) if isinstance(given, str) else None
    if kind is None:
        raise refused(f"Compute type '{given}' is not supported here: it is {CLUSTER} or {INSTANCE}.")
    _require_name(name, kind)
    inner = _section(properties, "properties")
    moment = now()
    document = {
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": asked.get("location") or REGION,
        "tags": asked.get("tags"),
        "properties": {
            "createdOn": moment,
            "modifiedOn": moment,
            "disableLocalAuth": bool(properties.get("disableLocalAuth")),
            "description": properties.get("description"),
            "resourceId": None,
            "computeType": kind,
            "provisioningState": "Creating",
            "provisioningErrors": None,
            "isAttachedCompute": False,
            "properties": _cluster(inner) if kind == CLUSTER else _instance(inner, created_by),
        },
    }
    # absent when there is none: a null breaks the v1 SDK (wire-v1 16.5)
    return {**document, "identity": asked["identity"]} if asked.get("identity") else document


def settled(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same document once the compute is ready: GET does not give back what was PUT (fact 24)."""
    outer, moment = document["properties"], now()
    inner = outer["properties"]
    if outer["computeType"] == CLUSTER:
        scale, login = inner["scaleSettings"], inner["remoteLoginPortPublicAccess"]
        idle = scale["nodeIdleTimeBeforeScaleDown"] or "PT2M"
        ready = {
            "vmPriority": inner["vmPriority"] or "Dedicated",
            "scaleSettings": {**scale, "nodeIdleTimeBeforeScaleDown": idle},
            "allocationState": "Steady",
            "allocationStateTransitionTime": moment,
            "remoteLoginPortPublicAccess": "Enabled" if login == "NotSpecified" else login,
            "propertyBag": {},
        }
    else:
        ready = {"state": inner["state"] or "Running", "lastOperation": last_operation("Create", "Succeeded")}
    properties = {
        **outer,
        "modifiedOn": moment,
        "computeLocation": document["location"],
        "provisioningState": "Succeeded",
        "properties": {**inner, **ready},
    }
    return {**document, "tags": document["tags"] or {}, "properties": properties}


def rescaled(document: Mapping[str, Any], body: Any) -> dict[str, Any]:
    """The document after a PATCH, which changes scale settings only.

    They are in `properties` in the version of the article and in `properties.properties` in later ones.
    """
    properties = _section(_section({"body": body}, "body"), "properties")
    asked = _section(
        properties if "scaleSettings" in properties else _section(properties, "properties"), "scaleSettings"
    )
    outer = document["properties"]
    inner = outer["properties"]
    if outer["computeType"] != CLUSTER:
        raise refused(f"Only computes of type {CLUSTER} have scale settings.")
    scale = _scale({**inner["scaleSettings"], **{k: v for k, v in asked.items() if v is not None}})
    changed = {**outer, "provisioningState": "Updating", "properties": {**inner, "scaleSettings": scale}}
    return {**document, "properties": changed}


def with_nodes(document: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The document with the node counts of this moment; a cluster that is not ready has none yet."""
    outer = document["properties"]
    if outer["computeType"] != CLUSTER or outer["properties"]["allocationState"] is None:
        return dict(document)
    states = [node["nodeState"] for node in nodes]
    counts = {
        "currentNodeCount": len(states),
        "targetNodeCount": len(states),
        "nodeStateCounts": {f"{state}NodeCount": states.count(state) for state in NODE_STATES},
    }
    return {**document, "properties": {**outer, "properties": {**outer["properties"], **counts}}}


def last_operation(name: str, status: str) -> dict[str, str]:
    """What was last done to an instance."""
    return {"operationName": name, "operationTime": now(), "operationStatus": status, "operationTrigger": "User"}


def _require_name(name: str, kind: str) -> None:
    shortest, longest = LENGTHS[kind]
    if NAME.fullmatch(name) and shortest <= len(name) <= longest:
        return
    text = "Compute name is invalid. It can include letters, digits and dashes. It must start with a letter, end with"
    raise refused(f"{text} a letter or digit, and be between {shortest} and {longest} characters in length.")


def _cluster(inner: Mapping[str, Any]) -> dict[str, Any]:
    scale = _scale(_section(inner, "scaleSettings"))
    return {
        "vmSize": _vm_size(inner, max(1, scale["minNodeCount"])),
        "vmPriority": _one_of(inner, "vmPriority", PRIORITIES),
        "scaleSettings": scale,
        "subnet": inner.get("subnet"),
        "currentNodeCount": None,
        "targetNodeCount": None,
        "nodeStateCounts": None,
        "allocationState": None,
        "errors": None,
        "remoteLoginPortPublicAccess": _one_of(inner, "remoteLoginPortPublicAccess", REMOTE_LOGIN) or "NotSpecified",
        "osType": inner.get("osType") or "Linux",
        "virtualMachineImage": inner.get("virtualMachineImage"),
        "isolatedNetwork": bool(inner.get("isolatedNetwork")),
        "enableNodePublicIp": _public_ip(inner),
    }


def _instance(inner: Mapping[str, Any], created_by: Mapping[str, str]) -> dict[str, Any]:
    return {
        "vmSize": _vm_size(inner, 1),
        "subnet": inner.get("subnet"),
        "applicationSharingPolicy": inner.get("applicationSharingPolicy") or "Shared",
        "sshSettings": inner.get("sshSettings") or {"sshPublicAccess": "Disabled"},
        "computeInstanceAuthorizationType": inner.get("computeInstanceAuthorizationType") or "personal",
        "enableNodePublicIp": _public_ip(inner),
        "state": None,
        "lastOperation": None,
        "applications": [],
        "connectivityEndpoints": None,
        "createdBy": dict(created_by),
        "errors": [],  # not null, as a cluster's are (fact 32)
        **{key: inner[key] for key in INSTANCE_KEYS if key in inner},
    }


def _scale(settings: Mapping[str, Any]) -> dict[str, Any]:
    most, least = _count(settings, "maxNodeCount"), _count(settings, "minNodeCount", 0)
    if least > most:
        raise refused(f"minNodeCount {least} is greater than maxNodeCount {most}.")
    idle = settings.get("nodeIdleTimeBeforeScaleDown")
    if idle is not None and not (isinstance(idle, str) and DURATION.fullmatch(idle)):
        raise refused(f"nodeIdleTimeBeforeScaleDown '{idle}' is not an ISO 8601 duration such as PT30M.")
    return {"maxNodeCount": most, "minNodeCount": least, "nodeIdleTimeBeforeScaleDown": idle}


def _count(settings: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = settings.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise refused(f"scaleSettings.{key} is a whole number, 0 or more, and not '{value}'.")
    return value


def _vm_size(inner: Mapping[str, Any], nodes: int) -> str:
    size = find_size(inner.get("vmSize"))
    if size is None:
        raise refused(f"The specified VM size '{inner.get('vmSize')}' is not supported in region {REGION}.")
    require_quota(size, nodes)
    return size.name.upper()


def _public_ip(inner: Mapping[str, Any]) -> bool:
    if inner.get("enableNodePublicIp", True) is False:
        raise refused("Provided EnableNodePublicIp 'False' requires workspace private endpoint.")
    return True


def _one_of(inner: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str | None:
    value = inner.get(key)
    if value is None:
        return None
    known = {word.lower(): word for word in allowed}
    if not isinstance(value, str) or value.lower() not in known:
        raise refused(f"{key} is one of {', '.join(allowed)}, and not '{value}'.")
    return known[value.lower()]


def _section(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise refused(f"{key} is an object, and not '{value}'.")
    return value
