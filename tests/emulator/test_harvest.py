"""What a run's folder holds as artifacts, and what becomes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from azml_magics.emulator import harvest
from azml_magics.emulator.runlog import LOG
from tests.emulator.lab import Lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (LOG, "code/outputs/a.txt", "code/outputs/b/c.txt", "code/logs/own.log", "code/hello.py", "home/x"):
        file = tmp_path / "run" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    return tmp_path / "run"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def test_logs_and_outputs_are_artifacts_and_nothing_else(folder):
    assert list(harvest.live_files(folder)) == ["logs/own.log", "outputs/a.txt", "outputs/b/c.txt", LOG]


def test_only_the_folders_that_may_match_are_walked(folder):
    assert list(harvest.live_files(folder, "outputs/b")) == ["outputs/b/c.txt"]
    assert list(harvest.live_files(folder, "o")) == ["outputs/a.txt", "outputs/b/c.txt"]
    assert list(harvest.live_files(folder, "outputs_")) == []


def test_folders_that_a_sudden_end_left_are_removed(lab):
    for name in ("kept", "left"):
        (lab.service.data / "runs" / name).mkdir(parents=True)
    harvest.clear_others(lab.service, [{"runUuid": "kept"}])
    assert [folder.name for folder in (lab.service.data / "runs").iterdir()] == ["kept"]


def test_one_file_is_found_by_its_path(folder):
    found = harvest.live_file(folder, "outputs/b/c.txt")
    assert found is not None
    assert found.read_text(encoding="utf-8") == "code/outputs/b/c.txt"


@pytest.mark.parametrize(
    "path", ["outputs", "outputs/", "outputs/b", "code/hello.py", "outputs/../hello.py", "/etc/passwd", "home/x", ""]
)
def test_what_is_no_artifact_is_not_found(folder, path):
    assert harvest.live_file(folder, path) is None


def test_links_are_not_followed_wherever_they_are(folder, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("hush", encoding="utf-8")
    (folder / "code" / "outputs" / "there").symlink_to(tmp_path / "secret")
    (folder / "code" / "outputs" / "key").symlink_to(tmp_path / "secret" / "key")
    (folder / "code" / "logs" / "own.log").unlink()
    (folder / "code" / "logs").rmdir()
    (folder / "code" / "logs").symlink_to(tmp_path / "secret")
    assert list(harvest.live_files(folder)) == ["outputs/a.txt", "outputs/b/c.txt", LOG]
    for path in ("outputs/there/key", "outputs/key", "logs/key"):
        assert harvest.live_file(folder, path) is None


def test_pipes_and_names_that_are_no_text_are_passed_over(folder):
    os.mkfifo(folder / "code" / "outputs" / "pipe")
    (folder / "code" / "outputs" / os.fsdecode(b"\xff")).touch()
    assert list(harvest.live_files(folder)) == ["logs/own.log", "outputs/a.txt", "outputs/b/c.txt", LOG]


def test_what_is_collected_outlives_the_folder(lab, folder):
    run = {"runId": "r1", "runUuid": "r1"}
    target = lab.service.data / "runs" / "r1"
    target.parent.mkdir(exist_ok=True)
    folder.rename(target)
    harvest.collect(lab.service, "ws", run)
    found = harvest.of_container(lab.service, "ws", "ExperimentRun", "dcid.r1")
    assert [document["path"] for document in found] == ["logs/own.log", "outputs/a.txt", "outputs/b/c.txt", LOG]
    harvest.clear(lab.service, run)
    assert not target.exists()
    file = harvest.opened(lab.service, "ws", found[1])
    assert file is not None
    with file:
        assert file.read() == b"code/outputs/a.txt"


def test_a_live_file_that_has_just_become_a_blob_is_read_from_there(lab, tmp_path):
    blob = lab.service.blobs.write([b"kept"])
    document = harvest.file_artifact(lab.service, "ws", ("ExperimentRun", "dcid.r", "outputs/a"), blob, "now")
    live = {**document, "_source": {"file": str(tmp_path / "gone")}}
    file = harvest.opened(lab.service, "ws", live)
    assert file is not None
    with file:
        assert file.read() == b"kept"


def test_a_live_file_that_is_gone_for_good_is_nothing(lab, tmp_path):
    live = {"artifactId": "ExperimentRun/dcid.r/outputs/a", "_source": {"file": str(tmp_path / "gone")}}
    assert harvest.opened(lab.service, "ws", live) is None


def test_a_container_is_listed_by_the_beginning_of_paths(lab):
    blob = lab.service.blobs.write([b"x"])
    for path in ("outputs/a", "outputs/b", "logs/c"):
        harvest.file_artifact(lab.service, "ws", ("LocalUpload", "c", path), blob, "now")
    found = harvest.of_container(lab.service, "ws", "LocalUpload", "c", "outputs/")
    assert [document["artifactId"] for document in found] == ["LocalUpload/c/outputs/a", "LocalUpload/c/outputs/b"]
    assert harvest.of_container(lab.service, "other", "LocalUpload", "c") == []
