"""Live names for a Tab: from memory, never waiting long, never raising."""

import threading
import time

from azml_magics.settings import Settings
from azml_magics.subcommands.names import PATIENCE_SECONDS, Names
from azml_magics.subcommands.state import State
from tests.conftest import World


def test_names_of_the_emulator(in_process: World):
    in_process.azml("experiment create completed")
    names = in_process.state.names
    names.of("experiment")
    for thread in threading.enumerate():
        if thread.name.startswith("azml-names"):
            thread.join()
    assert "completed" in names.of("experiment")
    assert names.of("compute") in ([], ["cpu-compute"])
    assert "poll_seconds" in names.of("setting")
    assert names.of("no-such-noun") == []


def test_without_a_login_there_are_none(tmp_path):
    assert State(Settings(environment={}, cwd=tmp_path, home=tmp_path)).names.of("run") == []


class Slow:
    """A state whose service takes its time, then fails."""

    logged_in = True

    def __init__(self) -> None:
        self.asked = 0
        self.go = threading.Event()

    @property
    def session(self):
        self.asked += 1
        self.go.wait()
        raise RuntimeError("broken")


def test_a_slow_service_is_waited_for_no_longer_than_a_third_of_a_second_and_asked_once():
    state = Slow()
    names = Names(state)
    begun = time.monotonic()
    assert names.of("group") == []
    assert time.monotonic() - begun < PATIENCE_SECONDS + 0.2
    assert names.of("group") == []
    assert state.asked == 1
    state.go.set()
