import io
import platform
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from azml_magics.emulator.environments import PASSED, BuildFailed, Environments

OWN = platform.python_version()

ASKED = {
    "name": "e",
    "python": {
        "interpreterPath": "python",
        "userManagedDependencies": False,
        "condaDependencies": {
            "channels": ["conda-forge"],
            "dependencies": ["python=3.6.2", "numpy=1.19", {"pip": ["azureml-defaults", "x @ https://me:pw@host/x"]}],
        },
    },
    "docker": {"baseImage": "mcr.microsoft.com/azureml/base:1"},
}


def pip_environment(*lines):
    return {"python": {"condaDependencies": {"dependencies": [{"pip": [str(line) for line in lines]}]}}}


def make_wheel(path):
    """A package of one module, whose name the file's begins with."""
    name = path.name.partition("-")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "ANSWER = 42\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def run(python, script):
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_without_building_the_own_interpreter_is_used_and_everything_else_is_told(tmp_path):
    log = io.StringIO()
    assert Environments(tmp_path, build=False).interpreter(ASKED, log) == Path(sys.executable)
    assert log.getvalue().splitlines() == [
        f"Python 3.6.2: recorded, not installed; this is Python {OWN}",
        "conda channel conda-forge: recorded, not used",
        "conda package numpy=1.19: recorded, not installed",
        "pip requirement azureml-defaults: recorded, not installed",
        "pip requirement x @ https://***@host/x: recorded, not installed",
        "docker.baseImage = mcr.microsoft.com/azureml/base:1: recorded, not applied",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [OWN, OWN.rpartition(".")[0], f"{OWN.rpartition('.')[0]}.*"])
def test_nothing_is_told_about_what_is_there_anyway(tmp_path, version):
    log = io.StringIO()
    python = {"interpreterPath": "python", "condaDependencies": {"dependencies": [f"python={version}"]}}
    Environments(tmp_path, build=False).interpreter({"python": python}, log)
    Environments(tmp_path, build=False).interpreter({}, log)
    assert log.getvalue() == ""


def test_another_interpreter_is_not_used_and_that_is_told(tmp_path):
    log = io.StringIO()
    environment = {"python": {"interpreterPath": "/opt/python", "userManagedDependencies": True}}
    assert Environments(tmp_path, build=True).interpreter(environment, log) == Path(sys.executable)
    assert log.getvalue() == "interpreterPath /opt/python: recorded, not used\n"


def test_what_the_user_manages_is_not_built(tmp_path):
    log = io.StringIO()
    environment = pip_environment("a")
    environment["python"]["userManagedDependencies"] = True
    assert Environments(tmp_path, build=True).interpreter(environment, log) == Path(sys.executable)
    assert log.getvalue() == "pip requirement a: recorded, not installed (userManagedDependencies)\n"


def test_the_description_tells_what_a_run_got(tmp_path):
    own = Environments(tmp_path, build=False).describe(ASKED)
    assert own["emulator.python"] == OWN
    assert own["emulator.environment"] == "own"
    assert own["emulator.notHonored"].count(";") == 6
    built = Environments(tmp_path, build=True).describe(ASKED)
    assert built["emulator.environment"].startswith("built ")
    assert "conda package numpy=1.19: taken from pip as numpy==1.19.*" in built["emulator.notHonored"]
    assert built["emulator.environment"] != Environments(tmp_path, build=True).describe(pip_environment("a"))
    assert all(isinstance(value, str) for value in (own | built).values())


class Gate(io.StringIO):
    """A log that lets the first line through only when somebody else has written to the other log."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def write(self, text):
        assert self.other.written.wait(30)
        return super().write(text)


class Noticed(io.StringIO):
    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def write(self, text):
        self.written.set()
        return super().write(text)


@pytest.mark.timeout(240)  # makes two virtual environments, which takes a busy machine long
def test_an_environment_is_built_once_after_failures_that_say_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    root = tmp_path / "environments"
    environments = Environments(root, build=True)
    wheel = tmp_path / "answer-1.0-py3-none-any.whl"
    wanted = pip_environment(wheel)

    failed = io.StringIO()
    with pytest.raises(
        BuildFailed, match=r"pip could not install the packages \(exit code 1\):\n(.*\n)*.*answer-1"
    ) as it:
        environments.interpreter(wanted, failed)
    assert it.value.reason.splitlines()[-1] in failed.getvalue()
    assert len(it.value.reason.splitlines()) <= 13
    left = list(root.glob("*/venv-*"))
    assert len(left) == 1

    make_wheel(wheel)
    second = Noticed()
    first = Gate(second)
    with ThreadPoolExecutor(2) as pool:
        building = pool.submit(environments.interpreter, wanted, first)
        while left[0].exists():  # the first is building as soon as it has cleared away the failure
            assert not building.done()
        waiting = pool.submit(environments.interpreter, wanted, second)
        python = building.result()
        assert waiting.result() == python
    assert "Successfully installed answer-1.0" in first.getvalue()
    assert second.getvalue() == "The same environment is being built already: waiting for it.\n"
    assert len(list(root.glob("*/venv-*"))) == 1
    assert run(python, "import answer; print(answer.ANSWER)") == "42"
    with pytest.raises(subprocess.CalledProcessError):
        run(python, "import pytest")

    third = io.StringIO()
    assert Environments(root, build=True).interpreter(wanted, third) == python
    assert third.getvalue() == ""


def test_a_place_that_cannot_be_written_is_a_failed_build(tmp_path):
    (tmp_path / "environments").write_text("a file")
    with pytest.raises(BuildFailed, match=r"could not be built: .*environments"):
        Environments(tmp_path / "environments", build=True).interpreter(pip_environment(), io.StringIO())


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        ("PATH", True),
        ("PIP_INDEX_URL", True),
        ("https_proxy", True),
        ("AZURE_CLIENT_SECRET", False),
        ("PYTHONPATH", False),
    ],
)
def test_pip_gets_no_credentials_for_azure(name, passed):
    assert bool(PASSED.fullmatch(name)) is passed
