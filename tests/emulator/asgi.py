"""A transport for requests that asks an ASGI app in this process: no socket, the same code on both sides of it."""

from __future__ import annotations

import asyncio
import io
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from requests import PreparedRequest, Response, exceptions
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPHeaderDict, HTTPResponse

END = object()


class AsgiAdapter(BaseAdapter):
    """Mount it on `https://`; the app runs on one event loop on a thread of its own. Bodies are streamed both ways."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asgi", daemon=True)
        self._thread.start()

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        exchange = _Exchange(request, self._loop)
        asyncio.run_coroutine_threadsafe(exchange.run(self._app), self._loop)
        seconds = timeout[1] if isinstance(timeout, tuple) else timeout
        try:
            status, headers = exchange.started.get(timeout=seconds)
        except queue.Empty:
            exchange.close()
            raise exceptions.ReadTimeout(request=request) from None
        if status == 0:
            raise exceptions.ConnectionError("the app did not answer", request=request) from exchange.failure
        response = _response(request, status, headers, exchange)
        if not stream:
            assert response.content is not None
        return response

    def close(self) -> None:
        """End the loop once every answer has been given."""
        asyncio.run_coroutine_threadsafe(_rest(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Exchange(io.RawIOBase):
    """One request in the app; readable as the stream of the answer's body. Closing it is going away."""

    def __init__(self, request: PreparedRequest, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.started: queue.Queue[tuple[int, list[tuple[bytes, bytes]]]] = queue.Queue()
        self.failure: BaseException | None = None
        self._request = request
        self._loop = loop
        self._body = _chunks_of(request.body)
        self._sent = False
        self._gone = asyncio.Event()
        self._chunks: queue.Queue[Any] = queue.Queue()
        self._rest = b""

    async def run(self, app: Any) -> None:
        try:
            await app(_scope(self._request), self._give, self._take)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.started.put((0, []))
            self._chunks.put(END)

    async def _give(self) -> dict[str, Any]:
        async for chunk in self._body:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.started.put((message["status"], list(message["headers"])))
        elif self._request.method != "HEAD" and message.get("body"):
            self._chunks.put(bytes(message["body"]))

    def close(self) -> None:
        if not self.closed:
            self._loop.call_soon_threadsafe(self._gone.set)
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = self._chunks.get()
            if chunk is END:
                self._chunks.put(END)
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _scope(request: PreparedRequest) -> dict[str, Any]:
    parts = urlsplit(request.url or "")
    headers = [(name.lower().encode("latin-1"), _raw(value)) for name, value in request.headers.items()]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", parts.netloc.rpartition("@")[2].encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": (parts.path or "/").encode(),
        "query_string": parts.query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


async def _chunks_of(body: Any) -> AsyncIterator[bytes]:
    """A request's body in pieces; what blocks (a file, a generator) is read on another thread."""
    if body is None:
        return
    if isinstance(body, str | bytes):
        yield body.encode() if isinstance(body, str) else body
        return
    source: Iterator[bytes] = iter(lambda: body.read(1 << 16), b"") if hasattr(body, "read") else iter(body)
    loop = asyncio.get_running_loop()
    while (chunk := await loop.run_in_executor(None, next, source, None)) is not None:
        yield chunk


def _response(
    request: PreparedRequest, status: int, headers: list[tuple[bytes, bytes]], body: io.RawIOBase
) -> Response:
    pairs = HTTPHeaderDict()
    for name, value in headers:
        pairs.add(name.decode("latin-1"), value.decode("latin-1"))
    response = Response()
    response.status_code = status
    response.headers = CaseInsensitiveDict(pairs)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = HTTPResponse(
        body=io.BufferedReader(body),
        headers=pairs,
        status=status,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
    )
    response.url = request.url or ""
    response.request = request
    response.reason = ""
    return response


async def _rest() -> None:
    """Wait for what is still being answered, then for the loop's own threads."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
