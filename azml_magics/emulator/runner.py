"""Programs that run on this machine, each under a supervisor of its own, so that they outlive this process.

Knows processes and folders; knows nothing of HTTP, of Azure or of what a program is for. Whatever becomes of a
program, its end is told once: now, or to the runner of a later process that adopts it.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .supervisor import UNKNOWN_BOOT, mark_of, write_whole

logger = logging.getLogger(__name__)

SUPERVISOR = Path(__file__).with_name("supervisor.py")
#: What a supervisor's interpreter may need of the environment; it gets no credentials that it could hand on.
NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
#: Seconds between two looks at an adopted program, and looks between two checks that its supervisor lives.
POLL, CHECK = 0.1, 10
#: Looks until a supervisor that was started has written who it is.
BORN = 50
#: Seconds that closing waits for a callback to return.
PATIENCE = 10.0

OnStart = Callable[[str, float], object]


@dataclass(frozen=True, slots=True)
class Execution:
    """What to run: the folder is the supervisor's own, `log` gets both outputs, `seconds` is the time limit.

    `env` is the whole environment of the program; nothing is inherited. It is not shown: it holds secrets.
    """

    folder: Path
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    log: Path
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: exited, timed-out, stopped, or vanished (its supervisor was killed, or the machine).

    `code` is the exit code, or minus the signal; None when there is none to know. `started` is None when the
    program never did. Times are seconds of the epoch.
    """

    code: int | None
    reason: str
    started: float | None
    ended: float


OnEnd = Callable[[str, Outcome], object]


@dataclass(slots=True)
class _Watch:
    """A program that is looked after; `pid` is the supervisor's when it is a child of this process."""

    folder: Path
    pid: int = 0
    stopping: bool = False


