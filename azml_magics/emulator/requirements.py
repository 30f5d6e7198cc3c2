"""What an environment section asks for, read without regard to case, and what pip is asked for in its place.

Pure. Whatever is set and has no meaning here comes back as a line about it, secrets masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .definition import pick, shown

#: What says which environment it is, or is read by whoever starts the program.
IDENTITY = frozenset({"name", "version", "assetid", "environmentvariables"})
PYTHON = frozenset({"interpreterpath", "usermanageddependencies", "condadependencies"})
CONDA = frozenset({"name", "channels", "dependencies"})
#: Packages that conda and pip call differently.
RENAMED = {"pytorch": "torch", "py-xgboost": "xgboost", "opencv": "opencv-python", "matplotlib-base": "matplotlib"}

_PYTHON_ITSELF = re.compile(r"(?:\S+::)?python(?:\s*([=<>!~].*)|\s+(\d.*))?")
_SPEC = re.compile(r"(?:[^\s:]+::)?([A-Za-z0-9][\w.-]*)\s*(.*)")
#: `=1.2`, `==1.2`, `1.2`, each with a build after it or not.
_VERSION = re.compile(r"(==?|)\s*(\w[\w.+!*]*)(?:\s*=\s*\S+|\s+\S+)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment asks for. `asked` is whether it speaks of packages at all; `others` are lines to be told."""

    asked: bool
    python: str = ""
    interpreter: str = ""
    user_managed: bool = False
    conda: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def read(environment: Mapping[str, Any]) -> Wanted:
    """Read an environment section, or its `python` section alone."""
    python = pick(environment, "python")
    if not isinstance(python, Mapping) and any(pick(environment, name) is not None for name in PYTHON):
        environment, python = {"python": environment}, environment
    conda = pick(python, "condaDependencies")
    channels = pick(conda, "channels")
    version, names, lines, odd = _dependencies(pick(conda, "dependencies"))
    return Wanted(
        asked=isinstance(conda, Mapping),
        python=version,
        interpreter=str(pick(python, "interpreterPath") or ""),
        user_managed=bool(pick(python, "userManagedDependencies")),
        conda=tuple(names),
        pip=tuple(lines),
        channels=tuple(masked(str(channel)) for channel in (channels if isinstance(channels, list) else [])),
        others=(*odd, *(f"{what}: recorded, not applied" for what in _others(environment))),
    )


def requirements_of(wanted: Wanted, tell: Callable[[str], object]) -> list[str]:
    """What pip is asked for; conda's packages are looked for under the same names, and each is told."""
    found: list[str] = []
    for spec in wanted.conda:
        requirement = requirement_of(spec)
        if requirement == "pip":
            tell(f"conda package {spec}: the environment has a pip of its own")
        elif requirement is None:
            tell(f"conda package {masked(spec)}: has no equal for pip, not installed")
        else:
            tell(f"conda package {spec}: taken from pip as {requirement}")
            found.append(requirement)
    return [*found, *wanted.pip]


def requirement_of(spec: str) -> str | None:
    """A conda match specification in pip's words; None when there are none."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    if match[1].lower() == "pip":  # whatever its version: it comes with the environment, and does the work
        return "pip"
    name, condition = RENAMED.get(match[1].lower(), match[1]), match[2].strip()
    if not condition:
        return name
    version = _VERSION.fullmatch(condition)
    if version is None:
        compact = condition.replace(" ", "")
        return f"{name}{compact}" if compact[0] in "<>!~" and not re.search(r"[|\[\]]", compact) else None
    build = version.end(2) < len(condition)
    # conda's single "=" is a prefix, unless a build follows
    prefix = version[1] == "=" and not build and not version[2].endswith("*")
    return f"{name}=={version[2]}{'.*' if prefix else ''}"


def masked(text: str) -> str:
    """A text without what addresses in it may hold of secrets: user and password, and the query."""
    return re.sub(r"(://[^\s?]*)\?\S+", r"\1?***", re.sub(r"://[^/@\s]+@", "://***@", text))


def _dependencies(entries: Any) -> tuple[str, list[str], list[str], list[str]]:
    """Python's version, conda packages, pip requirements, and lines about what is neither."""
    version = ""
    names: list[str] = []
    lines: list[str] = []
    odd: list[Any] = []
    for entry in entries if isinstance(entries, list) else []:
        requirements = pick(entry, "pip")
        if isinstance(entry, str) and (match := _PYTHON_ITSELF.fullmatch(entry.strip())):
            version = _python_version(match[1] or match[2] or "")
        elif isinstance(entry, str):
            names.append(entry.strip())
        elif isinstance(requirements, list):
            lines += [str(line).strip() for line in requirements]
            odd += [{name: value} for name, value in entry.items() if name.lower() != "pip"]
        else:
            odd.append(entry)
    texts = [f"dependency {masked(json.dumps(shown(entry)))}: recorded, not understood" for entry in odd]
    return version, list(filter(None, names)), list(filter(None, lines)), texts


def _python_version(condition: str) -> str:
    """A version where one is given, else the condition as it is."""
    match = _VERSION.fullmatch(condition)
    return match[2] if match else condition


def _others(environment: Mapping[str, Any]) -> Iterator[str]:
    """What an environment sets besides, as path and value."""
    for name, value in shown(environment).items():
        if name.lower() == "python" and isinstance(value, Mapping):
            yield from _leaves("python", _without(value, PYTHON))
            conda = pick(value, "condaDependencies")
            rest = _without(conda, CONDA) if isinstance(conda, Mapping) else conda
            yield from _leaves("python.condaDependencies", rest)
        elif name.lower() not in IDENTITY:
            yield from _leaves(name, value)


def _without(mapping: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name.lower() not in names}


def _leaves(path: str, value: Any) -> Iterator[str]:
    """The values below a path that say something: neither null nor false nor empty."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(f"{path}.{name}", part)
    elif isinstance(value, list) and any(isinstance(part, Mapping | list) for part in value):
        for number, part in enumerate(value):
            yield from _leaves(f"{path}[{number}]", part)
    elif value:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield path if value is True else f"{path} = {masked(text)}"
