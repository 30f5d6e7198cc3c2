"""Text from the service made fit to be shown: no control sequence, no length, no direction trick gets through."""

from __future__ import annotations

import math
import re
from datetime import datetime
from numbers import Real

from .snapshot import aware

#: The log's end that a view carries (its whole state is sent again when a page is opened anew).
LOG_LIMIT = 8_000
LINES = 20
#: What stands where nothing is known: an en dash.
NOTHING = "\u2013"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
# Control characters, and the marks that reverse or embed a direction: with those a name can look like another.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def line(text: object, limit: int = 200) -> str:
    """Any text as one line of at most `limit` characters, with nothing in it that a terminal or a page obeys."""
    return block(text, limit).replace("\n", " ").replace("\t", " ").strip()


def block(text: object, limit: int = 4_000) -> str:
    """Any text in its lines, cut after `limit` characters, with nothing in it that a terminal or a page obeys."""
    raw = str(text)[: 4 * limit]
    plain = _CONTROL.sub("", _ANSI.sub("", raw.replace("\r\n", "\n"))).strip("\n")
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def tail(log: str, limit: int = LOG_LIMIT) -> str:
    """The end of a log: whole lines where they fit, colours gone, progress bars at their last state."""
    raw = log[-4 * limit :]
    plain = _ANSI.sub("", raw.replace("\r\n", "\n"))
    rows = [_CONTROL.sub("", row.rstrip("\r").rpartition("\r")[2]) for row in plain.rstrip("\n").split("\n")]
    if len(raw) < len(log) and len(rows) > 1:
        del rows[0]  # cut in the middle, perhaps in the middle of a colour
    text = "\n".join(rows)
    if len(text) <= limit:
        return text
    cut = text[-limit:]
    return cut.partition("\n")[2] or cut


def last_lines(log: str, lines: int = LINES) -> str:
    """The last lines of a log, for a face that does not scroll."""
    return "\n".join(tail(log).split("\n")[-lines:])


def number(value: object) -> str:
    """A metric's value in at most six digits; anything that is not a number as short text."""
    if value is None:
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, Real):
        return line(value, 60)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**9 else f"{float(value):.6g}" if abs(value) < 10**300 else "∞"
    number_ = float(value)
    return f"{number_:.6g}" if math.isfinite(number_) else {math.inf: "∞", -math.inf: "-∞"}.get(number_, "NaN")


def moment(when: datetime | None) -> str:
    """A moment as an absolute time in UTC, to the second."""
    return NOTHING if when is None else aware(when).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """A length of time as a person says it: seconds up to a minute, then as a clock."""
    return f"{max(0, int(seconds))} s" if seconds < 60 else clock(seconds)


def clock(seconds: float | None) -> str:
    """A length of time as h:mm:ss, with days in front where there are any."""
    if seconds is None:
        return NOTHING
    days, rest = divmod(int(max(0.0, seconds)), 86_400)
    return (f"{days} d " if days else "") + f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
