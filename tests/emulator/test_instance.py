from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from azml_magics.emulator.instance import default_data, environment, execute, find, start_background, stop
from azml_magics.emulator.lock import Lock, holder
from azml_magics.emulator.ready import FILE, Ready
from azml_magics.errors import AzmlError, UsageError

PRINT = "import os, sys; print(*(os.environ.get(n, '-') for n in sys.argv[1:])); sys.exit(3)"
SOME = Ready(
    url="https://127.0.0.1:9",
    proxy="http://127.0.0.1:9",
    ca_bundle="/nowhere/ca.pem",
    tenant_id="t",
    client_id="c",
    client_secret="emulator-x",
    subscription_id="s",
    resource_group="g",
    workspace="w",
    region="emulator",
    compute="cpu-compute",
    cloud_metadata_url="https://127.0.0.1:9/metadata/endpoints",
    pid=os.getpid(),
    version="0",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    data = tmp_path_factory.mktemp("emulator") / "data"
    yield data
    stop(data)


@pytest.fixture(scope="module")
def ready(data):
    return start_background(data)


def is_gone(pid: int) -> bool:
    """Whether a process ends in time, and nothing of it is left, no zombie either."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_the_data_directory_is_the_named_one_else_the_platforms(monkeypatch, tmp_path):
    monkeypatch.setenv("AZML_DATA", str(tmp_path))
    assert default_data() == tmp_path
    monkeypatch.setenv("AZML_DATA", "~/mine")
    assert default_data() == Path.home() / "mine"
    monkeypatch.delenv("AZML_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data().parts[-2:] == ("azml-magics", "emulator")
    assert sys.platform != "linux" or tmp_path in default_data().parents


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"pid": 1}'])
def test_there_is_none_where_there_is_no_ready_line(tmp_path, text):
    if text is not None:
        (tmp_path / FILE).write_text(text)
    assert find(tmp_path) is None
    assert stop(tmp_path) is False


def test_a_process_that_only_has_the_number_is_not_taken_for_it(tmp_path):
    (tmp_path / FILE).write_text(SOME.to_json())
    assert find(tmp_path) is None
    assert stop(tmp_path) is False  # else this test would have ended itself


def test_a_holder_that_does_not_answer_is_not_found(tmp_path):
    (tmp_path / FILE).write_text(SOME.to_json())
    with Lock(tmp_path / "lock"):
        assert find(tmp_path) is None


def test_the_running_one_is_found_and_not_started_twice(data, ready):
    assert find(data) == ready
    assert start_background(data) == ready
    assert holder(data / "lock") == ready.pid != os.getpid()


def test_an_answer_of_another_process_or_another_authority_does_not_count(data, ready, tmp_path):
    with Lock(tmp_path / "lock"):
        (tmp_path / FILE).write_text(replace(ready, pid=os.getpid()).to_json())
        assert find(tmp_path) is None  # it answers, but as another process
    kept = (data / FILE).read_text()
    foreign = tmp_path / "ca.pem"
    foreign.write_text((data / "ca.pem").read_text().replace("M", "N", 1))
    try:
        (data / FILE).write_text(replace(ready, ca_bundle=str(foreign)).to_json())
        assert find(data) is None
    finally:
        (data / FILE).write_text(kept)


def test_it_does_not_belong_to_the_process_that_started_it(ready):
    assert os.getpgid(ready.pid) != os.getpgid(os.getpid())
    assert os.getsid(ready.pid) != os.getsid(os.getpid())


def test_its_log_has_no_ready_line(data, ready):
    assert ready.client_secret not in (data / "emulator.log").read_text()


def test_the_environment_leads_every_kind_of_client_to_it(ready):
    variables = environment(ready)
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == ready.proxy
    assert "127.0.0.1" in variables["NO_PROXY"] == variables["no_proxy"]
    bundles = {variables[name] for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")}
    assert bundles == {ready.ca_bundle}
    assert variables["AZURE_CLIENT_SECRET"] == ready.client_secret
    assert (variables["AZML_GROUP"], variables["AZML_WORKSPACE"]) == ("emulator-rg", "emulator-ws")
    assert variables["AZML_SUBSCRIPTION"] == variables["AZURE_SUBSCRIPTION_ID"] == ready.subscription_id
    assert (variables["AZURE_TENANT_ID"], variables["AZURE_CLIENT_ID"]) == (ready.tenant_id, ready.client_id)


def test_a_program_runs_against_the_running_one_and_its_code_comes_back(data, ready, monkeypatch):
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://elsewhere")
    names = ["https_proxy", "AZURE_CLIENT_ID", "AZML_DATA", "AZURE_AUTHORITY_HOST"]
    code, output = execute(data, [sys.executable, "-c", PRINT, *names], capture=True)
    assert (code, output.split()) == (3, [ready.proxy, ready.client_id, str(data), "-"])
    assert find(data) == ready


def test_without_a_running_one_it_is_started_for_the_program_and_ended(tmp_path):
    code, output = execute(tmp_path, [sys.executable, "-c", PRINT, "AZML_WORKSPACE"], capture=True)
    assert (code, output) == (3, "emulator-ws\n")
    assert holder(tmp_path / "lock") == 0


def test_a_program_that_is_none_is_a_usage_error(data, ready):
    with pytest.raises(UsageError, match="cannot be run"):
        execute(data, ["/nowhere/program"])
    with pytest.raises(UsageError, match="no program"):
        execute(data, [])
    code, _ = execute(data, [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
    assert code == 128 + signal.SIGTERM
    assert ready.pid == holder(data / "lock")


def test_of_many_who_start_at_once_one_starts(tmp_path):
    found: list[Ready] = []
    threads = [threading.Thread(target=lambda: found.append(start_background(tmp_path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert {ready.pid for ready in found} == {holder(tmp_path / "lock")}
    assert stop(tmp_path)
    assert is_gone(found[0].pid)
    assert find(tmp_path) is None


def test_one_that_hangs_is_not_found_and_is_killed(tmp_path):
    ready = start_background(tmp_path)
    os.kill(ready.pid, signal.SIGSTOP)
    assert find(tmp_path) is None
    assert stop(tmp_path, patience=0.2)
    assert is_gone(ready.pid)
    assert holder(tmp_path / "lock") == 0


def test_one_that_dies_is_forgotten_at_once(tmp_path):
    ready = start_background(tmp_path)
    os.kill(ready.pid, signal.SIGKILL)
    assert is_gone(ready.pid)
    assert (tmp_path / FILE).exists()
    assert find(tmp_path) is None
    assert stop(tmp_path) is False
    again = start_background(tmp_path)
    assert again.url == ready.url
    assert stop(tmp_path)
    assert is_gone(again.pid)


def test_one_that_cannot_start_says_why(tmp_path):
    (tmp_path / "state.sqlite").write_bytes(b"precious" * 1000)
    with pytest.raises(AzmlError, match="is not a database"):
        start_background(tmp_path)
    assert holder(tmp_path / "lock") == 0


def test_a_lock_is_held_by_one_and_names_it(tmp_path):
    path = tmp_path / "lock"
    assert holder(path) == 0
    first, second = Lock(path), Lock(path)
    assert first.acquire()
    assert not second.acquire()
    assert holder(path) == os.getpid()
    first.release()
    assert holder(path) == 0
    assert second.acquire()
    second.release()


def test_a_lock_comes_free_when_its_holder_is_killed(tmp_path):
    path = tmp_path / "lock"
    program = "import sys, time; from pathlib import Path; from azml_magics.emulator.lock import Lock\n"
    program += "lock = Lock(Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        assert holder(path) == process.pid
        process.kill()
    assert holder(path) == 0
