"""What a handler is given and what it answers. Plain values; no ASGI, no SQL.

A handler is a function of `(Service, Call)` that returns a `Reply` or raises a `Fault`. The edge (`app`) turns
requests into calls and replies into responses; the store, the blobs and the runner know nothing of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..catalogue import Operation, Resource

if TYPE_CHECKING:
    from .blobs import Blobs
    from .dispatch import Dispatcher
    from .environments import Environments
    from .identity import Identity
    from .progress import Progress
    from .runner import Runner
    from .scoring import Deployments
    from .store import Store

REGION = "emulator"


class Fault(Exception):
    """An answer that is an error: HTTP status, the service's code, a message for people.

    `inner` is the inner code that the data plane's envelope carries; `details` are `{code, message}` entries.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner
        self.details = list(details)
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body: `file` is at its start, spooled to disk when it is large."""

    filename: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Call:
    """One request, matched with its operation.

    `keys` are the decoded keys of the path; `query` is looked up by `param`, which ignores case; `body` is the
    decoded JSON or form, `parts` the multipart parts, `upload` the file that a body of bytes was spooled to.
    `base` is scheme and host as the caller named them, `url` the whole address.
    """

    resource: Resource
    operation: Operation
    keys: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    base: str
    url: str
    body: Any = None
    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    upload: Path | None = None
    caller: Mapping[str, Any] = field(default_factory=dict)

    def param(self, name: str, default: str = "") -> str:
        """A query parameter, whatever its case: the official clients differ in it."""
        wanted = name.lower()
        for key, value in self.query.items():
            if key.lower() == wanted:
                return value
        return default


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a JSON body, or raw content (bytes, a file, or chunks) with its media type."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Path | Iterator[bytes] | None = None
    media_type: str = "application/json; charset=utf-8"


Handler = Callable[["Service", Call], Reply]


@dataclass
class Service:
    """Everything a handler may use. Made once by `server`, shared by all threads."""

    data: Path
    identity: Identity
    store: Store
    blobs: Blobs
    runner: Runner
    environments: Environments
    progress: Progress
    dispatcher: Dispatcher
    deployments: Deployments
    #: Where runs reach the emulator: plain HTTP on loopback, known once the server listens.
    plain_url: str = ""
