from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading

import pytest

from azml_magics.emulator.proxy import HEAD_LIMIT, Proxy

SECONDS = 10


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


class Upstream:
    """Stands for the emulator's own port: takes one connection at a time and shows it to the test."""

    def __init__(self) -> None:
        self.listener = listen()
        self.listener.settimeout(SECONDS)
        self.port = self.listener.getsockname()[1]

    def accept(self) -> socket.socket:
        peer, _ = self.listener.accept()
        peer.settimeout(SECONDS)
        return peer

    def is_untouched(self) -> bool:
        self.listener.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            self.listener.accept()
            return False
        return True


@pytest.fixture
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.listener.close()


class Running:
    """A proxy on a loop and a thread of its own."""

    def __init__(self, port: int) -> None:
        listener = listen()
        self.address = listener.getsockname()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.proxy = Proxy(port, 1)
        self.do(self.proxy.start(listener))

    def do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    def end(self) -> None:
        self.do(self.proxy.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SECONDS)
        self.loop.close()


@pytest.fixture
def running(upstream):
    running = Running(upstream.port)
    yield running
    running.end()
    with socket.socket() as late, pytest.raises(OSError):
        late.connect(running.address)


@pytest.fixture
def proxy(running):
    return running.address


def ask(proxy, text: str | bytes) -> socket.socket:
    client = socket.create_connection(proxy, SECONDS)
    client.sendall(text.encode() if isinstance(text, str) else text)
    return client


def read_all(peer: socket.socket) -> bytes:
    return b"".join(iter(lambda: peer.recv(1 << 16), b""))


def connected(proxy, upstream, authority="management.azure.com:443"):
    client = ask(proxy, f"CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n")
    peer = upstream.accept()
    assert client.recv(100) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    return client, peer


@pytest.mark.parametrize(
    "authority",
    [
        "management.azure.com:443",
        "Management.Azure.com.:443",
        "login.windows.net:443",
        "account.blob.core.windows.net:443",
        "digits.emulator.inference.ml.azure.com:443",
        "ml.azure.com:443",
        "127.0.0.1:{port}",
        "localhost:{port}",
        "[::1]:{port}",
    ],
)
def test_the_emulators_hosts_lead_to_its_own_port(proxy, upstream, authority):
    client, peer = connected(proxy, upstream, authority.format(port=upstream.port))
    with client, peer:
        client.sendall(b"question")
        assert peer.recv(100) == b"question"
        peer.sendall(b"answer")
        assert client.recv(100) == b"answer"


@pytest.mark.parametrize(
    "authority",
    [
        "example.com:443",
        "management.azure.com:80",
        "management.azure.com:22",
        "management.azure.com",
        "management.azure.com.evil.org:443",
        "westeurope.api.azureml.ms:443",
        "127.0.0.1:443",
        "127.0.0.1:22",
        "user@management.azure.com:443",
        "",
        "x\u00e9:443",
    ],
)
def test_any_other_target_is_refused_in_one_line_and_not_connected_to(proxy, upstream, authority):
    with ask(proxy, f"CONNECT {authority} HTTP/1.1\r\n\r\n") as client:
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    assert body.count(b"\n") == 1
    assert b"not emulated" in body
    assert upstream.is_untouched()


@pytest.mark.parametrize("line", ["GET http://management.azure.com/ HTTP/1.1", "POST / HTTP/1.1", "rubbish"])
def test_plain_requests_are_refused(proxy, upstream, line):
    with ask(proxy, f"{line}\r\n\r\n") as client:
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"only tunnels" in answer
    assert upstream.is_untouched()


def test_what_comes_with_the_request_is_carried_too(proxy, upstream):
    with ask(proxy, b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\nhello"), upstream.accept() as peer:
        assert peer.recv(100) == b"hello"


def test_much_is_carried_both_ways_at_once(proxy, upstream):
    client, peer = connected(proxy, upstream)
    much = bytes(range(256)) * (1 << 14)

    def echo():
        with peer:
            while chunk := peer.recv(1 << 16):
                peer.sendall(chunk)

    echoing = threading.Thread(target=echo)
    echoing.start()
    got = bytearray()
    with client:
        sending = threading.Thread(target=lambda: (client.sendall(much), client.shutdown(socket.SHUT_WR)))
        sending.start()
        got += read_all(client)
        sending.join()
    echoing.join()
    assert got == much


def test_a_client_that_has_said_all_still_gets_its_answer(proxy, upstream):
    client, peer = connected(proxy, upstream)
    with client, peer:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert read_all(peer) == b"last words"
        peer.sendall(b"answer")
        peer.close()
        assert read_all(client) == b"answer"


def test_the_end_of_the_emulators_side_is_the_end(proxy, upstream):
    client, peer = connected(proxy, upstream)
    with client:
        peer.close()
        assert read_all(client) == b""


@pytest.mark.parametrize("side", ["client", "emulator"])
def test_an_abrupt_end_is_passed_on_and_the_proxy_lives(proxy, upstream, side):
    client, peer = connected(proxy, upstream)
    gone, left = (client, peer) if side == "client" else (peer, client)
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()  # with that linger it is a reset
    with left, contextlib.suppress(ConnectionResetError):
        assert read_all(left) == b""
    again, peer = connected(proxy, upstream)
    again.close()
    peer.close()


def test_a_client_that_leaves_in_the_middle_of_its_request_does_no_harm(proxy, upstream):
    ask(proxy, "CONNECT management").close()
    client, peer = connected(proxy, upstream)
    client.close()
    peer.close()


def test_a_head_without_end_is_cut_off(proxy, upstream):
    with ask(proxy, "CONNECT ") as client, contextlib.suppress(ConnectionError):
        for _ in range(4):
            client.sendall(b"x" * HEAD_LIMIT)
        assert read_all(client) == b""
    assert upstream.is_untouched()


def test_nobody_listening_behind_is_an_end_and_no_hang(proxy, upstream):
    upstream.listener.close()
    with ask(proxy, "CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n") as client:
        assert b"200" not in read_all(client)


def test_closing_cuts_open_tunnels_and_who_only_began(running, proxy, upstream):
    waiting = ask(proxy, "CONN")
    client, peer = connected(proxy, upstream)  # by then the first has been accepted too
    running.do(running.proxy.close())
    with waiting, client, peer, contextlib.suppress(ConnectionResetError):
        assert (read_all(waiting), read_all(client), read_all(peer)) == (b"", b"", b"")
