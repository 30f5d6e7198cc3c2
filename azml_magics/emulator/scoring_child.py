"""One scoring process, seen from the emulator: started, waited for, asked, ended. Every wait has a limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from . import scoring_host
from .scoring_host import BROKEN, FAILED, RAISED, READY, RESULT

#: What a scoring process sees of the emulator's own environment: nothing that could hold a credential.
PASSED = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT")

#: What came of a request: a result; an exception of the script's; a result that is no JSON; no answer in time; a
#: process that ended meanwhile; one that does not start; too many requests before this one.
Outcome = Literal["result", "raised", "broken", "timed-out", "ended", "not-started", "busy"]
OUTCOMES: Mapping[bytes, Outcome] = {RESULT: "result", RAISED: "raised", BROKEN: "broken"}


class NotStarted(Exception):
    """A scoring process that did not come up. The text is the reason; `late` when the time was the reason."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of a request, and how long the script took over it, in milliseconds."""

    outcome: Outcome
    content: bytes = b""
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a scoring process is started: interpreter, entry script, where the models are, the log, the environment."""

    interpreter: Path
    script: Path
    models: Path
    log: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def environment(self) -> dict[str, str]:
        """The whole environment of the process."""
        passed = {k: v for k, v in os.environ.items() if k in PASSED or k.startswith("LC_")}
        own = {"AZUREML_MODEL_DIR": str(self.models), "AZUREML_ENTRY_SCRIPT": self.script.name}
        return {**passed, **self.variables, **own}


class Child:
    """One scoring process. It takes one request at a time: whoever asks holds the service's lock."""

    def __init__(self, plan: Plan) -> None:
        with plan.log.open("ab") as log:
            self._process = subprocess.Popen(
                [plan.interpreter, "-u", Path(scoring_host.__file__), plan.script],
                cwd=plan.script.parent,
                env=plan.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._inlet = cast("BinaryIO", self._process.stdin)
        self._outlet = cast("BinaryIO", self._process.stdout)

    def wait_ready(self, seconds: float) -> None:
        """Return when `init()` is done; `NotStarted`, with the last line of its traceback, when it failed."""
        with self._limit(seconds) as expired:
            frame = scoring_host.read_frame(self._outlet)
        if frame is not None and frame[0] == READY:
            return
        self.end()
        if frame is not None and frame[0] == FAILED:
            raise NotStarted(frame[1].decode(errors="replace"))
        if expired.is_set():
            raise NotStarted(f"init() did not return within {seconds:g} seconds", late=True)
        raise NotStarted(f"the process ended with code {self._process.returncode} before init() returned")

    def ask(self, body: bytes, seconds: float) -> Scored:
        """The script's answer to one request. A process that is late or gone is ended and not used again."""
        began = time.monotonic()
        with self._limit(seconds) as expired:
            frame = self._exchange(body)
        if frame is not None:
            return Scored(OUTCOMES[frame[0]], frame[1], (time.monotonic() - began) * 1000)
        self.end()
        return Scored("timed-out" if expired.is_set() else "ended")

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process and what it started; its pipes end with it, and so does whatever waits on them."""
        # a process that was not waited for yet keeps its number, so the group is surely its own
        if self._process.returncode is None:
            if os.name == "posix":
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and give its pipes back; not while another thread asks it."""
        self.end()
        for pipe in (self._inlet, self._outlet):
            with contextlib.suppress(OSError):
                pipe.close()

    def _exchange(self, body: bytes) -> tuple[bytes, bytes] | None:
        try:
            scoring_host.write_frame(self._inlet, scoring_host.REQUEST, body)
        except (OSError, ValueError):  # its end is closed, or ours is: the process was ended
            return None
        return scoring_host.read_frame(self._outlet)

    @contextlib.contextmanager
    def _limit(self, seconds: float) -> Iterator[threading.Event]:
        """End the process when the block takes longer."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.end()

        timer = threading.Timer(max(seconds, 0), expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()
