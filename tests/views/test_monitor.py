"""The monitor's Python side, with no kernel and no browser: what it sends, when it stops, what it leaves."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from azml_magics.errors import NotFoundError, ThrottledError, TransportError
from azml_magics.views.monitor import RunMonitor
from azml_magics.views.snapshot import Metric, Snapshot
from azml_magics.views.stage import Stage

WIDGET = "application/vnd.jupyter.widget-view+json"
NOW = datetime(2026, 3, 4, 10, 0, 0, tzinfo=UTC)


class Service:
    """What a monitor fetches from: the test says how the run is, or what goes wrong."""

    def __init__(self, status="Running", **also):
        self.answer, self.error, self.calls, self.threads = Snapshot("r1", status=status, **also), None, 0, []

    def __call__(self):
        self.calls += 1
        self.threads.append(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        return self.answer


class Kernel:
    """A stage's other side: what was published, and which cell runs."""

    def __init__(self):
        self.outputs, self.parent = [], {}
        self.stage = Stage(self.publish, lambda: self.parent)

    def publish(self, bundle, display_id, *, update):
        self.outputs.append((bundle, display_id, update))

    def run_cell(self, cell, execution):
        self.parent = {"header": {"msg_id": execution}, "metadata": {"cellId": cell}}
        self.stage.begin_cell()
        self.stage.end_cell()


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.stage.close()


class Recorded(RunMonitor):
    """A monitor that keeps what it would send to the page."""

    def __init__(self, *args, **kwargs):
        self.sent = []
        super().__init__(*args, **kwargs)

    def _send(self, message, buffers=None):
        if self.comm is not None:  # the state at the beginning goes with the comm's opening
            self.sent.append(message["state"])


def until(fact, seconds=5.0):
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def say(monitor, kind):
    """A message from the page."""
    monitor._handle_custom_msg({"kind": kind}, [])


def test_importing_the_views_imports_no_widget_library():
    code = "import sys, azml_magics.views, azml_magics.views.html, azml_magics.views.stage; "
    code += "print([name for name in ('ipywidgets', 'anywidget', 'IPython', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_that_does_not_exist_fails_where_it_is_asked_for():
    service = Service()
    service.error = NotFoundError("no run r1", status=404, code="NotFound")
    with pytest.raises(NotFoundError):
        RunMonitor(service)


def test_without_a_kernel_there_is_text_and_no_thread():
    service = Service(experiment="digits")
    monitor = RunMonitor(service)
    monitor.show()
    monitor.start()
    data, _ = monitor._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}
    assert "digits" in data["text/plain"]
    assert not monitor.live
    assert service.calls == 1
    assert not hasattr(monitor, "_ipython_display_")


def test_the_first_output_has_widget_html_and_text_together(kernel):
    monitor = RunMonitor(Service(), 60, stage=kernel.stage)
    monitor._ipython_display_()
    ((bundle, display_id, update),) = kernel.outputs
    assert set(bundle) == {WIDGET, "text/html", "text/plain"}
    assert bundle[WIDGET]["model_id"] == monitor.model_id
    assert display_id
    assert not update


def test_it_fetches_on_the_pollers_thread_and_ends_with_the_run(kernel):
    service = Service()
    monitor = RunMonitor(service, 0.05, stage=kernel.stage)
    monitor.show()
    until(lambda: service.calls >= 3)
    service.answer = Snapshot("r1", status="Completed", log="bye")
    until(lambda: len(kernel.outputs) == 2)
    bundle, display_id, update = kernel.outputs[1]
    assert set(bundle) == {"text/html", "text/plain"}
    assert "Completed" in bundle["text/plain"]
    assert "bye" in bundle["text/html"]
    assert display_id == kernel.outputs[0][1]
    assert update
    assert set(service.threads[1:]) == {"azml-poller"}
    until(lambda: not kernel.stage.poller.keys())
    assert kernel.stage.views() == []


