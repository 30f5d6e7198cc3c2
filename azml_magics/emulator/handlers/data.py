"""Datastores and environments (v1): what a workspace is born with, and what is registered later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions import AnyOf, Where
from ..service import Call, Fault, Handler, Reply, Service
from .common import PAGE, scope_of, skip_of, token_page

DEFAULT = "workspaceblobstore"
#: The datastores of a new workspace: type and container; the service names containers after the workspace's id.
DATASTORES = {
    DEFAULT: ("AzureBlob", "azureml-blobstore-{id}"),
    "workspacefilestore": ("AzureFile", "azureml-filestore-{id}"),
    "workspaceartifactstore": ("AzureBlob", "azureml"),
}
SECTIONS = (
    "azureDataLakeSection",
    "azureSqlDatabaseSection",
    "azurePostgreSqlSection",
    "azureMySqlSection",
    "hdfsSection",
    "glusterFsSection",
)
#: Parts of an environment whose keys are people's own, and keep their case.
OWN_KEYS = frozenset({"environmentvariables", "condadependencies", "tags", "properties"})


def seed_datastores(service: Service, workspace: Mapping[str, Any]) -> None:
    """Give a workspace the datastores that every workspace is born with; a second time changes nothing."""
    workspace_id = workspace["properties"]["workspaceId"]
    parts = str(workspace["id"]).split("/")
    for name, (kind, container) in DATASTORES.items():
        section = {
            "accountName": service.identity.storage_account,
            "containerName": container.format(id=workspace_id),
            "endpoint": "core.windows.net",
            "protocol": "https",
            "credentialType": "AccountKey",
            "credential": None,
            "accountKey": None,
            "sasToken": None,
            "isSas": False,
            "clientCredentials": None,
            "blobCacheTimeout": None,
            "subscriptionId": parts[2],
            "resourceGroup": parts[4],
            "serviceDataAccessAuthIdentity": "None",
        }
        document = {
            "name": name,
            "dataStoreType": kind,
            "hasBeenValidated": True,
            # not in the specification's DataStore: what tells the default one in a list
            "isDefault": name == DEFAULT,
            "tags": {},
            "azureStorageSection": section,
            **dict.fromkeys(SECTIONS),
        }
        service.store.put("datastore", f"{workspace_id}/{name}", document, workspace_id)


def list_datastores(service: Service, call: Call) -> Reply:
    """The workspace's datastores."""
    names = [name.strip() for name in call.param("dataStoreNames").split(",") if name.strip()]
    where = [AnyOf([Where(("name",), "eq", name) for name in names])] if names else []
    count = call.param("count")
    if count and not (count.isdecimal() and int(count)):
        raise Fault(400, "UserError", f"count must be a whole number above 0, not {count!r}.", inner="BadArgument")
    skip, size = skip_of(call.param("continuationToken")), min(int(count or PAGE), PAGE)
    found, more = service.store.page("datastore", scope_of(service, call), where=where, skip=skip, size=size)
    return token_page([_revealed(service, call, document) for document in found], skip + size if more else None)


def show_datastore(service: Service, call: Call) -> Reply:
    """One datastore."""
    return _datastore(service, call, call.keys["name"])


def default_datastore(service: Service, call: Call) -> Reply:
    """The datastore that is used when none is named."""
    return _datastore(service, call, DEFAULT)


def list_environments(service: Service, call: Call) -> Reply:
    """The last version of each environment; the official client sends the token as `continuation` (wire-v1 3.1)."""
    skip = skip_of(call.param("continuation") or call.param("continuationToken"))
    found, more = service.store.page("environment", scope_of(service, call), skip=skip, size=PAGE)
    return token_page(found, skip + PAGE if more else None)


def show_environment(service: Service, call: Call) -> Reply:
    """The last version of one environment."""
    name = call.keys["name"]
    document = service.store.get("environment", f"{scope_of(service, call)}/{name}")
    if document is None:
        # [inferred] the text
        raise Fault(404, "UserError", f"Could not find environment: {name}.", inner="NotFoundError")
    return Reply(document)


def create_environment(service: Service, call: Call) -> Reply:
    """Register an environment: a new version, unless it is what the last one was."""
    workspace_id, name = scope_of(service, call), call.keys["name"]
    if not isinstance(call.body, Mapping):
        raise Fault(400, "UserError", "The environment must be a JSON object.", inner="BadArgument")
    key = f"{workspace_id}/{name}"
    definition = {**camel(call.body), "name": name, "version": None}
    last = service.store.get("environment", key)
    if last is not None and {**last, "version": None} == definition:
        return Reply(last)
    definition["version"] = str(service.store.next_number("environment", workspace_id, name))
    service.store.put("environment", key, definition, workspace_id)
    return Reply(definition)


def camel(value: Any, *, own: bool = False) -> Any:
    """A definition as it is answered: keys begin small, whatever a client sent (wire-v1 12: its case is mixed)."""
    if isinstance(value, Mapping):
        return {
            key if own else key[:1].lower() + key[1:]: camel(item, own=own or key.lower() in OWN_KEYS)
            for key, item in value.items()
        }
    return [camel(item, own=own) for item in value] if isinstance(value, list) else value


def _datastore(service: Service, call: Call, name: str) -> Reply:
    document = service.store.get("datastore", f"{scope_of(service, call)}/{name}")
    if document is None:
        raise Fault(404, "UserError", f"Could not find datastore: {name}.", inner="NotFoundError")
    return Reply(_revealed(service, call, document))


def _revealed(service: Service, call: Call, document: dict[str, Any]) -> dict[str, Any]:
    """A datastore with its account's key when that was asked for in so many words, and without it else."""
    section = document["azureStorageSection"]
    if call.param("includeSecret").lower() == "true" and section["accountName"] == service.identity.storage_account:
        key = service.identity.storage_key
        document["azureStorageSection"] = {**section, "credential": key, "accountKey": key}
    return document


HANDLERS: dict[str, Handler] = {
    "datastore.list": list_datastores,
    "datastore.show": show_datastore,
    "datastore.default": default_datastore,
    "environment.list": list_environments,
    "environment.show": show_environment,
    "environment.create": create_environment,
}
