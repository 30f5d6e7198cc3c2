"""The bytes that the emulator keeps: files named by what they hold, and archives unpacked without harm.

A blob is whole or not there: it is written beside its place and renamed into it. Knows files, nothing of HTTP.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

CHUNK = 1 << 20
DIGEST = re.compile(r"[0-9a-f]{64}")
ENCRYPTED = 0x1
#: What reading a damaged archive raises, all of which was seen.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class BadArchive(Exception):
    """An archive that is damaged, too large, or that would write outside its folder; the text says which."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What is known of a blob: sha256 in hexadecimal, bytes, and the md5 in base64, as Content-MD5 has it."""

    digest: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold once it is unpacked; the service stops at 300 MB and 2,000 files (wire-v1 7)."""

    size: int = 4 << 30
    files: int = 100_000


class Blobs:
    """A folder of blobs. One process owns it: what a killed one left half written goes when the next one starts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)

    def write(self, chunks: Iterable[bytes]) -> Blob:
        """Keep what the chunks hold together; no more than one chunk is in memory."""
        with self._draft() as draft:
            sha, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
            with draft.open("xb") as file:
                for chunk in chunks:
                    sha.update(chunk)
                    md5.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            return self._place(draft, sha.hexdigest(), size, md5.digest())

    def adopt(self, path: Path, *, link: bool = False) -> Blob:
        """Keep a file's content. `link` saves the copy: only for a file that nobody writes to any more.

        A link or anything else that is no regular file is refused with `OSError`.
        """
        with _regular(path) as file:
            if not link:
                return self.write(iter(lambda: file.read(CHUNK), b""))
            sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
            while chunk := file.read(CHUNK):
                sha.update(chunk)
                md5.update(chunk)
            with self._draft() as draft:
                try:
                    draft.hardlink_to(path)
                except OSError:  # another file system, or one without links
                    shutil.copyfile(path, draft)
                return self._place(draft, sha.hexdigest(), file.tell(), md5.digest())

    def path(self, digest: str) -> Path:
        """Where the blob of a digest is, or would be."""
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"not a digest: {digest[:80]!r}")
        return self._root / digest[:2] / digest[2:4] / digest

    def open(self, digest: str) -> BinaryIO:
        """The blob, open for reading; `FileNotFoundError` when it is not there."""
        return self.path(digest).open("rb")

    def exists(self, digest: str) -> bool:
        """Whether there is a blob of that digest."""
        return self.path(digest).is_file()

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """The path of a file to be, which is gone afterwards unless it was renamed."""
        path = self._incoming / secrets.token_hex(8)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _place(self, draft: Path, digest: str, size: int, md5: bytes) -> Blob:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)
        return Blob(digest, size, base64.b64encode(md5).decode())


def unpack(zip_file: BinaryIO, target: Path, limits: Limits = Limits()) -> list[str]:
    """Unpack a zip archive into a folder and return the paths of its files; `BadArchive` when that is not safe.

    Every name is looked at before anything is written, and sizes are counted as they come, not as the archive
    claims. A folder that was made for it is removed when it fails.
    """
    made = not target.exists()
    try:
        with zipfile.ZipFile(zip_file) as archive:
            entries = [(entry, _inside(entry)) for entry in archive.infolist()]
            _measure(entries, limits)
            target.mkdir(parents=True, exist_ok=True)
            left = limits.size
            for entry, path in entries:
                left -= _extract(archive, entry, target / path, target, left)
    except BaseException as problem:
        if made:
            shutil.rmtree(target, ignore_errors=True)
        if isinstance(problem, DAMAGE):
            raise BadArchive(f"the archive cannot be read: {problem}") from problem
        raise
    return [str(path) for entry, path in entries if not entry.is_dir()]


@contextmanager
def _regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading; a pipe or a link put in its place is not followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


def _inside(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The path of an entry, which leads into the folder and nowhere else."""
    name = entry.filename.replace("\\", "/")  # archives made on Windows have them
    path = PurePosixPath(name)
    shown = repr(entry.filename[:200])
    if not name or (not path.parts and not entry.is_dir()):
        raise BadArchive(f"{shown} is no name of a file")
    if path.is_absolute() or re.match(r"[A-Za-z]:", name):
        raise BadArchive(f"{shown} is an absolute path")
    if ".." in path.parts:
        raise BadArchive(f"{shown} leads out of the folder")
    if any(len(os.fsencode(part)) > 255 for part in path.parts) or len(path.parts) > 100:
        raise BadArchive(f"{shown} is too long")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise BadArchive(f"{shown} is a link or a device, not a file")
    if entry.flag_bits & ENCRYPTED:
        raise BadArchive(f"{shown} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive(f"{shown} is compressed in an unusual way; deflate is the usual one")
    return path


def _measure(entries: list[tuple[zipfile.ZipInfo, PurePosixPath]], limits: Limits) -> None:
    """Refuse at once what says itself that it is too much, or has a file where another entry has a folder."""
    if len(entries) > limits.files:
        raise BadArchive(f"the archive has {len(entries)} entries; at most {limits.files} are unpacked")
    size = sum(entry.file_size for entry, _ in entries)
    if size > limits.size:
        raise BadArchive(f"the archive holds {size} bytes; at most {limits.size} are unpacked")
    files = {path for entry, path in entries if not entry.is_dir()}
    folders = {parent for _, path in entries for parent in path.parents}
    folders |= {path for entry, path in entries if entry.is_dir()}
    if both := files & folders:
        raise BadArchive(f"{str(min(both))!r} is both a file and a folder")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, target: Path, left: int) -> int:
    """Write one entry and return its size; an older file of that name goes, and a link is never written through."""
    folder = path if entry.is_dir() else path.parent
    if not folder.resolve().is_relative_to(target.resolve()):
        raise BadArchive(f"{entry.filename[:200]!r} leads out of the folder")
    folder.mkdir(parents=True, exist_ok=True)
    if entry.is_dir():
        return 0
    path.unlink(missing_ok=True)
    size = 0
    with archive.open(entry) as source, path.open("xb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > left:
                raise BadArchive(f"the archive holds more than it says: over {left} bytes at {entry.filename[:200]!r}")
            file.write(chunk)
    path.chmod(0o755 if entry.external_attr >> 16 & stat.S_IXUSR else 0o644)
    return size
