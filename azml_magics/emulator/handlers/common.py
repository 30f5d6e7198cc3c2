"""What many handlers need: the workspace of a call, the time as the service writes it, a page of documents."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..service import Call, Fault, Reply, Service

#: Page sizes are the server's (service-facts 40: 20, 50 and 100 were seen).
PAGE = 100


def now() -> str:
    """This moment as run history writes it: seven fraction digits and an offset (service-facts 5)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")


def arm_key(*segments: str) -> str:
    """The store's key of an ARM path: lower case, since ARM ignores case (service-facts 25)."""
    return "/".join(segments).lower()


def workspace_key(keys: Mapping[str, str]) -> str:
    """The store's key of the workspace that a call's path names."""
    return arm_key(
        f"/subscriptions/{keys['subscription']}/resourcegroups/{keys['group']}",
        f"providers/microsoft.machinelearningservices/workspaces/{keys['workspace']}",
    )


def workspace_of(service: Service, call: Call) -> dict[str, Any]:
    """The workspace's document, or the answer of whoever finds it missing: ARM's gateway or the data plane."""
    document = service.store.get("workspace", workspace_key(call.keys))
    if document is not None:
        return document
    name, group = call.keys["workspace"], call.keys["group"]
    if call.operation.host != "arm":
        # [inferred] the data plane's text for an unknown workspace is not recorded
        raise Fault(404, "UserError", f"Workspace {name} was not found in group {group}.", inner="NotFoundError")
    group_of(service, call)
    raise Fault(
        404,
        "ResourceNotFound",
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/{name}' under resource group '{group}' was not "
        "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def group_of(service: Service, call: Call) -> dict[str, Any]:
    """The resource group's document, or the gateway's 404 for it or for its subscription."""
    subscription, group = call.keys["subscription"], call.keys["group"]
    if service.store.get("subscription", arm_key(f"/subscriptions/{subscription}")) is None:
        raise Fault(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
    document = service.store.get("group", arm_key(f"/subscriptions/{subscription}/resourcegroups/{group}"))
    if document is None:
        raise Fault(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    return document


def scope_of(service: Service, call: Call) -> str:
    """The workspace id that a call's data-plane documents are filed under."""
    return str(workspace_of(service, call)["properties"]["workspaceId"])


def skip_of(token: str) -> int:
    """The position that a continuation token stands for; a token that is none of ours is refused."""
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()).decode())
    except (ValueError, binascii.Error):
        raise Fault(400, "UserError", "The continuation token is not valid.", inner="BadArgument") from None


def token_of(skip: int) -> str:
    """An opaque continuation token for a position (service-facts 40: the service's are base64 too)."""
    return base64.urlsafe_b64encode(str(skip).encode()).decode()


def linked_page(call: Call, items: Sequence[Any], skip: int | None) -> Reply:
    """A page that goes on by an absolute `nextLink`; the last one has no such key (service-facts 40)."""
    body: dict[str, Any] = {"value": list(items)}
    if skip is not None:
        parts = urlsplit(call.url)
        query = [
            (k, v)
            for k, v in parse_qsl(parts.query, keep_blank_values=True)
            if k.lower() not in ("$skiptoken", "$skip")
        ]
        query.append(("$skipToken", token_of(skip)))
        body["nextLink"] = urlunsplit((*parts[:3], urlencode(query, safe="$"), ""))
    return Reply(body)


def token_page(items: Sequence[Any], skip: int | None) -> Reply:
    """A page of the data plane: `continuationToken` beside a null `nextLink` (wire-v1 3.1)."""
    token = None if skip is None else token_of(skip)
    return Reply({"value": list(items), "continuationToken": token, "nextLink": None})
