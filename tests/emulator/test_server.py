from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import azml_magics
from azml_magics.emulator.assembly import close_service, make_service, start_service
from azml_magics.emulator.ready import Ready
from azml_magics.errors import AzmlError

ROOT = Path(azml_magics.__file__).parents[1]
KEYS = (
    "url proxy ca_bundle tenant_id client_id client_secret subscription_id resource_group workspace region compute "
    "cloud_metadata_url pid version"
)
PROGRAM = """
import json, pathlib, sys
from azml_magics.emulator.server import serve
from azml_magics.errors import AzmlError
options = json.loads(sys.argv[2])
if "ready_file" in options:
    options["ready_file"] = pathlib.Path(options["ready_file"])
try:
    serve(pathlib.Path(sys.argv[1]), **options)
except AzmlError as error:
    sys.exit(str(error))
"""


@contextlib.contextmanager
def running(data: Path, **options):
    """A server as a process of its own: it and its ready line. It is ended at the end, if it has not."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(data), json.dumps(options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def ended(process) -> tuple[int, str, str]:
    """Ask a server to end: its exit code, and what it wrote behind its ready line."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("emulator") / "data"


@pytest.fixture(scope="module")
def line(data):
    with running(data, ready_file=str(data.parent / "ready.json")) as (_, line):
        yield line


@pytest.fixture(scope="module")
def ready(line):
    return Ready.from_json(line)


@pytest.fixture
def http(ready):
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ready.ca_bundle
        yield session


@pytest.fixture
def token(http, ready):
    form = {"grant_type": "client_credentials", "client_id": ready.client_id, "client_secret": ready.client_secret}
    url = f"{ready.url}/{ready.tenant_id}/oauth2/token"
    return http.post(url, data={**form, "resource": "https://management.azure.com/"}).json()["access_token"]


def test_the_ready_line_is_one_line_with_all_that_is_needed(line, data, ready):
    document = json.loads(line)
    assert set(document) == set(KEYS.split())
    assert document["url"].startswith("https://127.0.0.1:")
    assert document["proxy"].startswith("http://127.0.0.1:")
    assert document["client_secret"].startswith("emulator-")
    assert document["version"] == azml_magics.__version__
    assert (data / "emulator.json").read_text() == (data.parent / "ready.json").read_text() == line
    assert ready.client_secret not in repr(ready)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
@pytest.mark.usefixtures("ready")
def test_only_the_owner_may_read_what_it_keeps(data):
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir() if path.is_file()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE((data.parent / "ready.json").stat().st_mode) == 0o600


@pytest.mark.usefixtures("ready")
def test_no_secret_is_in_its_log(data):
    secrets = json.loads((data / "identity.json").read_bytes())
    log = (data / "emulator.log").read_text()
    assert not any(secrets[name] in log for name in ("client_secret", "storage_key", "signing_key"))


def test_it_answers_under_its_address(http, ready, token):
    path = f"/subscriptions/{ready.subscription_id}?api-version=2022-12-01"
    answer = http.get(ready.url + path, headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["subscriptionId"] == ready.subscription_id


def test_it_answers_under_the_services_names_through_the_proxy(http, ready, token):
    http.proxies = {"https": ready.proxy}
    path = f"/subscriptions/{ready.subscription_id}?api-version=2022-12-01"
    answer = http.get(f"https://management.azure.com{path}", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["subscriptionId"] == ready.subscription_id
    assert http.get("https://emulator.api.azureml.ms/discovery").json()["api"] == "https://emulator.api.azureml.ms"


def test_the_proxy_reaches_nothing_else(http, ready):
    http.proxies = {"https": ready.proxy, "http": ready.proxy}
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        http.get("https://example.com/")
    assert http.get("http://example.com/").status_code == 405


@pytest.mark.usefixtures("ready")
def test_runs_reach_it_by_plain_http(http, data):
    port = json.loads((data / "ports.json").read_bytes())["plain"]
    assert http.get(f"http://127.0.0.1:{port}/discovery").json()["history"] == f"http://127.0.0.1:{port}"


def test_every_socket_is_on_loopback_only(ready, data):
    for port in json.loads((data / "ports.json").read_bytes()).values():
        with socket.socket() as other, pytest.raises(OSError):
            other.connect(("127.0.0.2", port))  # on Linux all of 127/8 is this machine: a wildcard would answer
    assert ready.pid > 0


@pytest.mark.usefixtures("ready")
def test_a_second_one_of_the_same_directory_is_refused(data):
    with running(data) as (process, line):
        _, error = process.communicate(timeout=20)
        assert (line, process.returncode) == ("", 1)
    assert "runs already" in error
    assert (data / "emulator.json").exists()


def test_it_ends_when_it_is_told_and_begins_again_where_it_was(tmp_path):
    with running(tmp_path / "data") as (process, line):
        first = Ready.from_json(line)
        assert ended(process) == (0, "", "")
    assert not (tmp_path / "data" / "emulator.json").exists()
    with running(tmp_path / "data", tempo="demo") as (process, line):
        second = Ready.from_json(line)
        with requests.Session() as idle:
            idle.trust_env = False
            idle.get(f"{second.url}/metadata/endpoints", verify=second.ca_bundle)
            assert ended(process) == (0, "", "")  # an idle connection does not hold it up
    assert {k for k in KEYS.split() if getattr(first, k) != getattr(second, k)} == {"pid"}
    assert (tmp_path / "data" / "emulator.log").read_text() == ""


def test_it_ends_by_itself_when_nobody_asks(tmp_path):
    with running(tmp_path / "data", idle_exit=0.5) as (process, line):
        assert line
        assert process.wait(timeout=20) == 0


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "ports.json").write_text(json.dumps({"tls": port, "plain": "x", "proxy": port}))
        with running(tmp_path, idle_exit=0) as (_, line):
            assert f":{port}" not in line
            assert Ready.from_json(line)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(tmp_path, port=port) as (process, line):
            _, error = process.communicate(timeout=20)
            assert (line, process.returncode) == ("", 1)
    assert f"port {port} cannot be had" in error


def test_a_database_that_is_none_is_refused_in_one_line(tmp_path):
    (tmp_path / "state.sqlite").write_bytes(b"precious" * 1000)
    with running(tmp_path) as (process, line):
        _, error = process.communicate(timeout=20)
        assert (line, process.returncode) == ("", 1)
    assert "is not a database" in error
    assert error.count("\n") == 1
    assert (tmp_path / "state.sqlite").read_bytes() == b"precious" * 1000


def test_a_service_is_made_and_closed_in_this_process(tmp_path):
    service = make_service(tmp_path / "data", tempo="demo")
    subscription = service.identity.subscription_id
    start_service(service)
    close_service(service)
    service = make_service(tmp_path / "data")
    assert service.identity.subscription_id == subscription
    assert service.store.get("subscription", f"/subscriptions/{subscription}") is not None
    close_service(service)


def test_an_unknown_tempo_is_refused(tmp_path):
    with pytest.raises((AzmlError, ValueError), match="tempo"):
        make_service(tmp_path, tempo="never")


def test_the_directory_is_made_private_even_when_it_was_not(tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    service = make_service(tmp_path / "data")
    close_service(service)
    assert os.name == "nt" or stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
