"""The vocabulary that the catalogue is written in: frozen records, no behaviour.

Knows nothing of HTTP clients, pandas or IPython. A family file is a table of these records.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

#: Keys of a path that the scope fills in; every other key is an argument of the word.
SCOPE = ("subscription", "group", "workspace")

#: Which server answers. "arm" is the resource manager, "data" the workspace's regional server (found by
#: discovery); the rest is what stands around Azure ML: sign-in, blob storage, deployed services.
Host = Literal["arm", "data", "login", "blob", "scoring"]

#: How a column's value is read: text, whole number, truth, time (UTC), elapsed (two times), map, list.
Kind = Literal["text", "int", "bool", "time", "elapsed", "map", "list", "float"]

#: How a list goes on. "next-link": an absolute URL in the answer. "body-token": `continuationToken`, sent
#: back in the body. "query-token": the same, sent back in the query.
Paging = Literal["next-link", "body-token", "query-token"]

#: What the request carries.
Body = Literal["json", "multipart", "form", "bytes"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a resource's table.

    `path` is dotted and may name alternatives with `|`: the first that holds something wins. `id#segment`
    is the part of an ARM id behind that segment. An elapsed column names two paths: `start end`.
    """

    name: str
    path: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where a resource keeps its status, its usual order, and which statuses end it."""

    path: str
    order: tuple[str, ...]
    succeeded: frozenset[str]
    failed: frozenset[str]

    @property
    def ended(self) -> frozenset[str]:
        """Every status after which nothing more happens."""
        return self.succeeded | self.failed


@dataclass(frozen=True, slots=True)
class Operation:
    """One HTTP operation of one resource.

    `path` names its keys in braces; `{path*}` may hold slashes. `also` lists other paths under which the
    service answers the same (the official clients use them). `query` is what the client always sends.
    `long_running` operations are polled to their end. With `word` false no `%azml` word is made of it:
    other code uses it. `api_version` is for an operation that is younger than its resource's. `anonymous`
    ones carry no token of the session's: the call has its own proof, or needs none. `answers` is the noun of
    what comes back where that is not the resource itself: a compute's nodes, a run's metrics.
    """

    verb: str
    method: str
    path: str
    summary: str
    host: Host = "arm"
    body: Body | None = None
    paging: Paging | None = None
    long_running: bool = False
    query: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()
    word: bool = True
    api_version: str = ""
    anonymous: bool = False
    answers: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The names that the path needs besides the scope's: ("experiment", "run")."""
        return tuple(k for k in keys_of(self.path) if k not in SCOPE)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource type: everything that the package knows about it.

    `noun` and `plural` are its words, `key` the path key that names one of it, `api_version` what ARM is
    asked with (empty for the data plane, whose specification has none).
    """

    noun: str
    plural: str
    summary: str
    operations: tuple[Operation, ...]
    columns: tuple[Column, ...] = ()
    api_version: str = ""
    key: str = "name"
    lifecycle: Lifecycle | None = None

    def operation(self, verb: str) -> Operation:
        """The operation of that verb; KeyError when the resource has none."""
        for operation in self.operations:
            if operation.verb == verb:
                return operation
        raise KeyError(f"{self.noun} has no operation {verb!r}")

    def operation_id(self, operation: Operation) -> str:
        """The name by which logs, handlers, tests and the reference know an operation."""
        return f"{self.noun}.{operation.verb}"


def keys_of(path: str) -> Iterator[str]:
    """The keys of a path template, in order, without the star of a greedy one."""
    for _, name, _, _ in string.Formatter().parse(path):
        if name:
            yield name.removesuffix("*")


ML = "/providers/Microsoft.MachineLearningServices"
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"
WORKSPACE = GROUP + ML + "/workspaces/{workspace}"


def collection(
    segment: str, noun: str, *verbs: str, key: str = "name", long_running: tuple[str, ...] = ()
) -> tuple[Operation, ...]:
    """The ordinary ARM operations of a workspace's collection: pick the verbs that the service has."""
    many, one = f"{WORKSPACE}/{segment}", f"{WORKSPACE}/{segment}/{{{key}}}"
    every = (
        Operation("list", "GET", many, f"List the {noun}s of the workspace", paging="next-link"),
        Operation("show", "GET", one, f"Show one {noun}"),
        Operation("create", "PUT", one, f"Create or replace a {noun}", body="json"),
        Operation("update", "PATCH", one, f"Change a {noun}", body="json"),
        Operation("delete", "DELETE", one, f"Delete a {noun}"),
    )
    return tuple(replace(o, long_running=o.verb in long_running) for o in every if o.verb in verbs)


def action(
    segment: str,
    verb: str,
    call: str,
    summary: str,
    *,
    long_running: bool = False,
    api_version: str = "",
    answers: str = "",
) -> Operation:
    """A POST on one resource of an ARM collection: `call` is the service's name for it."""
    path = f"{WORKSPACE}/{segment}/{{name}}/{call}"
    return Operation(verb, "POST", path, summary, long_running=long_running, api_version=api_version, answers=answers)


def data(
    verb: str,
    method: str,
    path: str,
    summary: str,
    *,
    body: Body | None = None,
    paging: Paging | None = None,
    also: tuple[str, ...] = (),
    query: tuple[tuple[str, str], ...] = (),
    long_running: bool = False,
    word: bool = True,
    answers: str = "",
) -> Operation:
    """An operation of the data plane; `{ws}` in a path stands for the workspace's ARM path."""
    return Operation(
        verb,
        method,
        path.replace("{ws}", WORKSPACE),
        summary,
        host="data",
        body=body,
        paging=paging,
        long_running=long_running,
        query=query,
        also=tuple(p.replace("{ws}", WORKSPACE) for p in also),
        word=word,
        answers=answers,
    )
