"""The files of runs by MLflow's protocol: listed folder by folder, read, and written while a run goes on."""

from __future__ import annotations

from typing import Any

from ..harvest import ORIGIN, file_artifact, find, of_container, opened
from ..service import Call, Handler, Reply, Service
from . import mlflow_body as body_forms
from .artifacts import is_plain
from .common import now, scope_of
from .content import OCTETS, pieces, size_of
from .history import bad, missing
from .runs import find_run


def artifacts(service: Service, call: Call) -> Reply:
    """What lies in a folder of a run's files."""
    run = find_run(service, scope_of(service, call), call.param("run_id") or call.param("run_uuid"))
    paths = _paths(service, run["_workspaceId"], run["dataContainerId"])
    found = body_forms.files(paths, call.param("path"))
    return Reply({"root_uri": body_forms.info(run)["artifact_uri"], "files": found, "next_page_token": ""})


def search_models(_service: Service, _call: Call) -> Reply:
    """None: models are files of runs here, or registered. MLflow 3 asks before it lists a folder of a run."""
    return Reply({"models": [], "next_page_token": ""})


def list_files(service: Service, call: Call) -> Reply:
    """What lies in a folder, by names alone."""
    container, folder = _container(call.param("path"))
    found = body_forms.files(_paths(service, scope_of(service, call), container), folder)
    return Reply({"files": [{**entry, "path": entry["path"].rpartition("/")[2]} for entry in found]})


def read_file(service: Service, call: Call) -> Reply:
    """A file's content."""
    workspace_id, (container, path) = scope_of(service, call), _container(call.keys["path"])
    document = find(service, workspace_id, ORIGIN, container, path)
    file = None if document is None else opened(service, workspace_id, document)
    if file is None:
        raise missing(f"Artifact {path}")
    size = size_of(file)
    return Reply(content=pieces(file, 0, size), headers={"Content-Length": str(size)}, media_type=OCTETS)


def write_file(service: Service, call: Call) -> Reply:
    """Write a file; one that is there is replaced."""
    workspace_id, (container, path) = scope_of(service, call), _container(call.keys["path"])
    if not is_plain(path):
        raise bad(f"{path!r} is not a path of a file.")
    assert call.upload is not None
    blob = service.blobs.adopt(call.upload, link=True)
    file_artifact(service, workspace_id, (ORIGIN, container, path), blob, now())
    return Reply({})


def _container(path: str) -> tuple[str, str]:
    """The container and the rest of a path `ExperimentRun/{container}/…`, as a run's artifact address begins."""
    origin, _, rest = path.strip("/").partition("/")
    container, _, below = rest.partition("/")
    if origin != ORIGIN or not container:
        raise bad(f"{path!r} is not below {ORIGIN}/CONTAINER.")
    return container, below


def _paths(service: Service, workspace_id: str, container: str) -> dict[str, Any]:
    return {document["path"]: document["size"] for document in of_container(service, workspace_id, ORIGIN, container)}


HANDLERS: dict[str, Handler] = {
    "mlflow.artifacts": artifacts,
    "mlflow.search-models": search_models,
    "mlflow.list-files": list_files,
    "mlflow.read-file": read_file,
    "mlflow.write-file": write_file,
}
