"""Blob storage, as far as signed links need it: Get, Head, Put Blob, Put Block, Put Block List.

From wire-v1 8 and wire-v2 2.9. The path of a blob in a workspace's artifact container is an artifact; any other blob
is a document of its own.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, BinaryIO

from ..blobs import CHUNK, Blob
from ..harvest import artifact, file_artifact, find, opened
from ..identity import STORAGE_VERSION
from ..service import Call, Fault, Handler, Reply, Service
from .artifacts import is_plain
from .common import now
from .content import OCTETS, pieces, size_of
from .links import artifact_at

_RANGE = re.compile(r"bytes=(\d+)-(\d*)", re.ASCII | re.IGNORECASE)
#: A block list is a few fixed elements: nothing that an XML parser would be needed for, and its dangers.
_BLOCK = re.compile(r"<(Latest|Uncommitted|Committed)>\s*([^<\s]+)\s*</\1>")
LARGEST_LIST = 16 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A blob that is there: its record and its open file."""

    document: dict[str, Any]
    file: BinaryIO
    size: int


def read(service: Service, call: Call) -> Reply:
    """A blob, or the range of it that is asked for. A log that grows is answered as long as it is now."""
    found = _find(service, call)
    try:
        start, length, status = _span(call, found.size)
    except Fault:
        found.file.close()
        raise
    headers = _facts(call, found.document) | {"Content-Length": str(length), "Accept-Ranges": "bytes"}
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{found.size}"
    elif md5 := found.document["_source"].get("md5"):
        headers["Content-MD5"] = md5
    kind = _kind(call)
    return Reply(status=status, content=pieces(found.file, start, length), headers=headers, media_type=kind)


def head(service: Service, call: Call) -> Reply:
    """A blob's size and facts."""
    found = _find(service, call)
    found.file.close()
    headers = _facts(call, found.document) | {"Content-Length": str(found.size), "Accept-Ranges": "bytes"}
    if md5 := found.document["_source"].get("md5"):
        headers["Content-MD5"] = md5
    return Reply(content=b"", headers=headers, media_type=_kind(call))


def write(service: Service, call: Call) -> Reply:
    """Write a blob at once, or one block of it, or the list that puts its blocks together."""
    container, path = call.keys["container"], call.keys["path"]
    service.identity.check_blob(container, path, call.query, "w")
    if not is_plain(path):
        raise Fault(400, "InvalidUri", "The requested URI does not represent any resource on the server.")
    action = {"": _put_blob, "block": _put_block, "blocklist": _put_block_list}.get(call.param("comp").lower())
    if action is None:
        text = "A query parameter specified in the request URI is not supported."
        raise Fault(400, "UnsupportedQueryParameter", text)
    assert call.upload is not None
    return action(service, call, call.upload)


