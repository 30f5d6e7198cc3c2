"""How an operation of the catalogue becomes a request, and how an answer is read. Pure: no I/O, no HTTP client.

A `Request` holds no token; the session puts it on, and only on the way to a host that may see it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from ..catalogue import Operation, Resource
from ..catalogue.schema import SCOPE, keys_of
from ..errors import NoWorkspace, TransportError, UsageError

if TYPE_CHECKING:
    from .clouds import Cloud

#: What the keys of a list's items are called where they are not "value" (AmlCompute nodes, VM sizes).
ITEMS = ("value", "nodes", "amlCompute")
#: POSTs that only read, besides every one that pages: sending one twice changes nothing.
READING = frozenset({"list", "query", "metrics", "list-metrics", "read-metric", "keys", "nodes"})
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})

_HINTS = {
    "subscription": "%azml subscriptions, then %azml use --subscription ID",
    "group": "%azml groups, then %azml use WORKSPACE --group GROUP",
    "workspace": "%azml workspaces, then %azml use WORKSPACE",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where requests go: the three names that every workspace's path starts with; empty while not chosen."""

    subscription: str = ""
    group: str = ""
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body. A path is streamed from disk when it is sent."""

    name: str
    filename: str
    content: bytes | Path
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, without its token. At most one of `json`, `parts` and `data` is its body."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    parts: tuple[Part, ...] = ()
    data: bytes | Path | None = None
    anonymous: bool = False

    @property
    def full_url(self) -> str:
        """The whole address. Without `params` it is `url` to the letter, as signed and paging links need."""
        if not self.params:
            return self.url
        join = "&" if "?" in self.url else "?"
        return self.url + join + urlencode(self.params, quote_via=quote, safe="$:,/")

    @property
    def host(self) -> str:
        """The host that is asked, for messages."""
        return urlsplit(self.url).netloc

    def param(self, name: str) -> str:
        """The value of a query parameter, whatever the case of its name; empty when there is none."""
        return next((v for k, v in self.params if k.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (looked up in any case), content as bytes, and the address that gave it."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    url: str = ""

    def header(self, name: str) -> str:
        """A header's value, whatever its case; empty when there is none."""
        return next((v for k, v in self.headers.items() if k.lower() == name.lower()), "")

    @property
    def body(self) -> Any:
        """The content by its media type: decoded JSON, text, or bytes; None when there is none."""
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if not kind or kind.endswith("json"):
            return self.json()
        if kind == "text/html":
            raise self._broken("data, but a web page")
        if kind.startswith("text/"):
            return self.content.decode("utf-8", "replace")
        return self.content or None

    def json(self) -> Any:
        """The decoded JSON; None when there is no content, as with accepted operations (service-facts 21)."""
        if not self.content.strip():
            return None
        try:
            return json.loads(self.content)
        except ValueError:
            raise self._broken("JSON") from None

    def _broken(self, wanted: str) -> TransportError:
        host = urlsplit(self.url).netloc or "the service"
        return TransportError(
            f"{host} answered {self.status} with {len(self.content)} bytes that are not {wanted}",
            "try again; a proxy or a sign-in page of the network may stand in between",
        )


def build_request(
    resource: Resource,
    operation: Operation,
    cloud: Cloud,
    api_host: str,
    scope: Scope,
    keys: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    parts: Sequence[Part] = (),
) -> Request:
    """The request of an operation. `api_host` is the workspace's regional server (the discovery's `api`)."""
    if operation.host not in ("arm", "data"):
        raise ValueError(f"{resource.operation_id(operation)} is not asked of ARM or a workspace's server")
    base = cloud.arm if operation.host == "arm" else api_host
    url = base.rstrip("/") + fill(choose_path(operation, keys or {}), scope, keys or {})
    version = operation.api_version or resource.api_version
    fixed = (*((("api-version", version),) if version else ()), *operation.query)
    request = Request(
        operation.method,
        url,
        params=merge_query(fixed, query or {}),
        headers={"Accept": "application/json"},
        parts=tuple(parts),
        anonymous=operation.anonymous,
    )
    if operation.paging == "body-token" and body is None:
        body = {}  # a query without a filter is an empty object, not an empty body
    return with_body(request, body)


def with_body(request: Request, body: Any) -> Request:
    """The same request with a body: bytes, a file and text go as they are, everything else as JSON."""
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes | Path):
        return replace(request, json=body)
    typed = any(name.lower() == "content-type" for name in request.headers)
    headers = request.headers if typed else {**request.headers, "Content-Type": "application/octet-stream"}
    return replace(request, data=body, headers=headers)


