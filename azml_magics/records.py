"""What the service sent -> DataFrame: dotted paths, odd values, the catalogue's columns and dtypes.

Promises: no value that the service may send raises here (it becomes a missing value instead), and a table has
the same columns and dtypes however many rows it has. pandas is imported when a table is made, not before.
"""

from __future__ import annotations

import itertools
import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from .catalogue import Column, Kind, Resource

if TYPE_CHECKING:
    import pandas as pd

    Values = Sequence[Any]
    Cells = pd.Series[Any]

Document = Mapping[str, Any]

#: How many documents are read at a time: a page of the service's largest lists.
PAGE = 500

#: A .NET TimeSpan, as run history writes durations: 00:10:53.6438246, 1.02:00:00 (service-facts 30).
SPAN = re.compile(r"(-?)(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?", re.ASCII)
TRUTHS = {"true": True, "false": False}


def dig(document: Document, path: str) -> Any:
    """The value at a column's path, or None. `|` separates alternatives: the first that holds something wins."""
    return _read([document if isinstance(document, dict) else {}], path)[0]


def when(value: object) -> datetime | None:
    """The moment that a timestamp means, in UTC, to the microsecond; None for everything that is none.

    Takes the fifteen formats of service-facts 5: 0 to 7 digits of a second, `T` or a blank, `Z`, an offset
    or no zone at all, which means UTC.
    """
    if isinstance(value, str):
        try:
            # It reads every one of them from Python 3.11 on, and drops the 7th digit.
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def span(value: object) -> timedelta | None:
    """The length that a .NET TimeSpan means, or None."""
    found = SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    sign, days, hours, minutes, seconds, fraction = found.groups()
    length = timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int((fraction or "0").ljust(6, "0")[:6]),
    )
    return -length if sign else length


def to_frame(
    resource: Resource,
    documents: Iterable[Document],
    extra_columns: Sequence[Column] = (),
    operation: str = "",
    scope: Any = None,
    now: datetime | None = None,
) -> pd.DataFrame:
    """The documents as a table with the resource's columns, then the extra ones.

    `now` is what the duration of something that still runs is measured against. `attrs["azml"]` holds plain
    values (operation, scope, time as text): pandas copies and compares them, and writes them into files.
    """
    import pandas as pd

    moment = now or datetime.now(UTC)
    columns = (*resource.columns, *extra_columns)
    paths = [path for column in columns for path in column.path.split()]
    count, values = _gathered(documents, [*paths, resource.lifecycle.path] if resource.lifecycle else paths)
    # Parsed once for each path: a duration is made of two of the table's own time columns.
    times = cache(lambda path: _times(values[path]))
    cells: dict[str, Cells] = {}
    for column in columns:
        if column.kind == "elapsed":
            begin, end = column.path.split()
            going_on = _going_on(resource, values, count)
            cells[column.name] = _elapsed(times(begin), times(end), going_on, moment)
        else:
            cells[column.name] = (
                times(column.path) if column.kind == "time" else _CELLS[column.kind](values[column.path])
            )
    frame = pd.DataFrame(cells, index=pd.RangeIndex(count))
    place = asdict(scope) if is_dataclass(scope) and not isinstance(scope, type) else scope
    frame.attrs["azml"] = {"operation": operation, "scope": place, "time": moment.isoformat()}
    return frame


def widen(frame: pd.DataFrame, prefix: str, kind: Kind, maps: Sequence[Mapping[str, Any]]) -> None:
    """Add a column `prefix.KEY` to the frame, in place, for every key of one map per row: metrics, tags."""
    import pandas as pd

    keys = list(dict.fromkeys(key for entries in maps for key in entries))
    with warnings.catch_warnings():
        # A table of many metrics is wide; pandas would rather have it in one piece, which in place cannot be.
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        for key in keys:
            cells = _CELLS[kind]([entries.get(key) for entries in maps])
            frame[f"{prefix}.{key}"] = cells.set_axis(frame.index)


