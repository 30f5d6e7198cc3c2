"""One `%azml` line: split, expand, find its subcommand, parse, run, explain.

Knows no IPython and does no I/O of its own; the subcommand that it finds does.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from .errors import UsageError
from .subcommands import CELLS, PLURALS, SUBCOMMANDS
from .subcommands.curl import shown_as_curl
from .subcommands.schema import EVERYWHERE, Argument, Context, Silent, Subcommand, Surface, Text
from .subcommands.state import State, shared
from .subcommands.surfaces import noticed
from .version import __version__

__all__ = ["expand", "find", "help_of", "overview", "parse", "run", "split"]

#: What `expand` puts something in for: doubled signs, a name in braces or behind a dollar; more than a name is refused.
PLACES = re.compile(r"\{\{|\}\}|\$\$|\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)|\{([A-Za-z_]\w*[.\[(])")
#: A quoted text, an escaped character, the seam between two phrases, or any other character.
PIECES = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|;\s*%azml(?=\s|$)|.""", re.DOTALL)


def count(text: str) -> int:
    """A whole number that is at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def seconds(text: str) -> float:
    """A time span above zero; not a number and for ever are none."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number


HELP = ("--help", "-h")
KINDS = {"text": str, "int": int, "count": count, "seconds": seconds, "pair": str, "rest": str}


class HelpAskedFor(Exception):
    """`--help` stands on the line."""


class Parser(argparse.ArgumentParser):
    """An argparse that neither exits nor guesses: its errors are ours, abbreviations are refused."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(self._said_plainly(message), f"{self.prog} --help")

    def print_help(self, file: object = None) -> None:
        raise HelpAskedFor(self.format_help())

    def _said_plainly(self, message: str) -> str:
        """Argparse's complaint, with the option that was probably meant."""
        if message.endswith("expected one argument"):
            return f"{message.removeprefix('argument ')} (a value that begins with a dash: --option=-value)"
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if not unknown:
            return message.replace("argument ", "", 1) if message.startswith("argument ") else message
        word = unknown[1].partition("=")[0]
        if not word.startswith("-"):
            return f"{unknown[1]!r} is one word too many"
        known = [o for a in self._actions for o in a.option_strings]
        return f"unknown option {word}{_near(word, known)}"


class Once(argparse.Action):
    """An option that may stand once: the second is an error, not a silent winner."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        seen = namespace.__dict__.setdefault("_seen", set())
        if self.dest in seen:
            parser.error(f"{option_string} stands twice")
        seen.add(self.dest)
        setattr(namespace, self.dest, True if self.nargs == 0 else values)


def split(text: str) -> list[str]:
    r"""Split a line into words as a POSIX shell does, on every platform.

    Quotes group and vanish, a backslash keeps the next character, `#` where a word could begin starts a
    comment, a `;` at the very end hushes the output and is dropped. UsageError for a quote left open.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote, at = "", 0
    while at < len(text):
        c, at = text[at], at + 1
        if c == "\\" and quote != "'":
            following, at = text[at : at + 1], at + 1
            if following != "\n":  # a line that goes on
                kept = following if not quote or following in ('"', "\\") else c + following
                word = [*(word or []), kept]
        elif quote or c in "'\"":
            word = word or []
            if c == quote or not quote:
                quote = "" if quote else c
            else:
                word.append(c)
        elif c.isspace():
            words += [] if word is None else ["".join(word)]
            word = None
        elif (c == "#" and word is None) or (c == ";" and not text[at:].partition("#")[0].strip()):
            break
        else:
            word = [*(word or []), c]
    if quote:
        raise UsageError(f"a quote {quote} is opened and not closed", rf"close it, or write \{quote} for a literal one")
    return words if word is None else [*words, "".join(word)]


def phrases(text: str) -> list[str]:
    """The phrases of a line: `login --local; %azml runs` is two, a `;` in quotes divides nothing."""
    found = [""]
    for piece in PIECES.findall(text):
        if piece.startswith(";") and len(piece) > 1:
            found.append("")
        else:
            found[-1] += piece
    return found


