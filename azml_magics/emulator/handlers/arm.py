"""Subscriptions, resource groups and workspaces; and what an emulator is born with."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from ..identity import Identity
from ..progress import Effect
from ..service import Call, Fault, Handler, Reply, Service
from ..store import Where
from .common import group_of, workspace_key, workspace_of
from .data import seed_datastores
from .dependencies import resolve
from .gateway import every, listing, require_location, require_registration, subscription_key, subscription_of
from .operations import accepted
from .seed import seed
from .workspace_body import EXCHANGEABLE, PATCHABLE, document_of, replaced, require_name, section, with_state

__all__ = ["EFFECTS", "HANDLERS", "seed"]


def list_subscriptions(service: Service, call: Call) -> Reply:
    """The subscriptions, with the count that the service gives beside them (fact 40)."""
    page = listing(service, call, "subscription", view=_subscription)
    return Reply({**page.body, "count": {"type": "Total", "value": service.store.count("subscription")}})


def show_subscription(service: Service, call: Call) -> Reply:
    """One subscription."""
    return Reply(_subscription(subscription_of(service, call)))


def list_groups(service: Service, call: Call) -> Reply:
    """The resource groups of a subscription, whatever the version: the article's is refused by no one here.

    The live service was seen to answer the article's 2019-11-01 with an empty list (azure-docs#53793).
    """
    subscription_of(service, call)
    return listing(service, call, "group", subscription_key(call.keys))


def show_group(service: Service, call: Call) -> Reply:
    """One resource group."""
    return Reply(group_of(service, call))


def list_workspaces(service: Service, call: Call) -> Reply:
    """The workspaces of a resource group, those that are being deleted too (fact 27)."""
    inside = Where(("id",), "prefix", f"{group_of(service, call)['id']}/")
    return listing(service, call, "workspace", subscription_key(call.keys), where=[inside])


def list_all_workspaces(service: Service, call: Call) -> Reply:
    """The workspaces of a subscription."""
    subscription_of(service, call)
    return listing(service, call, "workspace", subscription_key(call.keys))


def show_workspace(service: Service, call: Call) -> Reply:
    """One workspace."""
    return Reply(workspace_of(service, call))


def create_workspace(service: Service, call: Call) -> Reply:
    """Create or replace a workspace: 202 at once; a dependency that is not there ends the operation Failed."""
    require_registration(service, call)
    group, body, key = group_of(service, call), section(call.body), workspace_key(call.keys)
    require_name(call.keys["workspace"])
    require_location(body.get("location"), "workspaces")
    old = service.store.get("workspace", key)
    dependencies, error = resolve(service, section(body, "properties"))
    document = document_of(service.identity, group["id"], call.keys["workspace"], body, dependencies)
    if old is not None:
        _require_ready(old)
        document = replaced(old, document)
    # until the operation ends well an old workspace stays as it was, a new one is only being made
    fresh = old is None or old["properties"]["provisioningState"] in ("Creating", "Failed")
    between = with_state(document, "Creating") if old is None or fresh else with_state(old, "Updating")
    service.store.put("workspace", key, between, subscription_key(call.keys))
    arguments = {"key": key, "document": document, "fresh": fresh}
    return _begun(service, call, "workspace.settle", arguments, "workspace.create", error)


def update_workspace(service: Service, call: Call) -> Reply:
    """Change a workspace's tags, words and exchangeable dependencies: 202, as the live service does (fact 16)."""
    require_registration(service, call)
    old, body, key = workspace_of(service, call), section(call.body), workspace_key(call.keys)
    _require_ready(old)
    properties = section(body, "properties")
    dependencies, error = resolve(service, properties, [n for n in EXCHANGEABLE if properties.get(n)])
    changes = {**{name: properties[name] for name in PATCHABLE if properties.get(name) is not None}, **dependencies}
    service.store.change("workspace", key, lambda document: document.update(with_state(document, "Updating")))
    tags = section(body, "tags") if body.get("tags") is not None else None
    arguments = {"key": key, "properties": changes, "tags": tags}
    return _begun(service, call, "workspace.patch", arguments, "workspace.update", error)


def delete_workspace(service: Service, call: Call) -> Reply:
    """Delete a workspace with all that is in it; one that is not there is 204, as the specification has it."""
    require_registration(service, call)
    group_of(service, call)
    key = workspace_key(call.keys)
    old = service.store.change("workspace", key, lambda document: document.update(with_state(document, "Deleting")))
    if old is None:
        return Reply(status=204)
    arguments = {"key": key, "workspaceId": old["properties"]["workspaceId"]}
    return _begun(service, call, "workspace.delete", arguments, "workspace.delete")


