"""The run definition of the article, made from what a line says. Pure: reads no file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError

#: What the article's definition has, where nobody says otherwise.
BASE_IMAGE = "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04"
MAX_SECONDS = 2592000  # thirty days: the official client's default


def run_definition(
    *,
    script: str,
    arguments: Sequence[Any] = (),
    target: str,
    node_count: int = 1,
    max_seconds: int = MAX_SECONDS,
    image: str = "",
    conda: Mapping[str, Any] | None = None,
    pip: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The definition that starts a script on a compute, in the article's schema (PascalCase)."""
    return {
        "Configuration": {
            "Script": script,
            "Arguments": [str(a) for a in arguments],
            "SourceDirectoryDataStore": None,
            "Framework": "Python",
            "Communicator": "None",
            "Target": target,
            "MaxRunDurationSeconds": max_seconds,
            "NodeCount": node_count,
            "Environment": {
                "Python": {
                    "InterpreterPath": "python",
                    "UserManagedDependencies": False,
                    "CondaDependencies": dependencies(conda, pip),
                },
                "EnvironmentVariables": dict(variables or {}),
                "Docker": {"BaseImage": image or BASE_IMAGE},
            },
            "History": {"OutputCollection": True},
        }
    }


def dependencies(conda: Mapping[str, Any] | None, pip: Sequence[str]) -> dict[str, Any]:
    """The conda dependencies of a run: those of a file, and the pip requirements beside them."""
    found = dict(conda or {"name": "project_environment", "dependencies": ["python=3.11"]})
    listed = [d for d in found.get("dependencies") or [] if not isinstance(d, Mapping)]
    of_pip = [r for d in found.get("dependencies") or [] if isinstance(d, Mapping) for r in d.get("pip") or []]
    wanted = [*of_pip, *pip]
    found["dependencies"] = [*listed, {"pip": wanted}] if wanted else listed
    return found


def checked_experiment(name: str) -> str:
    """An experiment's name that the service takes; UsageError tells the rule."""
    if not re.fullmatch(r"[a-zA-Z0-9][\w\-]{0,254}", name):
        raise UsageError(f"{name!r} is no experiment name", "a letter or digit first, then letters, digits, - and _")
    return name
