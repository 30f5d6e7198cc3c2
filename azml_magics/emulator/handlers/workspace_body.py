"""A workspace's document: what a PUT or a PATCH may say, and everything that a GET shows. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..service import REGION, Fault
from .common import now

if TYPE_CHECKING:
    from ..identity import Identity

#: The published pattern (REST reference of computes, 2023-10-01).
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}")
#: Properties that a body may set, and what they are without it.
SETTABLE: Mapping[str, Any] = {
    "friendlyName": "",
    "description": "",
    "hbiWorkspace": False,
    "imageBuildCompute": None,
    "publicNetworkAccess": "Enabled",
    "allowPublicAccessWhenBehindVnet": False,
    "v1LegacyMode": False,
}
#: What a PATCH may change of them, with the dependencies that may be exchanged.
PATCHABLE = ("friendlyName", "description", "imageBuildCompute", "publicNetworkAccess", "v1LegacyMode")
EXCHANGEABLE = ("applicationInsights", "containerRegistry")
IDENTITIES = {
    "userassigned": "UserAssigned",
    "systemassigned,userassigned": "SystemAssigned,UserAssigned",
}


def section(body: Any, key: str = "") -> dict[str, Any]:
    """An object of a body, or the body itself; absent is empty, anything else is refused."""
    value = body if not key else section(body).get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        # [inferred] the text: what ARM says of a body that is JSON and no object is not recorded
        raise Fault(400, "InvalidRequestContent", f"The request content was invalid: {key or 'the body'} is no object.")
    return value


def require_name(name: str) -> None:
    """Refuse a name that no workspace may have. [inferred] code and text."""
    if not NAME.fullmatch(name):
        text = f"Workspace name '{name}' is invalid: 3 to 33 letters, digits, '-' and '_', a letter or digit first."
        raise Fault(400, "ValidationError", text)


def document_of(
    identity: Identity,
    place: str,
    name: str,
    body: Mapping[str, Any],
    dependencies: Mapping[str, str | None],
    *,
    workspace_id: str = "",
) -> dict[str, Any]:
    """A ready workspace: the keys of the article's sample, and those of later versions that mean something here.

    `place` is the id of the resource group.
    """
    arm_id = f"{place}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    moment = now()
    author = {"By": identity.user_name, "ByType": "User", "At": moment}
    return {
        "id": arm_id,
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": REGION,
        "tags": section(body, "tags"),
        "etag": None,
        "properties": {
            **_settings(section(body, "properties")),
            **dependencies,
            **_given_by_the_service(arm_id),
            "creationTime": moment,
            "workspaceId": workspace_id or str(uuid.uuid4()),
            "tenantId": identity.tenant_id,
        },
        "identity": _principal(identity, section(body, "identity")),
        # always this one (fact 27): the Enterprise of the first examples is gone
        "sku": {"name": "Basic", "tier": "Basic"},
        "systemData": {f"{what}{key}": value for what in ("created", "lastModified") for key, value in author.items()},
    }


def replaced(old: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The document of a PUT on a workspace that was there: its ids and its birth stay."""
    names = ("creationTime", "workspaceId", "mlFlowTrackingUri", "sdkTelemetryAppInsightsKey")
    kept = {name: old["properties"][name] for name in names}
    system = {**document["systemData"], **{k: v for k, v in old["systemData"].items() if k.startswith("created")}}
    properties = {**document["properties"], **kept}
    return {
        **document,
        **{k: old[k] for k in ("id", "name", "identity")},
        "properties": properties,
        "systemData": system,
    }


def with_state(document: Mapping[str, Any], state: str) -> dict[str, Any]:
    """The document in another provisioning state."""
    return {**document, "properties": {**document["properties"], "provisioningState": state}}


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] if given.get(key) is not None else usual for key, usual in SETTABLE.items()}


def _given_by_the_service(arm_id: str) -> dict[str, Any]:
    """What a body cannot set. The discovery address is the live service's, not the article's (fact 28)."""
    host = f"{REGION}.api.azureml.ms"
    return {
        "subscriptionState": None,
        "subscriptionStatusChangeTimeStampUtc": None,
        "discoveryUrl": f"https://{host}/discovery",
        "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{arm_id}",
        "provisioningState": "Succeeded",
        "notebookInfo": None,
        "storageHnsEnabled": False,
        "linkedModelInventoryArmId": None,
        "privateLinkCount": 0,
        "sdkTelemetryAppInsightsKey": str(uuid.uuid4()),
    }


def _principal(identity: Identity, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The workspace's own identity; the article asks for `systemAssigned`, with a small s."""
    kind = IDENTITIES.get(str(asked.get("type")).replace(" ", "").lower(), "SystemAssigned")
    principal = {"type": kind, "principalId": str(uuid.uuid4()), "tenantId": identity.tenant_id}
    users = asked.get("userAssignedIdentities")
    return {**principal, "userAssignedIdentities": users} if users else principal
