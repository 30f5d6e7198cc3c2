"""The headers that every answer carries, whatever was asked (service-facts 6). Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import formatdate

from ..catalogue import Host
from .service import REGION

UNPRINTABLE = re.compile(r"[^ -~]")


def standard(kind: Host, request_id: str, echo: str | None, seconds: float) -> dict[str, str]:
    """The headers of an answer: `echo` is the caller's own id, `seconds` how long the answer took.

    No Strict-Transport-Security, although the service has it: a browser would keep it for all of `localhost`.
    """
    headers = {"date": formatdate(usegmt=True), "x-ms-request-id": request_id}
    if echo is not None:
        headers["x-ms-client-request-id"] = echo
    if kind == "blob":
        return headers
    headers |= {
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "expires": "-1",
        "x-content-type-options": "nosniff",
        "x-ms-correlation-request-id": request_id,
        "x-request-time": f"{seconds:.3f}",
    }
    if kind == "arm":
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers["x-ms-routing-request-id"] = f"{REGION.upper()}:{moment}:{request_id}"
    return headers


def clean(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers, names in lower case, that cannot break the answer, whatever was put into their values."""
    return {
        name.lower(): value if value.isascii() and value.isprintable() else UNPRINTABLE.sub("?", value)
        for name, value in headers.items()
    }