class Runner:
    """Starts programs, stops them and tells their ends. Callbacks come on threads of the runner, one a program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[str, _Watch] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        # closing the writing end wakes every thread that waits for a supervisor's output
        self._wake, self._wake_end = os.pipe()

    def start(self, key: str, execution: Execution, on_start: OnStart, on_end: OnEnd) -> None:
        """Start a program under a key. `on_start` gets the time when it really runs, `on_end` its outcome."""
        with self._lock:
            self._refuse(key)
            _prepare(execution)
            pid, output = _spawn(execution.folder)
            watch = self._watched[key] = _Watch(execution.folder, pid)
            self._look_after(self._follow, key, watch, output, on_start, on_end)

    def adopt(self, key: str, folder: Path, on_end: OnEnd, on_start: OnStart | None = None) -> None:
        """Look after a program that an earlier process started in a folder; its end may be long past.

        `on_start`, where given, is called if it has started: the earlier process may not have got to that.
        """
        with self._lock:
            self._refuse(key)
            watch = self._watched[key] = _Watch(folder)
            self._look_after(self._poll, key, watch, on_start, on_end)

    def stop(self, key: str) -> bool:
        """Have a program ended: asked to, then killed. True when there is one of that key; `on_end` tells the rest."""
        with self._lock:
            watch = self._watched.get(key)
            if watch is None:
                return False
            watch.stopping = True
            if watch.pid:  # a child that nobody has waited for: the number is its own
                os.kill(watch.pid, signal.SIGTERM)
            return True

    def running(self) -> list[str]:
        """The keys of the programs whose ends have not been told."""
        with self._lock:
            return list(self._watched)

    def close(self) -> None:
        """Stop looking after the programs and leave them going. No callback comes any more."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
            self._watched.clear()
            os.close(self._wake_end)
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            os.close(self._wake)

    def _refuse(self, key: str) -> None:
        if self._closing.is_set():
            raise RuntimeError("the runner is closed")
        if key in self._watched:
            raise ValueError(f"{key} is running already")

    def _look_after(self, how: Callable[..., None], *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=how, args=arguments, name=f"run {arguments[0]}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _follow(self, key: str, watch: _Watch, output: int, on_start: OnStart, on_end: OnEnd) -> None:
        """Wait for a supervisor of ours: a line when the program has started, the end of its output when it is over."""
        with os.fdopen(output, "rb", buffering=0) as lines, selectors.DefaultSelector() as selector:
            selector.register(lines, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                selector.select()
                if self._closing.is_set():
                    return
                line = lines.read(200)
                if not line:
                    break
                self._tell(on_start, key, float(line.split()[1]))
        self._forget(key)  # before the number of the supervisor is given back: `stop` uses it
        with suppress(ChildProcessError):  # whoever embeds the emulator ignores SIGCHLD
            os.waitpid(watch.pid, 0)
        self._tell(on_end, key, _outcome(watch.folder) or _vanished(watch.folder))

    def _poll(self, key: str, watch: _Watch, on_start: OnStart | None, on_end: OnEnd) -> None:
        """Look from time to time whether an adopted program has ended."""
        for look in itertools.count():
            if on_start and (started := _record(watch.folder).get("started")):
                self._tell(on_start, key, started)
                on_start = None
            outcome = _outcome(watch.folder)
            if outcome is None and (watch.stopping or look % CHECK == 0):
                number = signal.SIGTERM if watch.stopping else 0
                reached = _reach(watch.folder, number)
                if reached and number:
                    watch.stopping = False
                elif reached is False or (reached is None and look >= BORN):
                    outcome = _outcome(watch.folder) or _vanished(watch.folder)
            if outcome is not None:
                self._forget(key)
                self._tell(on_end, key, outcome)
                return
            if self._closing.wait(POLL):
                return

    def _forget(self, key: str) -> None:
        with self._lock:
            self._watched.pop(key, None)  # closing has forgotten all of them

    def _tell(self, callback: Callable[..., object], key: str, what: float | Outcome) -> None:
        if self._closing.is_set():
            return
        try:
            callback(key, what)
        except Exception:  # a program's end is no reason for the runner's
            logger.exception("what was to follow the start or the end of %s failed", key)


def _prepare(execution: Execution) -> None:
    """Write down what to run, and take away what an earlier execution left in the folder."""
    execution.folder.mkdir(parents=True, exist_ok=True)
    execution.log.parent.mkdir(parents=True, exist_ok=True)
    for name in ("supervisor.json", "outcome.json"):
        (execution.folder / name).unlink(missing_ok=True)
    content = {
        "argv": [str(word) for word in execution.argv],
        "cwd": str(execution.cwd.absolute()),
        "env": dict(execution.env),
        "log": str(execution.log.absolute()),
        "seconds": execution.seconds,
    }
    write_whole(str(execution.folder / "execution.json"), content)


def _spawn(folder: Path) -> tuple[int, int]:
    """Start a supervisor in a session of its own; its number and the reading end of its output.

    Not `subprocess`, which insists on waiting for its children. The signals are blocked until the supervisor has
    its handlers, so that one that comes at once is not lost.
    """
    output, its_end = os.pipe()
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(folder.absolute())],
            {name: os.environ[name] for name in NEEDED if name in os.environ},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, its_end, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
            setsigmask=(signal.SIGHUP, signal.SIGINT, signal.SIGTERM),
        )
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(its_end)
    return pid, output


def _read(path: Path) -> dict[str, Any]:
    """A file of the supervisor's; empty while it is not there."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _record(folder: Path) -> dict[str, Any]:
    return _read(folder / "supervisor.json")


def _outcome(folder: Path) -> Outcome | None:
    content = _read(folder / "outcome.json")
    return Outcome(**content) if content else None


def _reach(folder: Path, number: int) -> bool | None:
    """Signal the supervisor of a folder; False when it is dead, None when it may be just starting."""
    record = _record(folder)
    if not record:
        return None if (folder / "execution.json").exists() else False
    if mark_of(record["pid"]) != record["mark"]:
        return False
    with suppress(ProcessLookupError):
        os.kill(record["pid"], number)
    return True


def _vanished(folder: Path) -> Outcome:
    """The outcome of a program whose supervisor is gone without a word; what is left of the program is killed."""
    record = _record(folder)
    if "group" in record and _is_same_group(record):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(record["group"], signal.SIGKILL)
    return Outcome(None, "vanished", record.get("started"), time.time())


def _is_same_group(record: Mapping[str, Any]) -> bool:
    """Whether a group's number still means the group of the record.

    While the group's first process lives, its mark tells. When that is gone but others are left, the number has
    not been given again, unless the machine was started anew.
    """
    mark = mark_of(record["group"])
    if mark:
        return bool(mark == record["group_mark"])
    boot = mark_of(os.getpid()).partition(" ")[0]
    return boot not in ("", UNKNOWN_BOOT) and boot == record["mark"].partition(" ")[0]
