import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from azml_magics.emulator.runner import SUPERVISOR, Execution, Outcome, Runner
from azml_magics.emulator.supervisor import mark_of

PATIENCE = 20


class Bench:
    """A folder with runs in it, a runner, and what the runner has told."""

    def __init__(self, folder):
        self.folder = folder
        self.told = queue.Queue()
        self.runner = Runner()
        self.opened = [self.runner]

    def execution(self, key, argv, **more):
        folder = self.folder / key
        folder.mkdir(exist_ok=True)
        known = {"cwd": folder, "env": {"PATH": os.defpath}, "log": folder / "user_logs/std_log.txt"}
        return Execution(folder=folder / "supervisor", argv=argv, **(known | more))

    def on_start(self, key, started):
        self.told.put(("start", key, started))

    def on_end(self, key, outcome):
        self.told.put(("end", key, outcome))

    def start(self, key, argv, **more):
        self.runner.start(key, self.execution(key, argv, **more), self.on_start, self.on_end)

    def sh(self, key, script, **more):
        self.start(key, ["/bin/sh", "-c", script], **more)

    def python(self, key, script, **more):
        self.start(key, [sys.executable, "-I", "-S", "-c", script], **more)

    def adopt(self, key, **more):
        self.runner.adopt(key, self.folder / key / "supervisor", self.on_end, **more)

    def reopen(self):
        self.runner.close()
        self.runner = Runner()
        self.opened.append(self.runner)

    def next(self, kind):
        event, key, what = self.told.get(timeout=PATIENCE)
        assert event == kind
        return key, what

    def outcome(self):
        assert self.next("start")[0]
        return self.next("end")[1]

    def log(self, key):
        return (self.folder / key / "user_logs/std_log.txt").read_text()

    def read(self, key, name):
        return json.loads((self.folder / key / "supervisor" / name).read_text())

    def close(self):
        for runner in self.opened:
            runner.close()
        for path in self.folder.glob("*/supervisor/supervisor.json"):
            record = json.loads(path.read_text())
            if mark_of(record["pid"]) == record["mark"]:
                os.kill(record["pid"], signal.SIGTERM)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def number_in(path):
    with suppress(FileNotFoundError, ValueError):
        return int(path.read_text().strip())
    return 0


def gone(pid):
    return not mark_of(pid)


def test_a_program_runs_with_its_own_folder_environment_and_log(bench, tmp_path):
    (tmp_path / "r/user_logs").mkdir(parents=True)
    (tmp_path / "r/user_logs/std_log.txt").write_text("before\n")
    before = time.time()
    bench.sh("r", "pwd; env | sort; echo wrong >&2; exit 3", env={"A": "1", "PATH": "/usr/bin:/bin"})
    key, started = bench.next("start")
    key_again, outcome = bench.next("end")
    assert key == key_again == "r"
    assert outcome == Outcome(3, "exited", started, outcome.ended)
    assert before - 0.1 <= started <= outcome.ended <= time.time() + 0.1
    lines = bench.log("r").splitlines()
    assert lines[:2] == ["before", str(tmp_path / "r")]
    assert lines[-1] == "wrong"
    assert {line for line in lines[2:-1] if not line.startswith(("PWD=", "_=", "SHLVL=", "OLDPWD="))} == {
        "A=1",
        "PATH=/usr/bin:/bin",
    }


def test_a_program_is_found_where_its_own_path_says(bench, tmp_path):
    program = tmp_path / "bin" / "greet"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    bench.start("r", ["greet"], env={"PATH": str(program.parent)})
    assert bench.outcome().code == 0
    assert bench.log("r") == "hello\n"


@pytest.mark.parametrize(
    "more", [{"argv": ["no-such-program"]}, {"argv": ["true"], "cwd": Path("/nowhere")}, {"env": {"a=b\0": ""}}]
)
def test_what_cannot_be_started_ends_with_127_and_says_why(bench, more):
    bench.start("r", **({"argv": ["true"]} | more))
    outcome = bench.next("end")[1]
    assert (outcome.code, outcome.reason, outcome.started) == (127, "exited", None)
    assert bench.log("r").startswith("The program cannot be started: ")


