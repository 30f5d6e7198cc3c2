"""The edge: an ASGI app that turns requests into calls and replies into responses. Only it knows starlette."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..catalogue import Operation
from .access import check_origin, check_token, check_version
from .bodies import decode, encode, gather, spool, unreadable
from .envelopes import not_emulated, render
from .exchange import Exchange
from .journal import Journal
from .routes import Match, Place, Router, place
from .service import Call, Fault, Handler, Part, Reply, Service
from .store import Unkept
from .threads import Threads

log = logging.getLogger(__name__)

#: Handlers that wait (for a script that scores, for a disk) must not keep the others waiting.
THREADS = 32
CHUNK = 1 << 20
#: A part without a file name counts as a field, and fields are kept in memory.
FIELD_LIMIT = 64 << 20


def create_app(service: Service, handlers: Mapping[str, Handler]) -> App:
    """The emulator as an ASGI app."""
    return App(service, handlers)


class App:
    """Answers requests one by one; `active` and `last` tell how busy it is. Close it to write its journal."""

    def __init__(self, service: Service, handlers: Mapping[str, Handler]) -> None:
        self.active = 0
        self.last = time.monotonic()
        self.journal = Journal(service.store)
        self._service = service
        self._handlers = handlers
        self._router = Router()
        self._threads = Threads(THREADS, "handler")
        self._uploads = service.data / "tmp"
        self._uploads.mkdir(mode=0o700, exist_ok=True)
        for left in filter(Path.is_file, self._uploads.iterdir()):
            left.unlink()

    def close(self) -> None:
        """End the threads and write what waits for the journal."""
        self._threads.close()
        self.journal.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        exchange = Exchange.of(scope)
        self.active += 1
        try:
            response = await self._answer(exchange, Request(scope, receive))
            self.journal.add(exchange.row(response.status_code))
            await response(scope, receive, send)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        finally:
            for close in reversed(exchange.after):
                close()
            self.active -= 1
            self.last = time.monotonic()

    async def _answer(self, exchange: Exchange, request: Request) -> Response:
        try:
            call = await self._call(exchange, request)
            reply, content = await self._threads.run(_work, self._handlers[exchange.operation_id], self._service, call)
            return _respond(exchange, reply, content)
        except Fault as fault:
            error = fault
        except ClientDisconnect:
            raise
        except (Unkept, UnicodeError, RecursionError):
            asked = exchange.match.operation if exchange.match else None
            error = unreadable(asked, "it holds text or numbers that JSON does not allow, or is nested too deep")
        except Exception:
            # never a 5xx: each costs an official client 16 requests (wire-v1 3.3)
            log.exception("%s %s: %s", exchange.method, exchange.raw_path, exchange.operation_id)
            what = exchange.operation_id or "this request"
            error = Fault(400, "UserError", f"The emulator failed in {what}; its log tells more.", inner="EmulatorBug")
        await _drain(exchange, request)
        return _refuse(exchange, error)

    async def _call(self, exchange: Exchange, request: Request) -> Call:
        """The call that a request stands for; a `Fault` when it is none, or nobody who may ask asks it."""
        where = exchange.where = place(exchange.host, exchange.raw_path)
        check_origin(exchange.headers)
        match = exchange.match = self._match(exchange.method, where)
        operation, query = match.operation, dict(parse_qsl(exchange.query, keep_blank_values=True))
        caller: Mapping[str, Any] = {}
        if not operation.anonymous:
            caller = check_token(self._service.identity, operation.host, exchange.headers)
            check_version(operation, where, query)
        return Call(
            match.resource,
            operation,
            match.keys,
            query,
            request.headers,
            exchange.base,
            exchange.url,
            caller=caller,
            **await self._body(exchange, operation, request),
        )

    def _match(self, method: str, where: Place) -> Match:
        match = self._router.match(method, where)
        if match is None:
            known = self._router.methods(where)
            text = f"only {', '.join(known)} on this path" if known else "no such path"
            raise not_emulated(where.kind, f"{method} is not emulated here: {text}.")
        name = match.resource.operation_id(match.operation)
        if name not in self._handlers:
            raise not_emulated(where.kind, f"{name} is not emulated.")
        return match

    async def _body(self, exchange: Exchange, operation: Operation, request: Request) -> dict[str, Any]:
        """The parts of a call that the request's body makes up."""
        exchange.body_read = True
        if operation.body == "bytes":
            path = await spool(request.stream(), self._uploads, self._threads.run)
            exchange.after.append(lambda: path.unlink(missing_ok=True))
            return {"upload": path}
        if operation.body == "multipart":
            return {"parts": await _parts(exchange, operation, request)}
        return {"body": decode(operation, await gather(request.stream()))}


async def _parts(exchange: Exchange, operation: Operation, request: Request) -> dict[str, list[Part]]:
    try:
        form = await request.form(max_part_size=FIELD_LIMIT)
    except (MultiPartException, KeyError, ValueError) as error:
        raise unreadable(operation, f"the parts are not well formed: {error}") from None
    parts: dict[str, list[Part]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            exchange.after.append(value.file.close)
            part = Part(value.filename or "", value.file)
        else:
            part = Part("", BytesIO(value.encode()))
        parts.setdefault(name, []).append(part)
    if not parts:
        raise unreadable(operation, "the body has no parts (multipart/form-data)")
    return parts


def _work(handler: Handler, service: Service, call: Call) -> tuple[Reply, bytes]:
    """What is done on a thread: the handler, and its reply's body written as JSON."""
    reply = handler(service, call)
    return reply, b"" if reply.body is None else encode(reply.body)


async def _drain(exchange: Exchange, request: Request) -> None:
    """Read what a refused client still sends: it reads no answer before. One that asks first is told at once."""
    if exchange.body_read or "expect" in exchange.headers:
        return
    async for _ in request.stream():
        pass


def _respond(exchange: Exchange, reply: Reply, content: bytes) -> Response:
    headers = exchange.answer_headers(reply.headers)
    if reply.body is not None or reply.content is not None:
        headers.setdefault("content-type", reply.media_type)
    raw = reply.content
    if raw is None or isinstance(raw, bytes):
        return _Whole(raw or content, reply.status, headers)
    if isinstance(raw, Path):
        headers.setdefault("content-length", str(raw.stat().st_size))
        raw = _read(raw)
    if isinstance(raw, Generator):
        exchange.after.append(raw.close)  # the reader may go before its end
    if exchange.method == "HEAD":
        return _Whole(b"", reply.status, headers)
    return StreamingResponse(raw, reply.status, headers)


def _refuse(exchange: Exchange, fault: Fault) -> Response:
    error = render(fault, exchange.trace)
    headers = exchange.answer_headers(error.headers) | {"content-type": error.media_type}
    return _Whole(error.content, error.status, headers)


class _Whole(Response):
    """A response whose headers are ready: nothing of them is guessed, and nothing worked out twice."""

    def __init__(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.status_code = status
        self.body = content
        self.background = None
        if status not in (204, 304):
            headers.setdefault("content-length", str(len(content)))
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
