"""The same words in a terminal: `azml runs --top 5`, `python -m azml_magics …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .errors import AzmlError, Interrupted, NotLoggedIn, UsageError

#: Exit codes: the line was wrong, what was asked failed, the wait was interrupted.
WRONG, FAILED, INTERRUPTED = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say, write the result to stdout, and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    form, words = _format_of(words)
    try:
        value = _run(words)
        text = _written(value, form)
    except Interrupted as error:
        print(f"azml: {error}", file=sys.stderr)
        return INTERRUPTED
    except UsageError as error:
        print(f"azml: {_typed_here(error)}", file=sys.stderr)
        return WRONG
    except AzmlError as error:
        print(f"azml: {_typed_here(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    if text:
        print(text)
    return value if isinstance(value, int) else 0


def _typed_here(error: AzmlError) -> str:
    """The error with its hint as one types it in a shell."""
    return str(error).replace("%azml", "azml")


def _run(words: list[str]) -> Any:
    """Run the words; a terminal logs in by itself, since no login outlives its process."""
    from .line import run
    from .subcommands.state import shared
    from .subcommands.surfaces import Terminal

    surface = Terminal()
    try:
        return run(words, surface=surface)
    except NotLoggedIn:
        way = shared().settings.value("login")
        run(["login", *([f"--{way}"] if way else [])], surface=surface)
        return run(words, surface=surface)


def _format_of(words: list[str]) -> tuple[str, list[str]]:
    """Take `--format` off the words: how a frame is written."""
    if "--" in words or "--format" not in words:
        return "table", words
    at = words.index("--format")
    form = words[at + 1] if at + 1 < len(words) else ""
    return form, words[:at] + words[at + 2 :]


def _written(value: Any, form: str) -> str:
    """A value as text: a frame as table, csv or json, a row of many fields one below the other."""
    if form not in ("table", "csv", "json"):
        raise UsageError(f"--format is table, csv or json, not {form!r}")
    if value is None or isinstance(value, int):
        return ""
    if not hasattr(value, "to_csv"):
        import json

        from .rest.redact import redact

        return str(value) if isinstance(value, str) else json.dumps(redact(value), indent=2, default=str)
    if form == "csv":
        return str(value.to_csv(index=False)).rstrip()
    if form == "json":
        return str(value.to_json(orient="records", date_format="iso", indent=2))
    if len(value) == 1:
        return str(value.iloc[0].dropna().to_string())
    return str(value.to_string(index=False)) if len(value) else "nothing found"


if __name__ == "__main__":
    sys.exit(main())
