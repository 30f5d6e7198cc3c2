"""The same words in a terminal: what goes to stdout and stderr, and the exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azml_magics.emulator import instance

READY_KEYS = {
    "url", "proxy", "ca_bundle", "tenant_id", "client_id", "client_secret", "subscription_id", "resource_group",
    "workspace", "region", "compute", "cloud_metadata_url", "pid", "version",
}  # fmt: skip


class Shell:
    """A terminal with a home of its own."""

    def __init__(self, home: Path, data: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AZML_", "AZURE_"))}
        self.env = kept | {"HOME": str(home), "AZML_DATA": str(data)}
        self.home = home

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type one line and wait for its end."""
        return subprocess.run(
            [sys.executable, "-m", "azml_magics", *words],
            env=self.env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def shell(tmp_path: Path, emulator_data: Path) -> Shell:
    """A terminal at the emulator of the tests."""
    instance.start_background(emulator_data)
    return Shell(tmp_path, emulator_data)


def test_help_is_on_stdout_and_ends_well(shell: Shell):
    done = shell.type("runs", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--experiment" in done.stdout


def test_a_wrong_line_is_one_line_on_stderr_and_code_2(shell: Shell):
    done = shell.type("rnus")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "azml: no subcommand 'rnus'; did you mean runs? -> azml help\n"


def test_login_local_once_and_every_word_after_it_by_itself(shell: Shell):
    assert "emulator-ws" in shell.type("login", "--local").stdout
    done = shell.type("computes", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("name,type,state")
    assert "cpu-compute" in [r["name"] for r in json.loads(shell.type("computes", "--format", "json").stdout)]
    assert shell.type("run", "show", "nope").returncode == 1
    assert "cpu-compute" in shell.type("compute", "show", "cpu-compute").stdout


def test_exec_leads_a_program_to_the_emulator_and_gives_its_exit_code(shell: Shell):
    code = "import os; print(os.environ['AZML_WORKSPACE'], os.environ['AZURE_TENANT_ID'] != '')"
    done = shell.type("emulator", "exec", "--", sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (0, "emulator-ws True\n")
    assert shell.type("emulator", "exec", "--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    inside = shell.type("emulator", "exec", "--", sys.executable, "-m", "azml_magics", "computes", "--format", "csv")
    assert "cpu-compute" in inside.stdout, inside.stderr
    assert shell.type("emulator", "exec", "true").returncode == 0
    assert shell.type("emulator", "exec", "--").returncode == 2
    assert "cannot be run" in shell.type("emulator", "exec", "--", "no-such-program").stderr


def test_exec_starts_an_emulator_for_the_program_and_ends_it_behind_it(tmp_path: Path):
    data = tmp_path / "data"
    done = Shell(tmp_path, data).type("emulator", "exec", "--", sys.executable, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    assert instance.find(data) is None


def test_start_stays_in_the_foreground_writes_one_line_and_ends_with_sigterm(tmp_path: Path):
    shell = Shell(tmp_path, tmp_path / "data")
    ready_file = tmp_path / "ready.json"
    words = [sys.executable, "-m", "azml_magics", "emulator", "start", "--ready-file", str(ready_file)]
    with subprocess.Popen(words, env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = json.loads(line)
        assert ready.keys() == READY_KEYS
        assert ready["pid"] == process.pid
        assert ready["url"].startswith("https://127.0.0.1:")
        assert ready["region"] == "emulator"
        assert json.loads(ready_file.read_text()) == ready
        assert ready_file.stat().st_mode & 0o077 == 0
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=15)
        assert (process.returncode, rest) == (0, "")
        assert time.monotonic() - begun < 5


def test_a_second_emulator_in_one_directory_is_refused(shell: Shell):
    done = shell.type("emulator", "start")
    assert done.returncode == 1
    assert "\n" not in done.stderr.strip()


def test_stop_says_whether_one_ran(tmp_path: Path):
    assert Shell(tmp_path, tmp_path / "data").type("emulator", "stop").stdout == "no emulator runs here\n"


def test_reset_throws_away_only_a_directory_of_its_own(tmp_path: Path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years")
    done = Shell(tmp_path, precious).type("emulator", "reset")
    assert done.returncode == 2
    assert (precious / "thesis.tex").read_text() == "years"
