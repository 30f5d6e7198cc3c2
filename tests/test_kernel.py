"""Through a real kernel: what a notebook user sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azml_magics.emulator import instance
from tests.kernel import Kernel, kernel_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the notebook lies in."""
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel with the extension loaded and the emulator logged in to."""
    data = folder / "data"
    with kernel_in(folder, data) as kernel:
        assert kernel.type("%load_ext azml_magics").status == "ok"
        assert kernel.type("%azml login --local").status == "ok"
        yield kernel
    instance.stop(data)


def test_a_first_login_and_list_on_one_line_take_under_five_seconds(tmp_path):
    data = tmp_path / "data"
    with kernel_in(tmp_path, data) as fresh:
        try:
            fresh.type("%load_ext azml_magics")
            begun = time.monotonic()
            answer = fresh.type("%azml login --local; %azml runs")
            assert (answer.status, time.monotonic() - begun < 5) == ("ok", True), answer
            assert "run_id" in answer.text
            pid = fresh.type("s = %azml emulator status\nint(s.pid[0])").text
            fresh.restart()
            fresh.type("%load_ext azml_magics")
            assert fresh.type("s = %azml emulator status\nint(s.pid[0])").text == pid
            assert "has ended" in fresh.type("%azml emulator stop").text
        finally:
            instance.stop(data)
    assert instance.find(data) is None
    assert state_of(pid) in ("", "Z")  # where nobody reaps orphans, as in some containers, a Z stays of it


def state_of(pid: str) -> str:
    """The state letter of a process; empty when there is none."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().rpartition(")")[2].split()[0] if stat.exists() else ""


def test_loading_imports_nothing_heavy_and_prints_nothing(tmp_path):
    with kernel_in(tmp_path, tmp_path / "data") as fresh:
        heavy = "('pandas', 'requests', 'msal', 'ipywidgets', 'anywidget', 'starlette', 'yaml')"
        before = fresh.type(f"import sys\nbefore = {{m for m in {heavy} if m in sys.modules}}").status
        loaded = fresh.type("%load_ext azml_magics")
        assert (before, loaded.status, loaded.streams, loaded.results) == ("ok", "ok", "", [])
        assert fresh.type(f"sorted(m for m in {heavy} if m in sys.modules and m not in before)").text == "[]"


def test_an_error_is_one_line_and_stops_run_all(kernel: Kernel):
    for cell, said in (
        ("%azml rnus", "did you mean runs"),
        ("%azml run show nope", "nope"),
        ("%azml runs --top x", "no whole number"),
        ("%azml runs --experiment {missing}", "no variable 'missing'"),
    ):
        answer = kernel.type(cell)
        assert answer.status == "error"
        assert len(answer.error) == 1
        assert said in answer.error[0]
        assert "\n" not in answer.error[0]


def test_it_is_catchable(kernel: Kernel):
    source = """
from azml_magics import AzmlError
try:
    %azml run show nope
except AzmlError as error:
    print("caught", error.status)
"""
    assert kernel.type(source).streams.strip() == "caught 404"


def test_not_logged_in_says_what_to_type(tmp_path):
    with kernel_in(tmp_path, tmp_path / "data") as fresh:
        fresh.type("%load_ext azml_magics")
        answer = fresh.type("%azml runs")
        assert "%azml login --local" in answer.error[0]


def test_a_semicolon_hushes_and_a_comment_is_let_be(kernel: Kernel):
    assert kernel.type("%azml computes;").results == []
    assert "cpu-compute" in kernel.type("%azml computes # all of them").text


def test_a_cell_is_submitted_without_blocking_and_kept_by_name(kernel: Kernel):
    begun = time.monotonic()
    submitted = kernel.type(
        "%%azml_submit --experiment k --compute cpu-compute -o run\n"
        "import time\nprint('up', flush=True)\ntime.sleep(30)"
    )
    assert (submitted.status, time.monotonic() - begun < 5) == ("ok", True), submitted
    assert kernel.type("run.experiment[0]").text == "'k'"
    assert kernel.type("%azml run cancel {run};").status == "ok"
    ended = kernel.type("%azml run wait {run}")
    assert (ended.status, "was canceled" in ended.error[0]) == ("error", True)


