"""rest/packing.py: the same files make the same zip, nothing else gets in, and too much is refused."""

import os
import stat
import subprocess
import sys
import zipfile

import pytest

from azml_magics.errors import UsageError
from azml_magics.rest.packing import packed


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "code"
    put(root / "train.py", "print(1)\n")
    put(root / "lib" / "b.py", "b" * 5000)
    put(root / "lib" / "a.py", "a")
    put(root / "lib" / "empty.txt", "")
    return root


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def unpacked(archive):
    """What is in a zip file, which is deleted: its bytes, and content, kind and rights of every file."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        files = {
            i.filename: (opened.read(i), i.compress_type, stat.S_IMODE(i.external_attr >> 16))
            for i in opened.infolist()
        }
    data = archive.read_bytes()
    archive.unlink()
    return data, files


def zipped(folder, **limits):
    """What a folder is packed to."""
    with packed("train.py", folder=folder, **limits) as archive:
        return unpacked(archive.path)


def scripted(name, source, includes):
    """What a script given as text is packed to, with what it needs."""
    with packed(name, source=source, includes=includes) as archive:
        return unpacked(archive.path)


def names(zip_file):
    return list(zip_file[1])


def test_a_folders_contents_lie_at_the_root_in_order(folder):
    _, files = zipped(folder)
    assert list(files) == ["lib/a.py", "lib/b.py", "lib/empty.txt", "train.py"]
    assert files["train.py"][0] == b"print(1)\n"


def test_the_same_files_make_the_same_bytes(folder, tmp_path):
    first = zipped(folder)[0]
    os.utime(folder / "train.py", (1, 1))
    (folder / "lib").rename(folder / "tmp")
    (folder / "tmp").rename(folder / "lib")
    other = tmp_path / "elsewhere"
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            put(other / path.relative_to(folder), path.read_text())
    assert zipped(folder)[0] == first
    assert zipped(other)[0] == first


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_scripts_stay_executable(folder):
    (folder / "train.py").chmod(0o700)
    _, files = zipped(folder)
    assert (files["train.py"][2], files["lib/a.py"][2]) == (0o755, 0o644)


def test_what_does_not_shrink_is_stored(folder):
    (folder / "model.bin").write_bytes(os.urandom(200_000))
    _, files = zipped(folder)
    assert files["model.bin"][1] == zipfile.ZIP_STORED
    assert files["lib/b.py"][1] == zipfile.ZIP_DEFLATED


def test_amlignore_and_caches_are_honoured(folder):
    put(folder / ".amlignore", "*.csv\ndata/\n!keep.csv\n")
    for name in ("big.csv", "keep.csv", "data/x.txt", "lib/__pycache__/a.pyc", ".git/HEAD", ".ipynb_checkpoints/x"):
        put(folder / name, "x")
    assert names(zipped(folder)) == [
        ".amlignore", "keep.csv", "lib/a.py", "lib/b.py", "lib/empty.txt", "train.py",
    ]  # fmt: skip


def test_a_script_comes_with_its_files_and_folders(folder, monkeypatch):
    _, files = scripted("cell.py", "print('é')\n", [folder / "train.py", folder / "lib"])
    assert list(files) == ["cell.py", "lib/a.py", "lib/b.py", "lib/empty.txt", "train.py"]
    assert files["cell.py"][0].decode() == "print('é')\n"
    monkeypatch.chdir(folder / "lib")
    assert names(scripted("cell.py", "", ["."]))[1:] == ["lib/a.py", "lib/b.py", "lib/empty.txt"]


def test_the_zip_of_a_run_lasts_as_long_as_its_block(folder):
    with packed("train.py", folder=folder, includes=[]) as archive:
        with zipfile.ZipFile(archive.path) as opened:
            assert opened.namelist() == [name for name, _ in archive.entries]
        assert archive.listing()[-1] == "           9  train.py"
    with packed("cell.py", source="x = 1", includes=[folder / "lib" / "a.py"]) as archive:
        assert archive.entries == (("a.py", 1), ("cell.py", 5))
    with packed("train.py", file=folder / "train.py") as archive:
        assert archive.entries == (("train.py", 9),)
    assert not archive.path.exists()


def test_the_zip_of_a_run_goes_when_its_block_breaks(folder):
    with pytest.raises(OSError, match="cable"), packed("train.py", folder=folder) as archive:
        raise OSError("cable")
    assert not archive.path.exists()


def test_two_files_of_one_name_are_refused(folder):
    with pytest.raises(UsageError, match=r"two files would be train\.py"):
        scripted("train.py", "", [folder / "train.py"])


def test_too_many_files_are_refused(folder):
    with pytest.raises(UsageError, match="more than 3 files") as caught:
        zipped(folder, max_files=3)
    assert ".amlignore" in caught.value.hint


def test_too_many_bytes_are_refused_with_the_size_and_the_largest(folder):
    (folder / "big.bin").write_bytes(bytes(3 << 20))
    with pytest.raises(UsageError, match=r"3\.0 MB are more than the 1\.0 MB") as caught:
        zipped(folder, max_bytes=1 << 20)
    assert "largest: big.bin, 3.0 MB" in caught.value.hint


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere.*cannot be read"):
        scripted("x.py", "", [tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no file to send"):
        zipped(tmp_path / "empty")


posix = pytest.mark.skipif(sys.platform == "win32", reason="links and odd names of POSIX")


@posix
def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    secret = put(tmp_path / "secret.txt", "s")
    (folder / "lib" / "link.txt").symlink_to(secret)
    with pytest.raises(UsageError, match=r"lib/link\.txt leads out"):
        zipped(folder)
    (folder / "lib" / "link.txt").unlink()
    (folder / "up").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="up leads out"):
        zipped(folder)
    put(folder / ".amlignore", "up\n")
    assert "train.py" in names(zipped(folder))


@posix
def test_links_inside_the_folder_are_followed_but_not_in_circles(folder):
    (folder / "copy.py").symlink_to("train.py")
    (folder / "more").symlink_to("lib")
    assert names(zipped(folder)) == [
        "copy.py", "lib/a.py", "lib/b.py", "lib/empty.txt", "more/a.py", "more/b.py", "more/empty.txt", "train.py",
    ]  # fmt: skip
    (folder / "lib" / "back").symlink_to("..")
    with pytest.raises(UsageError, match="leads back"):
        zipped(folder)


@posix
def test_a_link_that_leads_nowhere_is_named(folder):
    (folder / "gone").symlink_to("nothing")
    with pytest.raises(UsageError, match="gone cannot be read"):
        zipped(folder)


@posix
def test_pipes_are_refused_and_not_opened(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(UsageError, match="pipe is no regular file"):
        zipped(folder)


@posix
@pytest.mark.parametrize("name", ["a\\b.py", "a\nb.py", "\udcff.py"])
def test_names_that_mean_something_else_elsewhere_are_refused(folder, name):
    put(folder / name)
    with pytest.raises(UsageError, match="cannot go into a zip file"):
        zipped(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB there")
def test_large_files_are_not_held_in_memory(tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "big.bin").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    code = """if True:
        import resource, sys
        from pathlib import Path
        from azml_magics.rest.packing import packed
        from azml_magics.rest.protocol import Part
        from azml_magics.rest.transfer import Multipart
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before = peak()
        with packed("big.bin", folder=Path(sys.argv[1])) as archive:
            sent = sum(map(len, Multipart([Part("z", "z.zip", archive.path)])))
        print(sent > 64 << 20, peak() - before < 16 * 1024)
    """
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
