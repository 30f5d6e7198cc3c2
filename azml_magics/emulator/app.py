"""The edge: an ASGI app that turns requests into calls and replies into responses. The only module that knows ASGI."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..catalogue import Host, Operation
from .access import check_origin, check_token, check_version
from .bodies import decode, encode, gather, spool, unreadable
from .envelopes import Trace, render
from .headers import clean, standard
from .journal import Journal
from .routes import Match, Place, Router, place
from .service import Call, Fault, Handler, Part, Reply, Service

log = logging.getLogger(__name__)

#: Handlers that wait (for a script that scores, for a disk) must not keep the others waiting.
THREADS = 32
CHUNK = 1 << 20
#: A part without a file name counts as a field, and fields are kept in memory.
FIELD_LIMIT = 64 << 20
SECRET_QUERY = re.compile(r"(?i)(^|&)(sig|code|key|token|access_token|client_secret)=[^&]*")


@dataclass(slots=True)
class Exchange:
    """One request on its way: what is known of it so far, for the journal and for the envelope of a fault."""

    request: Request
    raw_path: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: float = field(default_factory=time.perf_counter)
    where: Place = field(default_factory=lambda: Place((), ()))
    match: Match | None = None
    body_read: bool = False

    @property
    def operation_id(self) -> str:
        """The catalogue's name of what was asked, empty when there is none."""
        return self.match.resource.operation_id(self.match.operation) if self.match else ""

    @property
    def base(self) -> str:
        """Scheme and host as the caller named them."""
        scheme, host = self.request.scope["scheme"], self.request.headers.get("host", "")
        return f"{scheme}://{host.removesuffix(':443') if scheme == 'https' else host}"

    @property
    def kind(self) -> Host:
        """The kind of host that answers."""
        return self.match.operation.host if self.match else self.where.kind

    def headers(self) -> dict[str, str]:
        """The headers that the answer carries in any case."""
        echo = self.request.headers.get("x-ms-client-request-id")
        return clean(standard(self.kind, self.request_id, echo, time.perf_counter() - self.began))

    @property
    def query(self) -> str:
        """The query as it came."""
        text: bytes = self.request.scope["query_string"]
        return text.decode("latin-1")


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
        self._threads = ThreadPoolExecutor(THREADS, "handler")
        self._uploads = service.data / "tmp"
        self._uploads.mkdir(mode=0o700, exist_ok=True)
        for left in filter(Path.is_file, self._uploads.iterdir()):
            left.unlink()

    def close(self) -> None:
        """End the threads and write what waits for the journal."""
        self._threads.shutdown()
        self.journal.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        raw_path = scope.get("raw_path") or scope["path"].encode()
        exchange = Exchange(Request(scope, receive), raw_path.decode("latin-1"))
        self.active += 1
        try:
            async with AsyncExitStack() as stack:
                try:
                    response = await self._answer(exchange, stack)
                except ClientDisconnect:
                    return
                self._note(exchange, response.status_code)
                await response(scope, receive, send)
        finally:
            self.active -= 1
            self.last = time.monotonic()

    async def _answer(self, exchange: Exchange, stack: AsyncExitStack) -> Response:
        try:
            call = await self._call(exchange, stack)
            loop = asyncio.get_running_loop()
            handler = self._handlers[exchange.operation_id]
            reply, content = await loop.run_in_executor(self._threads, _work, handler, self._service, call)
            return _respond(exchange, reply, content, stack)
        except Fault as fault:
            error = fault
        except ClientDisconnect:
            raise
        except Exception:
            # never a 5xx: each costs an official client 16 requests (wire-v1 3.3)
            log.exception("%s %s: %s", exchange.request.method, exchange.raw_path, exchange.operation_id)
            text = (
                f"The emulator has a fault of its own in {exchange.operation_id or 'this request'}; its log tells more."
            )
            error = Fault(400, "UserError", text, inner="EmulatorBug")
        await _drain(exchange)
        return _refuse(exchange, error)

    async def _call(self, exchange: Exchange, stack: AsyncExitStack) -> Call:
        """The call that a request stands for; a `Fault` when it is none, or nobody who may ask asks it."""
        request, headers = exchange.request, exchange.request.headers
        where = exchange.where = place(headers.get("host", ""), exchange.raw_path)
        check_origin(headers)
        match = exchange.match = self._match(request.method, where)
        operation, query = match.operation, dict(parse_qsl(exchange.query, keep_blank_values=True))
        caller = {} if operation.anonymous else check_token(self._service.identity, operation.host, headers)
        if not operation.anonymous:
            check_version(operation, where, query)
        return Call(
            match.resource,
            operation,
            match.keys,
            query,
            headers,
            exchange.base,
            f"{exchange.base}{exchange.raw_path}{'?' if exchange.query else ''}{exchange.query}",
            caller=caller,
            **await self._body(exchange, operation, stack),
        )

    def _match(self, method: str, where: Place) -> Match:
        match = self._router.match(method, where)
        if match is None:
            known = self._router.methods(where)
            text = f"only {', '.join(known)} on this path" if known else "no such path"
            raise not_emulated(where, f"{method} is not emulated here: {text}.")
        name = match.resource.operation_id(match.operation)
        if name not in self._handlers:
            raise not_emulated(where, f"{name} is not emulated.")
        return match

    async def _body(self, exchange: Exchange, operation: Operation, stack: AsyncExitStack) -> dict[str, Any]:
        """The parts of a call that the request's body makes up."""
        request = exchange.request
        exchange.body_read = True
        if operation.body == "bytes":
            loop = asyncio.get_running_loop()
            path = await spool(
                request.stream(), self._uploads, lambda *work: loop.run_in_executor(self._threads, *work)
            )
            stack.callback(path.unlink, missing_ok=True)
            return {"upload": path}
        if operation.body != "multipart":
            return {"body": decode(operation, await gather(request.stream()))}
        try:
            form = await stack.enter_async_context(request.form(max_part_size=FIELD_LIMIT))
        except (MultiPartException, KeyError, ValueError) as error:
            raise unreadable(operation, f"the parts are not well formed: {error}") from None
        parts: dict[str, list[Part]] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                part = Part(value.filename or "", value.file)
            else:
                part = Part("", BytesIO(value.encode()))
            parts.setdefault(name, []).append(part)
        if not parts:
            raise unreadable(operation, "the body has no parts (multipart/form-data)")
        return {"parts": parts}

    def _note(self, exchange: Exchange, status: int) -> None:
        request = exchange.request
        self.journal.add(
            {
                "time": datetime.now(UTC).isoformat(),
                "method": request.method,
                "host": request.headers.get("host", ""),
                "path": exchange.raw_path,
                "query": SECRET_QUERY.sub(r"\1\2=...", exchange.query),
                "operation": exchange.operation_id,
                "status": status,
                "milliseconds": round((time.perf_counter() - exchange.began) * 1000, 3),
                "request_id": exchange.request_id,
                "client_request_id": request.headers.get("x-ms-client-request-id", ""),
                "agent": request.headers.get("user-agent", ""),
            }
        )


