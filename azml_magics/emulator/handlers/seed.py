"""What an emulator is born with: a subscription, a group, what a workspace stands on, a workspace and a compute.

A second subscription has the resource provider not registered, for who wants to see what the service says then.
"""

from __future__ import annotations

import uuid
from typing import Any

from ..service import REGION, Service
from .common import arm_key
from .compute_body import settled
from .computes import new_compute
from .data import seed_datastores
from .dependencies import dependency_key, resolve
from .workspace_body import document_of

UNREGISTERED = "11111111-1111-4111-8111-111111111111"
UNREGISTERED_GROUP = "unregistered-rg"
#: A cluster as wide as a small machine can bear.
CLUSTER = {
    "properties": {
        "computeType": "AmlCompute",
        "properties": {
            "vmSize": "Standard_DS3_v2",
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT2M"},
        },
    }
}


def seed(service: Service) -> None:
    """File all of it, once in the life of a data directory: what was deleted since stays deleted."""
    identity = service.identity
    if service.store.get("subscription", arm_key(f"/subscriptions/{UNREGISTERED}")) is not None:
        return
    home = _subscription(service, identity.subscription_id, "Azure ML emulator")
    place = _group(service, home, identity.group)
    dependencies = _dependencies(service, place)
    workspace = _workspace(service, home, place, dependencies)
    compute = settled(new_compute(service, workspace, identity.compute, CLUSTER))
    service.store.put("compute", arm_key(compute["id"]), compute, identity.workspace_id)
    # last, since it tells the next start that all is there
    other = _subscription(service, UNREGISTERED, "Provider not registered", registered=False)
    _group(service, other, UNREGISTERED_GROUP)


def _subscription(service: Service, subscription: str, name: str, *, registered: bool = True) -> str:
    """File a subscription; its id. `registered` is the emulator's own and never shown."""
    arm_id = f"/subscriptions/{subscription}"
    document = {
        "id": arm_id,
        "subscriptionId": subscription,
        "tenantId": service.identity.tenant_id,
        "displayName": name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "registered": registered,
    }
    service.store.put("subscription", arm_key(arm_id), document)
    return arm_id


def _group(service: Service, subscription: str, name: str) -> str:
    arm_id = f"{subscription}/resourceGroups/{name}"
    document = {
        "id": arm_id,
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": REGION,
        "properties": {"provisioningState": "Succeeded"},
    }
    service.store.put("group", arm_key(arm_id), document, arm_key(subscription))
    return arm_id


def _dependencies(service: Service, place: str) -> dict[str, str]:
    """File what a workspace can stand on; the ids of those that the first workspace has."""
    account = service.identity.storage_account
    vault = {"vaultUri": "https://emulatorvault.vault.azure.net/", "tenantId": service.identity.tenant_id}
    insights = {"Application_Type": "web", "InstrumentationKey": str(uuid.uuid4())}
    _dependency(service, place, "Microsoft.ContainerRegistry/registries/noadminregistry", _registry(admin=False))
    _dependency(service, place, "Microsoft.Storage/storageAccounts/emulatorstorage", _storage("emulatorstorage"))
    return {
        "storageAccount": _dependency(
            service, place, f"Microsoft.Storage/storageAccounts/{account}", _storage(account)
        ),
        "keyVault": _dependency(service, place, "Microsoft.KeyVault/vaults/emulatorvault", vault),
        "applicationInsights": _dependency(service, place, "Microsoft.Insights/components/emulatorinsights", insights),
        "containerRegistry": _dependency(
            service, place, "Microsoft.ContainerRegistry/registries/emulatorregistry", _registry(admin=True)
        ),
    }


def _dependency(service: Service, place: str, path: str, properties: dict[str, Any]) -> str:
    arm_id = f"{place}/providers/{path}"
    kind, _, name = path.rpartition("/")
    document = {
        "id": arm_id,
        "name": name,
        "type": kind,
        "location": REGION,
        "tags": {},
        "properties": {**properties, "provisioningState": "Succeeded"},
    }
    service.store.put("dependency", dependency_key(arm_id), document, arm_key(place))
    return arm_id


def _registry(*, admin: bool) -> dict[str, Any]:
    return {"adminUserEnabled": admin}


def _storage(account: str) -> dict[str, Any]:
    return {"primaryEndpoints": {"blob": f"https://{account}.blob.core.windows.net/"}}


def _workspace(service: Service, home: str, place: str, given: dict[str, str]) -> dict[str, Any]:
    identity = service.identity
    body = {"properties": {"friendlyName": identity.workspace}}
    dependencies, _ = resolve(service, given)
    document = document_of(identity, place, identity.workspace, body, dependencies, workspace_id=identity.workspace_id)
    service.store.put("workspace", arm_key(document["id"]), document, arm_key(home))
    seed_datastores(service, document)
    return document
