"""A file behind a signed link: whole under its name, or not there; gone on with after a break."""

import io

import pytest
from requests import exceptions as broken

from azml_magics import errors
from azml_magics.rest.download import BREAKS, CHUNK
from tests.rest.wire import Reply, session

LINK = "https://acc.blob.core.windows.net/c/f?sv=1&sig=SECRETSIGNATURE%3d"
DATA = bytes(range(256)) * (3 * CHUNK // 256)


class Breaking(io.BytesIO):
    """A body that breaks off after some chunks."""

    def __init__(self, data, chunks):
        super().__init__(data)
        self.after = chunks * CHUNK

    def read(self, amount=-1):
        if self.tell() >= self.after:
            raise broken.ChunkedEncodingError("IncompleteRead")
        return super().read(amount)


def part(start, **headers):
    return Reply(206, DATA[start:], Content_Length=str(len(DATA) - start), **headers)


def test_a_file_is_written_whole_and_its_progress_told(tmp_path):
    seen = []
    asked = session(Reply(200, DATA, Content_Length=str(len(DATA))))
    size = asked.fetch(LINK, tmp_path / "f", progress=lambda done, total: seen.append((done, total)))
    assert (size, (tmp_path / "f").read_bytes(), seen[-1]) == (len(DATA), DATA, (len(DATA), len(DATA)))
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert "Authorization" not in asked.wire.sent[0].headers
    assert asked.wire.sent[0].headers["Accept-Encoding"] == "identity"


def test_an_empty_file_is_a_file(tmp_path):
    assert session(Reply(200, b"", Content_Length="0")).fetch(LINK, tmp_path / "f") == 0
    assert (tmp_path / "f").read_bytes() == b""


def test_a_break_is_gone_on_with_from_where_it_was(tmp_path):
    asked = session(Reply(200, Breaking(DATA, 2), ETag='"1"'), part(2 * CHUNK, ETag='"1"'))
    asked.fetch(LINK, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    again = asked.wire.sent[1].headers
    assert (again["Range"], again["If-Match"]) == (f"bytes={2 * CHUNK}-", '"1"')


def test_a_file_that_changed_in_between_is_begun_anew(tmp_path):
    asked = session(Reply(200, Breaking(b"o" * len(DATA), 1), ETag='"1"'), Reply(412), Reply(200, DATA, ETag='"2"'))
    assert asked.fetch(LINK, tmp_path / "f") == len(DATA)
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_server_without_ranges_is_read_from_the_start_again(tmp_path):
    asked = session(Reply(200, Breaking(DATA, 1)), Reply(200, DATA))
    assert asked.fetch(LINK, tmp_path / "f") == len(DATA)
    assert (tmp_path / "f").read_bytes() == DATA


def test_breaks_without_a_byte_in_between_end_and_leave_no_half_file(tmp_path):
    asked = session(*[Reply(200, Breaking(DATA, 0)) for _ in range(BREAKS + 1)])
    with pytest.raises(errors.TransportError, match="broke off") as caught:
        asked.fetch(LINK, tmp_path / "f")
    assert "SECRETSIGNATURE" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_break_left_is_kept_for_who_wants_to_resume(tmp_path):
    breaking = [Reply(206, Breaking(DATA[CHUNK:], 0)) for _ in range(BREAKS + 1)]
    with pytest.raises(errors.TransportError):
        session(Reply(200, Breaking(DATA, 1)), *breaking).fetch(LINK, tmp_path / "f", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["f.part"]
    assert session(part(CHUNK)).fetch(LINK, tmp_path / "f", resume=True) == len(DATA)
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize("resume", [True, False])
def test_a_link_in_the_way_is_not_written_through(resume, tmp_path):
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "f.part").symlink_to(tmp_path / "outside")
    session(Reply(200, DATA)).fetch(LINK, tmp_path / "f", resume=resume)
    assert (tmp_path / "outside").read_bytes() == b"mine"
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_part_of_an_earlier_try_is_gone_on_with_when_asked(tmp_path):
    (tmp_path / "f.part").write_bytes(DATA[:500])
    asked = session(part(500))
    assert asked.fetch(LINK, tmp_path / "f", resume=True) == len(DATA)
    assert (tmp_path / "f").read_bytes() == DATA
    assert asked.wire.sent[0].headers["Range"] == "bytes=500-"


def test_without_being_asked_a_part_of_an_earlier_try_is_dropped(tmp_path):
    (tmp_path / "f.part").write_bytes(b"other")
    asked = session(Reply(200, DATA))
    asked.fetch(LINK, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_an_open_file_is_gone_on_with_from_its_position():
    # How the log of a run that goes on is followed: nothing new is 416.
    target = io.BytesIO(b"seen")
    target.seek(4)
    asked = session(Reply(206, b" new"), Reply(416))
    assert asked.fetch(LINK, target, resume=True) == 8
    assert asked.fetch(LINK, target, resume=True) == 8
    assert target.getvalue() == b"seen new"
    assert [sent.headers["Range"] for sent in asked.wire.sent] == ["bytes=4-", "bytes=8-"]


def test_a_busy_storage_is_asked_again(tmp_path):
    asked = session(Reply(503), broken.ConnectionError("x"), Reply(200, DATA))
    assert asked.fetch(LINK, tmp_path / "f") == len(DATA)


def test_a_link_that_has_ended_says_so(tmp_path):
    xml = b"<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>Signature not valid</Message></Error>"
    with pytest.raises(errors.ForbiddenError, match="Signature not valid"):
        session(Reply(403, xml)).fetch(LINK, tmp_path / "f")
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("link", ["http://acc.blob.core.windows.net/f?sig=x", "file:///etc/passwd", "", "ftp://h/f"])
def test_a_signature_never_goes_out_in_the_clear(link, tmp_path):
    asked = session()
    with pytest.raises(errors.TransportError, match="no https link"):
        asked.fetch(link, tmp_path / "f")
    with pytest.raises(errors.TransportError, match="no https link"):
        asked.size_of(link)
    assert asked.wire.sent == []


def test_on_this_machine_a_link_may_be_plain(tmp_path):
    assert session(Reply(200, DATA)).fetch("http://127.0.0.1:8000/f", tmp_path / "f") == len(DATA)


@pytest.mark.parametrize(("headers", "size"), [({"Content_Length": "12"}, 12), ({}, None)])
def test_a_size_is_asked_without_reading_the_file(headers, size):
    asked = session(Reply(200, **headers))
    assert asked.size_of(LINK) == size
    assert asked.wire.sent[0].method == "HEAD"


def test_a_full_disk_is_not_taken_for_a_broken_connection():
    class Full(io.BytesIO):
        def write(self, _data):
            raise OSError(28, "No space left on device")

    asked = session(Reply(200, DATA))
    with pytest.raises(OSError, match="No space left"):
        asked.fetch(LINK, Full())
    assert len(asked.wire.sent) == 1


def test_a_large_file_is_never_whole_in_memory(tmp_path):
    class Long(io.RawIOBase):
        left, largest = 20 * CHUNK, 0

        def readable(self):
            return True

        def read(self, amount=-1):
            self.largest = max(self.largest, amount)
            give = min(amount, self.left)
            self.left -= give
            return b"x" * give

    body = Long()
    assert session(Reply(200, body)).fetch(LINK, tmp_path / "f") == 20 * CHUNK
    assert 0 < body.largest <= CHUNK
