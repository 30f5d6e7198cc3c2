"""Experiments: put away the ones that nobody looks at any more."""

from __future__ import annotations

from typing import Any

from ..catalogue import find
from .schema import Argument, Context, Subcommand

EXPERIMENTS = find("experiment")


def archive(context: Context) -> Any:
    """Archive an experiment, or with `--undo` bring it back: run history takes its id, people know its name."""
    context.need("subscription", "group", "workspace")
    experiment = context.session.call("experiment.show", keys={"experiment": context["experiment"]})
    keys = {"experiment_id": str(experiment["experimentId"])}
    changed = context.session.call("experiment.update", keys=keys, body={"archive": not context["undo"]})
    return context.row(EXPERIMENTS, changed, "archive")


SUBCOMMANDS = (
    Subcommand(
        ("experiment", "archive"),
        "Put an experiment away (its runs stay)",
        archive,
        (
            Argument("experiment", "its name", completes="experiment"),
            Argument("--undo", "bring it back", "flag"),
        ),
        ("experiment.update", "experiment.show"),
        "%azml experiment archive digits",
    ),
)