def test_a_program_that_dies_of_a_signal_tells_which(bench):
    bench.sh("r", "kill -9 $$")
    assert bench.outcome().code == -9


def test_a_program_gets_the_usual_signals_and_no_files_of_the_emulator(bench):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        bench.python(
            "r",
            "import os, signal\n"
            "print([signal.getsignal(n).name for n in (signal.SIGTERM, signal.SIGHUP)])\n"
            "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
            "print(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
            "print([fd for fd in os.listdir('/dev/fd') if int(fd) > 3])\n"
            "print(os.getpid() == os.getpgid(0) != os.getsid(0) == os.getppid())\n"
            "os.close(0)\n",
        )
        assert bench.outcome().code == 0
    assert bench.log("r").splitlines() == ["['SIG_DFL', 'SIG_DFL']", "True", "set()", "[]", "True"]


def test_a_stopped_program_may_clean_up(bench, tmp_path):
    bench.sh("r", "trap 'echo saved; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
    bench.next("start")
    wait_for(lambda: "ready" in bench.log("r"))
    assert bench.runner.running() == ["r"]
    assert bench.runner.stop("r") is True
    outcome = bench.next("end")[1]
    assert (outcome.code, outcome.reason) == (4, "stopped")
    assert "saved" in bench.log("r")
    assert bench.runner.running() == []
    assert bench.runner.stop("r") is False


@pytest.mark.parametrize("delay", [0, 0.002, 0.005, 0.01, 0.02, 0.04])
def test_a_program_stopped_before_it_started_ends_as_stopped(bench, delay):
    bench.sh("r", "sleep 60")
    time.sleep(delay)  # the moments of a start, one after the other
    assert bench.runner.stop("r") is True
    events = [bench.told.get(timeout=PATIENCE)]
    if events[0][0] == "start":
        events.append(bench.told.get(timeout=PATIENCE))
    outcome = events[-1][2]
    assert outcome.reason == "stopped"
    assert (outcome.started is None) == (len(events) == 1)


def test_a_group_that_does_not_want_to_end_is_killed_after_the_grace(bench, tmp_path):
    bench.sh("r", "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 0.1; done' & trap 'exit 0' TERM; wait")
    bench.next("start")
    child = wait_for(lambda: number_in(tmp_path / "r/child"))
    stopped = time.monotonic()
    bench.runner.stop("r")
    outcome = bench.next("end")[1]
    assert 2.5 < time.monotonic() - stopped < 10
    assert (outcome.code, outcome.reason) == (0, "stopped")
    assert wait_for(lambda: gone(child))


def test_the_time_limit_ends_a_program(bench):
    bench.sh("r", "sleep 60", seconds=0.3)
    outcome = bench.outcome()
    assert (outcome.code, outcome.reason) == (-15, "timed-out")
    assert 0.25 < outcome.ended - outcome.started < 5


def test_what_a_program_leaves_behind_is_ended_before_its_end_is_told(bench, tmp_path):
    bench.sh("r", "sleep 60 & echo $! > child; exit 5")
    outcome = bench.outcome()
    assert (outcome.code, outcome.reason) == (5, "exited")
    assert gone(number_in(tmp_path / "r/child"))


def test_the_end_of_a_closed_runner_is_told_by_the_one_that_adopts(bench):
    bench.sh("r", "read line < pipe; echo $line; exit 6")
    os.mkfifo(bench.folder / "r/pipe")
    bench.next("start")
    bench.reopen()
    bench.adopt("r")
    (bench.folder / "r/pipe").write_text("go on\n")
    key, outcome = bench.next("end")
    assert (key, outcome.code, outcome.reason) == ("r", 6, "exited")
    assert bench.log("r") == "go on\n"
    assert bench.told.empty()


def test_an_adopted_program_can_be_stopped_and_tells_its_start(bench):
    bench.sh("r", "sleep 60")
    started = bench.next("start")
    bench.reopen()
    bench.adopt("r", on_start=bench.on_start)
    assert bench.next("start") == started
    assert bench.runner.running() == ["r"]
    assert bench.runner.stop("r") is True
    outcome = bench.next("end")[1]
    assert (outcome.code, outcome.reason, outcome.started) == (-15, "stopped", started[1])
    assert bench.runner.running() == []


def test_an_outcome_of_long_ago_is_told_at_once(bench):
    bench.sh("r", "exit 7")
    outcome = bench.outcome()
    bench.reopen()
    bench.adopt("r")
    assert bench.next("end") == ("r", outcome)


EMULATOR = """
import os, sys
from pathlib import Path
from azml_magics.emulator.runner import Execution, Runner
folder = Path(sys.argv[1])
log = folder / "user_logs/std_log.txt"
execution = Execution(folder / "supervisor", ["/bin/sh", "-c", sys.argv[2]], folder, {}, log)
Runner().start("r", execution, lambda *_: os.write(1, b"started"), lambda *_: None)
sys.stdin.read()
"""


def test_a_program_survives_the_sudden_death_of_the_emulator_and_its_group(bench, tmp_path):
    folder = tmp_path / "r"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    argv = [sys.executable, "-c", EMULATOR, str(folder), "read line < pipe; echo $line"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as emulator:
        assert emulator.stdout.read(7) == b"started"
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL):
            os.killpg(emulator.pid, number)
    bench.adopt("r")
    (folder / "pipe").write_text("still here\n")
    assert bench.next("end")[1].code == 0
    assert bench.log("r") == "still here\n"


@pytest.mark.parametrize("adopted", [True, False])
def test_a_program_whose_supervisor_was_killed_has_vanished_and_is_killed(bench, adopted):
    bench.sh("r", "sleep 60")
    started = bench.next("start")[1]
    if adopted:
        bench.reopen()
        bench.adopt("r")
    record = bench.read("r", "supervisor.json")
    os.kill(record["pid"], signal.SIGKILL)
    outcome = bench.next("end")[1]
    assert (outcome.code, outcome.reason, outcome.started) == (None, "vanished", started)
    assert wait_for(lambda: gone(record["group"]))


def test_what_is_left_of_a_group_is_killed_when_its_first_process_is_gone(bench, tmp_path):
    bench.sh("r", "sleep 60 & echo $! > child; wait")
    bench.next("start")
    child = wait_for(lambda: number_in(tmp_path / "r/child"))
    record = bench.read("r", "supervisor.json")
    os.kill(record["pid"], signal.SIGKILL)
    os.kill(record["group"], signal.SIGKILL)
    assert bench.next("end")[1].reason == "vanished"
    assert wait_for(lambda: gone(child))


@pytest.mark.parametrize("same_boot", [True, False])
def test_a_process_that_got_the_numbers_of_a_run_is_left_alone(bench, tmp_path, same_boot):
    with subprocess.Popen(["sleep", "60"], process_group=0) as other:
        mark = mark_of(other.pid)
        boot, _, start = mark.partition(" ")
        earlier = f"{boot} {int(start) - 5}" if same_boot else f"another-boot {start}"
        record = {"pid": other.pid, "mark": earlier, "group": other.pid, "group_mark": earlier, "started": 1.5}
        folder = tmp_path / "r/supervisor"
        folder.mkdir(parents=True)
        (folder / "supervisor.json").write_text(json.dumps(record))
        bench.adopt("r")
        outcome = bench.next("end")[1]
        assert (outcome.reason, outcome.started) == ("vanished", 1.5)
        assert mark_of(other.pid) == mark
        other.kill()


def test_a_group_of_an_earlier_boot_is_not_looked_for_among_those_without_a_first_process(bench, tmp_path):
    folder = tmp_path / "r/supervisor"
    folder.mkdir(parents=True)
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], process_group=0, stdout=subprocess.PIPE) as first:
        child = int(first.stdout.readline())
        first.wait()
        record = {"pid": first.pid, "mark": "another-boot 1", "group": first.pid, "group_mark": "another-boot 2"}
        (folder / "supervisor.json").write_text(json.dumps(record))
        bench.adopt("r")
        assert bench.next("end")[1].reason == "vanished"
        assert not gone(child)
        os.killpg(first.pid, signal.SIGKILL)


