from __future__ import annotations

import contextlib
import json
import socket
import ssl
import stat
import sys
import threading

import pytest

from azml_magics.emulator.certificates import load_certificates


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return load_certificates(tmp_path_factory.mktemp("data"))


def handshake(files, authority, name) -> None:
    """A client that trusts `authority` greets a server with our certificate as `name`."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(files.server)
    context = ssl.create_default_context(cafile=str(authority))
    ours, theirs = socket.socketpair()

    def serve():
        with theirs, contextlib.suppress(OSError):
            serving.wrap_socket(theirs, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, context.wrap_socket(ours, server_hostname=name):
            pass
    finally:
        thread.join()


@pytest.mark.parametrize(
    "name",
    [
        "management.azure.com",
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoft.com",
        "emulator.api.azureml.ms",
        "emulator.experiments.azureml.net",
        "emulator.modelmanagement.azureml.net",
        "anyaccount.blob.core.windows.net",
        "digits.emulator.inference.ml.azure.com",
        "digits.emulator.azurecontainer.io",
        "ml.azure.com",
        "localhost",
        "127.0.0.1",
    ],
)
def test_it_is_good_for_the_emulators_names(files, name):
    handshake(files, files.authority, name)


def test_it_is_good_for_no_other_name(files):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, files.authority, "portal.azure.com")


def test_another_directorys_authority_does_not_know_it(files, tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, load_certificates(tmp_path).authority, "management.azure.com")


def test_they_are_made_once(files):
    before = files.server.read_bytes(), files.authority.read_bytes()
    assert load_certificates(files.server.parent) == files
    assert (files.server.read_bytes(), files.authority.read_bytes()) == before


def test_the_authoritys_key_is_kept_nowhere(files):
    assert b"PRIVATE KEY" not in files.authority.read_bytes()
    assert files.server.read_bytes().count(b"BEGIN EC PRIVATE KEY") == 1
    assert {path.name for path in files.server.parent.iterdir()} == {"ca.pem", "server.pem"}


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
def test_only_the_owner_may_read_the_key(files):
    assert stat.S_IMODE(files.server.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change", [{"names": ["localhost"]}, {"until": "2026-01-01T00:00:00+00:00"}, {"authority": ""}]
)
def test_what_does_not_serve_any_more_is_made_anew(tmp_path, change):
    files = load_certificates(tmp_path)
    label, _, rest = files.server.read_bytes().partition(b"\n")
    files.server.write_bytes(json.dumps({**json.loads(label), **change}).encode() + b"\n" + rest)
    load_certificates(tmp_path)
    assert files.server.read_bytes().partition(b"\n")[2] != rest
    handshake(files, files.authority, "localhost")


@pytest.mark.parametrize("content", [b"", b"rubbish", b"[]\n"])
def test_a_broken_file_is_replaced(tmp_path, content):
    files = load_certificates(tmp_path)
    files.server.write_bytes(content)
    load_certificates(tmp_path)
    handshake(files, files.authority, "localhost")
