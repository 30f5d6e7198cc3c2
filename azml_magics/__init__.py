"""Azure Machine Learning from notebook cells, over plain REST, with an emulator that needs no account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import AzmlError
from .version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["AzmlError", "__version__", "azml", "load_ipython_extension", "unload_ipython_extension"]


def azml(words: str, cell: str | None = None) -> Any:
    """Do in a script what `%azml WORDS` does in a cell, and return the same value.

    `cell` is the body of a word that takes one (`submit`, `score`, `rest`). Raises `AzmlError`.
    """
    from .line import run

    return run(words, cell=cell)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make `%azml`, `%%azml_submit`, `%%azml_score` and `%%azml_rest` known to IPython."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take back all that `load_ipython_extension` did."""
    from .magics import unload

    unload(shell)
