import base64
import hashlib
import io
import os
import random
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from azml_magics.emulator.blobs import BadArchive, Blob, Blobs, Limits, unpack


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_blob_is_named_by_what_it_holds(blobs):
    blob = blobs.write([b"ab", b"", b"c"])
    assert blob == Blob(digest_of(b"abc"), 3, base64.b64encode(hashlib.md5(b"abc").digest()).decode())
    with blobs.open(blob.digest) as file:
        assert file.read() == b"abc"
    assert blobs.path(blob.digest).parent.parts[-2:] == (blob.digest[:2], blob.digest[2:4])
    assert blobs.exists(blob.digest)


def test_the_same_content_is_kept_once(blobs, tmp_path):
    assert blobs.write([b"a"] * 1000) == blobs.write([b"a" * 1000])
    assert len(files_of(tmp_path)) == 1


def test_nothing_is_kept_of_a_write_that_broke_off(blobs, tmp_path):
    def chunks():
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        blobs.write(chunks())
    assert files_of(tmp_path) == {}


def test_what_a_killed_process_left_goes_at_the_next_start(blobs, tmp_path):
    kept = blobs.write([b"kept"])
    (tmp_path / "blobs" / "incoming" / "half").write_bytes(b"ha")
    assert Blobs(tmp_path / "blobs").exists(kept.digest)
    assert list(files_of(tmp_path).values()) == [b"kept"]


@pytest.mark.parametrize("digest", ["", "..", "../" * 20 + "x" * 4, "A" * 64, "g" * 64, "a" * 65, "a" * 64 + "\n"])
def test_what_is_no_digest_is_no_path(blobs, digest):
    for use in (blobs.path, blobs.open, blobs.exists):
        with pytest.raises(ValueError, match="not a digest"):
            use(digest)


def test_a_blob_that_is_not_there_is_not_found(blobs):
    assert not blobs.exists("0" * 64)
    with pytest.raises(FileNotFoundError):
        blobs.open("0" * 64)


def test_an_adopted_file_is_copied_and_may_change_afterwards(blobs, tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"first")
    blob = blobs.adopt(path)
    with path.open("ab") as file:
        file.write(b" second")
    assert blob.digest == digest_of(b"first")
    assert blobs.path(blob.digest).read_bytes() == b"first"


def test_a_linked_file_takes_no_room_of_its_own(blobs, tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"upload")
    blob = blobs.adopt(path, link=True)
    assert blob == blobs.adopt(path) == blobs.write([b"upload"])
    other = tmp_path / "second"
    other.write_bytes(b"second")
    second = blobs.adopt(other, link=True)
    assert second.size == 6
    assert blobs.path(second.digest).samefile(other)
    other.unlink()
    assert blobs.path(second.digest).read_bytes() == b"second"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/hosts")])
@pytest.mark.parametrize("link", [True, False])
def test_what_is_no_regular_file_is_not_adopted(blobs, tmp_path, make, link):
    path = tmp_path / "odd"
    make(path)
    with pytest.raises(OSError, match=r"regular|symbolic|directory"):
        blobs.adopt(path, link=link)
    assert files_of(tmp_path / "blobs") == {}


def test_many_threads_may_write_the_same_blob(blobs):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: blobs.write([b"x" * 10_000] * 10), range(40)))
    assert len(found) == 1
    assert blobs.path(found.pop().digest).stat().st_size == 100_000


