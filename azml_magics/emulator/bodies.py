"""Bodies: what came in read as JSON, form or file, what goes out written as JSON. Knows no HTTP library."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from ..catalogue import Operation
from .service import Fault

#: How much of a body waits in memory before a thread writes it to disk.
SPOOL = 1 << 20


async def gather(chunks: AsyncIterator[bytes]) -> bytes:
    """A whole body in memory: for JSON and forms."""
    return b"".join([chunk async for chunk in chunks])


async def spool(chunks: AsyncIterator[bytes], folder: Path, write: Callable[..., Any]) -> Path:
    """A body in a file of its own, whatever its size. `write` awaits a blocking call on another thread."""
    handle, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            waiting: list[bytes] = []
            size = 0
            async for chunk in chunks:
                waiting.append(chunk)
                size += len(chunk)
                if size >= SPOOL:
                    await write(file.writelines, waiting)
                    waiting, size = [], 0
            file.writelines(waiting)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def decode(operation: Operation, content: bytes) -> Any:
    """The body as the operation reads it. The Content-Type is not asked: clients write anything (wire-v1 3)."""
    if operation.body == "form":
        return dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        if operation.body is None:
            return None  # nobody asked for a body
        raise unreadable(operation, f"the body is not JSON: {type(error).__name__}") from None


def unreadable(operation: Operation | None, reason: str) -> Fault:
    """The 400 for a request that cannot be read, in the words of ARM's gateway or of the data plane."""
    if operation is None or operation.host == "arm":
        text = f"The request content was invalid and could not be deserialized: '{reason}'."
        return Fault(400, "InvalidRequestContent", text)
    return Fault(400, "UserError", f"The request could not be read: {reason}.", inner="BadArgument")


def encode(body: Any) -> bytes:
    """A JSON body as the service writes it: two blanks of indent, line feeds (service-facts 40)."""
    try:
        text = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(body), indent=2, ensure_ascii=False)
    return text.encode(errors="replace")


def _finite(value: Any) -> Any:
    """The value with words for numbers that JSON has not, as .NET and MLflow's protocol write them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
