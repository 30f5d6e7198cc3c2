"""What may stand at the cursor of an `%azml` line: words, options, choices, live names. Pure but for the names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .errors import UsageError
from .line import find, split
from .subcommands import CELLS, PLURALS, SUBCOMMANDS
from .subcommands.schema import EVERYWHERE, Argument, Subcommand

#: The part that is being typed: an open quote and what follows it, else everything behind the last blank or `=`.
FRAGMENT = re.compile(r"(?:\"[^\"]*|'[^']*|[^\s=\"']*)$")


def complete(typed: str, names: Callable[[str], Iterable[str]], *, cell: str = "") -> tuple[str, list[str]]:
    """The fragment under the cursor, and the texts that may replace it.

    `typed` is what stands between `%azml ` and the cursor; with `cell` it is the first line of that cell magic.
    """
    match = FRAGMENT.search(typed)
    fragment = match[0] if match else ""
    try:
        before = split(typed[: len(typed) - len(fragment)].rstrip("="))
    except UsageError:
        return fragment, []
    stem = fragment.lstrip("\"'")
    found = [t for t in _candidates(before, fragment, names, cell) if t.casefold().startswith(stem.casefold())]
    return fragment, [_quoted(text, fragment) for text in found]


def _quoted(text: str, fragment: str) -> str:
    """A candidate as it must be typed: in quotes when it holds a blank or a quote was opened."""
    opened = fragment[:1] if fragment[:1] in ("'", '"') else ""
    mark = opened or ('"' if re.search(r"\s", text) else "")
    return f"{mark}{text}{mark}" if mark else text


def _candidates(
    before: Sequence[str], fragment: str, names: Callable[[str], Iterable[str]], cell: str
) -> Iterable[str]:
    """Everything that could stand behind the finished words."""
    if cell:
        return _of_arguments(CELLS[cell], before, fragment, names)
    if not before:
        return sorted({phrase[0] for phrase in SUBCOMMANDS} | set(PLURALS))
    verbs = sorted(phrase[1] for phrase in SUBCOMMANDS if len(phrase) == 2 and phrase[0] == before[0])
    if len(before) == 1 and verbs and before[0] not in PLURALS:
        return verbs
    try:
        subcommand, rest = find(before)
    except UsageError:
        return []
    return _of_arguments(subcommand, rest, fragment, names)


def _of_arguments(
    subcommand: Subcommand, rest: Sequence[str], fragment: str, names: Callable[[str], Iterable[str]]
) -> Iterable[str]:
    """Values for the option just before the cursor; else options, or values of the positional argument."""
    arguments = (*subcommand.arguments, *EVERYWHERE)
    options = {flag: a for a in arguments if a.is_option for flag in (a.name, a.short) if flag}
    last = options.get(rest[-1]) if rest else None
    if last is not None and last.kind != "flag":
        return _values(last, fragment, names)
    if fragment.startswith("-"):
        return [a.name for a in arguments if a.is_option and (a.many or a.name not in rest)]
    positional = [a for a in arguments if not a.is_option]
    taken = sum(not word.startswith("-") for word in rest)
    if not positional or (taken >= len(positional) and not positional[-1].many):
        return [a.name for a in arguments if a.is_option and a.name not in rest]
    found = list(_values(positional[min(taken, len(positional) - 1)], fragment, names))
    # nothing of ours would let everybody else's completions in
    return found or ([] if fragment else [a.name for a in arguments if a.is_option and a.name not in rest])


def _values(argument: Argument, fragment: str, names: Callable[[str], Iterable[str]]) -> Iterable[str]:
    """The values that an argument may have."""
    if argument.choices:
        return argument.choices
    if argument.completes == "word":
        return sorted({word for phrase in SUBCOMMANDS for word in phrase})
    if argument.completes == "path":
        return _paths(fragment.lstrip("\"'"))
    return names(argument.completes) if argument.completes else ()


def _paths(stem: str) -> list[str]:
    """The files and folders that the typed path could go on to."""
    head, slash, _ = stem.rpartition("/")
    folder = Path(head + slash or ".").expanduser()
    if not folder.is_dir():
        return []
    return sorted(head + slash + p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())
