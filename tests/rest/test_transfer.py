"""rest/transfer.py: multipart bodies out of files, names that stay in their folder, files that are whole."""

import contextlib
import email
import email.policy
import http.server
import os
import sys
import threading

import pytest
import requests
from hypothesis import assume, given
from hypothesis import strategies as st

from azml_magics.errors import TransportError, UsageError
from azml_magics.rest.protocol import Part
from azml_magics.rest.transfer import Multipart, contained


def read(multipart):
    """The parts as another implementation reads them: type, disposition parameters, content."""
    head = f"Content-Type: {multipart.content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.message_from_bytes(head + b"".join(multipart), policy=email.policy.HTTP)
    return [
        (
            p.get_content_type(),
            p.get_param("name", header="content-disposition"),
            p.get_filename(),
            p.get_payload(decode=True),
        )
        for p in message.iter_parts()
    ]


def test_parts_are_read_by_another_implementation_as_they_were_given(tmp_path):
    path = tmp_path / "project.zip"
    path.write_bytes(os.urandom(700_000))
    multipart = Multipart(
        [
            Part("runDefinitionFile", "definition.json", b'{"x": 1}', "application/json"),
            Part("projectZipFile", "project.zip", path, "application/zip"),
            Part("note", "", b"", "text/plain"),
        ]
    )
    assert read(multipart) == [
        ("application/json", "runDefinitionFile", "definition.json", b'{"x": 1}'),
        ("application/zip", "projectZipFile", "project.zip", path.read_bytes()),
        ("text/plain", "note", None, b""),
    ]


@given(st.lists(st.tuples(st.text(), st.text(), st.binary()), max_size=4))
def test_the_length_is_that_of_the_bytes_and_the_bytes_are_the_same_again(given_parts):
    names = [part for part in given_parts if "".join(part[:2]).encode("utf-8", "ignore").decode() == "".join(part[:2])]
    multipart = Multipart([Part(name, filename, content) for name, filename, content in names])
    body = b"".join(multipart)
    assert len(body) == len(multipart)
    assert b"".join(multipart) == body


def test_names_cannot_add_headers_or_parts():
    multipart = Multipart([Part('a"\r\nX: y\r\n\r\n--b', 'f"\r\n.zip', b"x", "text/plain\r\nX: y")], "b")
    head = b"".join(multipart).split(b"\r\n\r\n")[0].decode()
    assert len(head.split("\r\n")) == 3
    assert '"a%22%0D%0AX: y%0D%0A%0D%0A--b"' in head


def test_every_body_has_a_boundary_of_its_own():
    assert Multipart([]).content_type != Multipart([]).content_type


def test_a_missing_file_is_named_before_anything_is_sent(tmp_path):
    with pytest.raises(UsageError, match=r"no file .*gone\.zip"):
        Multipart([Part("z", "z.zip", tmp_path / "gone.zip")])


def test_a_file_that_changes_while_it_is_sent_keeps_the_announced_length(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    multipart = Multipart([Part("z", "z", path)])
    path.write_bytes(b"1234567")
    assert len(b"".join(multipart)) == len(multipart)
    path.write_bytes(b"123")
    with pytest.raises(UsageError, match="became shorter"):
        b"".join(multipart)


def test_requests_streams_it_with_a_length(tmp_path):
    class Take(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            seen.append((self.headers.get("transfer-encoding"), self.rfile.read(length)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    seen = []
    path = tmp_path / "f"
    path.write_bytes(os.urandom(600_000))
    multipart = Multipart([Part("z", "z", path)])
    with http.server.HTTPServer(("127.0.0.1", 0), Take) as httpd, requests.Session() as session:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        session.trust_env = False
        for _ in range(2):
            headers = {"Content-Type": multipart.content_type}
            session.post(f"http://127.0.0.1:{httpd.server_port}", data=multipart, headers=headers, timeout=10)
        httpd.shutdown()
    assert seen == [(None, b"".join(multipart))] * 2


@pytest.mark.parametrize(
    "name", ["outputs/model.pkl", "a", "logs/azureml/70_driver_log.txt", "été/训练 1.txt", "a#b", "x..y/..z"]
)
def test_ordinary_names_lie_inside(tmp_path, name):
    assert contained(tmp_path, name) == tmp_path.resolve() / name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a//b", "a/./b", "a/", "C:/x", "c:x", "C:\\x",
        "..\\x", "a\\b", "\\\\host\\share", "%2e%2e/x", "%2E%2E%2Fx", "a/%2e%2e/%2e%2e/x", "a%2fb", "a%5cb",
        "%252e%252e/x",
        "a\0b", "a\nb", "a%00b", "a\x1b[31m", "a\u202eb",
    ],
)  # fmt: skip
def test_names_that_climb_or_are_read_twice_are_refused(tmp_path, name):
    with pytest.raises(TransportError):
        contained(tmp_path, name)


@given(
    st.lists(st.sampled_from(["..", ".", "a", "b", "", "%2e%2e", "..\\", "/", "\\", "C:", "%2f", "\0"])).map("/".join)
)
def test_whatever_is_accepted_lies_inside(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        path = contained(folder, name)
    except TransportError:
        return
    assert path.resolve().is_relative_to(folder.resolve())
    assert path.resolve() != folder.resolve()


@given(st.text())
def test_any_name_is_accepted_or_refused(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    assume(len(name.encode("utf-8", "ignore")) < 100)
    with contextlib.suppress(TransportError):
        assert contained(folder, name).is_relative_to(folder.resolve())


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_a_link_in_the_folder_does_not_lead_a_name_out(tmp_path):
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "file").symlink_to(tmp_path / "elsewhere")
    for name in ("out/x", "file"):
        with pytest.raises(TransportError, match="through a link"):
            contained(folder, name)


def test_a_folder_that_is_a_link_itself_is_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert contained(tmp_path / "link", "x") == (tmp_path / "real").resolve() / "x"
