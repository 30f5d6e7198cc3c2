"""Runs on their way: statuses, nodes, ends, and what a restart of the emulator leaves of them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azml_magics.emulator.assembly import close_service
from azml_magics.emulator.environments import BuildFailed
from azml_magics.emulator.store import Where
from tests.emulator.lab import Lab

#: Waits until a file appears beside it, and says so first: no clock decides how long a run takes.
UNTIL = """
import pathlib, sys, time
print("begun", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
print("ended")
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def blocked(lab: Lab, gate: str = "gate", **more: object) -> str:
    """A run that goes on until the gate is opened."""
    return lab.start(UNTIL, Arguments=[str(lab.folder / gate)], **more)  # type: ignore[arg-type]


def narrow(lab: Lab, nodes: int) -> None:
    """Give the seeded cluster so many nodes at most."""
    key = lab.service.store.page("compute")[0][0]["id"].lower()

    def edit(document: dict) -> None:  # type: ignore[type-arg]
        document["properties"]["properties"]["scaleSettings"]["maxNodeCount"] = nodes

    lab.service.store.change("compute", key, edit)


def test_a_run_completes_and_its_log_is_kept(lab):
    run = lab.run("print('Hello, REST!')")
    assert (run["status"], run["error"]) == ("Completed", None)
    assert run["createdUtc"] <= run["startTimeUtc"] <= run["endTimeUtc"]
    assert lab.log(run["runId"]).splitlines()[-1] == "Hello, REST!"


def test_the_log_begins_with_the_emulators_own_lines(lab):
    conda = {"dependencies": ["python=3.6.2", {"pip": ["azureml-defaults"]}]}
    run = lab.run("print(1)", Environment={"Python": {"CondaDependencies": conda}}, NodeCount=2)
    own = [line for line in lab.log(run["runId"]).splitlines() if line.startswith("[emulator] ")]
    assert any("azureml-defaults" in line for line in own)
    assert any(sys.executable in line for line in own)
    assert any("2 nodes are held" in line for line in own)


def test_arguments_come_as_texts_whatever_they_were(lab):
    run = lab.run("import sys; print(sys.argv[1:])", Arguments=["--lr", 0.1, 234, "a b"])
    assert "['--lr', '0.1', '234', 'a b']" in lab.log(run["runId"])


def test_a_command_runs_with_the_interpreters_python_first(lab):
    run = lab.run("", Script=None, Command="python -c 'import sys; print(sys.executable)'")
    assert lab.log(run["runId"]).splitlines()[-1].startswith(str(Path(sys.executable).parent))


def test_a_run_sees_where_it_belongs_and_nothing_of_the_emulators_secrets(lab, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "not-for-runs")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    run = lab.run(script, EnvironmentVariables={"SIZE": "3"}, Environment={"EnvironmentVariables": {"A": 1}})
    seen = json.loads(lab.log(run["runId"]).splitlines()[-1])
    who = lab.service.identity
    assert (seen["SIZE"], seen["A"]) == ("3", "1")
    assert not {"AZURE_CLIENT_SECRET", "PYTHONPATH", "VIRTUAL_ENV"} & set(seen)
    assert seen["AZUREML_RUN_ID"] == seen["MLFLOW_RUN_ID"] == run["runId"]
    assert (seen["AZUREML_ARM_WORKSPACE_NAME"], seen["AZUREML_ARM_RESOURCEGROUP"]) == (who.workspace, who.group)
    assert seen["AZUREML_ARM_PROJECT_NAME"] == seen["MLFLOW_EXPERIMENT_NAME"] == "digits"
    assert seen["AZUREML_EXPERIMENT_ID"] == run["experimentId"]
    assert seen["MLFLOW_TRACKING_URI"].startswith("http://127.0.0.1:9/mlflow/v1.0/subscriptions/")
    assert seen["HOME"] != os.environ.get("HOME")
    claims = who.check(seen["AZUREML_RUN_TOKEN"])
    assert (claims["run"], claims["workspace"]) == (run["runId"], lab.workspace_id)


def test_a_failed_script_says_so_by_the_last_line_of_its_traceback(lab):
    run = lab.run("raise ValueError('bad digits')")
    error = run["error"]["error"]
    assert (run["status"], error["code"], error["details"]) == ("Failed", "UserError", [])
    assert "ValueError: bad digits. Process exited with code 1." in error["message"]


def test_a_script_that_exits_with_a_code_fails_with_it(lab):
    assert "exited with code 3" in lab.run("import sys; sys.exit(3)")["error"]["error"]["message"]


def test_a_run_over_its_time_is_stopped_and_failed(lab):
    run = lab.run("import time; time.sleep(60)", MaxRunDurationSeconds=0.2)
    assert run["status"] == "Failed"
    assert "exceeded MaxRunDurationSeconds" in run["error"]["error"]["message"]
    assert "exceeded MaxRunDurationSeconds" in lab.log(run["runId"])


def test_outputs_and_logs_are_artifacts_and_symbolic_links_are_not(lab):
    script = """
    import os, pathlib
    for name in ("outputs/deep", "logs"):
        pathlib.Path(name).mkdir(parents=True)
    pathlib.Path("outputs/deep/model.txt").write_text("weights")
    pathlib.Path("logs/own.log").write_text("x")
    pathlib.Path("elsewhere.txt").write_text("x")
    os.symlink("/etc", "outputs/etc")
    os.symlink("/etc/passwd", "outputs/passwd")
    """
    run = lab.run(script)
    listed = lab.call("run.artifacts", experiment="digits", run=run["runId"]).body["value"]
    assert [file["path"] for file in listed] == ["logs/own.log", "outputs/deep/model.txt", "user_logs/std_log.txt"]
    assert [file["size"] for file in listed][1] == 7


def test_while_a_run_goes_on_its_files_can_be_read_as_they_grow(lab):
    script = "import pathlib; pathlib.Path('outputs').mkdir(); pathlib.Path('outputs/a').write_text('1')" + UNTIL
    run_id = lab.start(script, Arguments=[str(lab.folder / "gate")])
    lab.wait(run_id, "Running")
    lab.until(lambda: lab.log(run_id), lambda log: "begun" in log)
    link = lab.call("run.details", run=run_id).body["logFiles"]["user_logs/std_log.txt"]
    listed = lab.call("run.artifacts", experiment="digits", run=run_id).body["value"]
    assert "outputs/a" in [file["path"] for file in listed]
    (lab.folder / "gate").touch()
    assert lab.wait(run_id)["status"] == "Completed"
    assert lab.get(link).decode().splitlines()[-2:] == ["begun", "ended"]


def test_the_folder_of_a_run_that_has_ended_is_gone(lab):
    lab.run("print(1)")
    lab.until(lambda: list((lab.service.data / "runs").iterdir()), lambda left: not left)


def test_a_cancelled_run_ends_canceled_with_all_its_processes(lab):
    script = """
    import os, pathlib, subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(sys.argv[1]).write_text(str(child.pid))
    child.wait()
    """
    run_id = lab.start(script, Arguments=[str(lab.folder / "pid")])
    lab.until(lambda: (lab.folder / "pid").exists() and (lab.folder / "pid").read_text(), bool)
    assert lab.call("run.cancel", experiment="digits", run=run_id).body == {"runId": run_id}
    assert lab.show(run_id)["status"] in ("CancelRequested", "Canceled")
    run = lab.wait(run_id)
    assert (run["status"], run["error"]) == ("Canceled", None)
    child = Path("/proc") / (lab.folder / "pid").read_text()
    assert not child.exists() or "(zombie)" in (child / "status").read_text()


def test_cancelling_an_ended_run_changes_nothing(lab):
    run = lab.run("print(1)")
    lab.call("run.cancel", experiment="digits", run=run["runId"])
    assert lab.show(run["runId"]) == run


def test_a_run_that_its_client_manages_is_cancelled_at_once(lab):
    lab.record("mine", status="Running")
    lab.call("run.cancel", experiment="digits", run="mine")
    assert lab.show("mine")["status"] == "Canceled"


def test_runs_wait_for_nodes_in_the_order_of_their_submission(lab):
    narrow(lab, 1)
    first = blocked(lab, "one")
    lab.wait(first, "Running")
    second, third = blocked(lab, "two"), blocked(lab, "three")
    waiting = lab.until(lambda: lab.show(third), lambda run: run["queueingInfo"])
    assert "1 of 1 are busy" in waiting["queueingInfo"]["message"]
    assert lab.show(second)["status"] == "Queued"
    (lab.folder / "one").touch()
    lab.wait(second, "Running")
    assert lab.show(third)["status"] == "Queued"
    (lab.folder / "two").touch()
    assert lab.wait(third, "Running")["queueingInfo"] is None
    (lab.folder / "three").touch()
    assert {lab.wait(run)["status"] for run in (first, second, third)} == {"Completed"}


def test_a_wide_run_is_not_overtaken_by_a_narrow_one(lab):
    narrow(lab, 2)
    first = blocked(lab, "one")
    lab.wait(first, "Running")
    wide = blocked(lab, "two", NodeCount=2)
    lab.wait(wide, "Queued")
    thin = blocked(lab, "two")
    lab.wait(thin, "Queued")
    (lab.folder / "one").touch()
    lab.wait(wide, "Running")
    assert lab.show(thin)["status"] == "Queued"
    (lab.folder / "two").touch()
    assert lab.wait(thin)["status"] == "Completed"


def test_a_queued_run_is_cancelled_without_ever_starting(lab):
    narrow(lab, 1)
    first = blocked(lab)
    lab.wait(first, "Running")
    second = blocked(lab)
    lab.wait(second, "Queued")
    lab.call("run.cancel", experiment="digits", run=second)
    assert (lab.wait(second)["status"], lab.show(second)["startTimeUtc"]) == ("Canceled", None)
    (lab.folder / "gate").touch()
    assert lab.wait(first)["status"] == "Completed"


def test_a_compute_that_grows_serves_the_runs_that_wait(lab):
    narrow(lab, 1)
    first, second = blocked(lab), blocked(lab)
    lab.wait(first, "Running")
    lab.until(lambda: lab.show(second), lambda run: run["queueingInfo"])
    narrow(lab, 2)
    lab.wait(second, "Running")
    (lab.folder / "gate").touch()
    lab.wait(first)
    lab.wait(second)


def test_the_local_target_has_no_limit(lab):
    runs = [blocked(lab, Target="local") for _ in range(6)]
    for run_id in runs:
        lab.wait(run_id, "Running")
    (lab.folder / "gate").touch()
    assert {lab.wait(run_id)["status"] for run_id in runs} == {"Completed"}


def test_nodes_tell_which_run_holds_them_and_stand_idle_afterwards(lab):
    run_id = blocked(lab, NodeCount=2)
    lab.wait(run_id, "Running")
    nodes = lab.service.dispatcher.nodes(lab.workspace_id, "cpu-compute")
    assert [(node["nodeState"], node["runId"]) for node in nodes] == [("running", run_id)] * 2
    (lab.folder / "gate").touch()
    lab.wait(run_id)
    lab.until(lab.service.dispatcher.idle, bool)
    nodes = lab.service.dispatcher.nodes(lab.workspace_id, "cpu-compute")
    assert [(node["nodeState"], node["runId"]) for node in nodes] == [("idle", None)] * 2


def test_runs_of_a_deleted_compute_fail_and_say_why(lab):
    narrow(lab, 1)
    running = blocked(lab)
    lab.wait(running, "Running")
    queued = blocked(lab)
    lab.wait(queued, "Queued")
    lab.service.store.delete("compute", lab.service.store.page("compute")[0][0]["id"].lower())
    lab.service.dispatcher.compute_gone(lab.workspace_id, "cpu-compute")
    for run_id in (running, queued):
        run = lab.wait(run_id)
        assert run["status"] == "Failed"
        assert "was deleted" in run["error"]["error"]["message"]
        assert "was deleted" in lab.log(run_id)


def test_a_run_survives_the_emulators_restart(lab):
    run_id = blocked(lab)
    lab.wait(run_id, "Running")
    lab.again()
    assert lab.show(run_id)["status"] == "Running"
    assert [n["runId"] for n in lab.service.dispatcher.nodes(lab.workspace_id, "cpu-compute")] == [run_id]
    (lab.folder / "gate").touch()
    assert lab.wait(run_id)["status"] == "Completed"
    assert lab.log(run_id).splitlines()[-1] == "ended"


def test_what_waited_waits_again_after_a_restart(lab):
    narrow(lab, 1)
    first = blocked(lab)
    lab.wait(first, "Running")
    second = blocked(lab)
    lab.wait(second, "Queued")
    lab.again()
    lab.until(lambda: lab.show(second), lambda run: run["status"] == "Queued")
    (lab.folder / "gate").touch()
    assert lab.wait(first)["status"] == lab.wait(second)["status"] == "Completed"


def test_a_run_that_ended_while_no_emulator_looked_is_settled_at_the_next_start(lab):
    run_id = blocked(lab)
    lab.wait(run_id, "Running")
    lab.until(lambda: lab.log(run_id), lambda log: "begun" in log)
    close_service(lab.service)
    (lab.folder / "gate").touch()
    folder = next((lab.folder / "data" / "runs").iterdir())
    lab.until(lambda: (folder / "supervisor" / "outcome.json").exists(), bool)
    lab.open()
    assert lab.wait(run_id)["status"] == "Completed"


def test_a_run_whose_workspace_was_deleted_is_forgotten(lab):
    run_id = blocked(lab)
    lab.wait(run_id, "Running")
    lab.service.store.delete_scope(lab.workspace_id)
    (lab.folder / "gate").touch()
    lab.until(lab.service.dispatcher.idle, bool)
    assert lab.service.store.count("run", where=[Where(("runId",), "eq", run_id)]) == 0


def test_secrets_of_a_run_are_forgotten_when_it_has_ended(lab):
    run = lab.run("import os; print(os.environ['API_KEY'])", EnvironmentVariables={"API_KEY": "hush", "SIZE": "3"})
    assert "hush" in lab.log(run["runId"])
    kept = lab.service.store.get("definition", f"{lab.workspace_id}/{run['runId']}")
    assert "hush" not in str(kept)
    variables = lab.call("run.details", run=run["runId"]).body["runDefinition"]["environmentVariables"]
    assert variables == {"API_KEY": "********", "SIZE": "3"}


def test_at_another_tempo_a_run_stays_preparing(tmp_path):
    with Lab(tmp_path, "real") as lab:
        run_id = lab.start()
        assert lab.wait(run_id, "Preparing")["status"] == "Preparing"
        lab.call("run.cancel", experiment="digits", run=run_id)
        assert lab.wait(run_id)["status"] == "Canceled"


def test_an_environment_that_cannot_be_built_fails_the_run_and_says_why(lab):
    class Broken:
        def interpreter(self, environment, log):
            log.write("pip could not install the packages\n")
            raise BuildFailed("no such package: sklern")

        def describe(self, environment):
            return {"emulator.environment": "built x", "emulator.python": "3", "emulator.notHonored": ""}

    lab.service.environments = Broken()
    run = lab.run("print(1)")
    error = run["error"]["error"]
    assert (run["status"], error["innerError"]["code"]) == ("Failed", "ImageBuildFailure")
    assert "no such package: sklern" in error["message"]
    assert "[emulator] pip could not install the packages" in lab.log(run["runId"])


def test_a_run_whose_packages_are_installed_holds_nobody_up(lab):
    class Slow:
        def interpreter(self, environment, log):
            while environment and not (lab.folder / "built").exists():
                time.sleep(0.01)
            return Path(sys.executable)

        def describe(self, environment):
            return {"emulator.environment": "built x", "emulator.python": "3", "emulator.notHonored": ""}

    lab.service.environments = Slow()
    slow = lab.start(Environment={"Python": {"x": 1}})
    lab.wait(slow, "Preparing")
    assert lab.run("print(1)")["status"] == "Completed"
    assert lab.show(slow)["status"] == "Preparing"
    (lab.folder / "built").touch()
    assert lab.wait(slow)["status"] == "Completed"
