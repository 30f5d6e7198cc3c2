"""How a run ended: its last status and its error, from how its process ended and what was asked meanwhile. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .service import REGION

COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
ENDED = frozenset({COMPLETED, FAILED, CANCELED})
LONGEST = 2000
OWN_INTERPRETER = "Packages come from the emulator's own interpreter unless it was started with --build-environments."


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a run failed: a text for people and the inner code of its error."""

    message: str
    #: [inferred] the inner codes of failed runs are not recorded, but for ImageBuildFailure
    inner: str = "ExecutionFailed"


def trouble_of(reason: str, code: int | None, *, words: str = "", limit: float | None = None) -> Trouble | None:
    """What went wrong with a process that ended for this reason (`Outcome.reason`); None when nothing did."""
    if reason == "exited" and code == 0:
        return None
    if reason == "timed-out":
        # [inferred] the SDK's reference says that the service tries to cancel such a run; its last status is unknown
        return Trouble(f"The run exceeded MaxRunDurationSeconds ({limit or 0:g} s) and was stopped.", "JobTimedOut")
    if reason == "vanished":
        return Trouble("The run's process is gone, and nobody saw it end: the machine or the emulator was stopped.")
    if reason == "stopped":
        return Trouble("The run's process was stopped.")
    ended = f"Process exited with code {code}." if code is None or code >= 0 else f"Process ended by signal {-code}."
    where = "The whole output is in user_logs/std_log.txt."
    if words.startswith("ModuleNotFoundError"):
        where = f"{OWN_INTERPRETER} {where}"
    if re.match(r"[A-Za-z_][\w.]*: ", words):  # an exception, or a program's own "name: error: …"
        return Trouble(f"{_sentence(words)}{ended} {where}")
    last = f" Its last line: {_sentence(words)}" if words.strip() else " "
    return Trouble(f"{ended}{last}{where}")


def error_of(trouble: Trouble, moment: str) -> dict[str, Any]:
    """The `error` of a failed run: the data plane's envelope (service-facts 3.3)."""
    return {
        "error": {
            "code": "UserError",
            "severity": None,
            "message": trouble.message,
            "messageFormat": None,
            "messageParameters": {},
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            # an official client fails on null (wire-v1 3.3)
            "details": [],
            "innerError": {"code": trouble.inner, "innerError": None},
            "debugInfo": None,
            "additionalInfo": None,
        },
        "correlation": {"operation": None, "request": None},
        "environment": REGION,
        "location": REGION,
        "time": moment,
        "componentName": "execution",
    }


def _sentence(words: str) -> str:
    """What the script said last, ready for another sentence to follow; empty for nothing."""
    words = words.strip()[:LONGEST]
    if not words:
        return ""
    return f"{words} " if words[-1] in ".!?" else f"{words}. "
