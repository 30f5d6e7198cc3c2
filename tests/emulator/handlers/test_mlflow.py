"""MLflow's protocol on the documents of run history: one writes, the other reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azml_magics.catalogue.mlflow import MLFLOW
from tests.emulator.lab import HANDLERS, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def create(lab: Lab, **body: Any) -> dict[str, Any]:
    """A run made by MLflow in the experiment digits."""
    body = {"experiment_id": lab.experiment()["experimentId"], **body}
    return dict(lab.call("mlflow.create-run", body).body["run"])


def fetch(lab: Lab, run_id: str) -> dict[str, Any]:
    return dict(lab.call("mlflow.show-run", None, {"run_id": run_id}).body["run"])


def entries(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["key"]: entry["value"] for entry in listed}


def test_an_experiment_is_the_same_one_to_both(lab):
    key = lab.call("mlflow.create-experiment", {"name": "digits"}).body["experiment_id"]
    assert lab.experiment("digits")["experimentId"] == key
    by_name = lab.call("mlflow.find-experiment", None, {"experiment_name": "digits"}).body["experiment"]
    by_id = lab.call("mlflow.show-experiment", None, {"experiment_id": key}).body["experiment"]
    assert by_name == by_id
    assert (by_id["name"], by_id["lifecycle_stage"]) == ("digits", "active")
    assert lab.refused("mlflow.create-experiment", {"name": "digits"}).code == "RESOURCE_ALREADY_EXISTS"


def test_what_is_not_there_is_a_404(lab):
    for operation, query in (
        ("mlflow.find-experiment", {"experiment_name": "none"}),
        ("mlflow.show-experiment", {"experiment_id": "none"}),
        ("mlflow.show-run", {"run_id": "none"}),
    ):
        assert lab.refused(operation, None, query).status == 404


def test_experiments_are_searched(lab):
    for name in ("a", "b"):
        lab.experiment(name)
    key = lab.experiment("old")["experimentId"]
    lab.call("experiment.update", {"archive": True}, experiment_id=key)

    def names(**body: Any) -> list[str]:
        return [e["name"] for e in lab.call("mlflow.search-experiments", body).body["experiments"]]

    assert names() == ["a", "b"]
    assert names(filter="name = 'b'") == ["b"]
    assert names(view_type="ALL", order_by=["name DESC"]) == ["old", "b", "a"]


def test_a_run_of_mlflow_is_a_run(lab):
    made = create(lab, run_name="mine", start_time=1700000000000, tags=[{"key": "mlflow.user", "value": "me"}])
    run = lab.show(made["info"]["run_id"])
    assert (run["displayName"], run["status"], run["tags"]) == ("mine", "Running", {"mlflow.user": "me"})
    assert run["startTimeUtc"] == "2023-11-14T22:13:20.0000000+00:00"
    info = made["info"]
    assert (info["status"], info["start_time"], info["run_name"]) == ("RUNNING", 1700000000000, "mine")
    assert info["artifact_uri"] == f"mlflow-artifacts:/ExperimentRun/dcid.{info['run_id']}"


def test_the_experiment_that_mlflow_takes_by_itself_is_called_default(lab):
    run = lab.call("mlflow.create-run", {"experiment_id": "0"}).body["run"]
    assert lab.experiment("Default")["experimentId"] == run["info"]["experiment_id"]


def test_a_nested_run_names_its_parent(lab):
    parent = create(lab)["info"]["run_id"]
    child = create(lab, tags=[{"key": "mlflow.parentRunId", "value": parent}])["info"]["run_id"]
    assert (lab.show(child)["parentRunId"], lab.show(child)["rootRunId"]) == (parent, parent)


def test_a_run_ends_as_its_client_says(lab):
    run_id = create(lab)["info"]["run_id"]
    body = {"run_id": run_id, "status": "FINISHED", "end_time": "1700000000000", "run_name": "new"}
    info = lab.call("mlflow.update-run", body).body["run_info"]
    assert (info["status"], info["end_time"], info["run_name"]) == ("FINISHED", 1700000000000, "new")
    assert lab.show(run_id)["status"] == "Completed"
    lab.call("mlflow.update-run", {"run_id": run_id, "status": "RUNNING"})
    assert lab.show(run_id)["status"] == "Completed"
    assert lab.refused("mlflow.update-run", {"run_id": run_id, "status": "ODD"}).status == 400


def test_a_submitted_run_keeps_its_own_status(tmp_path):
    with Lab(tmp_path, "real") as lab:
        run_id = lab.start()
        before = lab.wait(run_id, "Preparing")["status"]
        lab.call("mlflow.update-run", {"run_id": run_id, "status": "FINISHED"})
        assert lab.show(run_id)["status"] == before
        assert fetch(lab, run_id)["info"]["status"] == "SCHEDULED"
        lab.call("run.cancel", experiment="digits", run=run_id)
        lab.wait(run_id)


def test_metrics_are_read_by_every_protocol(lab):
    run_id = create(lab)["info"]["run_id"]
    lab.call(
        "mlflow.log-metric", {"run_id": run_id, "key": "acc", "value": 0.5, "timestamp": 1700000000000, "step": "1"}
    )
    metrics = [{"key": "acc", "value": 0.75, "timestamp": "1700000001000", "step": 2}, {"key": "loss", "value": "NaN"}]
    lab.call("mlflow.log-batch", {"run_id": run_id, "metrics": metrics})
    last = entries(fetch(lab, run_id)["data"]["metrics"])
    assert last == {"acc": 0.75, "loss": "NaN"}
    history = lab.call("mlflow.history", None, {"run_id": run_id, "metric_key": "acc"}).body
    assert [(m["step"], m["value"], m["timestamp"]) for m in history["metrics"]] == [
        (1, 0.5, 1700000000000),
        (2, 0.75, 1700000001000),
    ]
    rows = lab.call("run.read-metric", {"metricName": "acc"}, run=run_id).body["value"]
    assert [(row["step"], row["data"]["acc"]) for row in rows] == [(1, 0.5), (2, 0.75)]


def test_metrics_without_steps_are_counted(lab):
    lab.record("r1")
    dto = {"name": "acc", "value": [{"data": {"acc": 1}}, {"data": {"acc": 2}}]}
    lab.call("run.write-metrics", {"values": [dto]}, run="r1")
    found = lab.call("mlflow.history", None, {"run_id": "r1", "metric_key": "acc", "max_results": "1"}).body
    more = {"run_id": "r1", "metric_key": "acc", "max_results": "1", "page_token": found["next_page_token"]}
    rest = lab.call("mlflow.history", None, more).body
    assert [(m["step"], m["value"]) for m in found["metrics"] + rest["metrics"]] == [(0, 1), (1, 2)]
    assert rest["next_page_token"] == ""


def test_parameters_are_written_once(lab):
    run_id = create(lab)["info"]["run_id"]
    lab.call("mlflow.log-parameter", {"run_id": run_id, "key": "lr", "value": "0.1"})
    lab.call(
        "mlflow.log-batch", {"run_id": run_id, "params": [{"key": "lr", "value": "0.1"}, {"key": "n", "value": "3"}]}
    )
    fault = lab.refused("mlflow.log-parameter", {"run_id": run_id, "key": "lr", "value": "0.2"})
    assert (fault.status, fault.code) == (400, "INVALID_PARAMETER_VALUE")
    assert entries(fetch(lab, run_id)["data"]["params"]) == {"lr": "0.1", "n": "3"}
    assert lab.show(run_id)["parameters"] == {"lr": "0.1", "n": "3"}


def test_tags_are_set_and_taken(lab):
    run_id = create(lab)["info"]["run_id"]
    lab.call("mlflow.set-tag", {"run_id": run_id, "key": "phase", "value": "dev"})
    lab.call("mlflow.set-tag", {"run_id": run_id, "key": "mlflow.runName", "value": "named"})
    assert entries(fetch(lab, run_id)["data"]["tags"]) == {"phase": "dev", "mlflow.runName": "named"}
    lab.call("mlflow.delete-tag", {"run_id": run_id, "key": "phase"})
    assert lab.show(run_id)["tags"] == {}
    assert lab.refused("mlflow.delete-tag", {"run_id": run_id, "key": "phase"}).status == 404


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("mlflow.log-metric", {"value": 1}),
        ("mlflow.log-metric", {"key": "a", "value": "many"}),
        ("mlflow.log-metric", {"key": "a", "value": 1, "timestamp": "noon"}),
        ("mlflow.log-batch", {"metrics": 3}),
        ("mlflow.log-batch", {"params": [{}]}),
        ("mlflow.set-tag", {"value": "x"}),
        ("mlflow.search-runs", {"filter": "odd", "experiment_ids": []}),
        ("mlflow.search-runs", {"run_view_type": "ODD", "experiment_ids": []}),
        ("mlflow.search-runs", {"max_results": -1, "experiment_ids": []}),
    ],
)
def test_what_cannot_be_read_is_a_400(lab, operation, body):
    run_id = create(lab)["info"]["run_id"]
    assert lab.refused(operation, {"run_id": run_id, **body}).status == 400


SEARCHES = [
    ("", ["b", "a"]),
    ("metrics.acc > 0.6", ["b"]),
    ("metrics.`acc` <= 0.6 and params.lr = '0.1'", ["a"]),
    ("params.lr != '0.1'", ["b"]),
    ('tags."my tag" = "x and y"', ["b"]),
    ("tags.none != 'x'", []),
    ("attributes.status = 'FINISHED'", ["a"]),
    ("status != 'FINISHED'", ["b"]),
    ("attributes.run_name = 'a'", ["a"]),
    ("start_time > 1700000000500", ["b"]),
]


@pytest.mark.parametrize(("text", "found"), SEARCHES)
def test_runs_are_searched(lab, text, found):
    for number, name in enumerate("ab"):
        run_id = create(lab, run_name=name, start_time=1700000000000 + 1000 * number)["info"]["run_id"]
        lab.call("mlflow.log-metric", {"run_id": run_id, "key": "acc", "value": 0.5 + number / 4})
        lab.call("mlflow.log-parameter", {"run_id": run_id, "key": "lr", "value": f"0.{number + 1}"})
        if name == "a":
            lab.call("mlflow.update-run", {"run_id": run_id, "status": "FINISHED"})
        else:
            lab.call("mlflow.set-tag", {"run_id": run_id, "key": "my tag", "value": "x and y"})
    body = {"experiment_ids": [lab.experiment()["experimentId"]], "filter": text}
    assert [run["info"]["run_name"] for run in lab.call("mlflow.search-runs", body).body["runs"]] == found


def test_a_search_has_order_and_pages(lab):
    for value in (2, 3, 1):
        run_id = create(lab, run_name=str(value))["info"]["run_id"]
        lab.call("mlflow.log-metric", {"run_id": run_id, "key": "acc", "value": value})
    body: dict[str, Any] = {"experiment_ids": [lab.experiment()["experimentId"]], "order_by": ["metrics.acc DESC"]}
    first = lab.call("mlflow.search-runs", {**body, "max_results": 2}).body
    rest = lab.call("mlflow.search-runs", {**body, "max_results": 2, "page_token": first["next_page_token"]}).body
    assert [run["info"]["run_name"] for run in first["runs"] + rest["runs"]] == ["3", "2", "1"]
    assert rest["next_page_token"] == ""


def test_files_are_written_listed_and_read(lab):
    run_id = create(lab)["info"]["run_id"]
    root = f"ExperimentRun/dcid.{run_id}"
    for path in ("model/MLmodel", "model/data/weights.bin", "notes.txt"):
        lab.call("mlflow.write-file", path=f"{root}/{path}", upload=path.encode())
    listed = lab.call("mlflow.artifacts", None, {"run_id": run_id}).body
    assert listed["root_uri"] == f"mlflow-artifacts:/{root}"
    assert [(f["path"], f["is_dir"]) for f in listed["files"]] == [("model", True), ("notes.txt", False)]
    below = lab.call("mlflow.artifacts", None, {"run_id": run_id, "path": "model"}).body["files"]
    assert [(f["path"], f.get("file_size")) for f in below] == [("model/MLmodel", 13), ("model/data", None)]
    by_name = lab.call("mlflow.list-files", None, {"path": f"{root}/model"}).body["files"]
    assert [f["path"] for f in by_name] == ["MLmodel", "data"]
    assert lab.call("mlflow.read-file", path=f"{root}/notes.txt").content == b"notes.txt"
    assert lab.refused("mlflow.read-file", path=f"{root}/none").status == 404
    found = lab.call("run.artifacts", experiment="digits", run=run_id).body["value"]
    assert [document["path"] for document in found] == ["model/MLmodel", "model/data/weights.bin", "notes.txt"]


@pytest.mark.parametrize(
    "path", ["Elsewhere/dcid.r/a", "ExperimentRun", "ExperimentRun/dcid.r", "ExperimentRun/dcid.r/../a"]
)
def test_a_file_outside_of_a_runs_container_is_refused(lab, path):
    assert lab.refused("mlflow.write-file", path=path, upload=b"x").status == 400


def test_files_of_a_run_that_goes_on_are_listed_too(lab):
    gate = lab.folder / "gate"
    script = """
    import pathlib, sys, time
    pathlib.Path("outputs").mkdir()
    pathlib.Path("outputs/a.txt").write_text("x")
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
    """
    run_id = lab.start(script, Arguments=[str(gate)])

    def folders() -> list[str]:
        return [f["path"] for f in lab.call("mlflow.artifacts", None, {"run_id": run_id}).body["files"]]

    assert lab.until(folders, lambda found: "outputs" in found) == ["outputs", "user_logs"]
    gate.touch()
    assert lab.wait(run_id)["status"] == "Completed"


def test_there_are_no_models_apart_from_runs(lab):
    assert lab.call("mlflow.search-models", {"experiment_ids": ["x"]}).body == {"models": [], "next_page_token": ""}


def test_every_operation_of_the_protocol_has_a_handler():
    assert {MLFLOW.operation_id(operation) for operation in MLFLOW.operations} <= set(HANDLERS)
