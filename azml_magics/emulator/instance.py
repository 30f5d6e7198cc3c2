"""The emulator of a data directory, seen from outside: found, started, ended. Standard library only."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ..errors import AzmlError, UsageError
from .files import private_folder
from .lock import Lock, holder
from .ready import Ready
from .routes import MARK

START_SECONDS = 20.0
STOP_SECONDS = 10.0
ANSWER_SECONDS = 2.0
#: How much of its log is shown when it does not start.
TAIL_LINES = 15
#: What the emulator has no use for, and what must not come near the scripts that it runs.
FOREIGN = ("AZURE_", "AZUREML_", "ARM_", "MSI_", "IDENTITY_")
#: What would lead a program's calls past the proxy, were it inherited.
DIVERTING = ("AZURE_AUTHORITY_HOST", "ARM_CLOUD_METADATA_URL")
if sys.platform == "win32":
    DETACHED = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    DETACHED = 0


def default_data() -> Path:
    """The user's data directory: AZML_DATA, else where this platform keeps the data of programs."""
    if named := os.environ.get("AZML_DATA"):
        return Path(named).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "azml-magics" / "emulator"


def find(data: Path) -> Ready | None:
    """The running emulator of a data directory, None when there is none that answers.

    Three proofs: its process holds the directory's lock, the address answers with the directory's own
    certificate, and the answer names the same process. A number alone may belong to somebody else by now.
    """
    ready = Ready.of(data)
    if ready is None or holder(data / "lock") != ready.pid:
        return None
    try:
        context = ssl.create_default_context(cafile=ready.ca_bundle)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"{ready.url}/metadata/endpoints", timeout=ANSWER_SECONDS) as answer:
            return ready if answer.headers.get(MARK) == str(ready.pid) else None
    except (OSError, ValueError):
        return None


def start_background(
    data: Path,
    *,
    port: int = 0,
    tempo: str = "at-once",
    build_environments: bool = False,
    idle_exit: float | None = None,
) -> Ready:
    """The running emulator of a data directory, or one started now, which outlives this process.

    Raises `AzmlError` with the end of its log when it does not answer within 20 seconds.
    """
    data = private_folder(data).resolve()
    with Lock(data / "start.lock"):  # of two who start at once, one starts and the other finds
        if found := find(data):
            return found
        words = ["emulator", "start", "--data", str(data), "--port", str(port), "--tempo", tempo]
        words += ["--build-environments"] if build_environments else []
        words += [] if idle_exit is None else ["--idle-exit", str(idle_exit)]
        return _start(data, words)


def _start(data: Path, words: list[str]) -> Ready:
    log = data / "emulator.log"
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "azml_magics", *words],
            cwd=Path(__file__).parents[2],  # where -m finds this package, and nothing of the user's is held or shadows
            env={name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # the ready line has a secret in it: it does not belong into a log
            stderr=output,
            start_new_session=True,
            creationflags=DETACHED,
        )
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_attend, args=(process, lines), name="emulator", daemon=True).start()
    try:
        return Ready.from_json(lines.get(timeout=START_SECONDS))
    except (queue.Empty, ValueError):
        process.kill()
        raise AzmlError(f"the emulator did not start: {_tail(log)}", f"see {log}") from None
    except BaseException:  # an interrupt: nobody knows of it yet, so nobody would end it
        process.kill()
        raise


def _attend(process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
    """Take the line that tells that it answers, then wait for its end, so that no zombie is left of it."""
    assert process.stdout is not None
    with process.stdout as stream:
        lines.put(stream.readline())
    process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(lines) if lines else "it wrote nothing"


def stop(data: Path, *, patience: float = STOP_SECONDS) -> bool:
    """End the emulator of a data directory and wait until it is gone; False when none runs. Its runs go on.

    One that does not end within `patience` seconds is killed.
    """
    lock = data / "lock"
    pid = holder(lock)
    if not pid:
        return False
    numbers = (signal.SIGTERM,) if sys.platform == "win32" else (signal.SIGTERM, signal.SIGKILL)
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        # nothing tells when a process ends that is no child of ours, so it is asked for
        while holder(lock) == pid or _is_alive(pid):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return True
    raise AzmlError(f"the emulator of {data} (process {pid}) cannot be ended")


def _is_alive(pid: int) -> bool:
    """Whether a process of ours still is one; what its parent has not taken note of yet has ended."""
    if sys.platform == "win32":
        return False  # os.kill ends processes there; the lock tells enough
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:
        return True  # no /proc on this platform


def execute(data: Path, program: Sequence[str], *, capture: bool = False) -> tuple[int, str]:
    """Run a program against the running emulator, or one that is started for it and ended with it.

    The answer is its exit code and, with `capture`, all that it wrote; else that goes where ours goes.
    """
    if not program:
        raise UsageError("no program is named", "azml emulator exec -- PROGRAM …")
    data = data.absolute()
    running = find(data)
    ready = running or start_background(data)
    inherited = {name: value for name, value in os.environ.items() if name not in DIVERTING}
    try:
        done = subprocess.run(
            list(program),
            env=inherited | environment(ready) | {"AZML_DATA": str(data)},
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            check=False,
        )
    except OSError as error:
        raise UsageError(f"{program[0]} cannot be run: {error.strerror}") from None
    finally:
        if running is None:
            stop(data)
    # a shell says 128 and the signal's number
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return code, (done.stdout or b"").decode(errors="replace")


def environment(ready: Ready) -> dict[str, str]:
    """The variables with which any program's Azure calls reach the emulator, unmodified."""
    own = "127.0.0.1,localhost,::1"
    return {
        "HTTPS_PROXY": ready.proxy,
        "https_proxy": ready.proxy,
        "NO_PROXY": own,
        "no_proxy": own,
        "REQUESTS_CA_BUNDLE": ready.ca_bundle,
        "SSL_CERT_FILE": ready.ca_bundle,
        "CURL_CA_BUNDLE": ready.ca_bundle,
        "AZURE_TENANT_ID": ready.tenant_id,
        "AZURE_CLIENT_ID": ready.client_id,
        "AZURE_CLIENT_SECRET": ready.client_secret,
        "AZURE_SUBSCRIPTION_ID": ready.subscription_id,
        "AZML_SUBSCRIPTION": ready.subscription_id,
        "AZML_GROUP": ready.resource_group,
        "AZML_WORKSPACE": ready.workspace,
    }
