"""What MLflow's clients send, read strictly: lists of entries, times in milliseconds, whole numbers, searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..times import stamp
from .history import bad
from .mlflow_search import BadSearch

VIEWS: Mapping[str, bool | None] = {"ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None}


def view(name: Any) -> bool | None:
    """Whether archived ones are asked for, or None for all."""
    key = str(name or "ACTIVE_ONLY")
    if key not in VIEWS:
        raise bad(f"{name!r} is not a view.")
    return VIEWS[key]


def entries(entries: Any) -> dict[str, str]:
    """`{key, value}` entries as a map."""
    found = {}
    for entry in list_of(entries):
        if not isinstance(entry, Mapping) or not entry.get("key"):
            raise bad("An entry has no key.")
        value = entry.get("value")
        found[str(entry["key"])] = "" if value is None else str(value)
    return found


def list_of(value: Any) -> list[Any]:
    """A list; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad("A list was expected.")
    return value


def moment_of(timestamp: Any) -> str | None:
    """A time that came in milliseconds; MLflow's JSON has whole numbers as texts too."""
    if timestamp in (None, "", 0, "0"):
        return None
    try:
        return stamp(int(timestamp) / 1000)
    except (TypeError, ValueError, OverflowError, OSError):
        raise bad(f"{timestamp!r} is not a time in milliseconds.") from None


def whole(value: Any, default: int) -> int:
    """A whole number that is not below 0, which MLflow's JSON may have as text."""
    if value in (None, ""):
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise bad(f"{value!r} is not a whole number.")
    return number


def searched(read: Callable[[Any], list[Any]], text: Any) -> list[Any]:
    """A search or its orders in the store's terms; 400 for what cannot be read."""
    try:
        return read(text)
    except BadSearch as problem:
        raise bad(f"The search cannot be read: {problem}.") from None
