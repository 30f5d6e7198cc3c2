"""A proxy that only tunnels, and only to the emulator: real host names in, the emulator's own ports out.

It opens no connection but to 127.0.0.1, whatever it is asked for, so that nothing reaches the real service by mistake.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from functools import partial

from .routes import LOOPBACK, host_name, is_known

#: The head of a CONNECT is a few lines; who sends more, or takes longer, is none of our clients.
HEAD_LIMIT = 64 << 10
HEAD_SECONDS = 30.0
CHUNK = 256 << 10
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
#: What a peer that goes away does to a stream: reset, broken pipe, a truncated TLS record. None of it is news.
GONE = (OSError, EOFError, asyncio.IncompleteReadError)


class Refused(Exception):
    """A request that the proxy does not serve: status line and one line of text."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status

    def answer(self) -> bytes:
        """The whole answer."""
        body = f"{self}\n".encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Connection: close\r\n\r\n" + body


class Proxy:
    """Serves one listening socket. `ports` are the emulator's own, by the port that a client names."""

    def __init__(self, tls_port: int, plain_port: int) -> None:
        self._ports: Mapping[int, int] = {tls_port: tls_port, plain_port: plain_port}
        self._tls_port = tls_port
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer on a socket that is bound already."""
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=HEAD_LIMIT)

    async def close(self) -> None:
        """Stop listening, and cut every tunnel."""
        if self._server is not None:
            self._server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)
        await asyncio.sleep(0)  # the loop gives the sockets back in its next round

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # no coroutine, so that a connection is known, and closed, even when it is cut before its first step
        tunnel = asyncio.create_task(self._answer(reader, writer))
        self._tunnels.add(tunnel)
        tunnel.add_done_callback(partial(self._forget, writer))

    def _forget(self, writer: asyncio.StreamWriter, tunnel: asyncio.Task[None]) -> None:
        self._tunnels.discard(tunnel)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except Refused as refused:
            writer.write(refused.answer())
            await _finish(writer)
        except (*GONE, TimeoutError, asyncio.LimitOverrunError):
            pass

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        port = self._target(head.partition(b"\r\n")[0].decode("latin-1"))
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
        try:
            writer.write(ESTABLISHED)
            await _splice(reader, writer, up_reader, up_writer)
        finally:
            up_writer.close()

    def _target(self, line: str) -> int:
        """The emulator's port that a request line leads to."""
        method, _, rest = line.partition(" ")
        if method != "CONNECT":
            raise Refused(
                "405 Method Not Allowed", "azml emulator: this proxy only tunnels (CONNECT), to the emulator."
            )
        authority = rest.partition(" ")[0]
        name, port = host_name(authority), authority.rpartition(":")[2]
        if port == "443" and is_known(name):
            return self._tls_port
        if name in LOOPBACK and port.isdigit() and int(port) in self._ports:
            return int(port)
        raise Refused(
            "403 Not Emulated",
            f"azml emulator: {authority[:200]!a} is not emulated, and this proxy reaches nothing else.",
        )


async def _splice(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    up_reader: asyncio.StreamReader,
    up_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until the emulator's side ends; a client's end is passed on, and its answer awaited."""
    asked = asyncio.create_task(_carry(reader, up_writer))
    answered = asyncio.create_task(_carry(up_reader, writer))
    try:
        done, _ = await asyncio.wait((asked, answered), return_when=asyncio.FIRST_COMPLETED)
        if asked in done and asked.exception() is None:
            await asyncio.wait((answered,))
    finally:
        for task in (asked, answered):
            task.cancel()
        await asyncio.gather(asked, answered, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _finish(writer: asyncio.StreamWriter) -> None:
    """Let a refused client read its answer: closing at once could reset the connection under it."""
    try:
        async with asyncio.timeout(1):
            await writer.drain()
            writer.write_eof()
    except (*GONE, TimeoutError):
        pass
