"""What a subcommand is: words, arguments, a function. Data for the parser, the completer and the help.

Knows nothing of IPython and of argparse; `line` turns these records into a parser.
"""

from __future__ import annotations

import pprint
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..catalogue import Resource
from ..errors import NoWorkspace

if TYPE_CHECKING:
    from ..rest import Scope, Session
    from .state import State

#: How an argument's text is read.
#: "count" is 1 or more, "seconds" more than 0, "pair" is KEY=VALUE, "flag" takes no value, "rest" is all that follows.
Kind = Literal["text", "int", "count", "seconds", "flag", "pair", "rest"]


#: A notebook shows so many lines of a text, the last ones: megabytes of a log in a cell help nobody.
SHOWN_ROWS = 500


class Text(str):
    """Text that shows itself as it is, not as a quoted Python string: logs, help, a curl command."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        rows = self.splitlines()
        if left_out := max(0, len(rows) - SHOWN_ROWS):
            rows = [f"({left_out:,} lines above are in the value; --tail N asks for fewer)", *rows[left_out:]]
        for n, row in enumerate(rows):
            if n:
                printer.break_()
            printer.text(row)


class Document(dict[str, Any]):
    """What the service sent, as it came: its values are there for code, its text hides secrets and signed links."""

    __slots__ = ()

    def __repr__(self) -> str:
        from ..rest.redact import redact

        return pprint.pformat(redact(dict(self)), width=110, sort_dicts=False)

    __str__ = __repr__


def as_sent(value: Any) -> Any:
    """What the service sent, safe to show: objects as documents, everything else as it is."""
    if isinstance(value, Mapping):
        return Document(value)
    return [as_sent(item) for item in value] if isinstance(value, list) else value


class Surface(Protocol):
    """Where the words are typed: a notebook, a terminal, or nowhere (a script)."""

    #: Whether a kernel stands behind it that can show live views.
    live: bool
    #: Whether this process is the user's own, which a word may keep until it ends (a terminal's).
    foreground: bool

    def note(self, text: str) -> None:
        """Say one line that stays."""

    def progress(self, text: str) -> None:
        """Say where a wait stands; the next call replaces it, an empty text takes it away."""

    def show(self, view: Any) -> None:
        """Show a live view (an object with `_repr_mimebundle_`)."""


class Silent:
    """The surface of a script: nothing is shown, values are returned."""

    live = False
    foreground = False

    def note(self, text: str) -> None:
        """Say nothing."""

    def progress(self, text: str) -> None:
        """Say nothing."""

    def show(self, view: Any) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a subcommand: positional, or an option when the name starts with a dash.

    `many` takes several values (positional) or may be repeated (option); `completes` names the noun whose live
    names complete it, or "path".
    """

    name: str
    help: str
    kind: Kind = "text"
    default: Any = None
    many: bool = False
    required: bool = True
    choices: tuple[str, ...] = ()
    completes: str = ""
    metavar: str = ""
    short: str = ""

    @property
    def is_option(self) -> bool:
        """Whether it is given by name."""
        return self.name.startswith("-")

    @property
    def key(self) -> str:
        """The name of its value: `--max-nodes` is `max_nodes`."""
        return self.name.lstrip("-").replace("-", "_")


@dataclass(slots=True)
class Context:
    """What a subcommand's function is given: the state behind the words, its values, its cell."""

    state: State
    values: Mapping[str, Any]
    cell: str | None = None
    surface: Surface = field(default_factory=Silent)
    #: Takes a value for `-o NAME` before the end: a word that waits gives what it has, in case the wait fails.
    keep: Callable[[Any], None] = field(default=lambda value: None)
    #: Explains words: given by `line`, which alone knows the grammar.
    explain: Callable[[Sequence[str]], Text] = field(default=lambda words: Text(""))

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)

    @property
    def session(self) -> Session:
        """The session of the login; NotLoggedIn without one."""
        return self.state.session

    @property
    def scope(self) -> Scope:
        """The subscription, group and workspace in use."""
        return self.state.scope

    def need(self, *parts: str) -> None:
        """Make sure that there is a login and that these parts of the scope are chosen, before anything is sent."""
        self.state.require_login()
        for part in parts:
            if not getattr(self.scope, part):
                raise NoWorkspace(f"no {part} chosen", NEXT_CHOICE[part])

    def frame(self, resource: Resource, documents: Sequence[Mapping[str, Any]], operation: str = "list") -> Any:
        """The documents as a DataFrame with the resource's columns, or as they came with `--json`."""
        if self["json"]:
            return as_sent(list(documents))
        from ..records import to_frame

        return to_frame(resource, documents, operation=f"{resource.noun}.{operation}", scope=self.scope)

    def row(self, resource: Resource, document: Mapping[str, Any], operation: str = "show") -> Any:
        """One document as a frame of one row, or as it came with `--json`."""
        return as_sent(document) if self["json"] else self.frame(resource, [document], operation)


NEXT_CHOICE = {
    "subscription": "%azml subscriptions, then %azml use --subscription ID",
    "group": "%azml groups, then %azml use --group NAME",
    "workspace": "%azml workspaces, then %azml use WORKSPACE",
}


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One phrase of `%azml`: its words, what it does, its arguments and the function behind it.

    `operations` are the ids it sends, the main one first: that is the request which `--curl` prints.
    `cell` tells what the body of its cell magic is, if it has one.
    """

    words: tuple[str, ...]
    summary: str
    run: Callable[[Context], Any]
    arguments: tuple[Argument, ...] = ()
    operations: tuple[str, ...] = ()
    example: str = ""
    cell: str = ""
    magic: str = ""

    @property
    def phrase(self) -> str:
        """Its words as they are typed: "run show"."""
        return " ".join(self.words)


#: Every word takes these (DESIGN 3.1).
CURL = Argument("--curl", "print the request as a curl command instead of sending it", "flag")
JSON = Argument("--json", "return what the service sent, as dicts and lists", "flag")
OUTPUT = Argument("--output", "also keep the result in this variable", metavar="NAME", short="-o")
EVERYWHERE = (CURL, JSON, OUTPUT)

NO_WAIT = Argument("--no-wait", "return the poller at once instead of waiting for the end", "flag")
TOP = Argument("--top", "at most so many rows", "count", metavar="N")
