from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from azml_magics.emulator.contents import File, Missing, lay_out
from azml_magics.emulator.scoring import Deployments
from azml_magics.emulator.scoring_child import Child, NotStarted, Plan

WORKING = "import json, os\ndef init(): ...\ndef run(data): return {expression}\n"


def answer(serving: Any, name: str = "digits", body: bytes = b"{}") -> Any:
    scored = serving.service.deployments.score(f"{serving.workspace_id}/{name}", body)
    return json.loads(scored.content) if scored.outcome == "result" else scored.outcome


def state(serving: Any) -> str:
    return str(serving.call("service.show", service="digits").body["state"])


def test_one_model_has_its_own_folder(serving: Any) -> None:
    model = serving.model(path="outputs/model.pkl", content=b"weights")
    expression = "[os.environ['AZUREML_MODEL_DIR'], open(os.environ['AZUREML_MODEL_DIR'] + '/model.pkl').read()]"
    serving.deploy("digits", WORKING.format(expression=expression), models=(model["id"],))
    where, content = answer(serving)
    assert where.endswith("azureml-models/digits/1")
    assert content == "weights"


def test_several_models_are_in_one_folder_by_name_and_version(serving: Any) -> None:
    models = (serving.model("a")["id"], serving.model("b", path="outputs/folder/part.bin")["id"])
    expression = (
        "sorted(str(p.relative_to(top)) for top in [__import__('pathlib').Path(os.environ['AZUREML_MODEL_DIR'])]"
    )
    expression += " for p in top.rglob('*') if p.is_file())"
    serving.deploy("digits", WORKING.format(expression=expression), models=models)
    assert answer(serving) == ["a/1/model.pkl", "b/1/part.bin"]


def test_a_folder_that_is_a_model_keeps_its_name(serving: Any) -> None:
    serving.keep("outputs/net/weights.bin", b"1")
    serving.keep("outputs/net/deep/config.json", b"2")
    artifacts = [{"prefix": "ExperimentRun/dcid.run-1/outputs/net"}]
    asset = serving.call("asset.create", {"name": "net", "artifacts": artifacts}).body
    body = {"name": "net", "url": f"aml://asset/{asset['id']}", "mimeType": "x"}
    model = serving.call("model.register", body).body
    expression = "[open(os.environ['AZUREML_MODEL_DIR'] + '/net/deep/config.json').read()]"
    serving.deploy("digits", WORKING.format(expression=expression), models=(model["id"],))
    assert answer(serving) == ["2"]


def test_a_script_sees_helpers_beside_it_and_runs_in_their_folder(serving: Any) -> None:
    for name, text in {"score.py": "import helper\ninit = helper.init\nrun = helper.run\n", "helper.py": ""}.items():
        serving.keep(f"outputs/src/{name}", (text or WORKING.format(expression="[os.getcwd(), __file__]")).encode())
    request = {
        "assets": [{"url": "aml://artifact/ExperimentRun/dcid.run-1/outputs/src"}],
        "driverProgram": "src/score.py",
    }
    assert serving.deploy("digits", "", request=request)["error"] is None
    where, file = answer(serving)
    assert where.endswith("/app/src")
    assert Path(file).parent == Path(where)


def archive(kind: str, name: str) -> bytes:
    content = WORKING.format(expression="'unpacked'").encode()
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as zipped:
            zipped.writestr(name, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_asset_that_is_an_archive_is_unpacked_when_asked(serving: Any, kind: str) -> None:
    url = f"aml://artifact/{serving.keep('code.bin', archive(kind, 'src/score.py'))}"
    request = {"assets": [{"url": url, "unpack": True}], "driverProgram": "src/score.py"}
    serving.deploy("digits", "", request=request)
    assert answer(serving) == "unpacked"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_leads_out_of_its_folder_fails_the_deployment(serving: Any, kind: str) -> None:
    url = f"aml://artifact/{serving.keep('code.bin', archive(kind, '../../score.py'))}"
    request = {"assets": [{"url": url, "unpack": True}], "driverProgram": "score.py"}
    assert serving.deploy("digits", "", request=request)["state"] == "Failed"
    assert not list(serving.folder.glob("services/**/score.py"))


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "c:/x", "a/../../b", ""])
def test_a_file_is_laid_out_inside_its_folder_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(Missing):
        lay_out([File(name, lambda: io.BytesIO(b"x"))], tmp_path / "in" / "side", archives=False)
    assert not (tmp_path / "in" / "out").exists()


