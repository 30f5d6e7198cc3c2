"""The filter and order language of run history, read into the store's conditions (wire-v1 3.2). Pure.

`(ParentRunId eq null) and (Tags/phase eq "dev")`: comparisons joined by `and` and `or`, in any parentheses. Values
are unquoted but for those of tags and properties, and may hold blanks (`CreatedUtc ge 2026-01-01 00:00:00+00:00`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .conditions import AllOf, AnyOf, Condition, Order, Value, Where
from .times import normal

#: How a field's value is read. A `map` is asked by key: `Tags/phase`; `flags` are names that are there or not.
Kind = Literal["text", "time", "number", "truth", "map", "flags"]

#: Where a document keeps which keys of its maps have null for a value. To the service such a key exists, a key
#: that was never set does not, and `(Tags/k ne null or Tags/k eq null)` asks whether it exists (wire-v1 3.2).
NULLS = "_nulls"
#: Where a run keeps its traits, so that `RunTypeV2/Traits/X ne null` can be asked.
TRAITS = "_traits"
DEEPEST = 40

_FIELD = re.compile(r"([^\s()]+(?: [^\s()]+)*?) +(eq|ne|ge|gt|le|lt) +", re.IGNORECASE)
_END = r"(?=\s*\)|\s*$|\s+(?:and|or)\s)"
_QUOTED = re.compile(rf"([\"'])(.*?)\1{_END}", re.IGNORECASE | re.DOTALL)
_BARE = re.compile(rf"[^()]*?{_END}", re.IGNORECASE)
_JOIN = re.compile(r"\s+(and|or)\s+|(?<=\))\s*(and|or)\s*(?=\()", re.IGNORECASE)


class BadFilter(ValueError):
    """A filter or an order that cannot be read; the text says where."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What may be asked of one kind of document: wire name (in the case of its JSON key) -> kind."""

    kinds: Mapping[str, Kind]

    def find(self, name: str) -> tuple[tuple[str, ...], Kind]:
        """The path and the kind of a field as a client writes it, in any case; `BadFilter` when there is none."""
        head, _, key = name.partition("/")
        for known, kind in self.kinds.items():
            if kind == "map" and key and known.lower() == head.lower():
                return (known, key), kind
            if kind == "flags" and name.lower().startswith(f"{known.lower()}/"):
                return (TRAITS, name[len(known) + 1 :]), kind
            if kind not in ("map", "flags") and known.lower() == name.lower():
                return tuple(known.split("/")), kind
        raise BadFilter(f"{name!r} is not a field that can be asked for")


RUN = Fields(
    {
        **dict.fromkeys(
            ("runId", "rootRunId", "parentRunId", "experimentId", "status", "name", "displayName", "description"),
            "text",
        ),
        **dict.fromkeys(("runType", "target", "scriptName", "userId", "dataContainerId", "runUuid"), "text"),
        **dict.fromkeys(("createdBy/userName", "createdBy/userObjectId", "runTypeV2/orchestrator"), "text"),
        **dict.fromkeys(("createdUtc", "startTimeUtc", "endTimeUtc", "lastModifiedUtc"), "time"),
        "runNumber": "number",
        "hidden": "truth",
        "tags": "map",
        "properties": "map",
        "runTypeV2/traits": "flags",
    }
)
EXPERIMENT = Fields(
    {
        **dict.fromkeys(("name", "experimentId", "description", "latestCreatedRunId"), "text"),
        **dict.fromkeys(("createdUtc", "archivedTime", "latestCreatedRunCreatedUtc"), "time"),
        "tags": "map",
    }
)
METRIC = Fields(
    {
        **dict.fromkeys(("runId", "metricId", "metricType", "name", "label", "dataContainerId"), "text"),
        "createdUtc": "time",
        "step": "number",
    }
)


def conditions(text: str | None, fields: Fields) -> tuple[Condition, ...]:
    """The conditions of a filter, none for an empty one; `BadFilter` says what cannot be read."""
    if not text or not text.strip():
        return ()
    reader = _Reader(text.strip(), fields)
    condition = reader.any_of(0)
    if reader.rest():
        raise BadFilter(f"the filter goes on after its end: {reader.rest()!r}")
    return tuple(condition.conditions) if isinstance(condition, AllOf) else (condition,)