def expand(words: Sequence[str], namespace: Mapping[str, Any]) -> list[str]:
    """Put Python values in for `{name}` and `$name`, word by word: a value can never become another option.

    `{{` and `$$` stand for the characters themselves. A frame of one row gives its first column: the id.
    """

    def value(match: re.Match[str]) -> str:
        if match[3]:
            raise UsageError(
                f"only names are put in, not {match[0]}…", f"x = {match[3]}…, then {{x}}; or {{{{ for a literal brace"
            )
        if match[0] in ("{{", "}}", "$$"):
            return match[0][0]
        name = match[1] or match[2]
        if name not in namespace:
            literal = f"{{{{{name}}}}}" if match[1] else f"$${name}"
            raise UsageError(f"no variable {name!r} is defined", f"write {literal} for the text itself")
        return _text_of(name, namespace[name])

    return [PLACES.sub(value, word) for word in words]


def _text_of(name: str, value: Any) -> str:
    """A variable's value as the text of a word: lists, arrays and frames as JSON; a row of ours as its id."""
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        if "azml" not in value.attrs and value.columns[:1].tolist() not in (["run_id"], ["id"], ["name"]):
            return str(value.to_json(orient="values"))
        if len(value) != 1:
            raise UsageError(f"{name} has {len(value)} rows, one is needed", f"for example one = {name}.iloc[:1]")
        return str(value.iloc[0, 0])
    if hasattr(value, "tolist"):
        value = value.tolist()
    return json.dumps(value) if isinstance(value, list | tuple | dict) else str(value)


