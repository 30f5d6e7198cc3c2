from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from azml_magics.emulator.progress import Effect, Progress
from azml_magics.emulator.service import Fault
from azml_magics.emulator.store import Store

SERVICE = cast(Any, object())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.sqlite")
    yield store
    store.close()


@pytest.fixture
def started(store: Store) -> Iterator[Callable[..., Progress]]:
    made: list[Progress] = []

    def start(tempo: str = "at-once", **effects: Effect) -> Progress:
        progress = Progress(store, tempo)
        progress.bind(SERVICE, effects)
        progress.start()
        made.append(progress)
        return progress

    yield start
    for progress in made:
        progress.close()


def ended(progress: Progress, operation_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while (operation := progress.status(operation_id) or {})["status"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return operation


def test_an_operation_succeeds_after_its_effect_was_applied(started):
    seen: list[Any] = []
    progress = started(note=lambda service, arguments: seen.append((service, arguments)))
    operation = ended(progress, progress.begin("compute", "note", {"key": "a"}))
    assert operation["status"] == "Succeeded"
    assert operation["error"] is None
    assert seen == [(SERVICE, {"key": "a"})]


def test_an_operation_is_in_progress_while_its_effect_is_being_applied(started):
    begun, go_on = threading.Event(), threading.Event()

    def wait(service, arguments):
        begun.set()
        assert go_on.wait(10)

    progress = started(wait=wait)
    operation_id = progress.begin("workspace", "wait", {})
    assert begun.wait(10)
    assert progress.status(operation_id)["status"] == "InProgress"
    go_on.set()
    assert ended(progress, operation_id)["status"] == "Succeeded"


def test_an_operation_begun_with_an_error_ends_failed_after_its_effect(started):
    seen: list[Any] = []
    progress = started(note=lambda service, arguments: seen.append(arguments))
    error = {"code": "ValidationError", "message": "no vault", "details": []}
    operation = ended(progress, progress.begin("workspace", "note", {"key": "w"}, error=error))
    assert (operation["status"], operation["error"]) == ("Failed", error)
    assert seen == [{"key": "w"}]


def test_a_fault_in_an_effect_is_the_error_of_the_operation(started):
    def refuse(service, arguments):
        raise Fault(409, "Conflict", "somebody was first", details=[{"code": "a", "message": "b"}])

    progress = started(refuse=refuse)
    operation = ended(progress, progress.begin("compute", "refuse", {}))
    expected = {"code": "Conflict", "message": "somebody was first", "details": [{"code": "a", "message": "b"}]}
    assert (operation["status"], operation["error"]) == ("Failed", expected)


def test_a_broken_effect_fails_its_operation_and_not_the_next_one(started, caplog):
    def broken(service, arguments):
        raise ZeroDivisionError

    progress = started(broken=broken, fine=lambda service, arguments: None)
    first, second = progress.begin("compute", "broken", {}), progress.begin("compute", "fine", {})
    assert ended(progress, first)["error"]["code"] == "InternalServerError"
    assert ended(progress, second)["status"] == "Succeeded"
    assert "effect broken failed" in caplog.text


def test_an_effect_that_nobody_knows_fails_its_operation(started):
    progress = started()
    assert ended(progress, progress.begin("compute", "unheard-of", {}))["error"]["code"] == "NotEmulated"


def test_what_was_under_way_goes_on_after_a_restart(store, started):
    first = Progress(store)
    operation_ids = [first.begin("compute", "note", {"n": n}) for n in range(3)]
    first.close()
    seen: list[int] = []
    second = started(note=lambda service, arguments: seen.append(arguments["n"]))
    assert [ended(second, operation_id)["status"] for operation_id in operation_ids] == ["Succeeded"] * 3
    assert sorted(seen) == [0, 1, 2]


def test_what_is_not_due_waits_behind_what_is(started):
    seen: list[str] = []
    progress = started(note=lambda service, arguments: seen.append(arguments["name"]))
    later = progress.begin("compute", "note", {"name": "later"}, 3600)
    ended(progress, progress.begin("compute", "note", {"name": "now"}))
    assert seen == ["now"]
    assert progress.status(later)["status"] == "InProgress"


def test_operations_end_in_the_order_in_which_they_are_due(started):
    seen: list[str] = []
    progress = started(note=lambda service, arguments: seen.append(arguments["name"]))
    last = progress.begin("compute", "note", {"name": "second"}, 0.1)
    progress.begin("compute", "note", {"name": "first"}, 0.05)
    ended(progress, last)
    assert seen == ["first", "second"]


def test_a_second_effect_does_not_come_of_what_was_queued_twice(store, started):
    seen: list[int] = []
    progress = Progress(store)
    progress.bind(SERVICE, {"note": lambda service, arguments: seen.append(1)})
    operation_id = progress.begin("compute", "note", {})
    progress.start()  # reads the same operation from the store
    assert ended(progress, operation_id)["status"] == "Succeeded"
    ended(progress, progress.begin("compute", "note", {}))
    progress.close()
    assert len(seen) == 2


def test_ids_have_the_form_of_their_kind(started):
    progress = started(note=lambda service, arguments: None)
    assert len(progress.begin("compute", "note", {})) == 36
    assert len(progress.begin("workspace", "note", {})) == 43


def test_an_unknown_id_has_no_status(started):
    assert started().status("nobody") is None


@pytest.mark.parametrize(("tempo", "least", "most"), [("at-once", 0, 0), ("demo", 1, 3), ("real", 20, 60)])
def test_a_tempo_says_how_long_things_take(store, tempo, least, most):
    progress = Progress(store, tempo)
    for what in ("compute.create", "workspace.delete", "something else"):
        assert least <= progress.seconds(what) <= most


def test_polling_is_asked_for_less_often_when_things_take_longer(store):
    pauses = [Progress(store, tempo).pause_milliseconds for tempo in ("at-once", "demo", "real")]
    assert pauses == sorted(pauses)
    assert pauses[0] > 0  # 0 costs an official client 30 seconds


def test_a_tempo_that_is_none_is_refused(store):
    with pytest.raises(ValueError, match="at-once, demo, real"):
        Progress(store, "fast")
