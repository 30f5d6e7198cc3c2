"""Times as run history writes them: UTC, seven fraction digits and an offset (service-facts 5). Pure.

Every time that is kept has this one form, so that times compare as text, in the store too.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?", re.IGNORECASE)


def stamp(moment: float) -> str:
    """A moment, in seconds since 1970, as it is written."""
    return written(datetime.fromtimestamp(moment, UTC))


def written(when: datetime) -> str:
    """A time as it is written; one without a zone is UTC."""
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")


def normal(text: str) -> str:
    """A time as a client sent it, in the form that is kept; ValueError when it is none."""
    return written(datetime.fromisoformat(text.strip()))


def milliseconds(text: str | None) -> int | None:
    """A kept time in milliseconds since 1970, as MLflow counts."""
    return None if not text else round(datetime.fromisoformat(text).timestamp() * 1000)


def duration(text: str | None) -> float:
    """The seconds of an ISO 8601 duration such as PT30M; 0 for anything else."""
    found = _DURATION.fullmatch(text or "")
    if found is None:
        return 0.0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
