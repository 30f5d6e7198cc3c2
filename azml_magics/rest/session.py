"""The session: the catalogue's operations, sent to the cloud and read.

Requests are made by `protocol` and sent by `transport`; what this adds is the scope, and what has to be known of
a workspace before its regional server can be asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..catalogue import locate
from ..errors import NotFoundError, TransportError, UsageError
from . import download
from .envelopes import read_scoring_error
from .paging import pages
from .polling import Poller
from .protocol import Answer, Part, Request, Scope, build_request, merge_query, reads, repeatable, with_body
from .transport import Transport

if TYPE_CHECKING:
    import requests

    from .clouds import Cloud
    from .tokens import AccessToken, Credential

#: First segments of ARM's paths; every other path is a service of the workspace's regional server.
ARM_PATHS = frozenset({"subscriptions", "providers", "tenants", "metadata"})
#: Headers that only the session sets: another host, a token pasted with a curl command, a length that is not true.
OWN_HEADERS = frozenset({"authorization", "host", "content-length", "transfer-encoding", "cookie", "connection"})


class RequestShown(Exception):
    """Raised in place of sending the operation that `Session.showing` is about. Not an error: it carries `request`."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"{request.method} {request.host}")
        self.request = request


class Session:
    """Sends operations as one identity, in one cloud, about one scope. The scope may be changed at any time."""

    def __init__(
        self,
        credential: Credential | None,
        cloud: Cloud,
        scope: Scope,
        *,
        http: requests.Session | None = None,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str = True,
        timeout: tuple[float, float] = (10, 60),
        notify: Callable[[str], None] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credential, self.cloud, self.scope = credential, cloud, scope
        self.sleep, self.clock = sleep, clock
        self._transport = Transport(
            cloud,
            credential,
            http,
            proxies=proxies,
            verify=verify,
            timeout=timeout,
            notify=notify,
            sleep=sleep,
            clock=clock,
        )
        self._workspaces: dict[Scope, dict[str, Any]] = {}
        self._hosts: dict[Scope, str] = {}
        self._experiments: dict[tuple[Scope, str], str] = {}
        self._shown = ""

    def __repr__(self) -> str:
        return f"<Session {self.cloud.name} {self.scope.workspace or self.scope.group or self.scope.subscription}>"

    def call(
        self,
        operation_id: str,
        *,
        keys: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        parts: Sequence[Part] = (),
        idempotent: bool = False,
    ) -> Any:
        """Send an operation and return its decoded body: JSON, text or bytes; None when there is none."""
        return self.answer(operation_id, keys=keys, query=query, body=body, parts=parts, idempotent=idempotent).body

    def answer(
        self,
        operation_id: str,
        *,
        keys: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        parts: Sequence[Part] = (),
        idempotent: bool = False,
    ) -> Answer:
        """The same with status and headers. `idempotent` lets a POST be retried that names what it makes."""
        request = self.prepare(operation_id, keys=keys, query=query, body=body, parts=parts)
        return self._perform(operation_id, request, idempotent=idempotent)

    def pages(
        self,
        operation_id: str,
        *,
        keys: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        top: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page as they are wanted; no more than `top`."""
        _, operation = locate(operation_id)
        request = self.prepare(operation_id, keys=keys, query=query, body=body)
        return pages(lambda page: self._perform(operation_id, page), operation, request, top)

    def start(
        self,
        operation_id: str,
        *,
        keys: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        parts: Sequence[Part] = (),
    ) -> Poller:
        """Send an operation that the service goes on with, and return what waits for its end."""
        resource, operation = locate(operation_id)
        request = self.prepare(operation_id, keys=keys, query=query, body=body, parts=parts)
        answer = self._perform(operation_id, request)
        return Poller(self, resource, operation, keys or {}, request, answer)

    def prepare(
        self,
        operation_id: str,
        *,
        keys: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        parts: Sequence[Part] = (),
    ) -> Request:
        """The request of an operation, without its token. Asks for the regional server's name when it needs it."""
        resource, operation = locate(operation_id)
        host = self.api_host() if operation.host == "data" else ""
        return build_request(resource, operation, self.cloud, host, self.scope, keys, query, body, parts)

    def send(
        self,
        method: str,
        url_or_path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send any request: a path goes to ARM or to the workspace's regional server, by its first segment."""
        url = url_or_path
        if "://" not in url:
            first = url.lstrip("/").partition("/")[0].partition("?")[0].lower()
            url = f"{self.cloud.arm if first in ARM_PATHS else self.api_host()}/{url.lstrip('/')}"
        request = Request(method.upper(), url, merge_query((), query or {}), dict(headers or {}))
        return self.send_request(with_body(request, body))

    def send_request(self, request: Request) -> Answer:
        """Send a request that somebody else made, with this session's token, to the cloud's own servers only."""
        if not self.cloud.trusted(request.full_url):
            raise UsageError(
                f"{request.host or 'this'} is no server of {self.cloud.name}, so the token must not go there",
                "leave the host out: %azml rest GET /subscriptions/...; %azml config shows the cloud",
            )
        kept = {name: value for name, value in request.headers.items() if name.lower() not in OWN_HEADERS}
        request = replace(request, headers={"Accept": "application/json", **kept}, anonymous=False)
        self._show("rest", request)
        return self._transport.answer(request, repeat=repeatable(request))

    def follow(self, url: str) -> Answer:
        """What a link of the service leads to, asked to the letter; only inside the cloud."""
        return self._transport.answer(Request("GET", url, headers={"Accept": "application/json"}), repeat=True)

    def check(self, url: str) -> None:
        """Raise TransportError for a link that leads out of the cloud."""
        self._transport.check(url)

    def fetch(
        self,
        url: str,
        target: Path | BinaryIO,
        *,
        resume: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write what a signed link leads to into a file, without the token; returns its size."""
        return download.fetch(self._transport, url, target, resume=resume, progress=progress)

    def size_of(self, url: str) -> int | None:
        """The size of what a signed link leads to."""
        return download.size_of(self._transport, url)

    def score(self, uri: str, key: str, body: Any) -> Any:
        """Ask a deployed service at its own address, with its own key; never with the token."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = with_body(Request("POST", uri, headers=headers, anonymous=True), body)
        self._show("scoring.score", request)
        return self._transport.answer(request, repeat=False, read=read_scoring_error).body

    def token(self, *, refresh: bool = False) -> AccessToken:
        """The token of the login, for who has to know when it ends."""
        return self._transport.token(refresh=refresh)

    def workspace_document(self) -> dict[str, Any]:
        """The workspace in use, as ARM describes it; asked once."""
        scope = self.scope
        if scope not in self._workspaces:
            document = self.call("workspace.show")
            self._workspaces[scope] = document if isinstance(document, dict) else {}
        return self._workspaces[scope]

    def location(self) -> str:
        """The region of the workspace in use."""
        return str(self.workspace_document().get("location") or "")

    def api_host(self) -> str:
        """The workspace's regional server: the `api` of its discovery document, asked without a token, once."""
        scope = self.scope
        if scope not in self._hosts:
            properties = self.workspace_document().get("properties") or {}
            url = str(properties.get("discoveryUrl") or "")
            if not url:
                raise TransportError("the workspace does not say where its regional server is", "%azml workspace show")
            self.check(url)
            document = self._transport.answer(Request("GET", url, anonymous=True), repeat=True).json()
            host = str(document.get("api") or "") if isinstance(document, dict) else ""
            self.check(host)
            self._hosts[scope] = host.rstrip("/")
        return self._hosts[scope]

    def experiment_name(self, experiment_id: str) -> str:
        """The name of an experiment, which a run's document has not; asked once, empty when it is gone."""
        if not experiment_id:
            return ""
        known = (self.scope, experiment_id)
        if known not in self._experiments:
            try:
                document = self.call("experiment.show-by-id", keys={"experiment_id": experiment_id})
            except NotFoundError:
                document = {}
            self._experiments[known] = str(document.get("name") or "")
        return self._experiments[known]

    @contextmanager
    def showing(self, operation_id: str) -> Iterator[None]:
        """Inside, this operation and whatever else would change something are not sent: RequestShown is raised."""
        self._shown = operation_id
        try:
            yield
        finally:
            self._shown = ""

    def _perform(self, operation_id: str, request: Request, *, idempotent: bool = False) -> Answer:
        resource, operation = locate(operation_id)
        self._show(operation_id, request, reads=reads(request, operation))
        try:
            return self._transport.answer(request, repeat=idempotent or repeatable(request, operation))
        except NotFoundError as error:
            if resource.key in operation.keys:  # what the path names is not there; the list tells what is
                error.hint = f"%azml {resource.plural}"
            raise

    def _show(self, operation_id: str, request: Request, *, reads: bool = False) -> None:
        """Raise RequestShown while requests are shown: for the one asked for, and for any that would change things."""
        if self._shown and (operation_id == self._shown or not reads):
            raise RequestShown(request)
