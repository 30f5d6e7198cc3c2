"""The process that stands between the emulator and one run's program, and outlives the emulator.

Run as `python -I -S supervisor.py FOLDER`; needs nothing but the standard library. It starts the program of
FOLDER/execution.json in a process group of its own, ends the group at the time limit, on SIGTERM and when the
program itself has ended, and leaves FOLDER/outcome.json, always whole. Its output is one line, when the program
has started; the end of its output is its own end.
"""

# pathlib, typing and contextlib would take as long to import as all the rest of a start takes
# ruff: noqa: PTH105, PTH112, PTH123, PTH208

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds between asking a group to end and ending it.
GRACE = 3.0
#: Seconds that a killed group may take to be gone: more than that only a process stuck in the kernel takes.
GONE = 1.0
#: Seconds between two looks at processes that are not our children: nothing tells when those end.
LOOK = 0.03
NOT_STARTED = 127

PROC = "/proc"
#: Stands for the boot in a mark, where that is not known.
UNKNOWN_BOOT = "-"


class Signals:
    """The signals that a supervisor lives by, turned into something that can be waited for."""

    def __init__(self) -> None:
        self.stopping = False
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        # handlers, not SIG_IGN: a program inherits what is ignored, but not what is handled
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        # whoever started this may have blocked them, so that none comes before the handlers are there
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def wait(self, until: float | None) -> None:
        """Wait for a signal, or for a moment of the monotonic clock."""
        seconds = None if until is None else max(0.0, until - time.monotonic())
        select.select([self._read], [], [], seconds)
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            return

    def _stop(self, *_: object) -> None:
        self.stopping = True


def mark_of(pid: int, proc: str = PROC) -> str:
    """What tells a living process from a later one of the same number; empty when there is none, or a dead one."""
    if not os.path.isdir(f"{proc}/self"):
        return _mark_by_ps(pid)
    state = _state_of(str(pid), proc)
    if state is None:
        return ""
    with open(f"{proc}/sys/kernel/random/boot_id", encoding="ascii") as file:
        return f"{file.read().strip()} {state[1]}"


def write_whole(path: str, content: dict[str, Any], *, durable: bool = False) -> None:
    """Write a JSON file for its owner only, there whole or not at all; a durable one even after a power cut."""
    draft = f"{path}.{os.getpid()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        if durable:
            os.fsync(handle)
    os.replace(draft, path)


def main(folder: str) -> None:
    """Supervise the execution that a folder describes, to its end."""
    _close_inherited()
    signals = Signals()
    known: dict[str, Any] = {"pid": os.getpid(), "mark": mark_of(os.getpid())}
    write_whole(f"{folder}/supervisor.json", known)
    with open(f"{folder}/execution.json", encoding="utf-8") as file:
        execution = json.load(file)
    outcome: dict[str, Any] = {"code": None, "reason": "stopped", "started": None, "ended": time.time()}
    if not signals.stopping:
        try:
            child = _launch(execution)
        except (OSError, ValueError) as problem:  # a ValueError is a variable's name with "=", or a NUL somewhere
            os.write(2, f"The program cannot be started: {problem}\n".encode(errors="replace"))
            outcome |= {"code": NOT_STARTED, "reason": "exited", "ended": time.time()}
        else:
            started = time.time()
            known |= {"group": child, "group_mark": mark_of(child), "started": started}
            write_whole(f"{folder}/supervisor.json", known)
            _announce(started)
            outcome |= {"started": started, **_watch(child, execution["seconds"], signals)}
    write_whole(f"{folder}/outcome.json", outcome, durable=True)


def _close_inherited() -> None:
    """Let go of what the emulator had open: a listening socket would keep its port in use."""
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2:
                os.close(int(name))
        except OSError:  # the one that the list was read from
            continue


def _launch(execution: dict[str, Any]) -> int:
    """Start the program, writing to the log, in a group of its own; from here on our own complaints go there too."""
    log = os.open(execution["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 2)
    os.chdir(execution["cwd"])
    # a program without a folder in its name is looked for where the run itself would look
    os.environ["PATH"] = execution["env"].get("PATH", os.defpath)
    return os.posix_spawnp(
        execution["argv"][0],
        execution["argv"],
        execution["env"],
        file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)],
        setpgroup=0,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores these two, and a program would inherit it
    )


def _announce(started: float) -> None:
    """Tell the emulator that the program runs, if it still listens."""
    try:
        os.write(1, f"started {started!r}\n".encode())
    except OSError:
        return


def _watch(child: int, seconds: float | None, signals: Signals) -> dict[str, Any]:
    """Wait for the program's end, or bring it about; then end what is left of its group."""
    reason = "exited"
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        late = until is not None and time.monotonic() >= until
        if reason == "exited" and (signals.stopping or late):
            reason = "stopped" if signals.stopping else "timed-out"
            _send(child, signal.SIGTERM)
            until = time.monotonic() + GRACE
        elif late:
            _send(child, signal.SIGKILL)
            until = None
        else:
            signals.wait(until)
    ended = time.time()
    now = time.monotonic()
    _end_rest(child, now + GRACE if reason == "exited" else until or now, signals)
    return {"code": os.waitstatus_to_exitcode(status), "reason": reason, "ended": ended}


def _end_rest(group: int, until: float, signals: Signals) -> None:
    """End the processes that the program left behind in its group: asked to first, killed when the time is over."""
    for number, limit in ((signal.SIGTERM, until), (signal.SIGKILL, max(until, time.monotonic()) + GONE)):
        if not _lives(group):
            return
        _send(group, number)
        while time.monotonic() < limit and _lives(group):
            signals.wait(time.monotonic() + LOOK)


def _lives(group: int) -> bool:
    """Whether somebody lives in a process group.

    The dead ones in it are not ours to bury, and the first process of a container often buries late or never.
    """
    if not _send(group, 0):
        return False
    if not os.path.isdir(PROC):
        return True
    states = (_state_of(name) for name in os.listdir(PROC) if name.isdigit())
    return any(state is not None and state[0] == str(group) for state in states)


def _state_of(pid: str, proc: str = PROC) -> tuple[str, str] | None:
    """Group and start time of a living process."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    # the name in parentheses may hold anything; state, parent and group follow, and the start is the 22nd (man 5 proc)
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else (fields[2], fields[19])


def _send(group: int, number: int) -> bool:
    """Signal a process group; whether there is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # the latter on macOS, when only dead processes are left in it
        return False
    return True


def _mark_by_ps(pid: int) -> str:
    """`mark_of` where there is no /proc: the boot is not known, and the start only to the second."""
    import subprocess  # not needed where there is /proc, and slow to import

    asked = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    )
    state, _, start = asked.stdout.strip().partition(" ")
    return "" if not state or state[0] in "ZX" else f"{UNKNOWN_BOOT} {start.strip()}"


if __name__ == "__main__":
    main(sys.argv[1])
