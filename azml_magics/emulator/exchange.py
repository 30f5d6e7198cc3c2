"""One request on its way through the edge: what is known of it so far. Knows no HTTP library."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..catalogue import Host
from .envelopes import Trace
from .headers import clean, standard
from .routes import NOWHERE, Match, Place

SECRET_QUERY = re.compile(r"(?i)(^|&)(sig|code|key|token|access_token|client_secret)=[^&]*")


@dataclass(slots=True)
class Exchange:
    """A request as it came, and what the edge found out about it. Header names are in lower case."""

    method: str
    scheme: str
    raw_path: str
    query: str
    headers: dict[str, str]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: float = field(default_factory=time.perf_counter)
    where: Place = NOWHERE
    match: Match | None = None
    body_read: bool = False
    #: What is to be done once the answer is given.
    after: list[Callable[[], object]] = field(default_factory=list)

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Exchange:
        """The exchange that an ASGI scope begins."""
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return cls(
            scope["method"], scope["scheme"], path.decode("latin-1"), scope["query_string"].decode("latin-1"), headers
        )

    @property
    def operation_id(self) -> str:
        """The catalogue's name of what was asked, empty when there is none."""
        return self.match.resource.operation_id(self.match.operation) if self.match else ""

    @property
    def host(self) -> str:
        """The host as the caller named it."""
        return self.headers.get("host", "")

    @property
    def base(self) -> str:
        """Scheme and host as the caller named them."""
        return f"{self.scheme}://{self.host.removesuffix(':443') if self.scheme == 'https' else self.host}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.base}{self.raw_path}?{self.query}" if self.query else f"{self.base}{self.raw_path}"

    @property
    def kind(self) -> Host:
        """The kind of host that answers."""
        return self.match.operation.host if self.match else self.where.kind

    @property
    def trace(self) -> Trace:
        """What an error says of this request."""
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")
        return Trace(self.kind, "/" + "/".join(self.where.segments), moment, self.request_id)

    def answer_headers(self, more: Mapping[str, str]) -> dict[str, str]:
        """The headers of the answer: those of every answer, and `more`."""
        headers = standard(self.kind, self.request_id, time.perf_counter() - self.began)
        if (echo := self.headers.get("x-ms-client-request-id")) is not None:
            more = {"x-ms-client-request-id": echo, **more}
        headers.update(clean(more))
        return headers

    def row(self, status: int) -> dict[str, Any]:
        """What the journal keeps of it."""
        return {
            "time": datetime.now(UTC).isoformat(),
            "method": self.method,
            "host": self.host,
            "path": self.raw_path,
            "query": SECRET_QUERY.sub(r"\1\2=...", self.query),
            "operation": self.operation_id,
            "status": status,
            "milliseconds": round((time.perf_counter() - self.began) * 1000, 3),
            "request_id": self.request_id,
            "client_request_id": self.headers.get("x-ms-client-request-id", ""),
            "agent": self.headers.get("user-agent", ""),
        }
