"""The table of words, written from the subcommands; `python -m azml_magics.reference` puts it into the README."""

from __future__ import annotations

import sys
from pathlib import Path

from .catalogue import locate
from .subcommands import CELLS, SUBCOMMANDS
from .subcommands.schema import Subcommand

BEGIN, END = "<!-- words: written by `python -m azml_magics.reference` -->", "<!-- end of words -->"


def markdown() -> str:
    """One row a phrase: what is typed, what it does, the request behind it."""
    everything = (*SUBCOMMANDS.values(), *CELLS.values())
    rows = [f"| `{typed(s)}` | {s.summary} | {request_of(s)} |" for s in everything]
    return "\n".join(["| words | what they do | request |", "|---|---|---|", *rows])


def typed(subcommand: Subcommand) -> str:
    """A phrase as one types it, with its positional arguments."""
    head = f"%%{subcommand.magic}" if subcommand.magic else f"%azml {subcommand.phrase}"
    words = [head]
    for argument in subcommand.arguments:
        if not argument.is_option:
            name = argument.name.upper() + ("…" if argument.many else "")
            words.append(name if argument.required else f"[{name}]")
    return " ".join(words)


def request_of(subcommand: Subcommand) -> str:
    """The main request of a phrase, with the workspace's path left out."""
    if not subcommand.operations:
        return ""
    _, operation = locate(subcommand.operations[0])
    path = operation.path.replace("/providers/Microsoft.MachineLearningServices", "")
    for part in ("/subscriptions/{subscription}/resourceGroups/{group}/workspaces/{workspace}",):
        path = path.replace(part, "…")
    return f"`{operation.method} {path}`"


def written_into(text: str) -> str:
    """A page with the table between its two markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


def main(page: str = "README.md") -> int:
    """Write the table into a page."""
    path = Path(page)
    path.write_text(written_into(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