def _put_blob(service: Service, call: Call, body: Path) -> Reply:
    if call.headers.get("x-ms-blob-type", "").lower() != "blockblob":
        # [inferred] the emulator keeps block blobs only
        raise Fault(400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format.")
    _refuse_existing(service, call)
    blob = service.blobs.adopt(body, link=True)
    _check_md5(call, blob.md5)
    return _written(call, _file(service, call, blob), blob.md5)


def _put_block(service: Service, call: Call, body: Path) -> Reply:
    block = call.param("blockid")
    if not block:
        raise Fault(400, "InvalidQueryParameterValue", "Value for one of the query parameters is invalid.")
    blob = service.blobs.adopt(body, link=True)
    _check_md5(call, blob.md5)
    service.store.put("block", f"{_blocks(call)}/{block}", {"digest": blob.digest}, _blocks(call))
    return Reply(status=201, content=b"", headers=_version(call) | {"Content-MD5": blob.md5})


def _put_block_list(service: Service, call: Call, body: Path) -> Reply:
    _refuse_existing(service, call)
    if body.stat().st_size > LARGEST_LIST:
        raise Fault(413, "RequestBodyTooLarge", "The request body is too large.")
    text = body.read_bytes()
    blocks = [
        service.store.get("block", f"{_blocks(call)}/{name}")
        for _, name in _BLOCK.findall(text.decode(errors="replace"))
    ]
    if any(block is None for block in blocks):
        raise Fault(400, "InvalidBlockList", "The specified block list is invalid.")
    blob = service.blobs.write(chunk for block in blocks if block for chunk in _chunks(service, block["digest"]))
    document = _file(service, call, blob)
    service.store.delete_scope(_blocks(call))
    # of the list, not of the blob: clients compare it with what they sent (wire-v2 2.9)
    md5 = base64.b64encode(hashlib.md5(text, usedforsecurity=False).digest()).decode()
    return _written(call, document, md5)


def _find(service: Service, call: Call) -> Found:
    container, path = call.keys["container"], call.keys["path"]
    service.identity.check_blob(container, path, call.query, "r")
    document = _document(service, container, path)
    place = artifact_at(container, path)
    file = None if document is None else opened(service, place[0] if place else "", document)
    if document is None or file is None:
        raise Fault(404, "BlobNotFound", "The specified blob does not exist.")
    return Found(document, file, size_of(file))


def _document(service: Service, container: str, path: str) -> dict[str, Any] | None:
    place = artifact_at(container, path)
    return service.store.get("blob", f"{container}/{path}") if place is None else find(service, *place)


def _file(service: Service, call: Call, blob: Blob) -> dict[str, Any]:
    """Put a blob on record, as an artifact where its path is one's."""
    container, path = call.keys["container"], call.keys["path"]
    place = artifact_at(container, path)
    if place is not None:
        workspace_id, *name = place
        return file_artifact(service, workspace_id, (name[0], name[1], name[2]), blob, now())
    record = artifact("Blob", container, path, tag=blob.digest, size=blob.size, created=now())
    document = {**record, "_source": {"digest": blob.digest, "md5": blob.md5}}
    service.store.put("blob", f"{container}/{path}", document, container)
    return document


def _refuse_existing(service: Service, call: Call) -> None:
    wanted = call.headers.get("if-none-match", "") == "*"
    if wanted and _document(service, call.keys["container"], call.keys["path"]) is not None:
        raise Fault(409, "BlobAlreadyExists", "The specified blob already exists.")


def _check_md5(call: Call, md5: str) -> None:
    claimed = call.headers.get("content-md5")
    if claimed and claimed != md5:
        text = "The MD5 value specified in the request did not match with the MD5 value calculated by the server."
        raise Fault(400, "Md5Mismatch", text)


def _span(call: Call, size: int) -> tuple[int, int, int]:
    """Where to begin, how many bytes, and the status: 206 for a range, of which `x-ms-range` is the stronger."""
    text = call.headers.get("x-ms-range") or call.headers.get("range") or ""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return 0, size, 200
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if start >= size or last < start:
        text = "The range specified is invalid for the current size of the resource."
        raise Fault(416, "InvalidRange", text, headers={"Content-Range": f"bytes */{size}"})
    return start, min(last, size - 1) - start + 1, 206


def _facts(call: Call, document: dict[str, Any]) -> dict[str, str]:
    when = datetime.fromisoformat(document["createdTime"]).astimezone(UTC)
    return _version(call) | {
        "ETag": document["etag"],
        "Last-Modified": format_datetime(when, usegmt=True),
        "x-ms-blob-type": "BlockBlob",
    }


def _kind(call: Call) -> str:
    """What a blob is, by its name; texts are taken for UTF-8, which is what a run's log is."""
    kind = mimetypes.guess_type(call.keys["path"])[0] or OCTETS
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _version(call: Call) -> dict[str, str]:
    return {"x-ms-version": call.headers.get("x-ms-version") or STORAGE_VERSION}


def _written(call: Call, document: dict[str, Any], md5: str) -> Reply:
    facts = _facts(call, document)
    del facts["x-ms-blob-type"]
    headers = facts | {"Content-MD5": md5, "x-ms-request-server-encrypted": "true"}
    return Reply(status=201, content=b"", headers=headers)


def _blocks(call: Call) -> str:
    """The scope of the blocks of a blob that are not put together yet."""
    return f"blocks/{call.keys['container']}/{call.keys['path']}"


def _chunks(service: Service, digest: str) -> Iterator[bytes]:
    with service.blobs.open(digest) as file:
        yield from iter(lambda: file.read(CHUNK), b"")


HANDLERS: dict[str, Handler] = {"blob.read": read, "blob.head": head, "blob.write": write}
