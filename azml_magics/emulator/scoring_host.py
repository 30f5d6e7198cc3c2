"""The program that a deployed service's scoring script lives in: calls `init()` once and `run()` for every request.

Started by `scoring`, with the interpreter of the service's environment, so it uses the standard library alone and
imports nothing of this package. Frames (one letter, length, payload) go over the standard streams it was started
with; what the script prints goes to the service's log. It ends when its input ends, that is with the emulator.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

HEAD = struct.Struct(">cQ")

#: What the host says: the script is ready, or did not start; a result; an exception in `run()`; a result that
#: no JSON can be made of, or a request that is no text.
READY, FAILED, RESULT, RAISED, BROKEN = b"R", b"F", b"O", b"E", b"B"
#: What it is sent.
REQUEST = b"Q"


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame, or None at the end of the stream."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, length = HEAD.unpack(head)
    payload = stream.read(length)
    return (kind, payload) if len(payload) == length else None


def write_frame(stream: BinaryIO, kind: bytes, payload: bytes) -> None:
    """Send one frame."""
    stream.write(HEAD.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for the frames, out of the script's and its children's reach; its output goes to the log."""
    inlet, outlet = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    return inlet, outlet


def requests_of(inlet: BinaryIO) -> queue.Queue[bytes]:
    """Requests as they come, read beside the script: the end of the input ends the process, whatever runs."""
    waiting: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        while (frame := read_frame(inlet)) is not None:
            waiting.put(frame[1])
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return waiting


def load(script: Path) -> Callable[[str], Any]:
    """Import the script, call its `init()`, and return its `run`."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # pickles made of the script's own classes look for it here; a module that is there already is not replaced
    sys.modules.setdefault(script.stem, module)
    spec.loader.exec_module(module)
    init, run = function_of(module, "init"), function_of(module, "run")
    init()
    return run


def function_of(module: ModuleType, name: str) -> Callable[..., Any]:
    """A function that every scoring script has."""
    found = getattr(module, name, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise AttributeError(f"{module.__name__} has no function {name}()")


def answer(run: Callable[[str], Any], body: bytes) -> tuple[bytes, bytes]:
    """What `run` makes of a request, as JSON; a text becomes a JSON string, None an empty object, as in the service."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return BROKEN, traceback.format_exc().encode()
    try:
        result = run(text)
    except Exception as problem:  # noqa: BLE001 the script's own errors are an answer
        traceback.print_exc()
        return RAISED, str(problem).encode(errors="backslashreplace")
    try:
        return RESULT, json.dumps({} if result is None else result).encode()
    except (TypeError, ValueError, RecursionError):
        traceback.print_exc()
        return BROKEN, traceback.format_exc().encode(errors="backslashreplace")


def serve(script: Path) -> int:
    """Load the script, then answer request after request."""
    inlet, outlet = take_streams()
    waiting = requests_of(inlet)
    try:
        run = load(script)
    except BaseException as problem:  # noqa: BLE001 a script may raise SystemExit too
        traceback.print_exc()
        last = traceback.format_exception_only(type(problem), problem)[-1].strip()
        write_frame(outlet, FAILED, last.encode(errors="backslashreplace"))
        return 1
    write_frame(outlet, READY, b"")
    while True:
        write_frame(outlet, *answer(run, waiting.get()))


if __name__ == "__main__":
    entry = Path(sys.argv[1])
    # the folder of this file would shadow the script's own modules
    sys.path[0] = str(entry.parent)
    sys.exit(serve(entry))
