"""Signed links and the artifacts that they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azml_magics.emulator.handlers.links import artifact_at, link_to, storage_container
from tests.emulator.lab import Lab

WORKSPACE = "7d1f0c3e-1111-4a6b-9c11-0123456789ab"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def test_a_link_names_the_real_host_and_escapes_the_path(lab):
    link = link_to(lab.service, WORKSPACE, {"artifactId": "ExperimentRun/dcid.r/a b#c?.txt"})
    parts = urlsplit(link)
    assert parts.netloc == f"{lab.service.identity.storage_account}.blob.core.windows.net"
    assert parts.path == f"/azureml-{WORKSPACE}/ExperimentRun/dcid.r/a%20b%23c%3F.txt"
    assert "sig=" in parts.query


def test_a_path_leads_back_to_its_artifact():
    container = storage_container(WORKSPACE)
    assert artifact_at(container, "ExperimentRun/dcid.r/a/b") == (WORKSPACE, "ExperimentRun", "dcid.r", "a/b")


@pytest.mark.parametrize(
    ("container", "path"),
    [
        ("azureml", "ExperimentRun/dcid.r/a"),
        (f"azureml-blobstore-{WORKSPACE}", "ExperimentRun/dcid.r/a"),
        (f"azureml-{WORKSPACE}", "ExperimentRun/dcid.r"),
        (f"azureml-{WORKSPACE}", "ExperimentRun//a"),
    ],
)
def test_other_places_hold_no_artifacts(container, path):
    assert artifact_at(container, path) is None
