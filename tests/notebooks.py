"""A pytest plugin for the run over the notebooks: an emulator and a home of its own, ended with the run."""

import os
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.TemporaryDirectory(prefix="azml-notebooks-")
    config.stash[FOLDER] = folder
    os.environ |= {"AZML_DATA": f"{folder.name}/data", "HOME": folder.name}


def pytest_unconfigure(config: pytest.Config) -> None:
    from azml_magics import azml

    azml("emulator stop")
    config.stash[FOLDER].cleanup()


FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