def test_a_folder_where_nothing_was_started_has_vanished(bench, tmp_path):
    bench.adopt("r")
    assert bench.next("end")[1].reason == "vanished"


def test_a_supervisor_that_is_just_starting_is_waited_for(bench, tmp_path):
    folder = tmp_path / "r/supervisor"
    folder.mkdir(parents=True)
    (folder / "execution.json").write_text("{}")
    bench.adopt("r")
    with pytest.raises(queue.Empty):
        bench.told.get(timeout=0.3)
    (folder / "outcome.json").write_text('{"code": 0, "reason": "exited", "started": 1.0, "ended": 2.0}')
    assert bench.next("end")[1] == Outcome(0, "exited", 1.0, 2.0)


def test_a_callback_that_fails_keeps_nothing_from_coming(bench, caplog):
    def fail(key, what):
        raise KeyError("callback")

    bench.runner.start("r", bench.execution("r", ["true"]), fail, bench.on_end)
    assert bench.next("end")[1].code == 0
    assert "KeyError: 'callback'" in caplog.text


def test_a_key_runs_once_at_a_time_and_again_in_the_same_folder(bench):
    bench.sh("r", "sleep 60")
    bench.next("start")
    with pytest.raises(ValueError, match="r is running already"):
        bench.sh("r", "true")
    bench.runner.stop("r")
    assert bench.next("end")[1].reason == "stopped"
    bench.sh("r", "exit 2")
    assert bench.outcome().code == 2


