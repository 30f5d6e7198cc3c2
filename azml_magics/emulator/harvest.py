"""What a run leaves: the files of its folder as artifacts, while it goes on and afterwards.

A run's folder holds `code` (where it works), `home`, `user_logs` and what the supervisor keeps. Its artifacts are
`user_logs`, `code/outputs` and `code/logs`; symbolic links among them are never followed.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .definition import is_contained
from .runlog import note
from .service import Service
from .store import Condition, Where
from .times import stamp

ORIGIN = "ExperimentRun"
CONTAINER = "dcid."
STORE = "workspaceartifactstore"
#: Artifact folder -> where it is in the run's folder.
KEPT = {"user_logs": ("user_logs",), "outputs": ("code", "outputs"), "logs": ("code", "logs")}
#: Folders of artifacts whose files are logs (service-facts 38).
LOG_FOLDERS = ("user_logs/", "logs/", "azureml-logs/")
BATCH = 500


def folder_of(service: Service, run: Mapping[str, Any]) -> Path:
    """The folder that a run has while it goes on; named by its uuid, since its id came from outside."""
    return service.data / "runs" / str(run["runUuid"])


def container_of(run_id: str) -> str:
    """The artifact container of a run."""
    return CONTAINER + run_id


def live_files(folder: Path, prefix: str = "") -> dict[str, Path]:
    """The artifacts that a run's folder holds right now, those whose paths begin so: artifact path -> file."""
    tops = (name for name in KEPT if f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"))
    found = (item for name in tops for item in _walk(folder, name, KEPT[name]))
    return dict(sorted(item for item in found if item[0].startswith(prefix)))


def live_file(folder: Path, path: str) -> Path | None:
    """The file behind one artifact path of a run that goes on; None when there is none, or it is a link."""
    name, _, rest = path.partition("/")
    if name not in KEPT or not rest or not is_contained(path):
        return None
    file = _plain(folder, (*KEPT[name], *rest.split("/")))
    return file if file is not None and _is_file(file) else None


def live_artifact(container: str, path: str, file: Path) -> dict[str, Any] | None:
    """The record of a file that a run still works on; None when it has just gone."""
    try:
        facts = file.stat()
    except OSError:
        return None
    tag = f"{facts.st_size:x}-{facts.st_mtime_ns:x}"
    return {
        **artifact(ORIGIN, container, path, tag=tag, size=facts.st_size, created=stamp(facts.st_mtime)),
        "_source": {"file": str(file)},
    }


def artifact(origin: str, container: str, path: str, *, tag: str, size: int, created: str) -> dict[str, Any]:
    """An ArtifactDto (wire-v1 8). `size` is the emulator's own: the service's record does not tell it."""
    name = f"{origin}/{container}/{path}"
    return {
        "artifactId": name,
        "origin": origin,
        "container": container,
        "path": path,
        "etag": f'"0x{tag[:16].upper()}"',
        "createdTime": created,
        "dataPath": {"dataStoreName": STORE, "relativePath": name, "sqlDataPath": None},
        "size": size,
    }


def file_artifact(
    service: Service, workspace_id: str, name: tuple[str, str, str], blob: Any, created: str
) -> dict[str, Any]:
    """Put a blob on record as an artifact `(origin, container, path)`; one of that name is replaced."""
    document = {
        **artifact(*name, tag=blob.digest, size=blob.size, created=created),
        "_source": {"digest": blob.digest, "md5": blob.md5},
    }
    service.store.put("artifact", f"{workspace_id}/{'/'.join(name)}", document, workspace_id)
    return document


def collect(service: Service, workspace_id: str, run: Mapping[str, Any]) -> None:
    """Keep what a run left as artifacts. What cannot be read, or has a name that is no text, is left out."""
    folder = folder_of(service, run)
    for path, file in live_files(folder).items():
        try:
            created = stamp(file.stat().st_mtime)
            blob = service.blobs.adopt(file)
        except OSError as problem:
            note(folder, f"{path} could not be kept: {problem.strerror}")
            continue
        file_artifact(service, workspace_id, (ORIGIN, container_of(run["runId"]), path), blob, created)


def clear_others(service: Service, runs: Iterable[Mapping[str, Any]]) -> None:
    """Remove the folders of all runs but these: what a sudden end of the emulator, or a deleted workspace, left."""
    kept = {str(run["runUuid"]) for run in runs}
    place = service.data / "runs"
    for folder in place.iterdir() if place.is_dir() else ():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def clear(service: Service, run: Mapping[str, Any]) -> None:
    """Remove the folder of a run that is over: what is worth keeping was collected."""
    shutil.rmtree(folder_of(service, run), ignore_errors=True)


def of_container(
    service: Service, workspace_id: str, origin: str, container: str, prefix: str = ""
) -> list[dict[str, Any]]:
    """The records of a container whose paths begin so, by path; of a run that goes on, also the files it has now."""
    where: list[Condition] = [Where(("container",), "eq", container), Where(("origin",), "eq", origin)]
    if prefix:
        where.append(Where(("path",), "prefix", prefix))
    found: dict[str, dict[str, Any]] = {}
    more = True
    while more:
        page, more = service.store.page(
            "artifact", workspace_id, where=where, order=((("path",), False),), skip=len(found), size=BATCH
        )
        found |= {document["path"]: document for document in page}
        more = more and bool(page)
    run = going_on(service, workspace_id, origin, container)
    if run is not None:
        for path, file in live_files(folder_of(service, run), prefix).items():
            document = live_artifact(container, path, file)
            if document is not None:
                found[path] = document
    return [found[path] for path in sorted(found)]


def find(service: Service, workspace_id: str, origin: str, container: str, path: str) -> dict[str, Any] | None:
    """The record of one artifact; of a run that goes on, the file that it has now."""
    run = going_on(service, workspace_id, origin, container)
    file = None if run is None else live_file(folder_of(service, run), path)
    document = None if file is None else live_artifact(container, path, file)
    return document or service.store.get("artifact", f"{workspace_id}/{origin}/{container}/{path}")


def opened(service: Service, workspace_id: str, document: Mapping[str, Any]) -> BinaryIO | None:
    """An artifact's bytes, open for reading; None when they are gone."""
    source = document["_source"]
    if "digest" in source:
        return service.blobs.open(source["digest"])
    try:
        return Path(source["file"]).open("rb")
    except FileNotFoundError:
        # its run ended meanwhile: what was a file is a blob now
        kept = service.store.get("artifact", f"{workspace_id}/{document['artifactId']}")
        return None if kept is None else service.blobs.open(kept["_source"]["digest"])


def going_on(service: Service, workspace_id: str, origin: str, container: str) -> dict[str, Any] | None:
    """The run whose container this is, when it has a folder still."""
    if origin != ORIGIN or not container.startswith(CONTAINER):
        return None
    run = service.store.get("run", f"{workspace_id}/{container.removeprefix(CONTAINER)}")
    return run if run is not None and run.get("_submitted") and not run.get("_over") else None


def _walk(folder: Path, name: str, steps: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    top = _plain(folder, steps)
    if top is None:
        return
    for parent, _, files in os.walk(top):
        for file in files:
            path = Path(parent, file)
            relative = f"{name}/{path.relative_to(top).as_posix()}"
            if _is_text(relative) and _is_file(path):
                yield relative, path


def _plain(folder: Path, steps: tuple[str, ...]) -> Path | None:
    """The path below a folder when no step of it is a symbolic link."""
    path = folder
    for step in steps:
        path = path / step
        if path.is_symlink():
            return None
    return path


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_text(name: str) -> bool:
    """Whether a file's name is text: on POSIX it may be any bytes, and a record can only hold text."""
    return not any(0xD800 <= ord(character) < 0xE000 for character in name)
