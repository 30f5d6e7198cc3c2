"""A run's log: the emulator's own lines in it, told from the script's by how they begin, and what was said last."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Where the log is in a run's folder, and its path as an artifact.
LOG = "user_logs/std_log.txt"
MARK = "[emulator] "
#: How much of the end of a log is searched for a traceback.
TAIL = 1 << 16

_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Iteration|Warning)\b")


def note(folder: Path, text: str) -> None:
    """Write a line of the emulator's own into the log of the run that has this folder."""
    log = folder / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"{MARK}{text}\n")


def last_words(log: Path) -> str:
    """What a script said last: the exception of its last traceback, or else its last line; empty for nothing."""
    spoken = [line for line in _tail(log).splitlines() if line.strip() and not line.startswith(MARK)]
    starts = [n for n, line in enumerate(spoken) if line.startswith("Traceback (most recent call last)")]
    if starts:
        raised = next((line for line in spoken[starts[-1] + 1 :] if not line[0].isspace()), "")
        if raised:
            return raised.rstrip()
    # a syntax error has no such line above it
    found = next((line for line in reversed(spoken) if _RAISED.match(line)), "")
    return (found or (spoken[-1] if spoken else "")).strip()


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
