"""A run's end is written down once, and a second time changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from azml_magics.emulator.conclusion import conclude
from azml_magics.emulator.runner import Outcome
from azml_magics.emulator.ticket import submission_of, ticket_of, under_way
from azml_magics.emulator.verdict import Trouble
from tests.emulator.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, "real") as lab:
        yield lab
        for run in under_way(lab.service):
            lab.service.dispatcher.cancel(f"{lab.workspace_id}/{run['runId']}")


def ticket(lab: Lab):
    run_id = lab.start(EnvironmentVariables={"API_KEY": "hush"})
    lab.wait(run_id, "Preparing")  # at this tempo nobody touches it for long
    key = f"{lab.workspace_id}/{run_id}"
    submission = submission_of(lab.service, key)
    assert submission is not None
    return ticket_of(key, submission, 0), submission.place.folder


def test_it_ends_when_its_process_ended(lab):
    found, folder = ticket(lab)
    (folder / "code" / "outputs").mkdir(parents=True)
    (folder / "code" / "outputs" / "a").write_text("x", encoding="utf-8")
    found.outcome = Outcome(0, "exited", 1.0, 1700000000.0)
    conclude(lab.service, found)
    run = lab.show(found.run_id)
    assert (run["status"], run["endTimeUtc"]) == ("Completed", "2023-11-14T22:13:20.0000000+00:00")
    assert not folder.exists()
    conclude(lab.service, found)
    assert lab.show(found.run_id)["status"] == "Completed"
    listed = lab.call("run.artifacts", experiment="digits", run=found.run_id).body["value"]
    assert [document["path"] for document in listed] == ["outputs/a"]
    assert "hush" not in str(lab.service.store.get("definition", found.key))


def test_trouble_is_its_error_and_stands_in_its_log(lab):
    found, _ = ticket(lab)
    found.trouble = Trouble("It cannot be.")
    conclude(lab.service, found)
    run = lab.show(found.run_id)
    assert (run["status"], run["error"]["error"]["message"]) == ("Failed", "It cannot be.")
    assert lab.log(found.run_id) == "[emulator] It cannot be.\n"


def test_who_asked_it_to_stop_gets_no_error(lab):
    found, _ = ticket(lab)
    found.cancelled, found.outcome = True, Outcome(-15, "stopped", 1.0, 2.0)
    conclude(lab.service, found)
    run = lab.show(found.run_id)
    assert (run["status"], run["error"]) == ("Canceled", None)


def test_a_run_that_is_gone_is_left_alone(lab):
    found, _ = ticket(lab)
    lab.service.store.delete("run", found.key)
    conclude(lab.service, found)
    assert lab.service.store.get("run", found.key) is None
