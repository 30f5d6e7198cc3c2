"""Starting runs: everything that can be wrong is told before a run exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.lab import Lab, definition, zipped


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, "real") as lab:
        yield lab


def send(lab: Lab, described: bytes, code: bytes, **query: str):
    parts = {"runDefinitionFile": ("runDefinition.json", described), "projectZipFile": ("train.zip", code)}
    return lab.call("run.start", None, query, parts=parts, experiment="digits")


def refusal(lab: Lab, described: bytes, code: bytes, **query: str):
    parts = {"runDefinitionFile": ("runDefinition.json", described), "projectZipFile": ("train.zip", code)}
    return lab.refused("run.start", None, query, parts=parts, experiment="digits")


CODE = zipped({"hello.py": "print('Hello')"})


def test_an_id_is_made_as_in_the_articles_sample(lab):
    run_id = send(lab, definition(), CODE).body["runId"]
    assert re.fullmatch(r"digits_\d{13}", run_id)
    run = lab.show(run_id)
    assert run["status"] in ("NotStarted", "Preparing")
    assert (run["runType"], run["target"], run["scriptName"]) == ("azureml.scriptrun", "cpu-compute", "hello.py")


def test_ids_made_in_the_same_millisecond_differ(lab):
    assert len({send(lab, definition(), CODE).body["runId"] for _ in range(5)}) == 5


def test_a_repeated_submission_answers_with_the_same_run(lab):
    assert send(lab, definition(), CODE, runId="mine").body == {"runId": "mine"}
    before = lab.show("mine")
    assert send(lab, definition(Arguments=["other"]), CODE, runid="mine").body == {"runId": "mine"}
    assert lab.show("mine")["createdUtc"] == before["createdUtc"]
    parts = {"runDefinitionFile": ("d.json", definition()), "projectZipFile": ("p.zip", CODE)}
    assert lab.refused("run.start", None, {"runId": "mine"}, parts=parts, experiment="other").status == 409


def test_the_experiment_is_made_when_there_is_none(lab):
    run_id = send(lab, definition(), CODE).body["runId"]
    experiment = lab.call("experiment.show", experiment="digits").body
    assert (experiment["experimentId"], experiment["latestCreatedRunId"]) == (lab.show(run_id)["experimentId"], run_id)


@pytest.mark.parametrize(
    "parts",
    [
        {"RUNDEFINITIONFILE": ("a", definition()), "ProjectZipFile": ("b", CODE)},
        {"files": ("definition.json", definition()), "more": ("project.zip", CODE)},
    ],
)
def test_parts_go_by_their_names_in_any_case_or_by_their_files(lab, parts):
    assert lab.call("run.start", parts=parts, experiment="digits").body["runId"]


@pytest.mark.parametrize(
    ("parts", "missing"),
    [
        ({"projectZipFile": ("a.zip", CODE)}, "runDefinitionFile"),
        ({"runDefinitionFile": ("a.json", definition())}, "projectZipFile"),
    ],
)
def test_a_missing_part_is_named(lab, parts, missing):
    fault = lab.refused("run.start", parts=parts, experiment="digits")
    assert (fault.status, missing in fault.message) == (400, True)


@pytest.mark.parametrize(
    ("described", "code", "text"),
    [
        (b"{", CODE, "not JSON"),
        (b"{}", CODE, "no Configuration"),
        (definition(Script=""), CODE, "Script is missing"),
        (definition(Script="other.py"), CODE, "'other.py' is not in the root of the zip"),
        (definition(), zipped({"train/hello.py": ""}), "zip what is in the folder, not the folder"),
        (definition(), b"no zip", "not a zip archive"),
        (definition(Target="gpu"), CODE, "'gpu'.* does not exist"),
        (definition(NodeCount=5), CODE, "has at most 4"),
        (definition(NodeCount=0), CODE, "NodeCount"),
        (definition(MaxRunDurationSeconds=0), CODE, "MaxRunDurationSeconds"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(lab, described, code, text):
    fault = refusal(lab, described, code)
    assert (fault.status, fault.code) == (400, "UserError")
    assert re.search(text, fault.message)
    assert lab.service.store.count("run") == 0
    assert lab.service.store.count("experiment") == 0


@pytest.mark.parametrize("run_id", ["-x", "a b", "ü", "x" * 257])
def test_a_bad_run_id_is_refused(lab, run_id):
    assert refusal(lab, definition(), CODE, runId=run_id).status == 400


def test_a_bad_experiment_name_is_refused(lab):
    parts = {"runDefinitionFile": ("d.json", definition()), "projectZipFile": ("p.zip", CODE)}
    assert lab.refused("run.start", parts=parts, experiment="no name").status == 400


def test_a_target_goes_by_its_name_in_any_case(lab):
    assert send(lab, definition(Target="CPU-Compute"), CODE).body["runId"]


def test_a_zip_that_would_write_elsewhere_fails_the_run(tmp_path):
    with Lab(tmp_path) as lab:
        run_id = send(lab, definition(), zipped({"hello.py": "", "../out.py": ""})).body["runId"]
        run = lab.wait(run_id)
        assert run["status"] == "Failed"
        assert "could not be unpacked" in run["error"]["error"]["message"]


def test_cancel_answers_with_the_runs_id(lab):
    run_id = send(lab, definition(), CODE).body["runId"]
    assert lab.call("run.cancel", experiment="digits", run=run_id).body == {"runId": run_id}
    assert lab.wait(run_id)["status"] == "Canceled"
    assert lab.refused("run.cancel", experiment="digits", run="nobody").status == 404


def test_camel_case_definitions_are_taken(lab):
    described = {"configuration": {"script": "hello.py", "target": "local", "arguments": [1, 2.5]}, "SnapshotId": None}
    run_id = send(lab, json.dumps(described).encode(), CODE).body["runId"]
    assert lab.show(run_id)["runDefinition"]["arguments"] == ["1", "2.5"]
