"""JupyterLab in Debian's Chromium, as fixtures: `pytest -c tests/browser/pytest.ini tests/browser`."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
TOKEN = "for-this-test-run"

# The toolbar says «idle» before a kernel is connected, and «run all» is then dropped in silence.
READY = """() => { const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
                   return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'; }"""
QUIET = """() => [...document.querySelectorAll('.jp-InputPrompt')].every(prompt => !prompt.textContent.includes('*'))"""


def pytest_ignore_collect(collection_path, config):
    """The main test run leaves this folder alone."""
    return None if config.inipath == HERE / "pytest.ini" else True


@dataclass
class Lab:
    """A JupyterLab server and the folder that it shows."""

    root: Path
    base: str

    def url(self, name):
        """The page of one notebook."""
        return f"{self.base}/lab/tree/{name}?token={TOKEN}&reset"


@dataclass
class Notebook:
    """A notebook open in a page, driven by JupyterLab's own orders rather than by its menus."""

    page: object
    path: Path

    def order(self, name, args=None):
        """Give an order without waiting for its promise: that wait has no time-out."""
        self.page.evaluate("([name, args]) => { jupyterapp.commands.execute(name, args); }", [name, args or {}])

    def write(self, number, source):
        """Put this text into a cell."""
        find = "jupyterapp.shell.currentWidget.content.widgets[number].model.sharedModel"
        self.page.evaluate(f"([number, text]) => {{ {find}.source = text; }}", [number, source])

    def run(self, *cells):
        """Run these cells one after the other, each to its end."""
        for number in cells:
            self.page.evaluate("i => { jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", number)
            self.order("notebook:run-cell")
            self.settle()

    def settle(self):
        """Wait until no cell runs: the prompts decide, the kernel's status may say idle in the middle of one."""
        self.page.wait_for_timeout(100)
        self.page.wait_for_function(QUIET)
        self.page.wait_for_function(READY)

    def cell(self, number):
        """One cell, with its output."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def saved(self, number):
        """The MIME bundles of one cell's outputs in the file."""
        before = self.path.stat().st_mtime_ns
        self.order("docmanager:save")
        deadline = time.monotonic() + 10
        while self.path.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline, "the notebook was not saved"
            self.page.wait_for_timeout(50)
        outputs = json.loads(self.path.read_text(encoding="utf-8"))["cells"][number]["outputs"]
        return [output["data"] for output in outputs if "data" in output]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "viewport": {"width": 1200, "height": 900}}


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    root, settings = folder / "root", folder / "settings"
    root.mkdir()
    pop_ups = settings / "@jupyterlab" / "apputils-extension"
    pop_ups.mkdir(parents=True)
    (pop_ups / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    own = {"LAB_SETTINGS": settings, "LAB_WORKSPACES": folder / "workspaces"}
    own = {f"JUPYTER{name}_DIR": str(value) for name, value in own.items()}
    own |= {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": os.pathsep.join((str(HERE.parents[1]), str(HERE)))}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    words += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}", "--expose-app-in-browser"]
    with log.open("w") as sink:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], stdout=sink, stderr=sink, env=os.environ | own
        )
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{base}/api?token={TOKEN}", server, log)
        yield Lab(root, base)
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url, server, log):
    """Wait until the server answers; its log when it does not."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-3000:]) from None
            time.sleep(0.1)


@pytest.fixture
def notebook(lab, page, request):
    """`notebook(source, …)` opens a notebook of these cells; nothing is run yet."""
    import nbformat

    # a name of its own: a known path gets its old kernel back, with all that the last test left in it
    path = lab.root / f"{re.sub(r'[^A-Za-z0-9]+', '-', request.node.name)}.ipynb"

    def opened(*sources):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
        page.goto(lab.url(path.name))
        page.wait_for_function(READY, timeout=60_000)
        book = Notebook(page, path)
        book.order("application:toggle-left-area")
        return book

    yield opened
    page.evaluate("async () => { await window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown(); }")
