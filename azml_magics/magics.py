"""The IPython edge: `%azml`, its cell magics and its completer. Nothing else of the package imports IPython."""

from __future__ import annotations

import re
import time
from collections import ChainMap
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
    output_can_be_silenced,
)
from IPython.display import display

from . import completion
from .line import help_of, run
from .subcommands import CELLS
from .subcommands.schema import Text
from .subcommands.state import shared
from .subcommands.surfaces import Terminal
from .views.stage import Stage

#: A line magic, perhaps assigned, at the start of the cursor's line; or a cell magic in the cell's first line.
PAUSE_SECONDS = 0.2
LINE = re.compile(r"(?:^|\n)\s*(?:[\w.,\s\[\]'\"]+=\s*)?%azml[ \t]+([^\n]*)$")
CELL = re.compile(r"^%%azml_(\w+)[ \t]+([^\n]*)$")


class Notebook:
    """The surface of a cell: lines are printed into it, progress is one output that is updated in place."""

    live = True
    foreground = False

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown_at = 0.0

    def note(self, text: str) -> None:
        """Print one line that stays."""
        print(text)  # noqa: T201  (the cell's own output)

    def progress(self, text: str) -> None:
        """Show where a wait stands, in place and no more often than anybody reads; an empty text takes it away."""
        if text and time.monotonic() - self._shown_at < PAUSE_SECONDS:
            return
        self._shown_at = time.monotonic()
        bundle = {"text/plain": text}
        if self._handle is not None:
            self._handle.update(bundle, raw=True)
        elif text:
            self._handle = display(bundle, raw=True, display_id=True)
        if not text:
            self._handle = None

    def show(self, view: Any) -> None:
        """Show a live view."""
        display(view)


@magics_class
class AzmlMagics(Magics):
    """`%azml` and the cell magics. The login lives in the shared state, not here, so a reload keeps it."""

    @no_var_expand
    @output_can_be_silenced
    @needs_local_scope
    @line_magic
    def azml(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Azure Machine Learning over REST: `%azml help` tells the words."""
        return self._run(line, None, local_ns)

    @no_var_expand
    @output_can_be_silenced
    @needs_local_scope
    @line_cell_magic
    def azml_submit(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Submit the cell as a run."""
        return self._cell("submit", line, cell, local_ns)

    @no_var_expand
    @output_can_be_silenced
    @needs_local_scope
    @line_cell_magic
    def azml_score(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Score the cell's rows with a deployed service."""
        return self._cell("score", line, cell, local_ns)

    @no_var_expand
    @output_can_be_silenced
    @needs_local_scope
    @line_cell_magic
    def azml_rest(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Send METHOD PATH with the cell as its body, or the curl command in the cell."""
        return self._cell("rest", line, cell, local_ns)

    def _cell(self, word: str, line: str, cell: str | None, local_ns: dict[str, Any] | None) -> Any:
        """Run a cell magic; as a line magic, which has no body to work on, it explains itself."""
        if cell is None:
            return help_of([word], cell=True)
        value = self._run(f"{word} {line}", cell, local_ns)
        return None if line.rstrip().endswith(";") else value  # IPython looks for it in the cell's last line

    def _run(self, line: str, cell: str | None, local_ns: dict[str, Any] | None) -> Any:
        assert self.shell is not None
        variables = self.shell.user_ns
        kernel = getattr(self.shell, "kernel", None) is not None
        value = run(
            line,
            cell=cell,
            surface=Notebook() if kernel else Terminal(foreground=False),
            namespace=ChainMap(local_ns or {}, variables),
            keep=variables.__setitem__,
        )
        if isinstance(value, Text) and not value:
            return None
        return value


@context_matcher(identifier="azml", priority=100)
def azml_matcher(context: CompletionContext) -> SimpleMatcherResult:
    """Complete `%azml` lines and the first line of the cell magics; anything else is left to others."""
    nothing: SimpleMatcherResult = {"completions": []}
    try:
        text = context.full_text[: _position(context)]
        if (line := LINE.search(text)) is not None:
            fragment, found = completion.complete(line[1], shared().names.of)
        elif (head := CELL.match(text)) is not None and head[1] in CELLS:
            fragment, found = completion.complete(head[2], shared().names.of, cell=head[1])
        else:
            return nothing
    except Exception:  # noqa: BLE001  (a traceback from a Tab would land in the notebook)
        return nothing
    return {
        "completions": [SimpleCompletion(text, type="azml") for text in found],
        "matched_fragment": fragment,
        "ordered": True,
        "suppress": True,
    }


def _position(context: CompletionContext) -> int:
    """The cursor's place in the whole text."""
    lines = context.full_text.split("\n")
    return sum(len(line) + 1 for line in lines[: context.cursor_line]) + context.cursor_position


def stage_of(shell: InteractiveShell) -> Stage:
    """A stage for live views: it shows by display ids, and learns from the shell when cells begin and end."""

    def publish(bundle: dict[str, Any], display_id: str, *, update: bool) -> None:
        display(bundle, raw=True, display_id=display_id, update=update)

    stage = Stage(publish, shell.get_parent)  # type: ignore[attr-defined]  # (a kernel shell has it)
    shell.events.register("pre_run_cell", stage.begin_cell)
    shell.events.register("post_run_cell", stage.end_cell)
    return stage


def load(shell: InteractiveShell) -> None:
    """Register the magics and the completer, once however often it is called."""
    shell.register_magics(AzmlMagics)
    if shared().stage is None and getattr(shell, "kernel", None) is not None:
        shared().stage = stage_of(shell)
    if azml_matcher not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(azml_matcher)


def unload(shell: InteractiveShell) -> None:
    """Take back all that `load` did."""
    if azml_matcher in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(azml_matcher)
    if (stage := shared().stage) is not None:
        stage.close()
        shell.events.unregister("pre_run_cell", stage.begin_cell)
        shell.events.unregister("post_run_cell", stage.end_cell)
        shared().stage = None
    for kind in ("line", "cell"):
        for name in ("azml", "azml_submit", "azml_score", "azml_rest"):
            shell.magics_manager.magics[kind].pop(name, None)
    shell.configurables[:] = [c for c in shell.configurables if not isinstance(c, AzmlMagics)]