def list_keys(service: Service, call: Call) -> Reply:
    """The keys of a workspace's storage, registry and notebooks, under the old and the live names (fact 33)."""
    properties = workspace_of(service, call)["properties"]
    insights = service.store.get("dependency", str(properties["applicationInsights"]).lower())
    storage = properties["storageAccount"]
    return Reply(
        {
            "userStorageKey": service.identity.storage_key,
            "userStorageArmId": storage,
            "userStorageResourceId": storage,
            "appInsightsInstrumentationKey": insights and insights["properties"]["InstrumentationKey"],
            "containerRegistryCredentials": _registry_credentials(service.identity, properties["containerRegistry"]),
            "notebookAccessKeys": {
                "primaryAccessKey": _derived(service.identity, f"notebook 1 {properties['workspaceId']}"),
                "secondaryAccessKey": _derived(service.identity, f"notebook 2 {properties['workspaceId']}"),
            },
        }
    )


def _begun(
    service: Service,
    call: Call,
    effect: str,
    arguments: Mapping[str, Any],
    what: str,
    error: Mapping[str, Any] | None = None,
) -> Reply:
    seconds = service.progress.seconds(what)
    if error is not None:
        effect, arguments = "workspace.refuse", {"key": arguments["key"]}
    operation_id = service.progress.begin("workspace", effect, arguments, seconds, error=error)
    return Reply(status=202, headers=accepted(service, call, "workspace", operation_id))


def _subscription(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "registered"}


def _require_ready(document: Mapping[str, Any]) -> None:
    """[inferred] What is being deleted cannot be changed any more."""
    if document["properties"]["provisioningState"] == "Deleting":
        raise Fault(409, "Conflict", f"Workspace {document['name']} is being deleted.")


def _registry_credentials(identity: Identity, registry: str | None) -> dict[str, Any] | None:
    if not registry:
        return None
    name = registry.rsplit("/", 1)[-1]
    passwords = [{"name": p, "value": _derived(identity, f"{p} {name}")} for p in ("password", "password2")]
    return {"location": identity.region, "username": name, "passwords": passwords}


def _derived(identity: Identity, what: str) -> str:
    """A key that is the same each time it is asked for, and kept nowhere."""
    digest = hmac.new(identity.signing_key.encode(), what.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def settle(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of a PUT: the workspace is there, a new one with its datastores."""

    def edit(document: dict[str, Any]) -> None:
        if document["properties"]["provisioningState"] != "Deleting":
            document.update(arguments["document"])

    document = service.store.change("workspace", arguments["key"], edit)
    if document is not None and arguments["fresh"]:
        seed_datastores(service, document)


def patch(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of a PATCH."""

    def edit(document: dict[str, Any]) -> None:
        if document["properties"]["provisioningState"] == "Deleting":
            return
        document["properties"].update(arguments["properties"], provisioningState="Succeeded")
        if arguments["tags"] is not None:
            document["tags"] = arguments["tags"]

    service.store.change("workspace", arguments["key"], edit)


def refuse(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of a change that could not be had: a new workspace is Failed, an old one is as it was."""

    def edit(document: dict[str, Any]) -> None:
        state = document["properties"]["provisioningState"]
        ended = {"Creating": "Failed", "Updating": "Succeeded"}.get(state, state)
        document.update(with_state(document, ended))

    service.store.change("workspace", arguments["key"], edit)


def remove(service: Service, arguments: dict[str, Any]) -> None:
    """The effect of a deletion: what runs is told, then everything filed under the workspace goes."""
    scope, dispatcher = arguments["workspaceId"], service.dispatcher
    deployed = [document["_key"] for document in every(service, "service", scope)]
    if dispatcher is not None:
        for compute in list(every(service, "compute", scope)):
            dispatcher.compute_gone(scope, compute["name"])
    service.store.delete_scope(scope)
    service.store.drop(f"metric/{scope}/")
    for key in deployed:
        service.deployments.remove(key)
    service.store.delete("workspace", arguments["key"])


HANDLERS: dict[str, Handler] = {
    "subscription.list": list_subscriptions,
    "subscription.show": show_subscription,
    "group.list": list_groups,
    "group.show": show_group,
    "workspace.list": list_workspaces,
    "workspace.list-all": list_all_workspaces,
    "workspace.show": show_workspace,
    "workspace.create": create_workspace,
    "workspace.update": update_workspace,
    "workspace.delete": delete_workspace,
    "workspace.keys": list_keys,
}

EFFECTS: dict[str, Effect] = {
    "workspace.settle": settle,
    "workspace.patch": patch,
    "workspace.refuse": refuse,
    "workspace.delete": remove,
}
