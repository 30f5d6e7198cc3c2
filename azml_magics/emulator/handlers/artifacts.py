"""Artifacts: the files that runs leave and clients upload, by `{origin}/{container}/{path}`.

Of a run that goes on they are the files that it has now, so that logs and outputs can be followed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..blobs import CHUNK
from ..harvest import ORIGIN, file_artifact, find, of_container, opened
from ..service import Call, Fault, Handler, Reply, Service
from .common import PAGE, now, scope_of, skip_of, token_page
from .content import OCTETS, pieces, size_of
from .history import bad, missing, public
from .links import link_to
from .runs import run_of


def list_artifacts(service: Service, call: Call) -> Reply:
    """The artifacts of a container, or of those the ones under a path."""
    return _page(call, [public(document) for document in _found(service, call)])


def links(service: Service, call: Call) -> Reply:
    """Links to every artifact under a path; none is an empty page."""
    workspace_id = scope_of(service, call)
    return _page(call, [_link(service, workspace_id, document) for document in _found(service, call)])


def link(service: Service, call: Call) -> Reply:
    """A link to one artifact."""
    return Reply(_link(service, scope_of(service, call), _artifact(service, call)))


def metadata(service: Service, call: Call) -> Reply:
    """The record of one artifact."""
    return Reply(public(_artifact(service, call)))


def content(service: Service, call: Call) -> Reply:
    """The content of one artifact."""
    document = _artifact(service, call)
    file = opened(service, scope_of(service, call), document)
    if file is None:
        raise missing(f"Artifact {document['artifactId']}")
    size = size_of(file)
    return Reply(content=pieces(file, 0, size), headers={"Content-Length": str(size)}, media_type=OCTETS)


def upload(service: Service, call: Call) -> Reply:
    """Write the content of one artifact; one that is there stays unless `append` or `allowOverwrite` is true."""
    workspace_id, name = scope_of(service, call), (call.keys["origin"], call.keys["container"], _path(call))
    known = find(service, workspace_id, *name)
    append = call.param("append").lower() == "true"
    if known is not None and not append and call.param("allowOverwrite").lower() != "true":
        # [inferred] the answer's status and text; that the default is not to overwrite is the specification's
        raise Fault(409, "UserError", f"Artifact {known['artifactId']} already exists", inner="ConflictError")
    assert call.upload is not None
    before = opened(service, workspace_id, known) if known is not None and append else None
    if before is None:
        blob = service.blobs.adopt(call.upload, link=True)
    else:
        blob = service.blobs.write(itertools.chain(_chunks(before), _chunks_of(call.upload)))
    return Reply(public(file_artifact(service, workspace_id, name, blob, now())))


def list_of_run(service: Service, call: Call) -> Reply:
    """The artifacts of a run."""
    workspace_id = scope_of(service, call)
    run = run_of(service, call, workspace_id)
    found = of_container(service, workspace_id, ORIGIN, run["dataContainerId"], call.param("path"))
    return _page(call, [public(document) for document in found])


def metadata_of_run(service: Service, call: Call) -> Reply:
    """The record of one artifact of a run by `path`; of all of them without it, as the article's pattern has it."""
    if not call.param("path"):
        return list_of_run(service, call)
    workspace_id = scope_of(service, call)
    run = run_of(service, call, workspace_id)
    document = find(service, workspace_id, ORIGIN, run["dataContainerId"], call.param("path"))
    if document is None:
        raise missing(f"Artifact {call.param('path')} of run {run['runId']}")
    return Reply(public(document))


def is_plain(path: str) -> bool:
    """Whether a path names one file below its container, and is written in the one way that it can be."""
    return bool(path) and "\\" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def _path(call: Call) -> str:
    """The path of an artifact: in the address or in the query, as the generations of clients have it."""
    path = call.keys.get("path") or call.param("path").strip("/")
    if not is_plain(path):
        raise bad(f"{path!r} is not a path of an artifact.")
    return path


def _artifact(service: Service, call: Call) -> dict[str, Any]:
    origin, container, path = call.keys["origin"], call.keys["container"], _path(call)
    document = find(service, scope_of(service, call), origin, container, path)
    if document is None:
        raise missing(f"Artifact {origin}/{container}/{path}")
    return document


def _found(service: Service, call: Call) -> list[dict[str, Any]]:
    prefix = call.keys.get("path") or call.param("path").lstrip("/")
    return of_container(service, scope_of(service, call), call.keys["origin"], call.keys["container"], prefix)


def _link(service: Service, workspace_id: str, document: dict[str, Any]) -> dict[str, Any]:
    names = {name: document[name] for name in ("origin", "container", "path")}
    return {"contentUri": link_to(service, workspace_id, document), **names}


def _page(call: Call, documents: list[dict[str, Any]]) -> Reply:
    skip = skip_of(call.param("continuationToken") or call.param("$continuationToken"))
    return token_page(documents[skip : skip + PAGE], skip + PAGE if len(documents) > skip + PAGE else None)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


HANDLERS: dict[str, Handler] = {
    "artifact.list": list_artifacts,
    "artifact.links": links,
    "artifact.link": link,
    "artifact.metadata": metadata,
    "artifact.content": content,
    "artifact.upload": upload,
    "run.artifacts": list_of_run,
    "run.artifact-metadata": metadata_of_run,
}
