"""What a list of documents asks for, and its SQL: conditions on values inside JSON bodies, and orders by them.

Pure: makes the text and the values of a query; `store` runs it. Only the paths that are indexed stand in the text
as literals, which is what lets SQLite see that an index answers them; every other path is a bound value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

JsonPath = tuple[str, ...]
Value = str | int | float | bool | None
Order = tuple[JsonPath, bool]
Sql = tuple[str, list[Any]]

#: The kinds whose lists are long, and the paths that they are filtered by.
FILTERED = {"run": ("status", "experimentId", "parentRunId", "rootRunId", "target"), "artifact": ("container",)}
#: The paths that runs are ordered by; the first is the order that their lists have by default (wire-v1 3.1).
ORDERED = ("startTimeUtc", "createdUtc")

COMPARISONS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
#: SQLite's integers; a larger number is compared as a float.
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Where:
    """A comparison with the value at a path of JSON keys: eq, ne, ge, gt, le, lt or prefix.

    What is missing is null. `eq None` and `ne None` ask for null, and null is `ne` every other value.
    """

    path: JsonPath
    op: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one of the conditions is; never when there are none."""

    conditions: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when all the conditions are."""

    conditions: Sequence[Condition]


Condition = Where | AnyOf | AllOf


def index_statements() -> list[str]:
    """The indexes that the long lists use: for runs every filter goes on with the order of lists."""
    start = indexed(ORDERED[0])
    terms = (
        {("run", name): f"{indexed(name)}, scope, {start}" for name in FILTERED["run"]}
        | {("run", name): f"scope, {indexed(name)}" for name in ORDERED}
        | {("artifact", name): f"{indexed(name)}, scope" for name in FILTERED["artifact"]}
    )
    # the list that official clients ask for: the runs of an experiment that have no parent (wire-v1 3.1)
    terms["run", "top"] = f"{indexed('experimentId')}, {indexed('parentRunId')}, scope, {start}"
    return [
        f"create index {kind}_{name} on documents ({text}) where kind = '{kind}'"
        for (kind, name), text in terms.items()
    ]


def indexed(name: str) -> str:
    """The expression of an indexed path: it has to be the same text in the index and in the query."""
    return f"json_extract(body, '$.\"{name}\"')"


def source_of(kind: str, scope: str, conditions: Sequence[Condition]) -> Sql:
    """What stands after `from`: the documents of a kind and scope (the empty one: any) that meet all conditions."""
    # the literal is what makes the partial indexes usable
    text, values = (f"kind = '{kind}'", []) if kind in FILTERED else ("kind = ?", [kind])
    if scope:
        text, values = f"{text} and scope = ?", [*values, scope]
    conditions = _flat(conditions)
    condition, more = _condition(kind, AllOf(conditions))
    return f"documents{_hint(kind, conditions)} where {text} and {condition}", [*values, *more]


def order_of(kind: str, order: Sequence[Order], conditions: Sequence[Condition]) -> Sql:
    """What stands after `order by`; the path `()` is the creation, which also decides between equals.

    SQLite's null is smaller than anything, which is the order wanted: last going down.
    """
    terms: list[str] = []
    values: list[Any] = []
    direction = "asc"
    for path, descending in order:
        direction = "desc" if descending else "asc"
        if not path:
            break
        text, more = value_of(kind, path)
        terms.append(f"{text} {direction}")
        values += more
    # By creation alone SQLite would walk the whole kind in that order, testing each body; the plus sign forbids
    # it, and the index of the filter is used and its few finds are sorted.
    plain = terms or not any(_is_indexed(kind, condition) for condition in _flat(conditions))
    terms.append(f"{'' if plain else '+'}seq {direction}")
    return ", ".join(terms), values


def value_of(kind: str, path: JsonPath) -> Sql:
    """The value at a path in a body."""
    if _has_index(kind, path) or (kind == "run" and path in [(name,) for name in ORDERED]):
        return indexed(path[0]), []
    if all(key and json.dumps(key, ensure_ascii=False) == f'"{key}"' for key in path):
        return "json_extract(body, ?)", ["$" + "".join(f'."{key}"' for key in path)]
    # SQLite's own paths have no escapes (before 3.45 at least), so quotes in a key are left to Python
    return "dig(body, ?)", [json.dumps(path)]


def dig(body: str, path: str) -> Value:
    """SQLite's `json_extract` with a JSON list of keys for a path: any key is possible."""
    value: Any = json.loads(body)
    for key in json.loads(path):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return _bindable(value)


