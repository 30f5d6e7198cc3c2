"""A run's end, written down: what it left is kept, its status is final, its secrets and its folder are gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import harvest
from .definition import shown
from .runlog import LOG, last_words, note
from .ticket import Ticket, submission_of
from .times import stamp
from .verdict import CANCELED, COMPLETED, FAILED, Trouble, error_of, trouble_of

if TYPE_CHECKING:
    from .service import Service


def conclude(service: Service, ticket: Ticket) -> None:
    """Write down how a run ended; nothing to write when its document is gone."""
    run = service.store.get("run", ticket.key)
    if run is None:
        return
    trouble = _trouble(service, ticket)
    outcome = ticket.outcome
    if trouble is not None and (outcome is None or outcome.reason != "exited"):
        note(harvest.folder_of(service, run), trouble.message)
    harvest.collect(service, ticket.workspace_id, run)
    moment = stamp(outcome.ended if outcome else time.time())
    facts = {
        "status": CANCELED if ticket.cancelled else FAILED if trouble else COMPLETED,
        "error": error_of(trouble, moment) if trouble else None,
        "endTimeUtc": moment,
        "lastModifiedUtc": moment,
        "queueingInfo": None,
        "_over": True,
    }
    service.store.change("run", ticket.key, lambda stored: stored.update(facts))
    service.store.change("definition", ticket.key, lambda plan: plan.update(configuration=shown(plan["configuration"])))
    harvest.clear(service, run)


def _trouble(service: Service, ticket: Ticket) -> Trouble | None:
    """What went wrong; nothing did when it was asked to stop."""
    outcome = ticket.outcome
    if ticket.cancelled:
        return None
    if ticket.trouble is not None or outcome is None:
        return ticket.trouble
    submission = submission_of(service, ticket.key)
    if submission is None:
        return None
    words = last_words(submission.place.folder / LOG)
    return trouble_of(outcome.reason, outcome.code, words=words, limit=submission.definition.seconds)
