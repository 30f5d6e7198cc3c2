"""Faults in the words of whoever answers: each family of the service has an envelope of its own (service-facts 3).

Pure: a fault and the circumstances of a request in, status, headers and body out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from ..catalogue import Host
from .service import REGION, Fault

#: The micro-service behind a first path segment: `componentName` of its errors. `run-history`, `execution`,
#: `data-store` and `mlflow` are recorded (service-facts 3.3, wire-v1 3.3), the others [inferred].
COMPONENTS = {
    "history": "run-history",
    "execution": "execution",
    "datastore": "data-store",
    "mlflow": "mlflow",
    "artifact": "artifact",
    "metric": "metric",
    "content": "project-content",
    "environment": "environment-management",
    "rp": "machinelearningcompute",
}
#: MLflow's clients read `error_code`, and know nothing of the envelope around it.
MLFLOW_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_ALREADY_EXISTS",
}
#: Codes that a resource provider gives; any other code on ARM's host is the gateway's.
PROVIDER_CODES = frozenset({"UserError", "ServiceError"})
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Trace:
    """The circumstances that an error names: who answers where, when, under which request id (a GUID)."""

    kind: Host
    path: str
    time: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error as it goes out."""

    status: int
    headers: dict[str, str]
    content: bytes
    media_type: str


def render(fault: Fault, trace: Trace) -> Rendered:
    """The fault as the family that answers at this place would say it."""
    if trace.kind == "blob":
        return _blob(fault, trace)
    if trace.kind == "login":
        return _answer(fault, _login(fault, trace))
    if trace.kind == "scoring":
        # [inferred] what stands before a deployed service when it does not answer itself
        return _answer(fault, {"error": {"code": fault.code, "message": fault.message}})
    if trace.kind == "data":
        return _answer(fault, _data(fault, trace), {"x-ms-response-type": "error"})
    if fault.code not in PROVIDER_CODES:
        return _gateway(fault)
    # the compute provider leaks the data plane's envelope through ARM (service-facts 3)
    computes = "/computes" in trace.path.lower()
    body = _envelope(fault, trace, "machinelearningcompute") if computes else _front_end(fault, trace)
    return _answer(fault, body, {"x-ms-response-type": "error"})


def not_emulated(kind: Host, text: str) -> Fault:
    """The answer for what the emulator lacks: never a 5xx, and a code that says whose lack it is."""
    if kind == "data":
        return Fault(404, "UserError", text, inner="NotEmulated")
    return Fault(404, "invalid_request" if kind == "login" else "NotEmulated", text)


def component(path: str) -> str:
    """The micro-service that a data-plane path belongs to."""
    first = path.lstrip("/").partition("/")[0].lower()
    return COMPONENTS.get(first, first or "api")


def _answer(fault: Fault, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Rendered:
    content = json.dumps(body, indent=2, ensure_ascii=False).encode()
    return Rendered(fault.status, {**(headers or {}), **fault.headers}, content, JSON)


def _gateway(fault: Fault) -> Rendered:
    error: dict[str, Any] = {"code": fault.code, "message": fault.message}
    if fault.details:
        error["details"] = fault.details
    content = json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False).encode()
    return Rendered(fault.status, {"x-ms-failure-cause": "gateway", **fault.headers}, content, JSON)


def _data(fault: Fault, trace: Trace) -> dict[str, Any]:
    first = trace.path.lstrip("/").partition("/")[0].lower()
    if first == "modelmanagement":
        # clients read the status from the body (wire-v1 3.3)
        return {
            "code": fault.inner or fault.code,
            "statusCode": fault.status,
            "message": fault.message,
            "details": fault.details,
            "correlation": {"RequestId": trace.request_id},
        }
    if first == "hyperdrive":
        # the specification's code is an int32
        return {"code": fault.status, "message": fault.message}
    if first == "mlflow":
        own = fault.code.isupper()
        code = fault.code if own else MLFLOW_CODES.get(fault.status, "INVALID_PARAMETER_VALUE")
        wrapped = Fault(fault.status, "UserError", fault.message, inner=fault.inner) if own else fault
        return {**_envelope(wrapped, trace, "mlflow"), "error_code": code, "message": fault.message}
    return _envelope(fault, trace, component(trace.path))


def _envelope(fault: Fault, trace: Trace, name: str) -> dict[str, Any]:
    """The data plane's envelope. `details` is a list always: an official client fails on null (wire-v1 3.3)."""
    operation, request = _correlation(trace)
    return {
        "error": {
            "code": fault.code,
            "severity": None,
            "message": fault.message,
            "messageFormat": None,
            "messageParameters": None,
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            "details": fault.details,
            "innerError": {"code": fault.inner, "innerError": None} if fault.inner else None,
            "debugInfo": None,
            "additionalInfo": None,
        },
        "correlation": {"operation": operation, "request": request},
        "environment": REGION,
        "location": REGION,
        "time": trace.time,
        "componentName": name,
    }


def _front_end(fault: Fault, trace: Trace) -> dict[str, Any]:
    """The management front end's form: what is around the error is a list of typed facts (service-facts 3.2)."""
    operation, request = _correlation(trace)
    facts: list[tuple[str, Any]] = [
        ("ComponentName", "managementfrontend"),
        ("Correlation", {"operation": operation, "request": request}),
        ("Environment", REGION),
        ("Location", REGION),
        ("Time", trace.time),
    ]
    if fault.inner:
        facts.append(("InnerError", {"code": fault.inner, "innerError": None}))
    information = [{"type": name, "info": {"value": value}} for name, value in facts]
    error = {"code": fault.code, "message": fault.message, "details": fault.details, "additionalInfo": information}
    return {"error": error}


def _correlation(trace: Trace) -> tuple[str, str]:
    """A trace id of 32 hex digits and a span of 16, as the recorded envelopes have them."""
    digits = trace.request_id.replace("-", "")
    return digits, digits[:16]


def _login(fault: Fault, trace: Trace) -> dict[str, Any]:
    """The identity platform's form. A fault's inner code is `AADSTS` and the number of the error."""
    number = fault.inner.removeprefix("AADSTS")
    moment = f"{trace.time[:10]} {trace.time[11:19]}Z"
    ids = f"Trace ID: {trace.request_id} Correlation ID: {trace.request_id} Timestamp: {moment}"
    return {
        "error": fault.code,
        "error_description": f"{fault.inner}: {fault.message} {ids}" if fault.inner else f"{fault.message} {ids}",
        "error_codes": [int(number)] if number.isdigit() else [],
        "timestamp": moment,
        "trace_id": trace.request_id,
        "correlation_id": trace.request_id,
    }


def _blob(fault: Fault, trace: Trace) -> Rendered:
    text = f"{fault.message}\nRequestId:{trace.request_id}\nTime:{trace.time}"
    details = "".join(f"<{d['code']}>{escape(str(d['message']))}</{d['code']}>" for d in fault.details)
    body = f"<Error><Code>{escape(fault.code)}</Code><Message>{escape(text)}</Message>{details}</Error>"
    content = f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode()
    return Rendered(fault.status, {"x-ms-error-code": fault.code, **fault.headers}, content, "application/xml")
