"""What ARM's gateway does before a resource provider is asked: subscription, registration, region, lists.

Every fault raised here is the gateway's own, in its plain shape (service-facts 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..access import VERSIONS
from ..service import REGION, Call, Fault, Reply, Service
from .common import PAGE, arm_key, linked_page, skip_of

if TYPE_CHECKING:
    from ..store import Condition

PROVIDER = "Microsoft.MachineLearningServices"


def subscription_key(keys: Mapping[str, str]) -> str:
    """The store's key of the subscription that a call's path names."""
    return arm_key(f"/subscriptions/{keys['subscription']}")


def subscription_of(service: Service, call: Call) -> dict[str, Any]:
    """The subscription's document, or the gateway's 404."""
    document = service.store.get("subscription", subscription_key(call.keys))
    if document is None:
        name = call.keys["subscription"]
        raise Fault(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")
    return document


def require_registration(service: Service, call: Call) -> None:
    """Refuse to write in a subscription where nobody registered the resource provider.

    The status and the text with its details are those of ml-template-azure#11.
    """
    if subscription_of(service, call).get("registered", True):
        return
    code = "MissingSubscriptionRegistration"
    text = f"The subscription is not registered to use namespace '{PROVIDER}'. See https://aka.ms/rps-not-found"
    text += " for how to register subscriptions."
    raise Fault(409, code, text, details=[{"code": code, "target": PROVIDER, "message": text}])


def same_region(location: object) -> bool:
    """Whether a location is this emulator's region; ARM takes blanks and any case ("West US")."""
    return isinstance(location, str) and location.replace(" ", "").lower() == REGION


def require_region(call: Call, kind: str) -> None:
    """Refuse a path that names another region: the text is the one that lists the supported ones (azure-cli#2003)."""
    location = call.keys["location"]
    if same_region(location):
        return
    text = f"No registered resource provider found for location '{location}' and API version"
    text += f" '{call.param('api-version')}' for type '{kind}'. The supported api-versions are '{VERSIONS}'."
    raise Fault(400, "NoRegisteredProviderFound", f"{text} The supported locations are '{REGION}'.")


def require_location(location: object, kind: str) -> None:
    """Refuse a resource that shall be in no region, or in another one. [inferred] both texts are ARM's usual ones."""
    if not isinstance(location, str) or not location.strip():
        raise Fault(400, "LocationRequired", "The location property is required for this definition.")
    if same_region(location):
        return
    text = f"The provided location '{location}' is not available for resource type '{PROVIDER}/{kind}'."
    text += f" List of available regions for the resource type is '{REGION}'."
    raise Fault(400, "LocationNotAvailableForResourceType", text)


def listing(
    service: Service,
    call: Call,
    kind: str,
    scope: str = "",
    *,
    where: Sequence[Condition] = (),
    view: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Reply:
    """One page of documents; the generated clients say `$skip` for what the service calls `$skipToken` (fact 40)."""
    skip = skip_of(call.param("$skipToken") or call.param("$skip"))
    found, more = service.store.page(kind, scope, where=tuple(where), skip=skip, size=PAGE)
    return linked_page(call, [view(document) for document in found], skip + len(found) if more else None)


def every(service: Service, kind: str, scope: str) -> Iterator[dict[str, Any]]:
    """All documents of a scope, read page by page."""
    skip, more = 0, True
    while more:
        found, more = service.store.page(kind, scope, skip=skip, size=PAGE)
        yield from found
        skip += len(found)
