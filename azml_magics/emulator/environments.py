"""Interpreters for what is run: the emulator's own, or a virtual environment with the packages that were asked for.

Nothing is silently ignored: whatever an environment asks for and does not get is a line in the log. Knows pip and
venv; knows neither runs nor HTTP.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from .files import write_private
from .requirements import Wanted, masked, read, requirements_of

#: What pip may need of the emulator's environment. It runs other people's code: it gets no credentials for Azure.
PASSED = re.compile(
    r"PATH|HOME|LANG|LC_.*|TMPDIR|TEMP|TMP|SYSTEMROOT|PIP_.*|XDG_.*|(https?|no|all)_proxy|REQUESTS_CA_BUNDLE|SSL_CERT_.*",
    re.IGNORECASE,
)
#: Lines of pip's output that tell why it failed.
LAST = 12


class BuildFailed(Exception):
    """An environment could not be made; the reason holds the last lines of what pip said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Log(Protocol):
    """Where lines about an environment go: any text file."""

    def write(self, text: str, /) -> object:
        """Add some text."""

    def flush(self) -> object:
        """Let readers see it."""


class Environments:
    """The interpreters of one data directory. With `build` off there is one, the emulator's own."""

    def __init__(self, root: Path, build: bool) -> None:
        self._root = root
        self._build = build
        self._lock = threading.Lock()
        self._building: dict[str, Future[Path]] = {}

    def interpreter(self, environment: Mapping[str, Any], log: Log) -> Path:
        """The Python of an environment (the section of a run's definition), made if need be; `BuildFailed` if not.

        Building takes as long as pip does; who asks for an environment that is being built waits for it.
        """
        wanted = read(environment)
        for line in self._missing(wanted):
            _say(log, line)
        if not self._builds(wanted):
            return Path(sys.executable)
        return self._built(requirements_of(wanted, lambda line: _say(log, line)), log)

    def describe(self, environment: Mapping[str, Any]) -> dict[str, str]:
        """What a run's properties tell about its interpreter: its version, whether it was built, what is missing."""
        wanted = read(environment)
        missing = list(self._missing(wanted))
        kind = "own"
        if self._builds(wanted):
            kind = f"built {_key(requirements_of(wanted, missing.append))}"
        return {
            "emulator.python": platform.python_version(),
            "emulator.environment": kind,
            "emulator.notHonored": "; ".join(missing),
        }

    def _builds(self, wanted: Wanted) -> bool:
        return self._build and wanted.asked and not wanted.user_managed

    def _missing(self, wanted: Wanted) -> Iterator[str]:
        """One line for each thing that is recorded and not done."""
        own = platform.python_version()
        if wanted.python and not f"{own}.".startswith(f"{wanted.python.removesuffix('.*')}."):
            yield f"Python {wanted.python}: recorded, not installed; this is Python {own}"
        if wanted.interpreter not in ("", "python", "python3", sys.executable):
            yield f"interpreterPath {wanted.interpreter}: recorded, not used"
        yield from (f"conda channel {channel}: recorded, not used" for channel in wanted.channels)
        if not self._builds(wanted):
            why = " (userManagedDependencies)" if self._build and wanted.user_managed else ""
            yield from (f"conda package {spec}: recorded, not installed{why}" for spec in map(masked, wanted.conda))
            yield from (f"pip requirement {line}: recorded, not installed{why}" for line in map(masked, wanted.pip))
        yield from wanted.others

    def _built(self, requirements: Sequence[str], log: Log) -> Path:
        key = _key(requirements)
        with self._lock:
            found = self._ready(key)
            if found:
                return found
            future = self._building.get(key)
            mine = future is None
            future = future or Future()
            self._building[key] = future
        if not mine:
            _say(log, "The same environment is being built already: waiting for it.")
            return future.result()
        try:
            future.set_result(self._make(key, requirements, log))
        except BaseException as problem:
            future.set_exception(problem)
            raise
        finally:
            with self._lock:
                del self._building[key]
        return future.result()

    def _ready(self, key: str) -> Path | None:
        """The interpreter of an environment that was built to its end, and that still works after an upgrade."""
        try:
            name = json.loads((self._root / key / "ready.json").read_text(encoding="utf-8"))["folder"]
        except OSError:
            return None
        python = _python_of(self._root / key / name)
        return python if python.exists() else None

    def _make(self, key: str, requirements: Sequence[str], log: Log) -> Path:
        """Build an environment; the file that makes it count is written last.

        A folder of a new name each time: a virtual environment cannot be moved, and the pip of an emulator that
        was killed may still be writing into the old one.
        """
        home = self._root / key
        started = time.monotonic()
        try:
            shutil.rmtree(home, ignore_errors=True)
            folder = home / f"venv-{secrets.token_hex(4)}"
            folder.mkdir(parents=True)
            _run([sys.executable, "-m", "venv", str(folder)], home, log, "The virtual environment could not be made")
            if requirements:
                file = folder / "requirements.txt"
                file.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
                pip = [str(_python_of(folder)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
                _run([*pip, "-r", str(file)], home, log, "pip could not install the packages")
            write_private(home / "ready.json", json.dumps({"folder": folder.name}).encode())
        except OSError as problem:
            raise BuildFailed(f"The environment could not be built: {problem}") from problem
        _say(log, f"The environment was built in {time.monotonic() - started:.1f} s.")
        return _python_of(folder)


def _key(requirements: Sequence[str]) -> str:
    """The name of an environment's folder: the same for the same requirements of the same Python."""
    return hashlib.sha256(json.dumps([sys.version, sys.base_prefix, *requirements]).encode()).hexdigest()[:16]


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(argv: Sequence[str], cwd: Path, log: Log, failure: str) -> None:
    """Run a program that makes an environment, its output going to the log as it comes."""
    env = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    last: deque[str] = deque(maxlen=LAST)
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C in the emulator's terminal is for the emulator
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(masked(line.rstrip()))
            _say(log, last[-1])
    if process.returncode:
        raise BuildFailed("\n".join([f"{failure} (exit code {process.returncode}):", *last]))


def _say(log: Log, line: str) -> None:
    log.write(f"{line}\n")
    log.flush()
