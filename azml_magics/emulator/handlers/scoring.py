"""A deployed service's own address: requests with its key, and whether it answers."""

from __future__ import annotations

import hmac
from typing import Any

from ..scoring_child import Scored
from ..service import Call, Handler, Reply, Service

TEXT = "text/html; charset=utf-8"
JSON = "application/json"
#: Whether the script failed: every answer of a scoring server says so (EngineeringMLOps#4, aml-deploy#64).
FAILED = "x-ms-run-function-failed"


def score(service: Service, call: Call) -> Reply:
    """Hand a request's body to the service's script."""
    document = find(service, call.keys["service"])
    if document is None:
        return text(404, f"There is no service at {call.base}.")
    refusal = _refusal(document, call)
    if refusal is not None:
        return refusal
    body = call.upload.read_bytes() if call.upload is not None else b""
    return _reply(service.deployments.score(document["_key"], body), service.deployments.request_seconds)


def health(service: Service, call: Call) -> Reply:
    """Whether the service is up; asked without a key, as a prober does."""
    document = find(service, call.keys["service"])
    if document is None:
        return text(404, f"There is no service at {call.base}.")
    up = document["state"] == "Healthy"
    return text(200 if up else 503, "Healthy" if up else str(document["state"]))


def find(service: Service, label: str) -> dict[str, Any] | None:
    """The service behind the first part of a host name."""
    owner = service.store.get("dns", label)
    return None if owner is None else service.store.get("service", owner["service"])


def text(status: int, content: str, **headers: str) -> Reply:
    """An answer that is a line of text, as the server of a scoring script gives it."""
    return Reply(status=status, headers=headers, content=content.encode(), media_type=TEXT)


def _refusal(document: dict[str, Any], call: Call) -> Reply | None:
    """The 401 for a request without the service's key. [inferred] the texts; nothing is recorded of them."""
    if not document["authEnabled"]:
        return None
    way, _, given = call.headers.get("authorization", "").partition(" ")
    headers = {"www-authenticate": "Bearer"}
    if way.lower() != "bearer" or not given.strip():
        return text(401, "Authorization is needed: Bearer and the service's key.", **headers)
    keys = [str(key).encode() for key in document["_keys"].values()]
    # both are compared, so that the time tells nothing
    if not sum([hmac.compare_digest(key, given.strip().encode()) for key in keys]):
        return text(401, "The key is not this service's.", **headers)
    return None


def _reply(scored: Scored, seconds: float) -> Reply:
    if scored.outcome == "result":
        headers = {FAILED: "False", "x-ms-run-fn-exec-ms": f"{scored.milliseconds:.3f}"}
        return Reply(headers=headers, content=scored.content, media_type=JSON)
    said = scored.content.decode(errors="replace")
    failed = {FAILED: "True"}
    if scored.outcome == "raised":
        return text(502, said, **failed)
    if scored.outcome == "timed-out":
        # [inferred] the status: later servers say 500, this family has 502 for whatever run() does wrong
        return text(502, f"Scoring timeout after {seconds * 1000:.0f} ms", **failed)
    if scored.outcome == "broken":
        # what is wrong outside run() (azure-docs#54134: a result that no JSON can be made of)
        return text(500, f"An unexpected internal error occurred. Encountered Exception: {said}", **{FAILED: "False"})
    # [inferred] what a container's front end says of a process that is gone, not up, or has a full queue
    status, words = {
        "ended": (502, "The scoring process ended while it answered; see the service's logs."),
        "not-started": (503, "The service is not up; see its state and its logs."),
        "busy": (503, "The service is busy with earlier requests."),
    }[scored.outcome]
    return text(status, words)


HANDLERS: dict[str, Handler] = {"scoring.score": score, "scoring.health": health}
