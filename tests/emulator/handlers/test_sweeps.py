from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from azml_magics.emulator.handlers.sweep_children import with_values
from azml_magics.emulator.progress import Progress
from azml_magics.emulator.service import Fault
from azml_magics.emulator.store import Where

ECHO = "import sys\nprint(sys.argv[1:])\n"
GRID = {"--a": ["choice", [[1, 2]]], "--b": ["choice", [["x", "y"]]]}


def submit(serving: Any, script: str = ECHO, target: str = "local") -> tuple[dict[str, Any], str]:
    """A run whose code a sweep can use: its configuration, and the id of its snapshot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("train.py", script)
    configuration = {"Script": "train.py", "Arguments": ["0"], "Target": target}
    definition = json.dumps({"Configuration": configuration}).encode()
    parts = {"runDefinitionFile": ("d.json", definition), "projectZipFile": ("p.zip", buffer.getvalue())}
    run_id = serving.call("run.start", parts=parts, experiment="exp").body["runId"]
    run = show(serving, run_id)
    return configuration, run["properties"]["ContentSnapshotId"]


def config(serving: Any, script: str = ECHO, **changes: Any) -> dict[str, Any]:
    configuration, snapshot = submit(serving, script)
    return {
        "name": "exp",
        "platform": "AML",
        "platform_config": {"Definition": {"Overrides": configuration, "SnapshotId": snapshot, "TargetDetails": None}},
        "generator_config": {"name": "GRID", "parameter_space": GRID},
        "policy_config": {"name": "Default"},
        "primary_metric_config": {"name": "accuracy", "goal": "maximize"},
        "max_concurrent_jobs": 4,
        **changes,
    }


def begin(serving: Any, sweep: Any) -> Any:
    content = sweep if isinstance(sweep, bytes) else json.dumps(sweep).encode()
    return serving.call("sweep.start", parts={"config": ("config.json", content)}, experiment="exp")


def show(serving: Any, run_id: str) -> Any:
    return serving.call("run.show", run=run_id).body


def children(serving: Any, run_id: str) -> list[Any]:
    return list(serving.call("run.children", run=run_id, query={"$orderby": "CreatedUtc asc"}).body["value"])


def ended(serving: Any, run_id: str) -> Any:
    return serving.until(
        lambda: show(serving, run_id), lambda run: run["status"] in ("Completed", "Failed", "Canceled"), 40
    )


def test_a_grid_runs_every_combination_once(serving: Any) -> None:
    reply = begin(serving, config(serving))
    assert reply.status == 201
    assert reply.body["code"] == 201
    result = reply.body["result"]
    run_id = result["platform_config"]["ParentRunId"]
    assert show(serving, run_id)["runType"] == "hyperdrive"
    parent = ended(serving, run_id)
    assert (parent["status"], parent["error"]) == ("Completed", None)
    found = children(serving, run_id)
    assert [child["runId"] for child in found] == [f"{run_id}_{n}" for n in range(4)]
    assert {child["status"] for child in found} == {"Completed"}
    assert {child["rootRunId"] for child in found} == {run_id}
    arguments = [child["runDefinition"]["arguments"] for child in found]
    assert arguments[0] == ["0", "--a", "1", "--b", "x"]
    assert len(set(map(tuple, arguments))) == 4


def test_the_parent_has_the_tags_that_clients_read(serving: Any) -> None:
    sweep = config(serving, max_total_jobs=2)
    run_id = begin(serving, sweep).body["result"]["platform_config"]["ParentRunId"]
    parent = ended(serving, run_id)
    tags = {name: json.loads(value) for name, value in parent["tags"].items()}
    assert tags["_aml_system_generator_config"] == sweep["generator_config"]
    assert tags["_aml_system_primary_metric_config"] == sweep["primary_metric_config"]
    assert tags["_aml_system_max_total_jobs"] == 2
    assert tags[f"_aml_system_{run_id}_1"] == {"--a": 1, "--b": "y"}
    assert parent["properties"]["azureml.runsource"] == "hyperdrive"
    details = serving.call("run.details", run=run_id).body
    assert "azureml-logs/hyperdrive.txt" in details["logFiles"]


def test_no_more_children_run_at_a_time_than_asked(serving: Any) -> None:
    script = "import time\ntime.sleep(0.3)\n"
    run_id = begin(serving, config(serving, script, max_concurrent_jobs=2)).body["result"]["hyperdrive_run_id"]
    assert ended(serving, run_id)["status"] == "Completed"
    spans = [(child["startTimeUtc"], child["endTimeUtc"]) for child in children(serving, run_id)]
    assert max(sum(a <= start < b for a, b in spans) for start, _ in spans) == 2


def test_a_random_sweep_has_as_many_children_as_asked_and_says_what_it_does_otherwise(serving: Any) -> None:
    generator = {"name": "BayesianOptimization", "parameter_space": {"lr": ["uniform", [0, 1]]}}
    policy = {"name": "Bandit", "properties": {"evaluation_interval": 1, "slack_factor": 0.1}}
    sweep = config(serving, generator_config=generator, policy_config=policy, max_total_jobs=3)
    run_id = begin(serving, sweep).body["result"]["platform_config"]["ParentRunId"]
    parent = ended(serving, run_id)
    warnings = " ".join(warning["message"] for warning in parent["warnings"])
    assert "Bandit" in warnings
    assert "Bayesian" in warnings
    values = {json.loads(parent["tags"][f"_aml_system_{run_id}_{n}"])["lr"] for n in range(3)}
    assert len(values) == 3


def test_cancelling_stops_the_children_and_then_the_parent(serving: Any) -> None:
    sweep = config(serving, "import time\ntime.sleep(60 if __import__('sys').argv[1:] != ['0'] else 0)\n")
    run_id = begin(serving, sweep | {"max_concurrent_jobs": 2}).body["result"]["platform_config"]["ParentRunId"]
    serving.until(lambda: children(serving, run_id), lambda found: any(c["status"] == "Running" for c in found))
    reply = serving.call("sweep.cancel", experiment="exp", run=run_id)
    assert (reply.status, reply.body["code"]) == (200, 200)
    assert ended(serving, run_id)["status"] == "Canceled"
    assert {child["status"] for child in children(serving, run_id)} == {"Canceled"}
    assert serving.call("sweep.cancel", experiment="exp", run=run_id).status == 200
    assert show(serving, run_id)["status"] == "Canceled"


def test_cancelling_the_parent_as_a_run_stops_the_children_too(serving: Any) -> None:
    sweep = config(serving, "import time\ntime.sleep(60 if __import__('sys').argv[1:] != ['0'] else 0)\n")
    run_id = begin(serving, sweep).body["result"]["platform_config"]["ParentRunId"]
    serving.until(lambda: children(serving, run_id), lambda found: len(found) == 4)
    serving.call("run.cancel", experiment="exp", run=run_id)
    found = serving.until(
        lambda: children(serving, run_id), lambda found: all(c["status"] == "Canceled" for c in found), 40
    )
    assert len(found) == 4


def test_a_sweep_whose_children_all_fail_fails(serving: Any) -> None:
    script = "import sys\nsys.exit(len(sys.argv) > 2)\n"
    run_id = begin(serving, config(serving, script)).body["result"]["platform_config"]["ParentRunId"]
    parent = ended(serving, run_id)
    assert parent["status"] == "Failed"
    assert "child" in parent["error"]["error"]["message"]


def test_a_sweep_goes_on_after_a_restart(serving: Any) -> None:
    service = serving.service
    service.progress.close()
    run_id = begin(serving, config(serving)).body["result"]["platform_config"]["ParentRunId"]
    assert children(serving, run_id) == []
    again = Progress(service.store)
    again.bind(service, service.progress._effects)
    service.progress = again
    again.start()
    try:
        assert ended(serving, run_id)["status"] == "Completed"
        assert len(children(serving, run_id)) == 4
    finally:
        again.close()
    left = service.store.count("operation", where=[Where(("effect",), "eq", "sweep.advance")])
    assert left <= 2


def test_secrets_among_a_runs_variables_reach_the_children_and_are_not_shown(serving: Any) -> None:
    script = "import os, sys\nsys.exit(len(sys.argv) > 2 and os.environ.get('API_KEY') != 'hush-hush')\n"
    sweep = config(serving, script)
    sweep["platform_config"]["Definition"]["Overrides"]["EnvironmentVariables"] = {"API_KEY": "hush-hush"}
    reply = begin(serving, sweep)
    run_id = reply.body["result"]["platform_config"]["ParentRunId"]
    parent = ended(serving, run_id)
    assert parent["status"] == "Completed"
    assert "hush-hush" not in json.dumps([reply.body, parent, children(serving, run_id)])
    assert "hush-hush" not in json.dumps(serving.service.store.page("sweep"))


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"platform_config": {}},
        {"generator_config": {"name": "Other", "parameter_space": GRID}},
        {"generator_config": {"name": "GRID", "parameter_space": {"lr": ["uniform", [0, 1]]}}},
        {"generator_config": {"name": "RANDOM", "parameter_space": GRID}},
        {"max_total_jobs": 0},
        {"max_concurrent_jobs": "2"},
        {"snapshot": "none"},
        {"target": "no-such-compute"},
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_and_leaves_nothing(serving: Any, change: dict[str, Any]) -> None:
    sweep = config(serving)
    definition = sweep["platform_config"]["Definition"]
    definition["SnapshotId"] = change.pop("snapshot", definition["SnapshotId"])
    definition["Overrides"]["Target"] = change.pop("target", "local")
    before = serving.service.store.count("run")
    with pytest.raises(Fault) as caught:
        begin(serving, sweep | change)
    assert caught.value.status == 400
    assert serving.service.store.count("run") == before


@pytest.mark.parametrize("content", [b"{", b"[]", b""])
def test_a_configuration_that_is_no_json_object_is_refused(serving: Any, content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        begin(serving, content)
    assert caught.value.status == 400


def test_an_unknown_sweep_cannot_be_cancelled(serving: Any) -> None:
    with pytest.raises(Fault) as caught:
        serving.call("sweep.cancel", experiment="exp", run="HD_none")
    assert caught.value.status == 404


def test_parameters_come_behind_a_command_too() -> None:
    made = with_values({"Command": "python train.py", "Target": "local"}, {"name": "a b"})
    assert made == {"Target": "local", "command": "python train.py --name 'a b'"}
