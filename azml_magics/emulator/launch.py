"""What a run's process is started with: its code, its command line, its whole environment. Starts nothing itself.

Of the emulator's own environment only names on a list are passed on, none of which holds a credential.
"""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .blobs import BadArchive, unpack
from .definition import Definition
from .environments import BuildFailed
from .runlog import LOG, note
from .runner import Execution
from .ticket import Place, Submission
from .verdict import Trouble

if TYPE_CHECKING:
    from .service import Service

PASSED = frozenset({"PATH", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"})
AUDIENCE = "https://ml.azure.com"
#: How long a run's token is good for when the run has no limit of its own: the SDK's default limit (wire-v1 6).
LONGEST = 2592000.0
#: How much longer than the run its token is good for, so that what it does last still counts.
MARGIN = 600.0


class Noted(io.TextIOBase):
    """A text file whose lines go into a run's log as the emulator's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun = ""

    def write(self, text: str) -> int:
        """Take some text; whole lines of it are written at once."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            note(self._folder, line)
        return len(text)


def registry_trouble(service: Service, workspace_path: str) -> str:
    """Why a workspace's images cannot be had, with the remedy; empty when nothing is wrong or it has no registry yet.

    The article: a workspace breaks when its registry is deleted; azureml-examples#3463 is what one without admin
    access says. The emulator pulls no image, but refuses as the service does.
    """
    workspace = service.store.get("workspace", workspace_path.lower()) or {}
    registry = str((workspace.get("properties") or {}).get("containerRegistry") or "")
    if not registry:
        return ""
    name = registry.rpartition("/")[2]
    document = service.store.get("dependency", registry.lower())
    if document is None:
        return (
            f"The workspace's container registry {name} does not exist any more. "
            f"Create it again under the same name: az acr create --name {name} --admin-enabled true."
        )
    if document["properties"].get("adminUserEnabled") is False:
        return (
            f"The image cannot be pulled: the admin user of the container registry {name} is disabled. Enable it "
            f"and synchronize the workspace's keys: az acr update --name {name} --admin-enabled true."
        )
    return ""


def prepare(service: Service, submission: Submission) -> Execution | Trouble:
    """Lay out a run's folder and find its interpreter; what is wrong with them is returned, not raised."""
    place, definition = submission.place, submission.definition
    for folder in (place.code, place.home):
        folder.mkdir(parents=True, exist_ok=True)
    log = place.folder / LOG
    log.parent.mkdir(exist_ok=True)
    log.write_text("", encoding="utf-8")
    try:
        with service.blobs.open(submission.snapshot) as archive:
            unpack(archive, place.code)
    except (BadArchive, OSError) as problem:
        return Trouble(f"The zip could not be unpacked: {problem}", "BadArgument")
    if missing := registry_trouble(service, place.workspace_path):
        return Trouble(missing, "ImageBuildFailure")
    try:
        interpreter = service.environments.interpreter(definition.environment, Noted(place.folder))
    except BuildFailed as problem:
        return Trouble(f"The environment could not be built: {problem}", "ImageBuildFailure")
    note(place.folder, f"interpreter: {interpreter}")
    for line in definition.notes:
        note(place.folder, line)
    return Execution(
        folder=place.supervisor,
        argv=command_line(definition, interpreter),
        cwd=place.code,
        env=variables(service, place, definition, interpreter),
        log=log,
        seconds=definition.seconds,
    )


def command_line(definition: Definition, interpreter: Path) -> list[str]:
    """The program and its arguments: the interpreter and the script, or the shell and the command."""
    if definition.script:
        # a file may be called like an option
        script = f"./{definition.script}" if definition.script.startswith("-") else definition.script
        return [str(interpreter), "-u", script, *definition.arguments]
    shell = ["cmd", "/c"] if sys.platform == "win32" else ["/bin/sh", "-c"]
    return [*shell, definition.command]


def variables(service: Service, place: Place, definition: Definition, interpreter: Path) -> dict[str, str]:
    """The whole environment of a run's process; what the definition sets wins over what the emulator gives."""
    passed = {name: value for name, value in os.environ.items() if name in PASSED or name.startswith("LC_")}
    passed["PATH"] = os.pathsep.join(filter(None, (str(interpreter.parent), passed.get("PATH", os.defpath))))
    home = {"HOME": str(place.home), "USERPROFILE": str(place.home)}
    plain = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    return {**passed, **home, **plain, **_context(service, place, definition), **definition.variables}


def _context(service: Service, place: Place, definition: Definition) -> dict[str, str]:
    """What the v1 SDK and MLflow look for in a run (wire-v1 2.3)."""
    seconds = (definition.seconds or LONGEST) + MARGIN
    token = service.identity.issue(AUDIENCE, int(seconds), run=place.run_id, workspace=place.workspace_id)
    _, subscription, _, group, *_, workspace = place.workspace_path.strip("/").split("/")
    return {
        "AZUREML_RUN_ID": place.run_id,
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": place.experiment,
        "AZUREML_EXPERIMENT_ID": place.experiment_id,
        "AZUREML_WORKSPACE_ID": place.workspace_id,
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time() + seconds)),
        "AZUREML_SERVICE_ENDPOINT": service.plain_url,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{service.plain_url}/discovery",
        "MLFLOW_TRACKING_URI": f"{service.plain_url}/mlflow/v1.0{place.workspace_path}",
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": place.run_id,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # there are no pages behind the links
        "MLFLOW_EXPERIMENT_ID": place.experiment_id,
        "MLFLOW_EXPERIMENT_NAME": place.experiment,
    }
