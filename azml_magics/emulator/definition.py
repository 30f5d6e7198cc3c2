"""A run's definition as clients send it: read without regard to case, checked, and shown again without secrets.

Pure. Documented samples are PascalCase throughout, the v1 SDK sends PascalCase above camelCase (wire-v1 3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

#: Frameworks that are run as an ordinary Python process here, although Azure ML does more for them.
PLAIN = frozenset({"python", "pytorch", "tensorflow", "cntk"})
MASK = "********"
LOCAL = "local"
#: Numbers are 32-bit integers in the specification.
LARGEST = 2**31 - 1
#: A node is a slot in memory here; no cluster of the service is so large.
MOST_NODES = 10_000

_SECRET = re.compile(
    r"secret|passw|pwd|token|credential|connection_?string|(api|access|account|private|storage)_?key"
    r"|(^|_)(key|sas)($|_)",
    re.IGNORECASE,
)
#: Sections whose keys are people's own names: they keep their case, and in the first kind values may be secrets.
_NAMES = frozenset({"environmentvariables", "data", "datareferences", "outputdata", "tags", "properties"})


class BadDefinition(ValueError):
    """A definition that no run can be made of; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What to run: a script with arguments, or a command line; where; for how long at most; with which variables."""

    target: str
    script: str = ""
    arguments: tuple[str, ...] = ()
    command: str = ""
    node_count: int = 1
    seconds: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: What was asked for and is done otherwise, one line each.
    notes: tuple[str, ...] = ()


def pick(mapping: Any, name: str) -> Any:
    """The value of a key, whatever its case; None when there is none, or no mapping."""
    if not isinstance(mapping, Mapping):
        return None
    wanted = name.lower()
    return next((value for key, value in mapping.items() if key.lower() == wanted), None)


def configuration_of(data: bytes) -> Mapping[str, Any]:
    """The `Configuration` section of a definition file."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadDefinition("The run definition is not JSON.") from None
    if not isinstance(document, Mapping):
        raise BadDefinition("The run definition is not a JSON object.")
    configuration = pick(document, "Configuration")
    if not isinstance(configuration, Mapping):
        raise BadDefinition("The run definition has no Configuration object.")
    return configuration


def parse(configuration: Mapping[str, Any]) -> Definition:
    """Read a configuration; `BadDefinition` says what is missing or wrong."""
    script, command = _script(configuration), _command(configuration)
    if not script and not command:
        raise BadDefinition("Configuration.Script is missing: name the Python file to run.")
    if script and command:
        raise BadDefinition("Configuration has both Script and Command: give one of them.")
    target = pick(configuration, "Target")
    if not isinstance(target, str) or not target.strip():
        raise BadDefinition('Configuration.Target is missing: name a compute of the workspace, or "local".')
    environment = pick(configuration, "Environment")
    environment = environment if isinstance(environment, Mapping) else {}
    return Definition(
        target=target.strip(),
        script=script,
        arguments=_arguments(configuration),
        command=command,
        node_count=_node_count(configuration),
        seconds=_seconds(configuration),
        variables={**_variables(environment, "Environment."), **_variables(configuration, "")},
        environment=environment,
        notes=_notes(configuration),
    )


def shown(configuration: Any, section: str = "") -> Any:
    """A configuration as run history shows it: camelCase, and the values of secrets masked."""
    if isinstance(configuration, Mapping):
        own = section in _NAMES
        return {
            key if own else key[:1].lower() + key[1:]: MASK
            if isinstance(value, str) and value and _SECRET.search(key)
            else shown(value, key.lower())
            for key, value in configuration.items()
        }
    if isinstance(configuration, list):
        return [shown(item, section) for item in configuration]
    return configuration


def is_contained(path: str) -> bool:
    """Whether a path from outside stays below the folder that it is joined to."""
    pure = PurePosixPath(path)
    parts = path.split("/")
    return bool(path) and not pure.is_absolute() and ".." not in parts and "\\" not in path and ":" not in parts[0]


