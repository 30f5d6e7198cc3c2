"""NOUN VERB for every operation of the catalogue that has no subcommand of its own making."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..catalogue import RESOURCES, Operation, Resource, find
from ..catalogue.schema import SCOPE, keys_of
from ..errors import NotFoundError, UsageError
from .schema import NO_WAIT, TOP, Argument, Context, Subcommand, Text, as_sent
from .waiting import finish

BODY = Argument("--body", "the JSON to send, or @FILE to read it from", metavar="JSON")


def subcommands(taken: Collection[tuple[str, ...]], resources: Iterable[Resource] = RESOURCES) -> Iterator[Subcommand]:
    """A subcommand for each operation whose words nobody wrote by hand."""
    for resource in resources:
        for operation in resource.operations:
            words = (resource.noun, operation.verb)
            if operation.word and words not in taken:
                yield Subcommand(
                    words,
                    operation.summary,
                    functools.partial(perform, resource=resource, operation=operation),
                    arguments_of(resource, operation),
                    (resource.operation_id(operation),),
                    example_of(resource, operation),
                )


def arguments_of(resource: Resource, operation: Operation) -> tuple[Argument, ...]:
    """What the path needs, the resource's own key first; then what the kind of operation takes."""
    found = [_key_argument(resource, key) for key in keys_of(operation.path) if key not in SCOPE or key == resource.key]
    found.sort(key=lambda argument: argument.is_option)
    more = [
        *([TOP] if operation.paging else []),
        *([BODY] if operation.body == "json" else []),
        *([NO_WAIT] if operation.long_running else []),
    ]
    return (*found, *more)


def _key_argument(resource: Resource, key: str) -> Argument:
    """A path key as an argument: the resource's own is positional, another one is an option."""
    if key == resource.key:
        needed = key not in SCOPE
        text = f"the {resource.noun}" + ("" if needed else " (left out: the one in use)")
        return Argument(resource.noun, text, required=needed, completes=resource.noun)
    if key == "location":
        return Argument("--location", "the region (left out: the workspace's)", metavar="REGION")
    return Argument(f"--{key}", f"the {key} it belongs to", metavar=key.upper(), completes=key)


def example_of(resource: Resource, operation: Operation) -> str:
    """A line as one would type it."""
    if operation.verb == "list":
        return f"%azml {resource.plural}"
    named = [key for key in operation.keys if key == resource.key]
    return f"%azml {resource.noun} {operation.verb}" + (f" my-{resource.noun}" if named else "")


def keys_from(context: Context, resource: Resource, operation: Operation) -> dict[str, str]:
    """The values of the path's keys, from the line or from the scope; NoWorkspace when one is missing."""
    keys: dict[str, str] = {}
    for key in keys_of(operation.path):
        given = context[resource.noun if key == resource.key else key]
        if given:
            keys[key] = given
        elif key in SCOPE:
            context.need(key)
        elif key == "location":
            keys[key] = context.session.location()
    return keys


def perform(context: Context, *, resource: Resource, operation: Operation) -> Any:
    """Send the operation and shape its answer: a frame, a row, or what a long operation ended with."""
    keys = keys_from(context, resource, operation)
    operation_id = resource.operation_id(operation)
    rows = find(operation.answers) if operation.answers else resource
    if operation.paging:
        items = list(context.session.pages(operation_id, keys=keys, top=context["top"]))
        return context.frame(rows, items, operation.verb)
    body = body_from(context) if operation.body == "json" else None
    if operation.verb == "keys":
        return as_sent(context.session.call(operation_id, keys=keys))
    if operation.long_running:
        poller = context.session.start(operation_id, keys=keys, body=body)
        return finish(context, resource, operation, poller, keys.get(resource.key, ""))
    answer = context.session.answer(operation_id, keys=keys, body=body)
    if operation.method == "DELETE":
        name = keys.get(resource.key, "")
        if answer.status == 204:
            raise NotFoundError(f"there is no {resource.noun} {name}", f"%azml {resource.plural}", status=204)
        return context.row(resource, gone(resource, name), operation.verb)
    return shaped(context, rows, answer.body, operation.verb)


def shaped(context: Context, rows: Resource, answer: Any, verb: str) -> Any:
    """An answer as a frame: a list under any of the service's names for it, one document, or text."""
    if context["json"]:
        return as_sent(answer)
    if isinstance(answer, Mapping):
        for name in ("value", "nodes", "amlCompute"):
            if isinstance(answer.get(name), list):
                return context.frame(rows, answer[name], verb)
        if set(answer) == {"content"}:
            return Text(answer["content"])
        return context.row(rows, answer, verb)
    return Text(answer or "")


def gone(resource: Resource, name: str) -> dict[str, Any]:
    """The document of something just deleted: its name, and that it is gone."""
    return {"id": name, "name": name, "state": "Deleted", "properties": {"provisioningState": "Deleted"}}


def body_from(context: Context) -> Any:
    """The JSON of `--body`, of its file, or of the cell; UsageError when it is none."""
    text = context["body"] or context.cell
    if not text:
        return None
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot read {text[1:]}: {error.strerror}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"the body is not JSON: {error}") from None
