"""The emulator as a process: three loopback sockets, one event loop, from its lock to its last row.

TLS for the world, plain HTTP for the runs it starts, and the proxy. The only module that knows uvicorn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import uvicorn

from ..errors import AzmlError
from ..version import __version__
from .app import App, create_app
from .assembly import close_service, make_service, start_service
from .certificates import Certificates, load_certificates
from .files import private_folder, write_private
from .handlers import HANDLERS
from .lock import Lock, holder
from .proxy import Proxy
from .ready import FILE, Ready
from .service import Service

HOST = "127.0.0.1"
BACKLOG = 2048
#: Longer than clients keep idle connections, so that none is closed under a request that is just being sent.
KEEP_ALIVE_SECONDS = 300
#: How long requests that are under way may take once the end is near.
GRACE_SECONDS = 3
STARTING_SECONDS = 1.0


def serve(
    data: Path,
    *,
    port: int = 0,
    tempo: str = "at-once",
    build_environments: bool = False,
    idle_exit: float | None = None,
    ready_file: Path | None = None,
    stdout: TextIO | None = None,
) -> None:
    """Run the emulator of a data directory until SIGTERM or SIGINT, or until nobody needed it for `idle_exit` seconds.

    Once it answers, one JSON line goes to `stdout` and, readable by the owner only, to two files. Runs outlive it.
    """
    data = private_folder(data).resolve()
    lock = _lock(data)
    try:
        with _log_to(data / "emulator.log"), _sockets(data, port) as listeners:
            service = make_service(data, tempo=tempo, build_environments=build_environments)
            try:
                emulator = _Emulator(service, listeners, load_certificates(data))
                asyncio.run(emulator.run(idle_exit, [data / FILE, *filter(None, [ready_file])], stdout))
            finally:
                close_service(service)
    finally:
        (data / FILE).unlink(missing_ok=True)
        lock.release()


def _lock(data: Path) -> Lock:
    """The data directory's lock. Who only looks whether it is held holds it for a moment, hence the retries."""
    lock, deadline = Lock(data / "lock"), time.monotonic() + STARTING_SECONDS
    while not lock.acquire():
        if time.monotonic() > deadline:
            text = f"an emulator of {data} runs already (process {holder(data / 'lock')})"
            raise AzmlError(text, "azml emulator status")
        time.sleep(0.02)
    return lock


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """What goes wrong, in a file of the data directory; requests are in the journal."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    handler = logging.FileHandler(path)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def _sockets(data: Path, port: int) -> Iterator[dict[str, socket.socket]]:
    """The three listening sockets; on the ports of the last time when they are free, so that live runs find us."""
    path = data / "ports.json"
    try:
        remembered = {str(name): int(number) for name, number in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        remembered = {}
    with contextlib.ExitStack() as stack:
        listeners: dict[str, socket.socket] = {}
        if port:
            listeners["tls"] = stack.enter_context(_listen(port))
        for name in {"tls", "plain", "proxy"} - listeners.keys():
            listeners[name] = stack.enter_context(_listen_near(remembered.get(name, 0)))
        ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
        write_private(path, json.dumps(ports).encode())
        yield listeners


def _listen_near(port: int) -> socket.socket:
    with contextlib.suppress(AzmlError):
        return _listen(port)
    return _listen(0)


def _listen(port: int) -> socket.socket:
    # the protocol is named because asyncio else leaves small packets waiting for each other (40 ms a request)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two processes have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AzmlError(f"port {port} cannot be had: {error.strerror}", "azml emulator start --port 0") from None
    return listener


class _Listener(uvicorn.Server):
    """A uvicorn server that tells when it listens, and ends when it is told: signals are the emulator's."""

    def __init__(self, app: App, certificates: Certificates | None) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=certificates.server if certificates else None,
        )
        config.load()
        super().__init__(config)
        self.listening = asyncio.Event()
        self.leaving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        await self.leaving.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.create_task(super().shutdown(sockets))
        while not ending.done():
            await asyncio.wait((ending,), timeout=0.1)
            if not self.server_state.tasks or ending.done():
                # closing TLS politely waits half a minute for the goodbye of a client that idles
                for connection in list(self.server_state.connections):
                    if ending.done() or not connection.transport.get_write_buffer_size():
                        connection.transport.abort()
        await ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Emulator:
    """One run of the event loop: everything that listens, between the ready line and the signal."""

    def __init__(self, service: Service, listeners: dict[str, socket.socket], certificates: Certificates) -> None:
        self._service = service
        self._listeners = listeners
        self._certificates = certificates
        self._ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
        service.plain_url = f"http://{HOST}:{self._ports['plain']}"

    async def run(self, idle_exit: float | None, files: list[Path], stdout: TextIO | None) -> None:
        """Answer until a signal comes, or nothing has come for `idle_exit` seconds."""
        leaving = asyncio.Event()
        _on_signal(leaving)
        app = create_app(self._service, HANDLERS)
        proxy = Proxy(self._ports["tls"], self._ports["plain"])
        servers = {"tls": _Listener(app, self._certificates), "plain": _Listener(app, None)}
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(server.serve([self._listeners[name]])) for name, server in servers.items()]
                for server in servers.values():
                    await server.listening.wait()
                await proxy.start(self._listeners["proxy"])
                await asyncio.to_thread(start_service, self._service)
                self._announce(files, stdout)
                await _until(leaving, app, self._service, idle_exit)
                for server in servers.values():
                    server.leaving.set()
                await asyncio.wait(tasks)
        finally:
            await proxy.close()
            app.close()

    def _announce(self, files: list[Path], stdout: TextIO | None) -> None:
        identity, url = self._service.identity, f"https://{HOST}:{self._ports['tls']}"
        ready = Ready(
            url=url,
            proxy=f"http://{HOST}:{self._ports['proxy']}",
            ca_bundle=str(self._certificates.authority),
            tenant_id=identity.tenant_id,
            client_id=identity.client_id,
            client_secret=identity.client_secret,
            subscription_id=identity.subscription_id,
            resource_group=identity.group,
            workspace=identity.workspace,
            region=identity.region,
            compute=identity.compute,
            cloud_metadata_url=f"{url}/metadata/endpoints?api-version=2019-05-01",
            pid=os.getpid(),
            version=__version__,
        )
        line = ready.to_json() + "\n"
        for path in files:
            write_private(path, line.encode())
        out = sys.stdout if stdout is None else stdout
        with contextlib.suppress(OSError):  # whoever asked for the line may have gone
            out.write(line)
            out.flush()


def _on_signal(leaving: asyncio.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread is sent signals
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, leaving.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(leaving.set))


async def _until(leaving: asyncio.Event, app: App, service: Service, idle_exit: float | None) -> None:
    """Wait for the signal; or until no request has come for a while, none is being answered and no run is under way."""
    while True:
        busy = idle_exit is None or app.active or not service.dispatcher.idle()
        rest = None if idle_exit is None else idle_exit if busy else app.last + idle_exit - time.monotonic()
        if rest is not None and rest <= 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(leaving.wait(), rest)
            return