def choose_path(operation: Operation, keys: Mapping[str, str]) -> str:
    """The path of the operation that fits the given keys: all of its keys are there, and the most are used."""
    best, most = operation.path, -1
    for path in (operation.path, *operation.also):
        needed = {k for k in keys_of(path) if k not in SCOPE}
        if needed <= keys.keys() and len(needed) > most:
            best, most = path, len(needed)
    return best


def fill(path: str, scope: Scope, keys: Mapping[str, str]) -> str:
    """The path with its keys quoted; raises before anything is sent when one is missing or would climb."""
    names = {}
    for key in keys_of(path):
        if key in SCOPE:
            # A blank behind a group's name answers 403, as if it were a matter of rights (service-facts 12).
            value = (keys.get(key) or getattr(scope, key)).strip()
            if not value:
                raise NoWorkspace(f"no {key} is chosen", _HINTS[key])
        else:
            value = str(keys.get(key, ""))
            if not value:
                raise UsageError(f"the {key} is missing")
        # "computes/.." would be the workspace: clients and servers resolve dot segments.
        if {".", ".."} & set(value.split("/")):
            raise UsageError(f"{value!r} cannot be the name of a {key}")
        names[key] = quote(value, safe="")
        names[key + "*"] = quote(value, safe="/")
    return path.format_map(names)


def merge_query(fixed: Iterable[tuple[str, str]], given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The query to send: what is given wins over what is fixed, whatever the case of its name; None is left out."""
    taken = {name.lower() for name in given}
    pairs = [(name, value) for name, value in fixed if name.lower() not in taken]
    for name, value in given.items():
        many = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _text(one)) for one in many if one is not None]
    return tuple(pairs)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def reads(request: Request, operation: Operation) -> bool:
    """Whether a request only looks: a GET, a page of a query, a POST of a verb that reads."""
    return request.method in ("GET", "HEAD") or operation.paging is not None or operation.verb in READING


def repeatable(request: Request, operation: Operation | None = None) -> bool:
    """Whether sending this twice does no more than sending it once.

    A POST is when it only reads, or when it names the run that it starts (`startrun?runId=`). A DELETE is:
    ARM was seen to lose one on its way to the service with 502 (service-facts 9).
    """
    if request.method in REPEATABLE:
        return True
    if operation is not None and reads(request, operation):
        return True
    return request.method == "POST" and bool(request.param("runId"))


def read_page(operation: Operation, answer: Answer) -> tuple[list[dict[str, Any]], str]:
    """The items of a page, and what leads to the next: a token, an absolute URL, or nothing on the last one."""
    document = answer.json()
    if isinstance(document, list):
        return [item for item in document if isinstance(item, dict)], ""
    if not isinstance(document, dict):
        return [], ""
    found: list[Any] = next((document[key] for key in ITEMS if isinstance(document.get(key), list)), [])
    items = [item for item in found if isinstance(item, dict)]
    token, link = document.get("continuationToken"), document.get("nextLink")
    way = paging_of(operation)
    if way != "next-link" and token:
        return items, str(token)
    # A body cannot be followed by a link: the next page of a POST needs its filter again (service-facts 36).
    return items, str(link) if link and way != "body-token" else ""


def paging_of(operation: Operation) -> str:
    """How the operation's list goes on; a POST with a body that the catalogue says nothing of takes a token."""
    takes_body = operation.method == "POST" and operation.body == "json"
    return operation.paging or ("body-token" if takes_body else "next-link")


def next_request(operation: Operation, request: Request, following: str) -> Request:
    """The request of the page that `following`, from `read_page`, leads to."""
    way = paging_of(operation)
    if way == "body-token":
        return replace(request, json={**(request.json or {}), "continuationToken": following})
    if way == "query-token" and "://" not in following:
        name = token_name(operation.path)
        return replace(request, params=merge_query(request.params, {name: following}))
    return Request(
        "GET", urljoin(request.url, following) if following[:1] == "/" else following, headers=request.headers
    )


def token_name(path: str) -> str:
    """What the query calls the continuation token: three names in five services (wire-v1 3.1)."""
    if path.startswith("/environment/"):
        return "continuation"
    if path.startswith("/history/") and "/artifacts" not in path:
        return "$continuationToken"
    return "continuationToken"


def retry_after(answer: Answer, now: datetime | None = None) -> float | None:
    """The seconds that the service asks to wait, from any of its headers; None when it asks nothing."""
    if seconds := _number(answer.header("retry-after")):
        return seconds
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _number(answer.header(name))) is not None:
            return milliseconds / 1000
    if text := answer.header("retry-after"):
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return _number(text)
        return max(0.0, (moment.astimezone(UTC) - (now or datetime.now(UTC))).total_seconds())
    return None


def _number(text: str) -> float | None:
    return float(text) if text.strip().replace(".", "", 1).isdecimal() else None