def test_the_environment_is_clean_but_for_what_the_service_sets(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hush")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    environment = {"environmentVariables": {"OWN": 7, "AZUREML_ENTRY_SCRIPT": "other"}}
    serving.deploy("digits", WORKING.format(expression="dict(os.environ)"), request={"environment": environment})
    seen = answer(serving)
    assert (seen["OWN"], seen["AZUREML_ENTRY_SCRIPT"], seen["LC_ALL"]) == ("7", "score.py", "C.UTF-8")
    assert "AZURE_CLIENT_SECRET" not in seen
    assert "HOME" not in seen


def test_the_emulators_own_modules_are_out_of_a_scripts_sight(serving: Any) -> None:
    script = "import sys\ndef init(): ...\ndef run(d): return [p for p in sys.path if p.endswith('emulator')]\n"
    serving.deploy("digits", script)
    assert answer(serving) == []


def test_what_a_script_prints_or_reads_does_not_disturb_its_answers(serving: Any) -> None:
    script = (
        "import os, subprocess, sys\ndef init(): print('from init')\n"
        "def run(d):\n    print('from run'); os.write(1, b'raw\\n'); subprocess.run(['echo', 'child'])\n"
        "    return sys.stdin.read()\n"
    )
    serving.deploy("digits", script)
    assert answer(serving) == ""
    log = serving.service.deployments.log(f"{serving.workspace_id}/digits", 100)
    for line in ("from init", "from run", "raw", "child"):
        assert f"{line}\n" in log


def test_a_process_that_ends_is_started_again_for_the_next_request(serving: Any) -> None:
    script = "import os\ndef init(): ...\ndef run(d): return os.getpid() if d == 'pid' else os._exit(3)\n"
    serving.deploy("digits", script)
    first = answer(serving, body=b"pid")
    assert answer(serving, body=b"die") == "ended"
    assert answer(serving, body=b"pid") not in (first, "not-started")
    assert state(serving) == "Healthy"


def test_a_service_that_does_not_come_up_again_is_unhealthy_until_it_does(serving: Any, tmp_path: Path) -> None:
    marker = tmp_path / "broken"
    script = f"import os\ndef init(): assert not os.path.exists({str(marker)!r})\ndef run(d): os._exit(3) if d else 1\n"
    script = script.replace("os._exit(3) if d else 1", "return os._exit(3) if d else 1")
    serving.deploy("digits", script)
    marker.touch()
    assert answer(serving, body=b"die") == "ended"
    assert answer(serving, body=b"") == "not-started"
    assert state(serving) == "Unhealthy"
    marker.unlink()
    assert answer(serving, body=b"") == 1
    assert state(serving) == "Healthy"


def test_a_request_that_takes_too_long_is_given_up(serving: Any) -> None:
    script = "import time\ndef init(): ...\ndef run(d): return time.sleep(60) if d else 'quick'\n"
    serving.deploy("digits", script)
    serving.service.deployments.request_seconds = 0.3
    began = time.monotonic()
    assert answer(serving, body=b"slow") == "timed-out"
    assert time.monotonic() - began < 10
    serving.service.deployments.request_seconds = 20
    assert answer(serving, body=b"") == "quick"


def test_large_bodies_go_through(serving: Any) -> None:
    serving.deploy("digits", WORKING.format(expression="data * 2"))
    assert len(answer(serving, body=b"x" * 3_000_000)) == 6_000_000


def test_services_come_back_when_the_emulator_does(serving: Any) -> None:
    serving.deploy("digits", WORKING.format(expression="os.getpid()"))
    first = answer(serving)
    serving.service.deployments.close()
    assert answer(serving) == "not-started"
    again = Deployments()
    again.bind(serving.service)
    serving.service.deployments = again
    again.start()
    assert answer(serving) not in (first, "not-started")


def test_a_deployment_that_the_emulators_end_cut_short_is_done_at_the_next_start(serving: Any) -> None:
    serving.service.deployments.close()
    reply = serving.begin("digits", WORKING.format(expression="1"))
    again = Deployments()
    again.bind(serving.service)
    serving.service.deployments = again
    again.start()
    assert serving.ended(reply)["state"] == "Succeeded"
    assert answer(serving) == 1


SLOW = "import time\ndef init(): print('ready to sleep'); time.sleep(60)\ndef run(d): ...\n"


def test_a_service_that_is_deleted_while_it_comes_up_leaves_nothing(serving: Any) -> None:
    reply = serving.begin("digits", SLOW)
    folder = serving.service.deployments.folder(f"{serving.workspace_id}/digits")
    log = folder / "log.txt"
    serving.until(lambda: log.exists() and log.read_text(), lambda text: text and "ready to sleep" in text)
    serving.call("service.delete", service="digits")
    assert serving.ended(reply)["state"] == "Cancelled"
    assert not folder.exists()


def test_a_deployment_that_another_overtook_is_cancelled(serving: Any) -> None:
    marker = serving.folder / "go"
    waiting = f"import os, time\ndef init():\n    while not os.path.exists({str(marker)!r}): time.sleep(0.02)\n"
    first = serving.begin("digits", f"{waiting}def run(d): return 1\n")
    log = serving.service.deployments.folder(f"{serving.workspace_id}/digits") / "log.txt"
    serving.until(lambda: log.exists() and log.read_text(), bool)
    assert serving.deploy("digits", WORKING.format(expression="2"), overwrite=True)["state"] == "Succeeded"
    marker.touch()
    assert serving.ended(first)["state"] == "Cancelled"
    assert answer(serving) == 2


def test_deployments_of_one_service_begun_at_once_end_with_the_last(serving: Any) -> None:
    scripts = [WORKING.format(expression=str(number)) for number in range(4)]
    begun = [serving.begin("digits", script, overwrite=True) for script in scripts]
    states = [serving.ended(reply)["state"] for reply in begun]
    assert states[-1] == "Succeeded"
    assert set(states[:-1]) <= {"Succeeded", "Cancelled"}
    assert answer(serving) == 3


def test_an_init_that_does_not_return_is_given_up(tmp_path: Path) -> None:
    child = Child(plan(tmp_path, "import time\ndef init(): time.sleep(60)\ndef run(d): ...\n"))
    with pytest.raises(NotStarted) as caught:
        child.wait_ready(0.3)
    child.close()
    assert caught.value.late


def test_a_scoring_process_ends_with_the_emulator_even_in_the_middle_of_a_request(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        script = (
            f"import socket, time\ndef init():\n    global s; s = socket.create_connection(('127.0.0.1', {port}))\n"
        )
        script += "def run(d): s.send(b'running'); time.sleep(60)\n"
        made = plan(tmp_path, script)
        emulator = (
            "import os, sys, threading\nfrom pathlib import Path\n"
            "from azml_magics.emulator.scoring_child import Child, Plan\n"
            "child = Child(Plan(*map(Path, sys.argv[1:])))\nchild.wait_ready(20)\n"
            "threading.Thread(target=child.ask, args=(b'', 60), daemon=True).start()\n"
            "sys.stdin.read()\nos._exit(9)\n"
        )
        argv = [sys.executable, "-c", emulator, *map(str, (made.interpreter, made.script, made.models, made.log))]
        parent = subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2])
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            assert connection.recv(7) == b"running"
            parent.communicate(timeout=20)
            assert connection.recv(1) == b""


def test_closing_ends_what_a_script_started_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        worker = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.recv(1)"
        script = f"import subprocess, sys\ndef init(): subprocess.Popen([sys.executable, '-c', {worker!r}])\n"
        script += "def run(d): ...\n"
        child = Child(plan(tmp_path, script))
        child.wait_ready(20)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            child.close()
            assert connection.recv(1) == b""


def plan(tmp_path: Path, script: str) -> Plan:
    entry = tmp_path / "score.py"
    entry.write_text(script)
    return Plan(Path(sys.executable), entry, tmp_path, tmp_path / "log.txt", dict(os.environ))