def test_shown_again_after_the_end_it_is_its_static_face(kernel):
    monitor = RunMonitor(Service("Failed", reason="boom"), stage=kernel.stage)
    monitor.show()
    data, _ = monitor._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}
    assert "boom" in data["text/plain"]
    assert repr(monitor) == "<RunMonitor 'r1': Failed>"


def test_a_run_that_is_over_is_never_polled(kernel):
    service = Service("Canceled")
    RunMonitor(service, 0.01, stage=kernel.stage).show()
    assert kernel.stage.poller.keys() == []
    assert all(WIDGET not in bundle for bundle, _, _ in kernel.outputs)
    assert service.calls == 1


def test_only_what_changed_is_sent_in_one_message(kernel):
    service = Service(log="one", metrics=(Metric("loss", 1.0, 0, 1),))
    monitor = Recorded(service, 60, stage=kernel.stage)
    monitor._turn()
    service.answer = replace(service.answer, log="one\ntwo")
    monitor._turn()
    assert [set(state) for state in monitor.sent] == [{"pulse"}, {"pulse", "log"}]


def test_the_state_is_json_and_small_whatever_the_run_holds():
    metrics = tuple(Metric(f"m{n}" * 500, float("nan"), n, n) for n in range(1_000))
    service = Service(log="x" * 10**6, reason="y" * 10**6, display_name="z" * 10**5, metrics=metrics)
    monitor = RunMonitor(service)
    state = {name: value for name, value in monitor.get_state().items() if not name.startswith("_")}
    text = json.dumps({name: state[name] for name in ("run", "state", "log", "metrics", "pulse")}, allow_nan=False)
    assert len(text) < 70_000
    assert len(state["log"]) <= 8_000


def test_errors_stand_in_the_view_and_the_wait_doubles(kernel):
    service = Service()
    monitor = RunMonitor(service, 2.0, stage=kernel.stage)
    service.error = TransportError("no answer", "check the network")
    assert [monitor._turn() for _ in range(3)] == [4.0, 8.0, 16.0]
    assert monitor.error == "no answer -> check the network"
    assert monitor.pulse["next"] == 16.0
    service.error = None
    assert monitor._turn() == 2.0
    assert monitor.error == ""


def test_retry_after_is_honoured(kernel):
    service = Service()
    monitor = RunMonitor(service, 2.0, stage=kernel.stage)
    service.error = ThrottledError("slow down", status=429, code="TooManyRequests")
    service.error.retry_after = 45
    assert monitor._turn() == 45.0


def test_a_bug_in_fetch_is_shown_too(kernel):
    service = Service()
    monitor = RunMonitor(service, 2.0, stage=kernel.stage)
    service.error = KeyError("properties\x1b[2J")
    assert monitor._turn() == 4.0
    assert monitor.error == "KeyError: 'properties\\x1b[2J'"


def test_the_last_picture_stays_while_the_service_fails(kernel):
    service = Service(log="so far")
    monitor = RunMonitor(service, 2.0, stage=kernel.stage)
    service.error = TransportError("gone")
    monitor._turn()
    assert monitor.log == "so far"
    assert monitor.snapshot.status == "Running"


def test_pause_and_resume(kernel):
    service = Service()
    monitor = RunMonitor(service, 0.05, stage=kernel.stage)
    monitor.show()
    until(lambda: service.calls >= 2)
    say(monitor, "pause")
    assert not monitor.live
    assert kernel.stage.poller.keys() == []
    say(monitor, "seen")
    assert not monitor.live
    say(monitor, "resume")
    calls = service.calls
    until(lambda: service.calls > calls)


def test_a_page_that_draws_it_without_a_cell_starts_it(kernel):
    service = Service()
    monitor = RunMonitor(service, 0.02, stage=kernel.stage)
    say(monitor, "seen")
    until(lambda: service.calls >= 3)
    service.answer = Snapshot("r1", status="Completed")
    until(lambda: not monitor.live)
    assert kernel.outputs == []
    assert monitor.state["status"] == "Completed"
    assert monitor.comm is not None


