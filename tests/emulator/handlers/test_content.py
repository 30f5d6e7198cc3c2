"""Content piece by piece: as much as was promised, however the file grows."""

from __future__ import annotations

from azml_magics.emulator.handlers import content


def test_a_file_that_grows_is_answered_as_long_as_it_was(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"0123")
    file = path.open("rb")
    size = content.size_of(file)
    answer = content.pieces(file, 0, size)
    with path.open("ab") as more:
        more.write(b"4567")
    assert b"".join(answer) == b"0123"
    assert file.closed


def test_a_large_file_comes_in_pieces(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(b"x" * (content.CHUNK + 5))
    sizes = [len(piece) for piece in content.pieces(path.open("rb"), 3, content.CHUNK + 2)]
    assert sizes == [content.CHUNK, 2]
