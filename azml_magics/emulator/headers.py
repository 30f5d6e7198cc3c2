"""The headers that every answer carries, whatever was asked (service-facts 6)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache

from ..catalogue import Host
from .service import REGION

UNPRINTABLE = re.compile(r"[^ -~]")


def standard(kind: Host, request_id: str, seconds: float) -> dict[str, str]:
    """The headers of an answer, names in lower case; `seconds` is how long it took.

    No Strict-Transport-Security, although the service has it: a browser would keep it for all of `localhost`.
    """
    date, moment = _clock(int(time.time()))
    if kind == "blob":
        return {"date": date, "x-ms-request-id": request_id}
    headers = {
        "date": date,
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": request_id,
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "expires": "-1",
        "x-content-type-options": "nosniff",
        "x-request-time": f"{seconds:.3f}",
    }
    if kind == "arm":
        headers["x-ms-routing-request-id"] = f"{REGION.upper()}:{moment}:{request_id}"
    return headers


@lru_cache(maxsize=1)
def _clock(second: int) -> tuple[str, str]:
    """A second as HTTP writes it, and as ARM does."""
    return formatdate(second, usegmt=True), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def clean(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers, names in lower case, that cannot break the answer, whatever was put into their values."""
    return {
        name.lower(): value if value.isascii() and value.isprintable() else UNPRINTABLE.sub("?", value)
        for name, value in headers.items()
    }
