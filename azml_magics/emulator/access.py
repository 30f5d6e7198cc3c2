"""Who may ask, and how: the origin of a page, the token, the api-version. Raises `Fault`; knows no HTTP library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from ..catalogue import Host, Operation
from .identity import Identity
from .routes import LOOPBACK, Place, host_name, netloc_of
from .service import REGION, Fault

#: The resource manager's audiences; clients write them with and without the final slash.
ARM_AUDIENCES = ("https://management.core.windows.net", "https://management.azure.com")
ML_AUDIENCE = "https://ml.azure.com"
#: The oldest of the versions below: what is dated before it was never answered.
FIRST_VERSION = date(2018, 3, 1)
#: Versions of Microsoft.MachineLearningServices that Microsoft's clients and articles send (wire-v2 2.2).
VERSIONS = (
    "2018-03-01-preview, 2018-11-19, 2019-05-01, 2019-06-01, 2019-11-01, 2020-01-01, 2020-06-01, 2020-08-01, "
    "2021-03-01-preview, 2022-02-01-preview, 2022-05-01, 2022-10-01-preview, 2023-04-01, 2023-04-01-preview, "
    "2023-08-01-preview, 2023-10-01, 2024-01-01-preview, 2024-04-01, 2024-10-01-preview, 2025-01-01-preview, 2025-12-01"
)
VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(-[a-z]+)?", re.ASCII | re.IGNORECASE)


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a web page of somebody else sends through the user's browser."""
    origin = headers.get("origin")
    if origin is None:
        return
    host = headers.get("host", "").strip().lower()
    own = host_name(host) in LOOPBACK and netloc_of(origin) == host
    if not own:
        raise Fault(403, "OriginNotAllowed", "The emulator does not answer to pages of another origin.")


def check_token(identity: Identity, kind: Host, headers: Mapping[str, str]) -> dict[str, Any]:
    """The claims of the caller's token, which must be meant for the kind of host that is asked."""
    try:
        claims = identity.check(_bearer(identity, kind, headers.get("authorization", "")))
        _check_audience(identity, kind, claims)
    except Fault as fault:
        if kind == "arm":
            raise
        # the data plane has one code for all of it (service-facts 3.3); which texts it uses besides is [inferred]
        raise Fault(401, "UserError", fault.message, inner="AuthorizationError", headers=fault.headers) from None
    return claims


def _bearer(identity: Identity, kind: Host, header: str) -> str:
    if not header:
        missing = "Authentication failed. The 'Authorization' header is missing."
        raise identity.refusal("AuthenticationFailed", missing if kind == "arm" else "Bearer token not provided.")
    way, _, token = header.partition(" ")
    if way.lower() != "bearer" or not token.strip():
        text = "Authentication failed. The 'Authorization' header is provided in an invalid format."
        raise identity.refusal(
            "AuthenticationFailedInvalidHeader", text if kind == "arm" else "Bearer token not provided."
        )
    return token.strip()


def _check_audience(identity: Identity, kind: Host, claims: Mapping[str, Any]) -> None:
    audience = str(claims["aud"])
    name = audience.lower().rstrip("/")
    # a client that is told another address for ARM asks for a token for that address (wire-v2 3.1)
    arm = name in ARM_AUDIENCES or host_name(netloc_of(name)) in LOOPBACK
    if (kind == "data" and (arm or name == ML_AUDIENCE)) or (arm and "run" not in claims):
        return
    allowed = ",".join(f"'{a}/','{a}'" for a in ARM_AUDIENCES)
    text = f"The access token has been obtained for wrong audience or resource '{audience}'."
    raise identity.refusal(
        "InvalidAuthenticationTokenAudience",
        f"{text} It should exactly match with one of the allowed audiences {allowed}.",
    )


def check_version(operation: Operation, where: Place, query: Mapping[str, str]) -> None:
    """Refuse an ARM request without an api-version, or with one that no service ever had (service-facts 1)."""
    if operation.host != "arm":
        return
    version = next((value for name, value in query.items() if name.lower() == "api-version"), "")
    if not version:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise Fault(400, "MissingApiVersionParameter", text)
    if not _is_version(version):
        text = f"No registered resource provider found for location '{REGION}' and API version '{version}'"
        raise Fault(
            400,
            "NoRegisteredProviderFound",
            f"{text} for type '{_type_of(where.segments)}'. The supported api-versions are '{VERSIONS}'. "
            f"The supported locations are '{REGION}'.",
        )


def _is_version(version: str) -> bool:
    found = VERSION.fullmatch(version)
    try:
        return found is not None and date.fromisoformat(found[1]) >= FIRST_VERSION
    except ValueError:
        return False


def _type_of(segments: tuple[str, ...]) -> str:
    """The resource type that an ARM path names: every second segment behind the provider's name."""
    lowered = [segment.lower() for segment in segments]
    if "providers" in lowered:
        return "/".join(segments[lowered.index("providers") + 2 :: 2])
    return segments[-2] if len(segments) > 1 else "".join(segments)
