"""Which operation of the catalogue a request asks for: host, method and path in, operation and keys out.

Pure. The routes are the catalogue's; the only paths written here are the two that stand for a host under loopback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from ..catalogue import RESOURCES, Host, Operation, Resource
from .service import REGION, Fault

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOGIN_HOSTS = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com")
API_HOST = f"{REGION}.api.azureml.ms"
EXPERIMENTS_HOST = f"{REGION}.experiments.azureml.net"
MODELS_HOST = f"{REGION}.modelmanagement.azureml.net"
STUDIO_HOST = "ml.azure.com"
ARM_HOST = "management.azure.com"
BLOB_SUFFIX = ".blob.core.windows.net"
SCORING_SUFFIXES = (f".{REGION}.azurecontainer.io", f".{REGION}.inference.ml.azure.com")
NETLOC = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.ASCII)
UNSAFE = re.compile(r"[\x00-\x1f]|(?:^|[/\\])\.\.?(?:[/\\]|$)")
#: The header by which an emulator tells its process id, so that it is not taken for whatever else listens there.
MARK = "x-azml-emulator"

#: The hosts that answer under their real names, and what they answer.
NAMED: dict[str, tuple[Host, ...]] = {
    ARM_HOST: ("arm",),
    API_HOST: ("data",),
    EXPERIMENTS_HOST: ("data",),
    MODELS_HOST: ("data",),
    STUDIO_HOST: (),
    **dict.fromkeys(LOGIN_HOSTS, ("login",)),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request arrived: the kinds of host that answer there, and the path that they see."""

    kinds: tuple[Host, ...]
    segments: tuple[str, ...]
    keys: dict[str, str] = field(default_factory=dict)
    loopback: bool = False

    @property
    def kind(self) -> Host:
        """The kind that answers when no operation is found. Under loopback the path tells."""
        if len(self.kinds) == 1 or not self.segments:
            return self.kinds[0] if self.kinds else "arm"
        if "oauth2" in self.segments:
            return "login"
        return "data" if self.segments[0].lower() in DATA_FAMILIES else "arm"


#: Where a request is that was refused before its host was known.
NOWHERE = Place((), ())


@dataclass(frozen=True, slots=True)
class Match:
    """An operation and the decoded keys of its path."""

    resource: Resource
    operation: Operation
    keys: dict[str, str]


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    anything: _Node | None = None
    rest: list[_Leaf] = field(default_factory=list)
    leaves: list[_Leaf] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Leaf:
    resource: Resource
    operation: Operation
    names: tuple[str, ...]
    literal: int


#: A leaf, and the values of its keys.
_Found = tuple[_Leaf, tuple[str, ...]]


def host_name(netloc: str) -> str:
    """The name in a Host header, lower case, without port, brackets and final dot; empty when it is malformed."""
    name = netloc.lower()
    if not NETLOC.fullmatch(name):
        return ""
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def netloc_of(url: str) -> str:
    """The host part of a URL, lower case, as a Host header would have it; never fails, unlike the library's."""
    return re.split("[/?#]", url.lower().partition("://")[2], maxsplit=1)[0]


def is_known(name: str) -> bool:
    """Whether the emulator answers under a host name (loopback apart)."""
    return name in NAMED or bool(_account(name)) or bool(_service(name))


def place(netloc: str, path: str) -> Place:
    """Where a host and a raw path lead; a 400 `Fault` for a host that is none of the emulator's."""
    name, segments = host_name(netloc), _segments(path)
    if name in NAMED:
        return Place(NAMED[name], segments)
    if account := _account(name):
        return Place(("blob",), segments, {"account": account})
    if service := _service(name):
        return Place(("scoring",), segments, {"service": service})
    if name not in LOOPBACK:
        raise Fault(400, "InvalidHostName", "The emulator does not answer under this host name.")
    first = segments[0].lower() if len(segments) > 1 else ""
    if first == "blob":
        return Place(("blob",), segments[2:], {"account": segments[1].lower()}, loopback=True)
    if first == "scoring":
        return Place(("scoring",), segments[2:], {"service": segments[1].lower()}, loopback=True)
    return Place(("arm", "data", "login"), segments, loopback=True)


