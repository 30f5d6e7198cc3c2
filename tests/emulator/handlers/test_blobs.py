"""Blob storage behind signed links: ranges, sizes, blocks, and who may."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from azml_magics.emulator.handlers.links import artifact_at, storage_container
from tests.emulator.lab import Lab

BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def signed(lab: Lab, path: str, permissions: str = "rw", container: str = "stuff", hours: int = 1) -> str:
    identity = lab.service.identity
    query = identity.sign_blob(container, path, permissions, datetime.now(UTC) + timedelta(hours=hours))
    return f"https://{identity.storage_account}.blob.core.windows.net/{container}/{path}?{query}"


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def put(lab: Lab, link: str, content: bytes, **headers: str):
    return lab.follow("blob.write", link, upload=content, headers={**BLOCK_BLOB, **headers})


def test_a_blob_is_read_as_it_was_written(lab):
    link = signed(lab, "a/b.txt")
    written = put(lab, link, b"0123456789")
    assert (written.status, written.headers["Content-MD5"]) == (201, md5(b"0123456789"))
    found = lab.follow("blob.read", link, headers={"x-ms-version": "2021-08-06"})
    assert (found.status, found.content, found.media_type) == (200, b"0123456789", "text/plain; charset=utf-8")
    assert found.headers["Content-Length"] == "10"
    assert found.headers["Content-MD5"] == md5(b"0123456789")
    assert found.headers["ETag"] == written.headers["ETag"]
    assert found.headers["x-ms-blob-type"] == "BlockBlob"
    assert found.headers["x-ms-version"] == "2021-08-06"
    assert parsedate_to_datetime(found.headers["Last-Modified"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("headers", "content", "span"),
    [
        ({"Range": "bytes=2-4"}, b"234", "bytes 2-4/10"),
        ({"x-ms-range": "bytes=2-4", "Range": "bytes=0-0"}, b"234", "bytes 2-4/10"),
        ({"Range": "bytes=8-"}, b"89", "bytes 8-9/10"),
        ({"x-ms-range": "bytes=0-33554431"}, b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_range_is_answered_with_206(lab, headers, content, span):
    link = signed(lab, "a")
    put(lab, link, b"0123456789")
    found = lab.follow("blob.read", link, headers=headers)
    assert (found.status, found.content, found.headers["Content-Range"]) == (206, content, span)
    assert found.headers["Content-Length"] == str(len(content))
    assert "Content-MD5" not in found.headers


@pytest.mark.parametrize(("content", "wanted"), [(b"", "bytes=0-9"), (b"0123", "bytes=4-"), (b"0123", "bytes=3-2")])
def test_a_range_beyond_the_end_is_a_416(lab, content, wanted):
    link = signed(lab, "a")
    put(lab, link, content)
    fault = lab.refused("blob.read", None, dict(_query(link)), container="stuff", path="a", headers={"Range": wanted})
    assert (fault.status, fault.code, fault.headers["Content-Range"]) == (
        416,
        "InvalidRange",
        f"bytes */{len(content)}",
    )


def test_an_empty_blob_is_read_whole(lab):
    link = signed(lab, "a")
    put(lab, link, b"")
    assert lab.follow("blob.read", link).content == b""


def test_head_tells_the_true_size(lab):
    link = signed(lab, "a")
    put(lab, link, b"0123456789")
    found = lab.follow("blob.head", link)
    assert (found.content, found.headers["Content-Length"]) == (b"", "10")


def test_what_is_not_there_is_a_404(lab):
    for operation in ("blob.read", "blob.head"):
        fault = lab.refused(operation, None, dict(_query(signed(lab, "a"))), container="stuff", path="a")
        assert (fault.status, fault.code) == (404, "BlobNotFound")


def test_a_link_opens_nothing_but_what_it_was_signed_for(lab):
    put(lab, signed(lab, "a"), b"x")
    put(lab, signed(lab, "b"), b"y")
    stolen = dict(_query(signed(lab, "a")))
    assert lab.refused("blob.read", None, stolen, container="stuff", path="b").status == 403
    old = dict(_query(signed(lab, "a", hours=-1)))
    assert lab.refused("blob.read", None, old, container="stuff", path="a").status == 403
    reader = dict(_query(signed(lab, "a", "r")))
    assert lab.refused("blob.write", None, reader, container="stuff", path="a", upload=b"z").status == 403
    assert lab.refused("blob.read", container="stuff", path="a").status == 404


def test_a_blob_that_must_be_new_is_not_overwritten(lab):
    link = signed(lab, "a")
    put(lab, link, b"1", **{"If-None-Match": "*"})
    fault = _refused_put(lab, link, b"2", **{"If-None-Match": "*"})
    assert (fault.status, fault.code) == (409, "BlobAlreadyExists")
    put(lab, link, b"3")
    assert lab.get(link) == b"3"


def test_a_wrong_md5_and_another_kind_of_blob_are_refused(lab):
    link = signed(lab, "a")
    assert _refused_put(lab, link, b"1", **{"Content-MD5": md5(b"2")}).code == "Md5Mismatch"
    assert _refused_put(lab, link, b"1", **{"x-ms-blob-type": "PageBlob"}).status == 400
    query = {**dict(_query(link)), "comp": "snapshot"}
    assert lab.refused("blob.write", None, query, container="stuff", path="a", upload=b"").status == 400


def test_blocks_are_put_together_in_the_order_of_the_list(lab):
    link = signed(lab, "a")
    for name, content in (("AAA=", b"one "), ("BBB=", b"two "), ("CCC=", b"unused")):
        block = lab.follow("blob.write", link, query={"comp": "block", "blockid": name}, upload=content)
        assert (block.status, block.headers["Content-MD5"]) == (201, md5(content))
    text = b'<?xml version="1.0"?><BlockList><Latest>BBB=</Latest><Latest>AAA=</Latest></BlockList>'
    committed = lab.follow("blob.write", link, query={"comp": "blocklist"}, upload=text)
    assert (committed.status, committed.headers["Content-MD5"]) == (201, md5(text))
    assert lab.get(link) == b"two one "
    query = {**dict(_query(link)), "comp": "blocklist"}
    fault = lab.refused("blob.write", None, query, container="stuff", path="a", upload=text)
    assert (fault.status, fault.code) == (400, "InvalidBlockList")


def test_a_blob_in_the_artifact_container_is_an_artifact(lab):
    container = storage_container(lab.workspace_id)
    link = signed(lab, "LocalUpload/c1/a.txt", container=container)
    put(lab, link, b"hello")
    found = lab.call("artifact.content", None, {"path": "a.txt"}, origin="LocalUpload", container="c1")
    assert found.content == b"hello"


def test_paths_that_name_no_artifact_are_ordinary_blobs(lab):
    container = storage_container(lab.workspace_id)
    assert artifact_at(container, "LocalUpload/c1/a") == (lab.workspace_id, "LocalUpload", "c1", "a")
    assert artifact_at(container, "LocalUpload/c1") is None
    assert artifact_at("azureml-blobstore-1", "LocalUpload/c1/a") is None


@pytest.mark.parametrize("path", ["a/../b", "a/./b", "a\\b"])
def test_a_path_that_can_be_written_in_two_ways_is_refused(lab, path):
    identity = lab.service.identity
    query = identity.sign_blob("stuff", path, "w", datetime.now(UTC) + timedelta(hours=1))
    fault = lab.refused("blob.write", None, dict(_query("?" + query)), container="stuff", path=path, upload=b"")
    assert (fault.status, fault.code) == (400, "InvalidUri")


def _query(link: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(link).query)


def _refused_put(lab: Lab, link: str, content: bytes, **headers: str):
    given = {**BLOCK_BLOB, **headers}
    return lab.refused(
        "blob.write", None, dict(_query(link)), container="stuff", path="a", upload=content, headers=given
    )