def test_cancel_is_sent_on_the_pollers_thread_and_the_run_is_looked_at_at_once(kernel):
    service, asked = Service(), []

    def cancel():
        asked.append(threading.current_thread().name)
        service.answer = Snapshot("r1", status="Canceled")

    monitor = RunMonitor(service, 60, cancel, stage=kernel.stage)
    monitor.show()
    say(monitor, "cancel")
    until(lambda: len(kernel.outputs) == 2)
    assert asked == ["azml-poller"]
    assert "Canceled" in kernel.outputs[1][0]["text/plain"]


def test_a_refused_cancel_is_told_and_can_be_tried_again(kernel):
    def cancel():
        raise NotFoundError("no such run", status=404, code="NotFound")

    monitor = RunMonitor(Service(), 60, cancel, stage=kernel.stage)
    monitor.show()
    say(monitor, "cancel")
    until(lambda: monitor.notice)
    assert monitor.notice == "Not canceled: NotFound (404): no such run"
    assert monitor.canceling == ""


def test_without_a_cancel_there_is_no_button_and_no_effect(kernel):
    monitor = RunMonitor(Service(), 60, stage=kernel.stage)
    say(monitor, "cancel")
    assert not monitor.cancelable
    assert monitor.canceling == ""


@pytest.mark.parametrize("content", [None, [], "pause", {"kind": ["pause"]}, {}])
def test_messages_that_mean_nothing_are_ignored(kernel, content):
    monitor = RunMonitor(Service(), 60, stage=kernel.stage)
    monitor.show()
    monitor._handle_custom_msg(content, [])
    assert monitor.live


def test_running_the_cell_again_closes_the_older_view(kernel):
    kernel.run_cell("c1", "first")
    monitor = RunMonitor(Service(), 60, stage=kernel.stage)
    monitor.show()
    kernel.run_cell("c2", "second")
    assert monitor.live
    kernel.run_cell("c1", "third")
    assert not monitor.live
    assert monitor.comm is None
    assert kernel.stage.views() == []
    assert set(kernel.outputs[-1][0]) == {"text/html", "text/plain"}


def test_two_views_of_one_cell_stand_side_by_side(kernel):
    kernel.run_cell("c1", "first")
    monitors = [RunMonitor(Service(), 60, stage=kernel.stage) for _ in range(2)]
    for monitor in monitors:
        monitor.show()
    assert kernel.stage.views() == monitors


def test_a_front_end_that_names_no_cell_keeps_its_views(kernel):
    kernel.parent = {}
    monitor = RunMonitor(Service(), 60, stage=kernel.stage)
    monitor.show()
    kernel.stage.begin_cell()
    assert monitor.live
    kernel.stage.close()
    assert not monitor.live


def test_closing_during_a_fetch_publishes_nothing_afterwards(kernel):
    entered, go_on = threading.Event(), threading.Event()
    service = Service()
    monitor = RunMonitor(service, 0.01, stage=kernel.stage)

    def slow():
        entered.set()
        assert go_on.wait(5)
        return Snapshot("r1", status="Completed")

    monitor._fetch = slow
    monitor.show()
    assert entered.wait(5)
    monitor.close()
    published = len(kernel.outputs)
    go_on.set()
    done = threading.Event()
    kernel.stage.poller.add("after", done.set)
    assert done.wait(5)
    assert len(kernel.outputs) == published


def test_a_busy_kernel_is_known_between_begin_and_end(kernel):
    kernel.stage.begin_cell()
    assert kernel.stage.busy
    kernel.stage.end_cell()
    assert not kernel.stage.busy


def test_the_clock_is_the_services_where_it_is_known():
    known = RunMonitor(Service(as_of=NOW))
    assert known.pulse["now"] == NOW.timestamp()
    unknown = RunMonitor(Service())
    assert abs(unknown.pulse["now"] - time.time()) < 60
    assert "As of" in unknown._repr_mimebundle_()[0]["text/plain"]