def _segments(path: str) -> tuple[str, ...]:
    try:
        text = unquote(path, errors="strict") if "%" in path else path
    except UnicodeDecodeError:
        raise Fault(400, "InvalidUri", "The path is not UTF-8 text.") from None
    if UNSAFE.search(text):
        # nothing outside may be named, whatever a key is joined to
        raise Fault(400, "InvalidUri", "The path climbs, or holds control characters.")
    if text is path:
        return tuple(filter(None, path.split("/")))
    return tuple(unquote(part) for part in path.split("/") if part)


def _account(name: str) -> str:
    account = name.removesuffix(BLOB_SUFFIX)
    return account if account != name and "." not in account else ""


def _service(name: str) -> str:
    for suffix in SCORING_SUFFIXES:
        service = name.removesuffix(suffix)
        if service != name and "." not in service:
            return service
    return ""


class Router:
    """The catalogue's paths as a tree of segments. Literal segments ignore case (service-facts 25)."""

    def __init__(self, resources: Iterable[Resource] = RESOURCES) -> None:
        self._root = _Node()
        # whoever waits for something asks for the same path again and again
        self._find = lru_cache(maxsize=1024)(self._search)
        for resource in resources:
            for operation in resource.operations:
                for template in (operation.path, *operation.also):
                    self._add(resource, operation, template)

    def _add(self, resource: Resource, operation: Operation, template: str) -> None:
        node, names, literal = self._root, [], 0
        for part in filter(None, template.split("/")):
            if part.startswith("{"):
                names.append(part[1:-1].removesuffix("*"))
                if part.endswith("*}"):
                    node.rest.append(_Leaf(resource, operation, tuple(names), literal))
                    return
                node.anything = node = node.anything or _Node()
            else:
                literal += 1
                node = node.literals.setdefault(part.lower(), _Node())
        node.leaves.append(_Leaf(resource, operation, tuple(names), literal))

    def match(self, method: str, where: Place) -> Match | None:
        """The operation that a method asks for at a place; the one with most literal segments wins."""
        found = self._find(method, where.kinds, where.segments)
        if found is None:
            return None
        leaf, values = found
        return Match(leaf.resource, leaf.operation, {**where.keys, **dict(zip(leaf.names, values, strict=True))})

    def _search(self, method: str, kinds: tuple[Host, ...], segments: tuple[str, ...]) -> _Found | None:
        found = [
            (leaf, values)
            for leaf, values in _walk(self._root, segments, 0, ())
            if leaf.operation.method == method and leaf.operation.host in kinds
        ]
        return max(found, key=lambda pair: pair[0].literal, default=None)

    def methods(self, where: Place) -> list[str]:
        """The methods that are known at a place: empty when the path is not known at all."""
        leaves = (leaf for leaf, _ in _walk(self._root, where.segments, 0, ()))
        return sorted({leaf.operation.method for leaf in leaves if leaf.operation.host in where.kinds})


def _walk(node: _Node, segments: tuple[str, ...], at: int, values: tuple[str, ...]) -> Iterator[_Found]:
    if at == len(segments):
        yield from ((leaf, values) for leaf in node.leaves)
        return
    if node.rest:
        tail = "/".join(segments[at:])
        yield from ((leaf, (*values, tail)) for leaf in node.rest)
    literal = node.literals.get(segments[at].lower())
    if literal is not None:
        yield from _walk(literal, segments, at + 1, values)
    if node.anything is not None:
        yield from _walk(node.anything, segments, at + 1, (*values, segments[at]))


def _families() -> frozenset[str]:
    paths = (path for r in RESOURCES for o in r.operations if o.host == "data" for path in (o.path, *o.also))
    return frozenset(path.split("/")[1].lower() for path in paths)


#: The first segments of the data plane's paths: history, execution, artifact, …
DATA_FAMILIES = _families()