def orders(text: str | None, fields: Fields, *, falling: bool = False) -> tuple[Order, ...]:
    """The order that `StartTimeUtc desc, Name` asks for; `falling` is the direction where none is written."""
    result: list[Order] = []
    for part in (text or "").split(","):
        words = part.split()
        if not words:
            continue
        direction = words.pop().lower() if words[-1].lower() in ("asc", "desc") and len(words) > 1 else ""
        path, _ = fields.find(" ".join(words))
        result.append((path, falling if not direction else direction == "desc"))
    return tuple(result)


def accepts(condition: Condition, document: Mapping[str, Any]) -> bool:
    """Whether a document meets a condition: what the store does in SQL, for what is not kept as documents."""
    if isinstance(condition, AllOf):
        return all(accepts(c, document) for c in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(accepts(c, document) for c in condition.conditions)
    found: Any = document
    for key in condition.path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return _compare(found, condition.op, condition.value)


def nulls_of(document: Mapping[str, Any], *names: str) -> dict[str, dict[str, bool]]:
    """What a document keeps under `NULLS` for its maps of these names; empty for nearly every document."""
    found = {name: {k: True for k, v in (document.get(name) or {}).items() if v is None} for name in names}
    return {name: keys for name, keys in found.items() if keys}


class _Reader:
    """Reads one filter from left to right."""

    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._at = 0
        self._fields = fields

    def rest(self) -> str:
        """What is not read yet, as much of it as fits an error's text."""
        return self._text[self._at :].strip()[:60]

    def any_of(self, depth: int) -> Condition:
        """Comparisons joined by `or`; `and` binds tighter."""
        groups: list[list[Condition]] = [[self._term(depth)]]
        while (joined := _JOIN.match(self._text, self._at)) is not None:
            self._at = joined.end()
            term = self._term(depth)
            if (joined[1] or joined[2]).lower() == "or":
                groups.append([term])
            else:
                groups[-1].append(term)
        options: list[Condition] = [AllOf(tuple(g)) if len(g) > 1 else g[0] for g in groups]
        return AnyOf(tuple(options)) if len(options) > 1 else options[0]

    def _term(self, depth: int) -> Condition:
        self._skip_blanks()
        if not self._text.startswith("(", self._at):
            return self._comparison()
        if depth > DEEPEST:
            raise BadFilter("the filter has too many parentheses in one another")
        self._at += 1
        condition = self.any_of(depth + 1)
        self._skip_blanks()
        if not self._text.startswith(")", self._at):
            raise BadFilter(f"a closing parenthesis is missing at {self.rest()!r}")
        self._at += 1
        return condition

    def _comparison(self) -> Condition:
        found = _FIELD.match(self._text, self._at)
        if found is None:
            raise BadFilter(f"expected a comparison such as Status eq Running, found {self.rest()!r}")
        path, kind = self._fields.find(found[1])
        self._at = found.end()
        return _where(path, kind, found[2].lower(), self._value(kind))

    def _value(self, kind: Kind) -> Value:
        for pattern, group in ((_QUOTED, 2), (_BARE, 0)):
            found = pattern.match(self._text, self._at)
            if found is not None:
                self._at = found.end()
                quoted = pattern is _QUOTED
                return found[group] if quoted and kind in ("text", "map") else _convert(found[group].strip(), kind)
        raise BadFilter(f"expected a value at {self.rest()!r}")

    def _skip_blanks(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1


def _convert(text: str, kind: Kind) -> Value:
    if not text:
        raise BadFilter("a comparison has no value")
    if text.lower() == "null":
        return None
    try:
        if kind == "time":
            return normal(text)
        if kind == "number":
            return float(text)
    except ValueError:
        raise BadFilter(f"{text!r} is not a {kind}") from None
    if kind == "truth":
        if text.lower() not in ("true", "false"):
            raise BadFilter(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    return text


def _where(path: tuple[str, ...], kind: Kind, op: str, value: Value) -> Condition:
    if value is None and op not in ("eq", "ne"):
        raise BadFilter(f"null can be compared by eq and ne, not by {op}")
    if kind == "map" and value is None and op == "eq":
        return Where((NULLS, *path), "eq", True)  # noqa: FBT003
    return Where(path, op, value)


def _compare(found: Any, op: str, value: Value) -> bool:
    if op == "eq":
        return bool(found == value)
    if op == "ne":
        return bool(found != value)
    if found is None or isinstance(found, str) != isinstance(value, str):
        return False
    if op == "prefix":
        return str(found).startswith(str(value))
    return bool({"ge": found >= value, "gt": found > value, "le": found <= value, "lt": found < value}[op])