def test_a_closed_runner_starts_nothing(bench):
    bench.runner.close()
    with pytest.raises(RuntimeError, match="closed"):
        bench.sh("r", "true")
    assert bench.runner.running() == []


def test_many_programs_run_side_by_side(bench):
    for number in range(20):
        bench.sh(f"r{number}", f"exit {number}")
    told = [bench.told.get(timeout=PATIENCE) for _ in range(40)]
    assert {key: what.code for kind, key, what in told if kind == "end"} == {f"r{n}": n for n in range(20)}


def test_secrets_are_not_shown_and_only_the_owner_reads_them(bench):
    execution = bench.execution("r", ["true"], env={"TOKEN": "s3cret", "PATH": os.defpath})
    assert "s3cret" not in repr(execution)
    bench.runner.start("r", execution, bench.on_start, bench.on_end)
    bench.outcome()
    modes = {path.name: path.stat().st_mode & 0o777 for path in execution.folder.iterdir()}
    assert modes == {"execution.json": 0o600, "supervisor.json": 0o600, "outcome.json": 0o600}


def test_a_supervisor_imports_nothing_that_is_slow():
    script = (
        f"import sys; sys.path.insert(0, {str(SUPERVISOR.parent)!r}); import supervisor; "
        "print({'pathlib', 'typing', 'contextlib', 'subprocess', 'threading'} & set(sys.modules))"
    )
    asked = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert asked.stdout == "set()\n"


def test_a_mark_is_of_living_processes_only(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as process:
        for proc in ("/proc", str(tmp_path)):
            assert mark_of(process.pid, proc) == mark_of(process.pid, proc) != ""
        process.kill()
        wait_for(lambda: gone(process.pid))  # a dead one that nobody has waited for
        assert mark_of(process.pid, str(tmp_path)) == ""
    assert mark_of(process.pid, str(tmp_path)) == ""