def _near(word: str, known: Sequence[str]) -> str:
    """The question that a misspelling deserves, or nothing."""
    close = difflib.get_close_matches(word, known, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def find(words: Sequence[str]) -> tuple[Subcommand, list[str]]:
    """The subcommand of a line, and the words behind its own. A plural noun alone lists."""
    if words and words[0] in PLURALS:
        noun = PLURALS[words[0]]
        verb = words[1] if len(words) > 1 and (noun, words[1]) in SUBCOMMANDS else "list"
        words = [noun, verb, *words[2 if len(words) > 1 and verb == words[1] else 1 :]]
    for length in (2, 1):
        if found := SUBCOMMANDS.get(tuple(words[:length])):
            return found, list(words[length:])
    raise _unknown(words)


def _unknown(words: Sequence[str]) -> UsageError:
    """What to say when no subcommand has these words."""
    verbs = [phrase[1] for phrase in SUBCOMMANDS if len(phrase) == 2 and phrase[0] == words[0]]
    if verbs and len(words) > 1:
        return UsageError(
            f"{words[0]} has no {words[1]!r}{_near(words[1], verbs)}", f"{words[0]} knows: {', '.join(verbs)}"
        )
    if verbs:
        return UsageError(f"{words[0]} what? It knows: {', '.join(verbs)}", f"%azml {words[0]} {verbs[0]} --help")
    first = sorted({phrase[0] for phrase in SUBCOMMANDS} | set(PLURALS))
    return UsageError(f"no subcommand {words[0]!r}{_near(words[0], first)}", "%azml help")


def parser_of(subcommand: Subcommand) -> Parser:
    """The argparse of one subcommand, made when it is needed."""
    prog = f"%%{subcommand.magic}" if subcommand.magic else f"%azml {subcommand.phrase}"
    parser = Parser(
        prog=prog,
        description=subcommand.summary + (f"\n\nThe cell: {subcommand.cell}" if subcommand.cell else ""),
        epilog=f"example:\n  {subcommand.example}" if subcommand.example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for argument in (*subcommand.arguments, *EVERYWHERE):
        _add(parser, argument)
    return parser


def _add(parser: Parser, argument: Argument) -> None:
    """Tell argparse of one argument."""
    more: dict[str, Any] = {"help": argument.help.replace("%", "%%")}
    if argument.kind == "flag":
        more |= {"action": Once, "nargs": 0, "default": False}
    else:
        more |= {"type": KINDS[argument.kind], "default": argument.default, "metavar": argument.metavar or None}
        more |= {"choices": argument.choices} if argument.choices else {}
    if argument.kind == "rest":
        more["nargs"] = "*"
    elif not argument.is_option:
        more["nargs"] = ("+" if argument.required else "*") if argument.many else (None if argument.required else "?")
    elif argument.many:
        more |= {"action": "append", "default": []}
    elif argument.kind != "flag":
        more["action"] = Once
    flags = [argument.short, argument.name] if argument.short else [argument.name]
    parser.add_argument(*flags, **more)


def parse(words: Sequence[str], *, cell: bool = False) -> tuple[Subcommand, dict[str, Any]]:
    """The subcommand of these words, or of the cell magic of the first one, and the values of its arguments."""
    subcommand, rest = (CELLS[words[0]], list(words[1:])) if cell and words[0] in CELLS else find(words)
    behind = next((a for a in subcommand.arguments if a.kind == "rest"), None)
    following: list[str] = []
    if behind is not None and "--help" not in rest:
        rest, following = _cut(rest, behind)
    values = vars(parser_of(subcommand).parse_args(rest))
    if behind is not None:
        values[behind.key] = following
    values.pop("_seen", None)
    for argument in subcommand.arguments:
        if argument.kind == "pair":
            values[argument.key] = _pairs(argument, values[argument.key])
    return subcommand, values


def _cut(words: list[str], argument: Argument) -> tuple[list[str], list[str]]:
    """The words before `--`, and those behind it, which belong to somebody else's program."""
    if words and "--" not in words and not words[0].startswith("-"):
        return [], words
    if "--" not in words or words[-1] == "--":
        raise UsageError(f"the {argument.name} is missing", "it stands behind --")
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _pairs(argument: Argument, texts: Sequence[str] | None) -> dict[str, str]:
    """The KEY=VALUE texts of an argument as a dict."""
    pairs: dict[str, str] = {}
    for text in texts or ():
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise UsageError(f"{argument.name} takes KEY=VALUE, not {text!r}")
        pairs[key] = value
    return pairs


def run(
    line: str | Sequence[str],
    *,
    cell: str | None = None,
    state: State | None = None,
    surface: Surface | None = None,
    namespace: Mapping[str, Any] | None = None,
    keep: Callable[[str, Any], None] | None = None,
) -> Any:
    """Do what a line says and return its value.

    `line` is text or words already split (a terminal's). With a `namespace` its variables are expanded; `keep`
    takes the name and the value of `-o NAME`. Of several phrases on one line the last one's value is returned.
    """
    if isinstance(line, str):
        *before, line = phrases(line)
        for phrase in before:
            run(phrase, cell=cell, state=state, surface=surface, namespace=namespace, keep=keep)
    words = split(line) if isinstance(line, str) else list(line)
    if namespace is not None:
        words = expand(words, namespace)
    if (explained := _explained(words)) is not None:
        return explained
    try:
        subcommand, values = parse(words, cell=cell is not None)
    except HelpAskedFor as asked:
        return Text(str(asked).rstrip())
    if cell is not None and values.get("expand"):
        cell = expand([cell], namespace or {})[0]
    if values["output"] and not values["output"].isidentifier():
        raise UsageError(f"{values['output']!r} is no name for a variable")
    store = partial(keep, values["output"]) if values["output"] and keep is not None else _forget
    context = Context(state or shared(), values, cell, surface or Silent(), store, help_of)
    if values["curl"]:
        value = shown_as_curl(context, subcommand)
    else:
        with noticed(context, subcommand):
            value = subcommand.run(context)
    if value is not None:
        store(value)
    return value


def _explained(words: Sequence[str]) -> Text | None:
    """What to answer a line that only asks what there is: nothing, `--help`, `run --help`, `--version`."""
    if not words or words[0] in HELP:
        return overview()
    if words == ["--version"]:
        return Text(__version__)
    bare_noun = len(words) == 2 and words[1] in HELP and (words[0],) not in SUBCOMMANDS and words[0] not in PLURALS
    return help_of(words[:1]) if bare_noun else None


def _forget(value: Any) -> None:
    """Keep nothing: no `-o` is on the line."""


def help_of(words: Sequence[str], *, cell: bool = False) -> Text:
    """The help of one subcommand, of one noun, of a word's cell magic, or of everything."""
    if not words:
        return overview()
    if cell:
        return Text(parser_of(CELLS[words[0]]).format_help().rstrip())
    try:
        subcommand, _ = find(words)
    except UsageError:
        noun = PLURALS.get(words[0], words[0])
        found = [s for phrase, s in SUBCOMMANDS.items() if phrase[0] == noun and len(words) == 1]
        if not found:
            raise
        return Text(_table(found))
    return Text(parser_of(subcommand).format_help().rstrip())


def overview() -> Text:
    """All words in one screen: what a bare `%azml` answers."""
    body = _table(list(SUBCOMMANDS.values()))
    return Text(f"%azml WORDS, and --help behind any of them. A plural noun lists: %azml runs\n\n{body}")


def _table(subcommands: Sequence[Subcommand]) -> str:
    """One line per subcommand: its words and what it does."""
    width = max(len(s.phrase) for s in subcommands) + 2
    return "\n".join(f"  {s.phrase:<{width}}{s.summary}" for s in subcommands)
