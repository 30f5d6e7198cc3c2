"""`.amlignore`: which files of a folder do not go along with a run.

Pure. The rules are those of `.gitignore`, which Azure ML took over: blank lines and `#` comments, `!` takes a file
back in, a `/` at the end means folders only, a `/` elsewhere ties the pattern to the folder's root, and `*`, `?`,
`[a-z]` and `**` mean what they mean there. One file counts, at the root; files below it are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ALWAYS", "IgnoreRules"]

#: Names that never go along: history, caches, copies that notebooks make.
ALWAYS = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    folders_only: bool
    takes_back: bool


class IgnoreRules:
    """The rules of one `.amlignore`, given as its lines."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._rules = [rule for line in lines if (rule := _rule(line))]

    def leaves_out(self, path: str, folder: bool) -> bool:
        """Whether `path`, with `/` between its parts, stays behind. Nothing below a folder left out comes back."""
        if path.rpartition("/")[2] in ALWAYS:
            return True
        for rule in reversed(self._rules):
            if (folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                return not rule.takes_back
        return False


def _rule(line: str) -> _Rule | None:
    """The rule of one line; None for a line without one."""
    line = re.sub(r"(?<!\\)[ \t]+$", "", line.rstrip("\r\n"))
    takes_back = line.startswith("!")
    line = line[1:] if takes_back else line
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    if not line or (line.startswith("#") and not takes_back):
        return None
    tied = "/" in line
    parts = [_part(part) for part in line.lstrip("/").split("/")]
    text = "/".join(parts) if tied else f"**/{parts[0]}"
    # `**/` is any number of folders, also none; `/**` at the end is everything inside.
    text = text.replace("**/", "(?:.*/)?")
    text = re.sub(r"/\*\*$", "/.+", text)
    try:
        return _Rule(re.compile(text.replace("**", ".*"), re.S), folders_only, takes_back)
    except re.error:  # "[z-a]": a pattern that is none matches nothing
        return None


def _part(part: str) -> str:
    """One part of a path pattern as a regular expression; `**` stays for the caller."""
    if part == "**":
        return part
    found, text = 0, ""
    while found < len(part):
        letter = part[found]
        end = part.find("]", found + 2) if letter == "[" else -1
        if letter == "*":
            text += "[^/]*"
        elif letter == "?":
            text += "[^/]"
        elif end > 0:
            inside = part[found + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            text += f"(?!/)[{'^' + inside[1:] if inside[0] in '!^' else inside}]"
            found = end
        elif letter == "\\" and found + 1 < len(part):
            found += 1
            text += re.escape(part[found])
        else:
            text += re.escape(letter)
        found += 1
    return text