def begins(text: str, values: Sequence[Any], prefix: str) -> Sql:
    """The condition that a text begins so, as a range, which an index can answer."""
    after = _after(prefix)
    if after is None:
        return f"{text} >= ?", [*values, prefix]
    return f"({text} >= ? and {text} < ?)", [*values, prefix, *values, after]


def _after(prefix: str) -> str | None:
    """The smallest text that is larger than all that begin so; None when there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    last = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if 0xD800 <= last < 0xE000 else last)  # surrogates are no text


def _flat(conditions: Sequence[Condition]) -> list[Condition]:
    """The same conditions without the brackets that change nothing: filters that were parsed are full of them."""
    found: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, Where) or (isinstance(condition, AnyOf) and len(condition.conditions) != 1):
            found.append(condition)
        else:
            found += _flat(condition.conditions)
    return found


def _condition(kind: str, condition: Condition) -> Sql:
    if isinstance(condition, Where):
        return _comparison(kind, condition)
    same = _alternatives(condition)
    if same:
        text, values = value_of(kind, same[0].path)
        marks = ", ".join("?" * len(same))
        return f"{text} in ({marks})", [*values, *(_bindable(where.value) for where in same)]
    word, nothing = (" and ", "1") if isinstance(condition, AllOf) else (" or ", "0")
    parts = [_condition(kind, part) for part in condition.conditions]
    text = word.join(part[0] for part in parts)
    return f"({text or nothing})", [value for part in parts for value in part[1]]


def _comparison(kind: str, where: Where) -> Sql:
    text, values = value_of(kind, where.path)
    value = _bindable(where.value)
    match where.op:
        case "eq" | "ne" if value is None:
            return f"{text} is {'not ' if where.op == 'ne' else ''}null", values
        case "eq":
            return f"{text} = ?", [*values, value]
        case "ne":
            return f"{text} is not ?", [*values, value]
        case "prefix" if isinstance(value, str):
            return begins(text, values, value)
        case op if op in COMPARISONS:
            return f"{text} {COMPARISONS[op]} ?", [*values, value]
    raise ValueError(f"no such comparison: {where.op} {where.value!r}")


def _alternatives(condition: Condition) -> list[Where]:
    """The comparisons of an `AnyOf` that says no more than that one path has one of several values, or none."""
    if not isinstance(condition, AnyOf):
        return []
    equal = [part for part in condition.conditions if isinstance(part, Where) and part.op == "eq"]
    paths = {part.path for part in equal}
    full = len(equal) == len(condition.conditions) and all(part.value is not None for part in equal)
    return equal if full and len(paths) == 1 else []


def _is_indexed(kind: str, condition: Condition) -> bool:
    """Whether an index finds the documents that meet a condition."""
    where = condition if isinstance(condition, Where) else next(iter(_alternatives(condition)), None)
    return where is not None and where.op == "eq" and _has_index(kind, where.path)


def _has_index(kind: str, path: JsonPath) -> bool:
    return len(path) == 1 and path[0] in FILTERED.get(kind, ())


def _hint(kind: str, conditions: Sequence[Condition]) -> str:
    """The index to name when alternatives of one path are all that an index could find by.

    SQLite would rather walk the kind in the wanted order: slow when the alternatives are rare, as with the
    runs that are active, and that is a list somebody asks for every second.
    """
    found = [condition for condition in conditions if _is_indexed(kind, condition)]
    if not found or any(isinstance(condition, Where) for condition in found):
        return ""
    return f" indexed by {kind}_{_alternatives(found[0])[0].path[0]}"


def _bindable(value: Value) -> Value:
    if isinstance(value, int) and abs(value) > LARGEST:
        return float(value)
    return value
