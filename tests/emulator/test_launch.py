"""What a run's process is started with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azml_magics.emulator.definition import Definition
from azml_magics.emulator.launch import Noted, command_line, prepare, variables
from azml_magics.emulator.runlog import LOG
from azml_magics.emulator.runner import Execution
from azml_magics.emulator.ticket import Place, Submission
from azml_magics.emulator.verdict import Trouble
from tests.emulator.lab import Lab, zipped

PYTHON = Path(sys.executable)
PATH = "/subscriptions/s-1/resourceGroups/g-1/providers/Microsoft.MachineLearningServices/workspaces/w-1"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def place(folder: Path) -> Place:
    return Place("id-1", PATH, "digits", "e-1", "r-1", folder / "run")


def test_a_script_runs_unbuffered_and_a_command_in_the_shell():
    scripted = Definition("local", script="a.py", arguments=("x", "1"))
    assert command_line(scripted, PYTHON) == [sys.executable, "-u", "a.py", "x", "1"]
    assert command_line(Definition("local", script="-c"), PYTHON)[-1] == "./-c"
    assert command_line(Definition("local", command="python a.py | cat"), PYTHON)[-1] == "python a.py | cat"


def test_only_listed_names_of_the_emulators_environment_are_passed_on(lab, monkeypatch):
    for name in ("AZURE_CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    found = variables(lab.service, place(lab.folder), Definition("local", script="a.py"), PYTHON)
    assert "hush" not in found.values()
    assert found["LC_CTYPE"] == "C.UTF-8"
    assert found["PATH"].split(":")[0] == str(PYTHON.parent)
    assert found["HOME"] == str(lab.folder / "run" / "home")


def test_the_run_is_told_where_it_belongs_and_the_definition_wins(lab):
    definition = Definition("local", script="a.py", seconds=60, variables={"MLFLOW_TRACKING_URI": "file:x"})
    found = variables(lab.service, place(lab.folder), definition, PYTHON)
    names = ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME")
    assert [found[name] for name in names] == ["s-1", "g-1", "w-1"]
    assert found["MLFLOW_TRACKING_URI"] == "file:x"
    claims = lab.service.identity.check(found["AZUREML_RUN_TOKEN"])
    assert claims["exp"] - claims["iat"] == 660
    assert abs(int(found["AZUREML_RUN_TOKEN_EXPIRY"]) - claims["exp"]) <= 1


def test_a_folder_is_laid_out_with_the_code_and_an_empty_home(lab):
    snapshot = lab.service.blobs.write([zipped({"a.py": "print(1)", "b/c.txt": "x"})])
    where = place(lab.folder)
    prepared = prepare(lab.service, Submission(Definition("local", script="a.py"), snapshot.digest, where))
    assert isinstance(prepared, Execution)
    assert sorted(p.relative_to(where.code).as_posix() for p in where.code.rglob("*")) == ["a.py", "b", "b/c.txt"]
    assert list(where.home.iterdir()) == []
    assert (prepared.cwd, prepared.log, prepared.folder) == (where.code, where.folder / LOG, where.supervisor)
    assert "TOKEN" not in repr(prepared)


def test_code_that_is_gone_is_trouble(lab):
    submission = Submission(Definition("local", script="a.py"), "0" * 64, place(lab.folder))
    prepared = prepare(lab.service, submission)
    assert isinstance(prepared, Trouble)
    assert "could not be unpacked" in prepared.message


def test_lines_of_others_are_marked_as_the_emulators(tmp_path):
    log = Noted(tmp_path)
    log.write("one\ntw")
    log.write("o\n")
    log.flush()
    assert (tmp_path / LOG).read_text(encoding="utf-8") == "[emulator] one\n[emulator] two\n"