def _script(configuration: Mapping[str, Any]) -> str:
    script = pick(configuration, "Script")
    if script is None:
        return ""
    if not isinstance(script, str):
        raise BadDefinition("Configuration.Script is not text.")
    # a path as Windows writes it: the zip has slashes
    path = script.strip().replace("\\", "/").removeprefix("./")
    if path and not is_contained(path):
        raise BadDefinition(f"Configuration.Script {script!r} leads out of the zip.")
    return path


def _command(configuration: Mapping[str, Any]) -> str:
    command = pick(configuration, "Command")
    if command is None or isinstance(command, str):
        return (command or "").strip()
    if isinstance(command, Sequence) and all(isinstance(word, str) for word in command):
        return " ".join(command)
    raise BadDefinition("Configuration.Command is neither text nor a list of texts.")


def _arguments(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    arguments = pick(configuration, "Arguments")
    if arguments is None:
        return ()
    if not isinstance(arguments, list) or any(isinstance(a, list | Mapping) or a is None for a in arguments):
        raise BadDefinition("Configuration.Arguments is not a list of texts and numbers.")
    texts = tuple(str(argument) for argument in arguments)
    if any("\0" in text for text in texts):
        raise BadDefinition("Configuration.Arguments holds a NUL character.")
    return texts


def _node_count(configuration: Mapping[str, Any]) -> int:
    count = _number(configuration, "NodeCount", 1)
    if not 1 <= count <= LARGEST or count != int(count):
        raise BadDefinition("Configuration.NodeCount is not a whole number of at least 1.")
    if count > MOST_NODES:
        raise BadDefinition(f"Configuration.NodeCount is {count:.0f}; the emulator holds at most {MOST_NODES}.")
    return int(count)


def _seconds(configuration: Mapping[str, Any]) -> float | None:
    if pick(configuration, "MaxRunDurationSeconds") is None:
        return None
    seconds = _number(configuration, "MaxRunDurationSeconds", 0)
    if not 0 < seconds <= LARGEST:
        raise BadDefinition("Configuration.MaxRunDurationSeconds is not a number above 0.")
    return seconds


def _number(configuration: Mapping[str, Any], name: str, default: float) -> float:
    value = pick(configuration, name)
    if value is None:
        return default
    try:
        # a truth is a number to Python, and none to whoever wrote it
        return float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        raise BadDefinition(f"Configuration.{name} is not a number.") from None


def _variables(section: Mapping[str, Any], where: str) -> dict[str, str]:
    variables = pick(section, "EnvironmentVariables")
    if variables is None:
        return {}
    if not isinstance(variables, Mapping):
        raise BadDefinition(f"Configuration.{where}EnvironmentVariables is not an object.")
    result = {str(name): "" if value is None else str(value) for name, value in variables.items()}
    for name, value in result.items():
        if not name or "=" in name or "\0" in name + value:
            raise BadDefinition(f"Configuration.{where}EnvironmentVariables has a name or value that is not allowed.")
    return result


def _notes(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """What the emulator does otherwise; `BadDefinition` for what it does not do at all."""
    notes = []
    framework = pick(configuration, "Framework")
    if framework is not None and str(framework).lower() not in PLAIN:
        raise BadDefinition(
            f"Configuration.Framework {framework!r}: the emulator runs Python scripts and commands only."
        )
    if framework is not None and str(framework).lower() != "python":
        notes.append(f"framework {framework}: run as an ordinary Python process")
    communicator = pick(configuration, "Communicator")
    if communicator not in (None, "None", "none", ""):
        notes.append(f"communicator {communicator}: recorded; one process is started, on one machine")
    if _node_count(configuration) > 1:
        notes.append(f"{_node_count(configuration)} nodes are held; the script is started once")
    notes += [
        f"{name}: recorded; nothing is mounted or downloaded"
        for name in ("DataReferences", "Data", "OutputData")
        if pick(configuration, name)
    ]
    return tuple(notes)
