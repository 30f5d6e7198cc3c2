"""Which files an artifact, an asset or a model stands for, and how they are laid out for a scoring script.

Reads the documents of artifacts and assets and where their bytes are; writes only into the folder it is given.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from .blobs import CHUNK, BadArchive, Limits, unpack
from .harvest import of_container, opened
from .service import Service

ASSET, ARTIFACT = "aml://asset/", "aml://artifact/"
#: As much of a log as is read to find its last lines.
LOG_BYTES = 4 << 20


class Missing(Exception):
    """Something that was named does not exist; the text says what."""


@dataclass(frozen=True, slots=True)
class File:
    """One file: its path below whatever it is part of, and the way to its bytes."""

    path: str
    open: Callable[[], BinaryIO | None]


def files_of_url(service: Service, workspace_id: str, url: str) -> list[File]:
    """The files behind a model's or a service asset's url; `Missing` when it names nothing that is here."""
    if url.startswith(ASSET):
        asset = service.store.get("asset", f"{workspace_id}/{url.removeprefix(ASSET)}")
        if asset is None:
            raise Missing(f"There is no asset {url.removeprefix(ASSET)}.")
        return files_of_asset(service, workspace_id, asset["artifacts"])
    if url.startswith(ARTIFACT):
        return files_of_asset(service, workspace_id, [{"prefix": url.removeprefix(ARTIFACT)}])
    # the service also takes the address of a blob; the emulator fetches nothing from anywhere
    raise Missing(f"The emulator reads only {ASSET}ID and {ARTIFACT}ORIGIN/CONTAINER/PATH, not {url.split('?')[0]!r}.")


def files_of_asset(service: Service, workspace_id: str, artifacts: Sequence[Mapping[str, Any]]) -> list[File]:
    """The files that a list of `{"id"}` or `{"prefix"}` stands for, each below the last part of its id or prefix.

    A prefix is a file or a folder. [inferred] that a prefix in the middle of a name stands for nothing
    """
    files: list[File] = []
    for entry in artifacts:
        origin, container, path = _split(str(entry.get("id") or entry.get("prefix") or ""))
        parent = path.rpartition("/")[0]
        found = [
            File(document["path"][len(parent) :].lstrip("/"), partial(opened, service, workspace_id, document))
            for document in of_container(service, workspace_id, origin, container, path)
            if document["path"] == path or document["path"].startswith(f"{path}/")
        ]
        if not found:
            raise Missing(f"There is no artifact at {origin}/{container}/{path}.")
        files += found
    return files


def lay_out(files: Sequence[File], folder: Path, *, archives: bool) -> None:
    """Copy files into a folder; with `archives`, those among them are unpacked instead.

    Copied, not linked: a script may write to its files, and the blobs are shared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        target = _inside(folder, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # what an archive holds may have the archive's name
        draft = target.with_name(f".{target.name}.draft")
        _copy(file, draft)
        if archives and _unpacked(draft, target.parent):
            draft.unlink()
        else:
            draft.replace(target)


def lay_out_service(
    service: Service, workspace_id: str, document: Mapping[str, Any], folder: Path
) -> tuple[Path, Path]:
    """Lay a service's assets and models out in a folder; its entry script, and the folder that its models are in.

    The latter is `azureml-models/{name}/{version}` for one model and `azureml-models` for several, as the comment in
    Microsoft's scoring templates has it; for none [inferred] the same as for several.
    """
    request, models = document["_request"], document["models"]
    driver = request["driverProgram"]
    for asset in request["assets"]:
        files = files_of_url(service, workspace_id, asset["url"])
        lay_out(files, folder / "app", archives=bool(asset.get("unpack")))
        if asset.get("id") == request["driverProgram"] and len(files) == 1:
            driver = files[0].path
    script = find_script(folder / "app", driver)
    top = folder / "azureml-models"
    top.mkdir(parents=True, exist_ok=True)
    for model in models:
        files = files_of_url(service, workspace_id, model["url"])
        lay_out(files, top / model["name"] / str(model["version"]), archives=bool(model.get("unpack")))
    return script, top / models[0]["name"] / str(models[0]["version"]) if len(models) == 1 else top


def find_script(folder: Path, wanted: str) -> Path:
    """The entry script: the file of that path, or the only one of that name; `.py` may be left out."""
    for name in (wanted, f"{wanted}.py"):
        path = _inside(folder, name)
        if path.is_file():
            return path
        same = [p for p in folder.rglob("*.py") if p.name == path.name]
        if len(same) == 1:
            return same[0]
    raise Missing(f"The driver program {wanted} is not among the assets.")


def last_lines(path: Path, count: int) -> str:
    """The last lines of a log; nothing when there is none."""
    if count < 1 or not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        text = file.read().decode(errors="replace")
    return "".join(text.splitlines(keepends=True)[-count:])


def _split(name: str) -> tuple[str, str, str]:
    parts = name.strip("/").split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise Missing(f"{name!r} is not the name of an artifact: ORIGIN/CONTAINER/PATH.")
    return parts[0], parts[1], parts[2]


def _inside(folder: Path, name: str) -> Path:
    """The path of a name in a folder, and nowhere else."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise Missing(f"{name!r} is not a path inside a folder.")
    return folder.joinpath(*path.parts)


def _copy(file: File, target: Path) -> None:
    source = file.open()
    if source is None:
        raise Missing(f"The content of {file.path} is gone.")
    with source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, CHUNK)


def _unpacked(archive: Path, folder: Path) -> bool:
    """Unpack a zip or a tar beside where it would lie; False when the file is neither."""
    if zipfile.is_zipfile(archive):
        with archive.open("rb") as file:
            unpack(file, folder)
        return True
    if not tarfile.is_tarfile(archive):
        return False
    limits = Limits()
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            if len(members) > limits.files or sum(member.size for member in members) > limits.size:
                raise BadArchive(f"the archive holds more than {limits.files} files or {limits.size} bytes")
            # the filter refuses what leads out of the folder, links too
            tar.extractall(folder, filter="data")
    except tarfile.TarError as problem:
        raise BadArchive(f"the archive cannot be unpacked: {problem}") from None
    return True
