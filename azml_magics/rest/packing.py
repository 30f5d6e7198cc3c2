"""The code of a run as a zip file: a folder, single files, or a cell with what it needs.

The same files make the same bytes, whatever the machine and the day. Files go from disk to disk; no file is held
in memory. A link that leads out of the folder is refused: what lies behind it was not meant to be sent.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError
from .ignoring import IgnoreRules

__all__ = ["MAX_BYTES", "MAX_FILES", "Archive", "packed"]

#: What the service takes as one snapshot (wire-v1 7); that a MB is 2**20 bytes is [inferred].
MAX_BYTES, MAX_FILES = 300 << 20, 2000
CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file on disk, and the names and sizes of what is in it."""

    path: Path
    entries: tuple[tuple[str, int], ...]

    def listing(self) -> list[str]:
        """One line for each file: its size in bytes, its name."""
        return [f"{size:>12,}  {name}" for name, size in self.entries]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file to be packed: where it is, or what is in it."""

    name: str
    source: Path | bytes
    size: int


@contextlib.contextmanager
def packed(
    script: str,
    *,
    source: str | None = None,
    file: Path | None = None,
    folder: Path | None = None,
    includes: Sequence[Path | str] = (),
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
) -> Iterator[Archive]:
    """The zip of a run while the `with` block lasts: `script` as text, as one file, or in a folder with the rest."""
    entries = [_text_entry(script, source)] if source is not None else []
    if file is not None:
        entries.append(_file_entry(script, file))
    if folder is not None:
        entries += _Folder(folder).entries()
    archive = _archive([*entries, *_included(includes)], max_files, max_bytes)
    try:
        yield archive
    finally:
        archive.path.unlink(missing_ok=True)


def _included(includes: Iterable[Path | str]) -> Iterator[_Entry]:
    """Files by their names, folders with theirs in front."""
    for path in map(Path, includes):
        if not path.is_dir():
            yield _file_entry(path.name, path)
            continue
        for entry in _Folder(path).entries():
            yield _Entry(f"{path.resolve().name}/{entry.name}", entry.source, entry.size)


def _text_entry(name: str, source: str) -> _Entry:
    data = source.encode()
    return _Entry(_portable(name), data, len(data))


def _file_entry(name: str, path: Path) -> _Entry:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    if not path.is_file():
        raise UsageError(f"{path} is no regular file", "name it in .amlignore")
    return _Entry(_portable(name), path, size)


def _portable(name: str) -> str:
    """The name, when it means the same file on the machine that unpacks it."""
    if not name.isprintable() or "\\" in name or not name.strip("/") or ".." in name.split("/"):
        raise UsageError(f"the name {name!r} cannot go into a zip file", "rename it, or name it in .amlignore")
    return name


class _Folder:
    """One folder and its `.amlignore`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real = root.resolve()
        try:
            lines = (root / ".amlignore").read_text("utf-8-sig").splitlines()
        except FileNotFoundError:
            lines = []
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{root / '.amlignore'} cannot be read: {type(error).__name__}") from None
        self._rules = IgnoreRules(lines)

    def entries(self) -> Iterator[_Entry]:
        """Every file that goes along, under its name relative to the folder."""
        return self._below(self._root, "", (self._real,))

    def _below(self, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[_Entry]:
        for path in sorted(folder.iterdir()):
            name = f"{prefix}{path.name}"
            is_folder = path.is_dir()
            if self._rules.leaves_out(name, is_folder):
                continue
            if path.is_symlink():
                self._check_link(path, name)
            if not is_folder:
                yield _file_entry(name, path)
                continue
            real = path.resolve()
            if real in above:
                raise UsageError(f"the link {name} leads back to a folder that it is in", "name it in .amlignore")
            yield from self._below(path, f"{name}/", (*above, real))

    def _check_link(self, path: Path, name: str) -> None:
        if not path.resolve().is_relative_to(self._real):
            raise UsageError(f"the link {name} leads out of {self._root}", "copy what is behind it, or .amlignore it")


def _archive(entries: Iterable[_Entry], max_files: int, max_bytes: int) -> Archive:
    """The zip of the entries, after everything about them was checked."""
    chosen: dict[str, _Entry] = {}
    for entry in entries:
        if entry.name in chosen:
            raise UsageError(f"two files would be {entry.name} in the zip", "rename one of them")
        chosen[entry.name] = entry
        if len(chosen) > max_files:
            raise UsageError(f"more than {max_files:,} files, which is all the service takes", _TOO_MUCH)
    size = sum(entry.size for entry in chosen.values())
    if size > max_bytes:
        largest = max(chosen.values(), key=lambda entry: entry.size)
        raise UsageError(
            f"{_megabytes(size)} are more than the {_megabytes(max_bytes)} that the service takes",
            f"{_TOO_MUCH} (largest: {largest.name}, {_megabytes(largest.size)})",
        )
    if not chosen:
        raise UsageError("there is no file to send", "check the folder and its .amlignore")
    ordered = [chosen[name] for name in sorted(chosen)]
    return Archive(_written(ordered), tuple((entry.name, entry.size) for entry in ordered))


_TOO_MUCH = "name what the run does not need in .amlignore; read data from a datastore"


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MB"


def _written(entries: Sequence[_Entry]) -> Path:
    handle, name = tempfile.mkstemp(prefix="azml-", suffix=".zip")
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", compresslevel=1) as archive:
            for entry in entries:
                _add(archive, entry)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            what = error.filename or "the zip file"
            raise UsageError(f"{what} cannot be packed: {error.strerror or type(error).__name__}") from None
        raise
    return Path(name)


def _add(archive: zipfile.ZipFile, entry: _Entry) -> None:
    """One file. A name alone gets the first day of zip files, 1980; its rights stand in the directory at the end."""
    executable = False
    if isinstance(entry.source, bytes):
        archive.compression = zipfile.ZIP_DEFLATED
        with archive.open(entry.name, "w") as out:
            out.write(entry.source)
    else:
        executable = bool(entry.source.stat().st_mode & 0o100)
        with entry.source.open("rb") as file:
            archive.compression = _worth(file)
            with archive.open(entry.name, "w") as out:
                while chunk := file.read(CHUNK):
                    out.write(chunk)
    info = archive.getinfo(entry.name)
    info.create_system = 3  # POSIX, on every machine: where the rights are read
    info.external_attr = (0o100755 if executable else 0o100644) << 16


def _worth(file: BinaryIO) -> int:
    """Whether compressing pays: images, models and archives only cost time. Told by the beginning of the file."""
    sample = file.read(1 << 16)
    file.seek(0)
    return zipfile.ZIP_DEFLATED if len(zlib.compress(sample, 1)) < 0.9 * len(sample) else zipfile.ZIP_STORED
