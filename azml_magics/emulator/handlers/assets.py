"""Assets: named lists of artifacts, which models and services are made of."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..contents import Missing, files_of_asset
from ..service import Call, Handler, Reply, Service
from .common import now, scope_of
from .history import public
from .management import bad_request, body_of, conditions, listing, not_found, words


def create(service: Service, call: Call) -> Reply:
    """Make an asset of artifacts that exist."""
    workspace_id = scope_of(service, call)
    body = body_of(call, "name")
    artifacts = _artifacts(body.get("artifacts"))
    try:
        files_of_asset(service, workspace_id, artifacts)
    except Missing as missing:
        # [inferred] that the service looks is not recorded; an asset of nothing would only fail later
        raise bad_request("ArtifactNotFound", str(missing)) from None
    asset_id = uuid.uuid4().hex
    created = now()
    document = {
        "id": asset_id,
        "name": body["name"],
        "type": body.get("type"),
        "description": body.get("description"),
        "artifacts": artifacts,
        "kvTags": words(body.get("kvTags"), "kvTags"),
        "properties": words(body.get("properties"), "properties"),
        "runid": body.get("runid"),
        "meta": body.get("meta"),
        "createdTime": created,
        "_updated": created,
    }
    service.store.add("asset", f"{workspace_id}/{asset_id}", document, workspace_id)
    return Reply(public(document))


def list_assets(service: Service, call: Call) -> Reply:
    """The workspace's assets, newest first unless asked otherwise."""
    where = conditions(call, {"name": "name", "runId": "runid", "type": "type"})
    return listing(service, call, "asset", scope_of(service, call), where, "CreatedAtDesc")


def show(service: Service, call: Call) -> Reply:
    """One asset."""
    document = service.store.get("asset", f"{scope_of(service, call)}/{call.keys['asset']}")
    if document is None:
        raise not_found("AssetNotFound", f"Asset with id {call.keys['asset']} was not found.")
    return Reply(public(document))


def delete(service: Service, call: Call) -> Reply:
    """Forget an asset: 200, or 204 when there is none (wire-v1 11)."""
    there = service.store.delete("asset", f"{scope_of(service, call)}/{call.keys['asset']}")
    return Reply(status=200 if there else 204)


def _artifacts(value: Any) -> list[dict[str, str]]:
    """The artifacts of a body: each names one artifact by id, or those under a prefix."""
    if not isinstance(value, list) or not value:
        raise bad_request("InvalidRequest", "artifacts must be a list with at least one entry.")
    for entry in value:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id") or entry.get("prefix"), str):
            raise bad_request("InvalidRequest", "Each of artifacts must have an id or a prefix.")
    return [dict(entry) for entry in value]


HANDLERS: dict[str, Handler] = {
    "asset.list": list_assets,
    "asset.show": show,
    "asset.create": create,
    "asset.delete": delete,
}
