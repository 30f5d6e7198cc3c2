"""The README's cells and commands, typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from azml_magics.emulator import instance
from tests.kernel import kernel_in

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_sixty_seconds_run_as_they_stand(tmp_path):
    data = tmp_path / "data"
    try:
        with kernel_in(tmp_path, data) as kernel:
            answers = [kernel.type(block) for block in blocks("python")]
    finally:
        instance.stop(data)
    assert [a.status for a in answers] == ["ok"] * len(answers), answers
    assert "metric.accuracy" in answers[-1].text
    assert "0.96875" in answers[-1].text


def test_the_programs_for_the_emulator_run_as_they_stand(tmp_path):
    (block,) = [b for b in blocks("bash") if "azml emulator exec" in b]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AZML_DATA": str(tmp_path / "data"),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", "-c", block], env=environment, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, "emulator.api.azureml.ms" in done.stdout) == (0, True), done.stderr
    assert instance.find(tmp_path / "data") is None


def test_every_make_target_it_names_is_there():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (demo|test|lab|lint|browser|\w+)\b", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
