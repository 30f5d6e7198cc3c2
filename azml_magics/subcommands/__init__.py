"""Every phrase of `%azml`: those written by hand, then NOUN VERB for the rest of the catalogue."""

from ..catalogue import RESOURCES
from . import arm, emulator, experiments, models, rest, runs, runs_files, score, session, submit, watch
from .resources import subcommands
from .schema import Subcommand

_BY_HAND = (
    *session.SUBCOMMANDS,
    *arm.SUBCOMMANDS,
    *experiments.SUBCOMMANDS,
    *runs.SUBCOMMANDS,
    *runs_files.SUBCOMMANDS,
    *watch.SUBCOMMANDS,
    *submit.SUBCOMMANDS,
    *models.SUBCOMMANDS,
    *score.SUBCOMMANDS,
    *rest.SUBCOMMANDS,
    *emulator.SUBCOMMANDS,
)

SUBCOMMANDS: dict[tuple[str, ...], Subcommand] = {s.words: s for s in _BY_HAND}
SUBCOMMANDS |= {s.words: s for s in subcommands(tuple(SUBCOMMANDS))}

#: A plural noun alone lists: "runs" is "run list".
PLURALS = {r.plural: r.noun for r in RESOURCES if (r.noun, "list") in SUBCOMMANDS}

#: What a cell can be the body of, by the word that it is for; the cell magic is `%%azml_WORD`.
CELLS: dict[str, Subcommand] = {"submit": submit.CELL, "score": score.CELL, "rest": rest.CELL}

__all__ = ["CELLS", "PLURALS", "SUBCOMMANDS", "Subcommand"]
