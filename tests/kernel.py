"""A real kernel to type cells into, as a front end does: over ZeroMQ, with what it answers as plain values."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel
from jupyter_core.utils import ensure_event_loop


@dataclass
class Answer:
    """What a cell was answered with."""

    status: str
    streams: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)
    error: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The last result as text."""
        return str(self.results[-1].get("text/plain", "")) if self.results else ""


class Kernel:
    """One kernel; `type` runs a cell."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager, self._client = manager, client

    def type(self, source: str, seconds: float = 30) -> Answer:
        """Run a cell and gather its outputs; an error is in the answer, not raised."""
        answer = Answer("")

        def hook(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                answer.streams += content["text"]
            elif message["msg_type"] in ("execute_result", "display_data", "update_display_data"):
                answer.results.append(content["data"])
            elif message["msg_type"] == "error":
                answer.error = content["traceback"]

        reply = self._client.execute_interactive(source, output_hook=hook, timeout=seconds)
        answer.status = reply["content"]["status"]
        return answer

    def complete(self, source: str) -> list[str]:
        """What a Tab at the end of the text offers."""
        reply = self._client.complete(source, reply=True, timeout=20)
        return list(reply["content"]["matches"])

    def restart(self) -> None:
        """Restart, as the button does."""
        self._manager.restart_kernel(now=True)
        self._client.wait_for_ready(timeout=30)

    def interrupter(self) -> Callable[[], None]:
        """A function that interrupts as the button does, for another thread: the client belongs to this one."""
        return partial(os.kill, int(self.type("import os\nos.getpid()").text), signal.SIGINT)


@contextmanager
def kernel_in(folder: Path, data: Path) -> Iterator[Kernel]:
    """A kernel with a home and a folder of its own, whose emulator keeps its data in `data`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZML_", "AZURE_", "AZUREML_"))}
    env = kept | {"HOME": str(folder), "IPYTHONDIR": str(folder / ".ipython"), "AZML_DATA": str(data)}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=env)
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        ensure_event_loop().close()  # jupyter_client's own, which nobody else closes
