"""The four resources that a workspace stands on: which ones a body names, and why it cannot have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..service import Service
from .common import arm_key

#: Property of a workspace -> the resource type that it names. A registry is made by the service when it is needed.
TYPES = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "applicationInsights": "Microsoft.Insights/components",
    "containerRegistry": "Microsoft.ContainerRegistry/registries",
}
OPTIONAL = frozenset({"containerRegistry"})
ADMIN_DOCS = "https://docs.microsoft.com/azure/container-registry/container-registry-authentication#admin-account"


def dependency_key(arm_id: str) -> str:
    """The store's key of an ARM id; the article's applicationInsights lacks the slash in front."""
    return arm_key("/" + arm_id.strip().strip("/"))


def resolve(
    service: Service, properties: Mapping[str, Any], names: Iterable[str] = TYPES
) -> tuple[dict[str, str | None], dict[str, Any] | None]:
    """The ids of the named dependencies as they are stored (fact 24), and the error of the operation, if any."""
    found: dict[str, str | None] = {}
    problems: list[dict[str, str]] = []
    for name in names:
        given = properties.get(name)
        if not given:
            found[name] = None
            if name not in OPTIONAL:
                # the message is the service's (azure-rest-api-specs#15878); it names no property
                text = f"Missing dependent resources in workspace json: {name}"
                problems.append({"code": "Invalid", "target": name, "message": text})
            continue
        document = service.store.get("dependency", dependency_key(str(given)))
        problem = _problem(name, str(given), document)
        if document is None or problem is not None:
            problems.append({"target": name, **(problem or {})})
        else:
            found[name] = document["id"]
    return found, _error(problems)


def _problem(name: str, given: str, document: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Why a dependency cannot be had. [inferred] the codes: no workspace was recorded that failed."""
    if document is None:
        text = f"{name}: the dependent resource '{given}' does not exist; create it before the workspace."
        return {"code": "ResourceNotFound", "message": text}
    if document["type"].lower() != TYPES[name].lower():
        text = f"{name}: '{document['id']}' is of type {document['type']}, and not {TYPES[name]}."
        return {"code": "Invalid", "message": text}
    if document["properties"].get("adminUserEnabled") is False:
        # the registry's own text (azure-docs#57954): a workspace signs in with the admin user
        text = f"Cannot perform credential operations for {document['id']} as admin user is disabled."
        text = f"{name}: {text} Enable admin access on the registry: {ADMIN_DOCS}"
        return {"code": "UnAuthorizedForCredentialOperations", "message": text}
    return None


def _error(problems: list[dict[str, str]]) -> dict[str, Any] | None:
    if not problems:
        return None
    message = " ".join(problem["message"] for problem in problems)
    return {"code": "ValidationError", "message": message, "details": problems}