def test_the_cell_is_not_expanded_unless_asked(kernel: Kernel):
    kernel.type("word = 'expanded'")
    kernel.type("%%azml_submit --experiment k --compute cpu-compute -o run\nprint({'a': '{word}'}, '$word')")
    kernel.type("%azml run wait {run};")
    assert "{word}" in kernel.type("%azml run logs {run}").text
    kernel.type("%%azml_submit --experiment k --compute cpu-compute --expand -o run\nprint('{word}')")
    kernel.type("%azml run wait {run};")
    assert "expanded" in kernel.type("%azml run logs {run}").text


def test_interrupting_a_wait_leaves_the_run_going_and_says_how_to_stop_it(kernel: Kernel):
    kernel.type("%%azml_submit --experiment k --compute cpu-compute -o run\nimport time\ntime.sleep(60)")
    threading.Timer(1.0, kernel.interrupter()).start()
    answer = kernel.type("%azml run wait {run}")
    assert answer.status == "error"
    assert "goes on" in answer.error[0]
    assert "%azml run cancel" in answer.error[0]
    assert "Running" in kernel.type("%azml run show {run}").text
    kernel.type("%azml run cancel {run};")


def test_watch_shows_widget_html_and_text_in_one_bundle_and_ends_as_plain_html(kernel: Kernel):
    kernel.type(
        "%%azml_submit --experiment k --compute cpu-compute -o run\n"
        "import time\nprint('seen', flush=True)\ntime.sleep(3)"
    )
    shown = kernel.type("%azml run watch {run} --interval 0.5")
    assert shown.status == "ok", shown
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} <= shown.results[0].keys()
    waited = kernel.type("%azml run wait {run}\nimport time\ntime.sleep(2)")
    last = next(r for r in reversed(waited.results) if "text/html" in r and "seen" in r["text/plain"])
    assert "application/vnd.jupyter.widget-view+json" not in last
    assert "Completed" in last["text/plain"]


def test_completion_of_words_options_and_live_values(kernel: Kernel):
    assert {"runs", "run", "login"} <= set(kernel.complete("%azml "))
    assert kernel.complete("%azml ru") == ["run", "runs"]
    assert "--experiment" in kernel.complete("%azml runs --ex")
    assert "show" in kernel.complete("%azml run sh")
    assert "ComputeInstance" in kernel.complete("%azml compute create c --type ")
    assert kernel.complete("df = %azml com") == ["compute", "computes"]
    assert "--experiment" in kernel.complete("%%azml_submit --exp")
    for _ in range(20):  # the names are asked for in the background
        if "cpu-compute" in kernel.complete("%azml compute show cpu"):
            break
        time.sleep(0.1)
    assert "cpu-compute" in kernel.complete("%azml compute show cpu")
    assert "len" in kernel.complete("print(le")


def test_help_at_every_level(kernel: Kernel):
    assert "run list" in kernel.type("%azml").text
    assert "--experiment" in kernel.type("%azml runs --help").text
    assert "the script" in kernel.type("%azml_submit --help").text


def test_reloading_keeps_the_login_and_unloading_leaves_nothing_behind(kernel: Kernel):
    assert kernel.type("%reload_ext azml_magics\n%reload_ext azml_magics").status == "ok"
    assert kernel.type("%azml whoami").status == "ok"
    kernel.type("%unload_ext azml_magics")
    left = kernel.type(
        "ip = get_ipython()\n[m for m in ip.magics_manager.magics['line'] if 'azml' in m], "
        "[m for m in ip.Completer.custom_matchers if 'azml' in m.__name__], "
        "[c for c in ip.configurables if 'Azml' in type(c).__name__]"
    )
    assert left.text == "([], [], [])"
    assert kernel.type("%load_ext azml_magics\n%azml whoami").status == "ok"
