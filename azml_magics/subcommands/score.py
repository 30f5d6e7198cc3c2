"""Score: rows go to a deployed service with its key, its answer comes back as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalogue import Column, Resource
from ..errors import NotFoundError, ServiceError, UsageError
from .schema import Argument, Context, Subcommand, Text, as_sent

#: What an answer of plain values is shown as.
RESULT = Resource(
    noun="result",
    plural="results",
    summary="What a service answered",
    operations=(),
    columns=(Column("result", "result", "list"),),
)
KEY_VARIABLE = "AZML_SCORING_KEY"


def score(context: Context) -> Any:
    """Send rows to a service, named or by its URI, and return its answer as a frame."""
    body = payload(context)
    uri, key = address(context, context["target"])
    try:
        answer = context.session.score(uri, key, body)
    except ServiceError as error:
        if error.status >= 500 and "://" not in context["target"]:
            error.hint = f"%azml service logs {context['target']}"
        raise
    return as_sent(answer) if context["json"] else shaped(context, answer)


def payload(context: Context) -> bytes:
    """The JSON to send: a list of rows goes under `data`, as the article has it; an object goes as it is."""
    given = [name for name in ("data", "file") if context[name]] + (["the cell"] if context.cell else [])
    if len(given) != 1:
        raise UsageError("the rows come from --data, from --file or from the cell", "--data '[[1, 2, 3]]'")
    text: str = context["data"] or context.cell or ""
    if context["file"]:
        try:
            text = Path(context["file"]).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {context['file']}: {error}") from None
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the rows are not JSON: {error}") from None
    return json.dumps(rows if isinstance(rows, Mapping) else {"data": rows}).encode()


def address(context: Context, target: str) -> tuple[str, str]:
    """The scoring URI and the key of a service, given its name or its URI.

    A key that is in the environment is used first; else the workspace is asked for the service's.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if "://" not in target:
        context.need("subscription", "group", "workspace")
        service = context.session.call("service.show", keys={"service": target})
        if not service.get("scoringUri"):
            raise UsageError(
                f"service {target} has no scoring URI yet: {service.get('state')}", f"%azml service show {target}"
            )
        return str(service["scoringUri"]), key or key_of(context, service)
    if key:
        return target, key
    context.need("subscription", "group", "workspace")
    for service in context.session.pages("service.list"):
        if service.get("scoringUri") == target:
            return target, key_of(context, service)
    raise UsageError("no service of this workspace has that URI, so its key is not known", f"set {KEY_VARIABLE}")


def key_of(context: Context, service: Mapping[str, Any]) -> str:
    """A service's first key; empty when it needs none."""
    if service.get("authEnabled") is False:
        return ""
    try:
        found = context.session.call("service.keys", keys={"service": str(service["name"])})
    except NotFoundError:
        return ""
    return str(found.get("primaryKey") or "")


def shaped(context: Context, answer: Any) -> Any:
    """An answer as a frame: rows of objects by their names, plain values in one column; else text."""
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)  # a script that returns json.dumps(…) is answered as a string of JSON
        except ValueError:
            return Text(answer)
    if isinstance(answer, Mapping) and len(answer) == 1:
        name, values = next(iter(answer.items()))
        if isinstance(values, list):
            return context.frame(columns_of([{name: v} for v in values]), [{name: v} for v in values], "score")
    rows = answer if isinstance(answer, list) else [answer]
    rows = [r if isinstance(r, Mapping) else {"result": r} for r in rows]
    return context.frame(columns_of(rows), rows, "score")


def columns_of(rows: list[dict[str, Any]]) -> Resource:
    """A table with the columns that the rows have, in the order in which they came."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["result"]

    def kind(name: str) -> Any:
        values = [row.get(name) for row in rows]
        if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
            return "int"
        return "float" if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) else "list"

    return Resource("result", "results", RESULT.summary, (), tuple(Column(n, n, kind(n)) for n in names))


TARGET = Argument("target", "the service's name, or its scoring URI", completes="service")
FILE = Argument("--file", "a file with the JSON", metavar="FILE", completes="path")
SENDS = ("scoring.score", "service.show", "service.keys")

SUBCOMMANDS = (
    Subcommand(
        ("score",),
        "Score rows with a deployed service",
        score,
        (TARGET, Argument("--data", "the rows as JSON", metavar="JSON"), FILE),
        SENDS,
        "%azml score digits --data '[[0, 1, 2]]'",
    ),
)

CELL = Subcommand(
    ("score",),
    "Score the cell's rows with a deployed service",
    score,
    (TARGET, FILE, Argument("--expand", "put variables in for {name} in the cell too", "flag")),
    SENDS,
    "%%azml_score digits",
    cell='the rows as JSON: a list, or an object such as {"data": [...]}',
    magic="azml_score",
)
