"""Where words are typed, but for a kernel: a terminal; and the sign of life that every word gives after a second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .schema import Context, Subcommand

#: A word that takes no longer says nothing: a line that only flashes tells nobody anything.
QUIET_SECONDS = 1.0


class Terminal:
    """A terminal: notes and progress go to stderr, so that stdout holds the result alone."""

    live = False

    def __init__(self, *, foreground: bool = True) -> None:
        self.foreground = foreground
        self._width = 0

    def note(self, text: str) -> None:
        """Write one line that stays."""
        self.progress("")
        print(text.replace("%azml", "azml") if self.foreground else text, file=sys.stderr, flush=True)

    def progress(self, text: str) -> None:
        """Write where a wait stands over the last such line."""
        if sys.stderr.isatty() and (text or self._width):
            print(f"\r{text:<{self._width}}", end="" if text else "\r", file=sys.stderr, flush=True)
            self._width = len(text)

    def show(self, view: Any) -> None:
        """Write a view's text."""
        print(view._repr_mimebundle_()[0]["text/plain"], file=sys.stderr, flush=True)


@contextmanager
def noticed(context: Context, subcommand: Subcommand) -> Iterator[None]:
    """Show that a word is at work when it has said nothing of its own for a second."""
    if not subcommand.operations:  # a foreground emulator, a program: they speak for themselves
        yield
        return
    surface = Attended(context.surface)
    context.surface = surface
    timer = threading.Timer(QUIET_SECONDS, surface.remind, (f"{subcommand.phrase}: waiting for the service",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        surface.calm()


class Attended:
    """A surface that remembers whether anything was said, so that only silence is broken."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._spoken = self._reminded = False
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._hear()
        self._inner.note(text)

    def progress(self, text: str) -> None:
        """Pass it on."""
        self._hear()
        self._inner.progress(text)

    def show(self, view: Any) -> None:
        """Pass it on."""
        self._hear()
        self._inner.show(view)

    def remind(self, text: str) -> None:
        """Say it, unless something was said or it is over."""
        with self._lock:
            if not self._spoken:
                self._reminded = True
                self._inner.progress(text)

    def calm(self) -> None:
        """Take the reminder away; from now on it is over."""
        with self._lock:
            self._spoken = True
            if self._reminded:
                self._inner.progress("")

    def _hear(self) -> None:
        with self._lock:
            self._spoken = True