def a_zip(*entries, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    file.seek(0)
    return file


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def test_an_archive_is_unpacked_with_its_folders(tmp_path):
    archive = a_zip(("train.py", "print(1)"), ("data/", ""), ("data/deep/a.csv", "a"), ("./b\\c.txt", "c"))
    names = unpack(archive, tmp_path / "code")
    assert names == ["train.py", "data/deep/a.csv", "b/c.txt"]
    assert files_of(tmp_path / "code") == {"train.py": b"print(1)", "data/deep/a.csv": b"a", "b/c.txt": b"c"}


def test_an_empty_archive_makes_an_empty_folder(tmp_path):
    assert unpack(a_zip(), tmp_path / "code") == []
    assert (tmp_path / "code").is_dir()


def test_programs_stay_executable_and_nothing_gets_odd_rights(tmp_path):
    archive = a_zip((special("run.sh", stat.S_IFREG | 0o6777), "#!/bin/sh"), (special("a.txt", stat.S_IFREG), "a"))
    unpack(archive, tmp_path / "code")
    assert (tmp_path / "code/run.sh").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "code/a.txt").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("C:\\windows\\x", "absolute"),
        ("c:x", "absolute"),
        ("\\\\host\\share", "absolute"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a\\..\\..\\x", "leads out"),
        (".", "no name"),
        ("a" * 300, "too long"),
        ("a/" * 200 + "a", "too long"),
        (special("link", stat.S_IFLNK | 0o777), "link or a device"),
        (special("pipe", stat.S_IFIFO | 0o666), "link or a device"),
    ],
)
def test_an_entry_that_could_do_harm_stops_everything(tmp_path, entry, reason):
    with pytest.raises(BadArchive, match=reason):
        unpack(a_zip(("fine.txt", "fine"), (entry, "/etc/passwd")), tmp_path / "code")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_file_and_folder_is_refused(tmp_path):
    with pytest.raises(BadArchive, match="'a' is both"):
        unpack(a_zip(("a", "1"), ("a/b", "2")), tmp_path / "code")


def test_of_two_entries_of_a_name_the_last_stays(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = a_zip(("a", "1"), ("a", "2"))
    unpack(archive, tmp_path / "code")
    assert files_of(tmp_path / "code") == {"a": b"2"}


def test_limits_are_kept(tmp_path):
    archive = a_zip(("a", b"0" * 1000), ("b", b"0" * 1000))
    assert unpack(archive, tmp_path / "fits", Limits(size=2000, files=2)) == ["a", "b"]
    with pytest.raises(BadArchive, match="2000 bytes; at most 1999"):
        unpack(archive, tmp_path / "code", Limits(size=1999))
    with pytest.raises(BadArchive, match="2 entries; at most 1"):
        unpack(archive, tmp_path / "code", Limits(files=1))


def test_an_archive_that_lies_about_its_size_is_caught(tmp_path):
    content = a_zip(("bomb", b"0" * 5_000_000)).getvalue()
    # both headers say 10 bytes
    lying = content.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != content
    with pytest.raises(BadArchive):
        unpack(io.BytesIO(lying), tmp_path / "code", Limits(size=1000))
    assert list(tmp_path.iterdir()) == []


def test_encrypted_and_oddly_compressed_entries_are_refused(tmp_path):
    content = bytearray(a_zip(("a", "secret")).getvalue())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BadArchive, match="encrypted"):
        unpack(io.BytesIO(bytes(content)), tmp_path / "code")
    with pytest.raises(BadArchive, match="deflate is the usual"):
        unpack(a_zip(("a", "x"), method=zipfile.ZIP_BZIP2), tmp_path / "code")


def test_whatever_is_damaged_is_a_bad_archive_or_no_harm(tmp_path):
    dice = random.Random(5)
    good = a_zip(*((f"folder/{n}.txt", bytes(dice.randbytes(300))) for n in range(5))).getvalue()
    refused = 0
    for number in range(300):
        content = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        if number % 3 == 0:
            del content[dice.randrange(len(content)) :]
        target = tmp_path / str(number)
        try:
            unpack(io.BytesIO(bytes(content)), target)
        except BadArchive:
            refused += 1
            assert not target.exists()
    assert refused > 150


def test_a_link_in_the_folder_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    code = tmp_path / "code"
    code.mkdir()
    (code / "folder").symlink_to(outside)
    (code / "file").symlink_to(outside / "kept.txt")
    with pytest.raises(BadArchive, match="leads out"):
        unpack(a_zip(("folder/sub/x", "x")), code)
    unpack(a_zip(("file", "new")), code)
    assert files_of(outside) == {"kept.txt": b"kept"}
    assert (code / "file").read_text() == "new"