def _gathered(documents: Iterable[Document], paths: Iterable[str]) -> tuple[int, dict[str, list[Any]]]:
    """How many documents there are, and what each path finds in them.

    Column by column and page by page: a document is let go once it is read, so that a table of many rows is
    made while its pages come in, and never stands beside all of its documents.
    """
    gathered: dict[str, list[Any]] = {path: [] for path in paths}
    coming, count = iter(documents), 0
    while rows := list(itertools.islice(coming, PAGE)):
        count += len(rows)
        rows = [row if isinstance(row, dict) else {} for row in rows]
        for path, values in gathered.items():
            values += _read(rows, path)
    return count, gathered


def _read(rows: Sequence[Document], path: str) -> list[Any]:
    """What a path finds in each of the documents."""
    ways = [_walk(rows, way) for way in path.split("|")]
    found = ways[0]
    for other in ways[1:]:
        found = [b if a is None or (a == "" and b is not None) else a for a, b in zip(found, other, strict=True)]
    return found


def _walk(rows: Sequence[Document], path: str) -> list[Any]:
    path, _, segment = path.partition("#")
    first, *others = path.split(".")
    values = [row.get(first) for row in rows]
    for key in others:
        values = [value.get(key) if isinstance(value, dict) else None for value in values]
    return [_segment(value, segment.lower()) for value in values] if segment else values


def _segment(identifier: Any, segment: str) -> str | None:
    """The part of an ARM id behind a segment. The service spells segments in several cases (service-facts 25)."""
    parts = identifier.split("/") if isinstance(identifier, str) else []
    for at, part in enumerate(parts[:-1]):
        if part.lower() == segment:
            return str(parts[at + 1])
    return None


def _texts(values: Values) -> Cells:
    import pandas as pd

    # Before pandas 3, "str" is no dtype with missing values.
    dtype: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else "string"
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, default=str) for v in values]
    return pd.Series(texts, dtype=dtype)


def _ints(values: Values) -> Cells:
    import pandas as pd

    return pd.Series([_int(value) for value in values], dtype="Int64")


def _int(value: Any) -> int | None:
    """A whole number, or its text (maps hold numbers as text, service-facts 31); else None."""
    if isinstance(value, bool):
        return None
    try:
        number = int(value)
        return number if number == float(value) and abs(number) < 2**63 else None
    except (TypeError, ValueError, OverflowError):
        return None


def _floats(values: Values) -> Cells:
    import pandas as pd

    return pd.Series([_float(value) for value in values], dtype="Float64")


def _float(value: Any) -> float | None:
    """A number, or its text; None for "NaN", which is how the service writes that there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if isinstance(value, bool) or number != number else number


def _truths(values: Values) -> Cells:
    import pandas as pd

    return pd.Series([TRUTHS.get(str(value).strip().lower()) for value in values], dtype="boolean")


def _times(values: Values) -> Cells:
    import pandas as pd

    texts = pd.Series([value if isinstance(value, str) else None for value in values], dtype=object)
    times: Cells = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    # What pandas gave up (blanks around it, a year that has no nanoseconds) is read one by one.
    for at in times.index[times.isna()]:
        if (moment := when(values[at])) is not None:
            times[at] = moment
    return times


def _elapsed(begins: Cells, ends: Cells, going_on: Cells, now: datetime) -> Cells:
    """The time between two moments; up to now for what has begun and goes on."""
    # A clock that lags behind the service's must not make a running time negative.
    until_now = begins.where(begins > now, now)
    return ends.mask(ends.isna() & begins.notna() & going_on, until_now) - begins


def _going_on(resource: Resource, values: Mapping[str, Values], count: int) -> Cells:
    """Which of the rows have not ended: one that has, but not told when, took a time that nobody knows."""
    import pandas as pd

    if resource.lifecycle is None:
        return pd.Series([True] * count, dtype=bool)
    ended = resource.lifecycle.ended
    return pd.Series([str(status) not in ended for status in values[resource.lifecycle.path]], dtype=bool)


def _objects(values: Values) -> Cells:
    import pandas as pd

    return pd.Series(list(values), dtype=object)


def _maps(values: Values) -> Cells:
    return _objects([value if isinstance(value, dict) else {} for value in values])


def _lists(values: Values) -> Cells:
    return _objects([value if isinstance(value, list) else [] for value in values])


_CELLS: Mapping[Kind, Callable[[Values], Cells]] = {
    "text": _texts,
    "int": _ints,
    "float": _floats,
    "bool": _truths,
    "time": _times,
    "map": _maps,
    "list": _lists,
}