def not_emulated(where: Place, text: str) -> Fault:
    """The answer for what the emulator lacks: never a 5xx, and a code that says whose lack it is."""
    if where.kind in ("arm", "blob", "scoring"):
        return Fault(404, "NotEmulated", text)
    if where.kind == "login":
        return Fault(404, "invalid_request", text, inner="NotEmulated")
    return Fault(404, "UserError", text, inner="NotEmulated")


def _work(handler: Handler, service: Service, call: Call) -> tuple[Reply, bytes]:
    """What is done on a thread: the handler, and its reply's body written as JSON."""
    reply = handler(service, call)
    return reply, b"" if reply.body is None else encode(reply.body)


async def _drain(exchange: Exchange) -> None:
    """Read what a refused client still sends: it reads no answer before. One that asks first is told at once."""
    if exchange.body_read or "expect" in exchange.request.headers:
        return
    async for _ in exchange.request.stream():
        pass


def _respond(exchange: Exchange, reply: Reply, content: bytes, stack: AsyncExitStack) -> Response:
    headers = {**exchange.headers(), **clean(reply.headers)}
    if reply.body is not None or reply.content is not None:
        headers.setdefault("content-type", reply.media_type)
    raw = reply.content
    if raw is None or isinstance(raw, bytes):
        return Response(raw or content, reply.status, headers)
    if isinstance(raw, Path):
        headers.setdefault("content-length", str(raw.stat().st_size))
        raw = _read(raw)
    if isinstance(raw, Generator):
        stack.callback(raw.close)  # the reader may go before its end
    if exchange.request.method == "HEAD":
        return Response(None, reply.status, headers)
    return StreamingResponse(raw, reply.status, headers)


def _refuse(exchange: Exchange, fault: Fault) -> Response:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")
    error = render(fault, Trace(exchange.kind, "/" + "/".join(exchange.where.segments), moment, exchange.request_id))
    headers = {**exchange.headers(), **clean(error.headers), "content-type": error.media_type}
    return Response(error.content, error.status, headers)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
