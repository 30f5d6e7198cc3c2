"""Artifacts: written, listed, linked and read by `{origin}/{container}/{path}`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


PLACE = {"origin": "LocalUpload", "container": "c1"}


def put(lab: Lab, path: str, content: bytes = b"hello", **query: str):
    return lab.call("artifact.upload", None, {"path": path, **query}, upload=content, **PLACE)


def test_what_was_written_is_read(lab):
    document = put(lab, "a/b.txt").body
    assert (document["artifactId"], document["path"], document["size"]) == ("LocalUpload/c1/a/b.txt", "a/b.txt", 5)
    assert document["dataPath"]["relativePath"] == "LocalUpload/c1/a/b.txt"
    assert not [name for name in document if name.startswith("_")]
    read = lab.call("artifact.content", None, {"path": "a/b.txt"}, **PLACE)
    assert (read.content, read.headers["Content-Length"]) == (b"hello", "5")
    assert lab.call("artifact.metadata", None, {"path": "a/b.txt"}, **PLACE).body == document


def test_paths_may_stand_in_the_address_too(lab):
    lab.call("artifact.upload", path="x.txt", upload=b"1", **PLACE)
    assert lab.call("artifact.content", path="x.txt", **PLACE).content == b"1"


def test_a_file_is_not_overwritten_unless_that_is_asked_for(lab):
    put(lab, "a", b"1")
    fault = lab.refused("artifact.upload", None, {"path": "a"}, upload=b"2", **PLACE)
    assert (fault.status, fault.code) == (409, "UserError")
    put(lab, "a", b"2", allowOverwrite="true")
    put(lab, "a", b"3", append="True")
    assert lab.call("artifact.content", None, {"path": "a"}, **PLACE).content == b"23"


@pytest.mark.parametrize("path", ["", "../a", "a/../b", "a//b", "a\\b", "./a"])
def test_a_path_that_is_none_is_refused(lab, path):
    assert lab.refused("artifact.upload", None, {"path": path}, upload=b"x", **PLACE).status == 400


def test_what_is_not_there_is_a_404(lab):
    for operation in ("artifact.content", "artifact.metadata", "artifact.link"):
        fault = lab.refused(operation, None, {"path": "nothing"}, **PLACE)
        assert (fault.status, fault.inner) == (404, "NotFoundError")


def test_a_container_is_listed_by_path_in_pages(lab):
    for number in range(103):
        put(lab, f"many/{number:03}")
    put(lab, "one")
    first = lab.call("artifact.list", None, {"path": "many/"}, **PLACE).body
    assert (len(first["value"]), first["value"][0]["path"]) == (100, "many/000")
    query = {"path": "many/", "continuationToken": first["continuationToken"]}
    rest = lab.call("artifact.list", None, query, **PLACE).body
    assert ([d["path"] for d in rest["value"]], rest["continuationToken"]) == (
        ["many/100", "many/101", "many/102"],
        None,
    )
    assert lab.call("artifact.list", origin="LocalUpload", container="empty").body["value"] == []


def test_links_lead_to_the_content(lab):
    put(lab, "a b/ü.txt", "grüße".encode())
    single = lab.call("artifact.link", None, {"path": "a b/ü.txt"}, **PLACE).body
    assert {k: single[k] for k in ("origin", "container", "path")} == {**PLACE, "path": "a b/ü.txt"}
    assert lab.get(single["contentUri"]).decode() == "grüße"
    several = lab.call("artifact.links", None, {"path": "a"}, **PLACE).body["value"]
    assert [entry["path"] for entry in several] == ["a b/ü.txt"]
    assert lab.get(several[0]["contentUri"]).decode() == "grüße"
    assert lab.call("artifact.links", None, {"path": "nothing"}, **PLACE).body["value"] == []


def test_a_runs_files_are_listed_under_the_run(lab):
    lab.record("r1")
    where = {"origin": "ExperimentRun", "container": "dcid.r1"}
    for path in ("outputs/a", "outputs/b"):
        lab.call("artifact.upload", None, {"path": path}, upload=b"x", **where)
    keys = {"experiment": "digits", "run": "r1"}
    assert [d["path"] for d in lab.call("run.artifacts", **keys).body["value"]] == ["outputs/a", "outputs/b"]
    assert len(lab.call("run.artifact-metadata", **keys).body["value"]) == 2
    assert lab.call("run.artifact-metadata", None, {"path": "outputs/a"}, **keys).body["path"] == "outputs/a"
    assert lab.refused("run.artifact-metadata", None, {"path": "outputs/c"}, **keys).status == 404
    assert lab.refused("run.artifacts", experiment="digits", run="r2").status == 404
