"""MLflow's search language, read into the store's conditions: `metrics.acc > 0.9 and params.lr = '0.1'`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..conditions import AllOf, AnyOf, Condition, Order, Where
from ..times import stamp
from .metric_log import LATEST
from .mlflow_body import NAME_TAG, STATUSES, WAITING

OPERATORS = {"=": "eq", "!=": "ne", ">": "gt", ">=": "ge", "<": "lt", "<=": "le"}
ATTRIBUTES = {
    "run_id": ("runId",),
    "run_name": ("displayName",),
    "status": ("status",),
    "start_time": ("startTimeUtc",),
    "end_time": ("endTimeUtc",),
    "created": ("createdUtc",),
    "user_id": ("createdBy", "userName"),
    "experiment_id": ("experimentId",),
    "name": ("name",),
}
TIMES = frozenset(("start_time", "end_time", "created"))
GOING_ON = ("Running", "Finalizing", "CancelRequested", "NotResponding", "Pausing", "Paused")

_KEY = r"(?:(metrics?|params?|parameters?|tags?|attributes?|attr|run)\.)?(\"[^\"]+\"|`[^`]+`|[\w./-]+)"
_COMPARISON = re.compile(rf"\s*{_KEY}\s*(!=|>=|<=|=|>|<)\s*('[^']*'|\"[^\"]*\"|[^\s'\"]+)\s*", re.IGNORECASE)
_ORDER = re.compile(rf"\s*{_KEY}(?:\s+(asc|desc))?\s*", re.IGNORECASE)
_AND = re.compile(r"and\s", re.IGNORECASE)


class BadSearch(ValueError):
    """A search that cannot be read; the text says where."""


def conditions(text: str | None) -> list[Condition]:
    """The conditions of a search; they are joined by `and`, MLflow has no `or`."""
    found: list[Condition] = []
    rest = (text or "").strip()
    while rest:
        match = _COMPARISON.match(rest)
        if match is None:
            raise BadSearch(f"expected a comparison such as metrics.acc > 0.9, found {rest[:60]!r}")
        found.append(_condition(match[1] or "attribute", match[2].strip('"`'), OPERATORS[match[3]], match[4]))
        rest = rest[match.end() :]
        if rest:
            joined = _AND.match(rest)
            if joined is None:
                raise BadSearch(f"expected and, found {rest[:60]!r}")
            rest = rest[joined.end() :].strip() or "and"
    return found


def orders(texts: Any) -> list[Order]:
    """The orders that a list such as `["metrics.acc DESC"]` asks for."""
    found: list[Order] = []
    for text in texts or []:
        match = _ORDER.fullmatch(str(text))
        if match is None:
            raise BadSearch(f"cannot order by {text!r}")
        path = _path(match[1] or "attribute", match[2].strip('"`'))
        found.append((path, (match[3] or "asc").lower() == "desc"))
    return found


def _path(kind: str, key: str) -> tuple[str, ...]:
    letter = kind[0].lower()
    if letter == "m":
        return (LATEST, key, "value")
    if letter == "p":
        return ("parameters", key)
    if letter == "t":
        return ("displayName",) if key == NAME_TAG else ("tags", key)
    if key not in ATTRIBUTES:
        raise BadSearch(f"{key!r} is not an attribute that can be asked for")
    return ATTRIBUTES[key]


def _condition(kind: str, key: str, op: str, written: str) -> Condition:
    path, letter = _path(kind, key), kind[0].lower()
    quoted = written[0] in "'\""
    value = written[1:-1] if quoted else written
    if letter == "m":
        return Where(path, op, _number(value))
    if letter == "a" and key == "status":
        return _status(op, value)
    if letter == "a" and key in TIMES:
        return Where(path, op, stamp(_number(value) / 1000))
    # what a run has not is neither equal nor unequal
    return AllOf((Where(path, "ne"), Where(path, op, value)))


def _status(op: str, value: str) -> Condition:
    equal: Callable[[str], Condition] = lambda status: Where(("status",), "eq", status)  # noqa: E731
    word = value.upper()
    statuses = sorted(WAITING) if word == "SCHEDULED" else GOING_ON if word == "RUNNING" else [STATUSES.get(word, "")]
    if op == "eq":
        return AnyOf(tuple(equal(status) for status in statuses))
    if op == "ne":
        return AllOf(tuple(Where(("status",), "ne", status) for status in statuses))
    raise BadSearch("a status is compared by = and !=")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadSearch(f"{text!r} is not a number") from None
