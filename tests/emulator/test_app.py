from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any, cast

import msal
import pytest
import requests

from azml_magics.emulator.app import create_app
from azml_magics.emulator.handlers import identity as sign_in
from azml_magics.emulator.identity import Identity
from azml_magics.emulator.service import Fault, Reply, Service
from azml_magics.emulator.store import Store
from tests.emulator.asgi import AsgiAdapter

ARM = "https://management.azure.com"
DATA = "https://emulator.api.azureml.ms"
LOGIN = "https://login.microsoftonline.com"
LOCAL = "https://127.0.0.1:8443"
BLOB = "https://account.blob.core.windows.net"
VERSION = {"api-version": "2019-11-01"}
GROUP = "/subscriptions/s/resourceGroups/g"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/w"
RUN = f"/history/v1.0{WORKSPACE}/runs/r"
BIG = 3 << 20


class Handlers:
    """Tiny handlers that tell what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[Any] = []
        self.uploads: list[tuple[Path, int]] = []
        self.closed = threading.Event()
        self.table = {
            **sign_in.HANDLERS,
            "subscription.list": lambda service, call: self.tell(call, Reply({"value": []})),
            "workspace.update": lambda service, call: self.tell(call, Reply({"body": call.body})),
            "compute.show": self.fail,
            "run.show": lambda service, call: self.tell(call, Reply({"runId": call.keys["run"], "loss": float("nan")})),
            "run.details": lambda service, call: 1 / 0,
            "run.update": lambda service, call: self.tell(call, Reply({"body": call.body})),
            "run.cancel": lambda service, call: self.tell(call, Reply(content=b"")),
            "run.start": self.read_parts,
            "blob.write": self.read_upload,
            "blob.read": lambda service, call: Reply(content=self.big(), media_type="application/octet-stream"),
            "blob.head": lambda service, call: Reply(headers={"Content-Length": "17"}),
            "artifact.content": lambda service, call: Reply(content=self.endless(), media_type="text/plain"),
            "model.delete": lambda service, call: Reply(status=204, headers={"x-odd": "a\r\nb\u00e9"}),
        }

    def tell(self, call, reply):
        self.calls.append(call)
        return reply

    def fail(self, service, call):
        raise Fault(404, "ResourceNotFound", f"no {call.keys['name']}")

    def read_parts(self, service, call):
        parts = {name: [(p.filename, p.file.read()) for p in given] for name, given in call.parts.items()}
        return Reply({n: [(f, len(c), c[:8].decode()) for f, c in given] for n, given in parts.items()})

    def read_upload(self, service, call):
        self.uploads.append((call.upload, call.upload.stat().st_size))
        return Reply(status=201)

    def big(self):
        path = self.folder / "big"
        path.write_bytes(bytes(BIG))
        return path

    def endless(self):
        try:
            while True:
                yield b"x" * 1000
        finally:
            self.closed.set()


@pytest.fixture
def handlers(tmp_path):
    return Handlers(tmp_path)


@pytest.fixture
def service(tmp_path):
    absent = cast(Any, None)
    store = Store(tmp_path / "state.sqlite")
    yield Service(tmp_path, Identity.new(), store, absent, absent, absent, absent, absent, absent)
    store.close()


@pytest.fixture
def app(service, handlers):
    app = create_app(service, handlers.table)
    yield app
    app.close()


@pytest.fixture
def http(app):
    adapter = AsgiAdapter(app)
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", adapter)
        yield session


@pytest.fixture
def signed(http, service):
    http.headers["Authorization"] = f"Bearer {service.identity.issue('https://management.azure.com/')}"
    return http


def error_of(answer):
    return answer.json()["error"]


# what a handler is given


def test_a_call_names_base_url_keys_and_caller_as_they_came(signed, handlers):
    signed.get(f"{DATA}{RUN}", params={"$Filter": "a b", "API-version": "x"}, headers={"X-Odd": "1"})
    call = handlers.calls[0]
    assert call.base == DATA
    assert call.url == f"{DATA}{RUN}?%24Filter=a+b&API-version=x"
    assert call.keys == {"subscription": "s", "group": "g", "workspace": "w", "run": "r"}
    assert call.param("$filter") == "a b"
    assert call.headers["x-odd"] == "1"
    assert call.caller["name"] == "Emulator User"


@pytest.mark.parametrize(("host", "base"), [(f"{ARM}:443", ARM), (LOCAL, LOCAL)])
def test_the_base_has_no_default_port(signed, handlers, host, base):
    signed.get(f"{host}/subscriptions", params=VERSION)
    assert handlers.calls[0].base == base


@pytest.mark.parametrize("kind", ["application/json", "application/json-patch+json; charset=utf-8", "text/plain", ""])
def test_json_is_read_whatever_its_type_is_said_to_be(signed, kind):
    answer = signed.patch(f"{DATA}{RUN}", data='{"a": "é"}'.encode(), headers={"Content-Type": kind})
    assert answer.json() == {"body": {"a": "é"}}


def test_json_is_read_from_a_body_in_pieces(signed):
    pieces = (piece for piece in (b'{"a"', b": [1,", b" 2]}"))
    assert signed.patch(f"{DATA}{RUN}", data=pieces).json() == {"body": {"a": [1, 2]}}


@pytest.mark.parametrize(("sent", "got"), [(b"", None), (b"  \n", None), (b"{}", {}), (b"not json", None)])
def test_a_body_that_nobody_asked_for_is_read_when_it_can_be(signed, handlers, sent, got):
    path = f"{DATA}/execution/v1.0{WORKSPACE}/experiments/e/runId/r/cancel"
    answer = signed.post(path, data=sent)
    assert (answer.status_code, answer.content) == (200, b"")
    assert handlers.calls[0].body == got


@pytest.mark.parametrize("sent", [b"{", b"\xff", b"[" * 100_000])
def test_broken_json_is_refused_in_the_words_of_the_family(signed, sent):
    arm = signed.patch(f"{ARM}{WORKSPACE}", params=VERSION, data=sent)
    assert (arm.status_code, error_of(arm)["code"]) == (400, "InvalidRequestContent")
    data = signed.patch(f"{DATA}{RUN}", data=sent)
    assert (data.status_code, error_of(data)["innerError"]["code"]) == (400, "BadArgument")


def test_parts_come_with_names_and_at_their_start(signed):
    path = f"{DATA}/execution/v1.0{WORKSPACE}/experiments/e/startrun"
    files = [
        ("files", ("definition.json", b"{}", "application/json")),
        ("files", ("project.zip", bytes(BIG).replace(b"\0", b"z"), "application/zip")),
        ("plain", (None, "text")),
    ]
    assert signed.post(path, files=files).json() == {
        "files": [["definition.json", 2, "{}"], ["project.zip", BIG, "zzzzzzzz"]],
        "plain": [["", 4, "text"]],
    }


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--y\r\nbroken"),
        ("multipart/form-data; boundary=x", b""),
    ],
)
def test_parts_that_cannot_be_read_are_the_callers_fault(signed, kind, sent):
    path = f"{DATA}/execution/v1.0{WORKSPACE}/experiments/e/startrun"
    answer = signed.post(path, data=sent, headers={"Content-Type": kind})
    assert (answer.status_code, error_of(answer)["innerError"]["code"]) == (400, "BadArgument")


def test_a_body_of_bytes_is_a_file_until_the_answer_is_given(http, handlers, tmp_path):
    http.put(f"{BLOB}/c/p", data=io.BytesIO(bytes(BIG)))
    http.put(f"{BLOB}/c/p")
    (first, first_size), (second, second_size) = handlers.uploads
    assert (first_size, second_size) == (BIG, 0)
    assert first != second
    assert first.parent == tmp_path / "tmp"
    assert list(first.parent.iterdir()) == []


# what a caller is answered


def test_bodies_are_indented_and_without_words_that_json_has_not(signed):
    answer = signed.get(f"{DATA}{RUN}")
    assert answer.text == '{\n  "runId": "r",\n  "loss": "NaN"\n}'
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_every_answer_carries_its_ids_and_the_callers(signed):
    answer = signed.get(f"{ARM}/subscriptions", params=VERSION, headers={"x-ms-client-request-id": "mine"})
    headers = answer.headers
    assert headers["x-ms-client-request-id"] == "mine"
    assert headers["x-ms-request-id"] == headers["x-ms-correlation-request-id"]
    assert re.fullmatch(f"EMULATOR:\\d{{8}}T\\d{{6}}Z:{headers['x-ms-request-id']}", headers["x-ms-routing-request-id"])
    assert headers["cache-control"] == "no-cache"
    assert headers["date"].endswith("GMT")
    assert float(headers["x-request-time"]) < 10


def test_an_empty_answer_has_no_type_and_its_headers_cannot_break_it(signed):
    answer = signed.delete(f"{DATA}/modelmanagement/v1.0{WORKSPACE}/models/m")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert answer.headers["x-odd"] == "a??b?"


def test_a_file_is_sent_whole_with_its_length(http):
    answer = http.get(f"{BLOB}/c/p")
    assert answer.headers["content-length"] == str(BIG)
    assert answer.content == bytes(BIG)
    assert "cache-control" not in answer.headers


def test_head_tells_the_length_that_the_handler_gives(http):
    answer = http.head(f"{BLOB}/c/p")
    assert (answer.headers["content-length"], answer.content) == ("17", b"")


def test_chunks_stop_when_the_reader_goes_away(signed, handlers):
    path = f"{DATA}/artifact/v2.0{WORKSPACE}/artifacts/o/c/content?path=a"
    with signed.get(path, stream=True) as answer:
        assert answer.raw.read(5) == b"xxxxx"
    assert handlers.closed.wait(10)


# who is refused


def test_an_unknown_host_is_refused(http):
    answer = http.get(f"{ARM}/subscriptions", headers={"Host": "example.com"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "InvalidHostName")


@pytest.mark.parametrize(
    ("url", "origin", "status"),
    [
        (f"{LOCAL}/metadata/endpoints", "https://example.com", 403),
        (f"{LOCAL}/metadata/endpoints", "null", 403),
        (f"{LOCAL}/metadata/endpoints", "https://[", 403),
        (f"{LOCAL}/metadata/endpoints", "https://127.0.0.1:1", 403),
        (f"{ARM}/metadata/endpoints", ARM, 403),
        (f"{LOCAL}/metadata/endpoints", LOCAL, 200),
        (f"{LOCAL}/metadata/endpoints", None, 200),
    ],
)
def test_pages_of_other_origins_are_refused(http, url, origin, status):
    assert http.get(url, headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "AuthenticationFailed"),
        ("Basic abc", "AuthenticationFailedInvalidHeader"),
        ("Bearer", "AuthenticationFailedInvalidHeader"),
        ("Bearer nonsense", "InvalidAuthenticationToken"),
    ],
)
def test_arm_says_what_is_wrong_with_a_token(http, header, code):
    answer = http.get(f"{ARM}/subscriptions", params=VERSION, headers={"Authorization": header})
    assert (answer.status_code, error_of(answer)["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer authorization_uri="https://login.windows.net/')
    assert answer.headers["x-ms-failure-cause"] == "gateway"
    assert b"\n" not in answer.content


def test_the_data_plane_says_it_in_its_own_envelope(http):
    answer = http.get(f"{DATA}{RUN}")
    error = error_of(answer)
    assert answer.status_code == 401
    assert (error["message"], error["innerError"]["code"]) == ("Bearer token not provided.", "AuthorizationError")
    assert answer.headers["x-ms-response-type"] == "error"


@pytest.mark.parametrize(
    ("audience", "claims", "arm", "data"),
    [
        ("https://management.azure.com", {}, 200, 200),
        ("https://management.azure.com/", {}, 200, 200),
        ("https://management.core.windows.net", {}, 200, 200),
        ("https://management.core.windows.net/", {}, 200, 200),
        ("https://127.0.0.1:8443", {}, 200, 200),
        ("https://ml.azure.com", {}, 401, 200),
        ("https://ml.azure.com", {"run": "r"}, 401, 200),
        ("https://management.azure.com", {"run": "r"}, 401, 200),
        ("https://storage.azure.com/", {}, 401, 401),
        ("https://management.azure.com.evil.org", {}, 401, 401),
        ("https://[", {}, 401, 401),
    ],
)
def test_a_token_is_good_for_its_audience_only(http, service, audience, claims, arm, data):
    http.headers["Authorization"] = f"Bearer {service.identity.issue(audience, **claims)}"
    at_arm = http.get(f"{ARM}/subscriptions", params=VERSION)
    assert at_arm.status_code == arm
    assert arm == 200 or error_of(at_arm)["code"] == "InvalidAuthenticationTokenAudience"
    assert http.get(f"{DATA}{RUN}").status_code == data


def test_arm_wants_an_api_version(signed):
    answer = signed.get(f"{ARM}/subscriptions")
    assert (answer.status_code, error_of(answer)["code"]) == (400, "MissingApiVersionParameter")
    assert error_of(answer)["message"] == (
        "The api-version query parameter (?api-version=) is required for all requests."
    )


@pytest.mark.parametrize(
    "version", ["2018-02-28", "2019-13-01", "latest", "v1.0", "2019-11-01-", "20191101", "2024-W01-1"]
)
def test_a_version_that_never_was_is_answered_with_the_list(signed, version):
    answer = signed.get(f"{ARM}{WORKSPACE}/computes/c", params={"api-version": version})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "NoRegisteredProviderFound")
    assert f"API version '{version}' for type 'workspaces/computes'" in error_of(answer)["message"]
    assert "2019-11-01" in error_of(answer)["message"]


@pytest.mark.parametrize("name", ["api-version", "API-Version"])
@pytest.mark.parametrize("version", ["2018-03-01-preview", "2019-11-01", "2031-01-01", "2023-04-01-Preview"])
def test_any_other_date_is_a_version(signed, name, version):
    assert signed.get(f"{ARM}/subscriptions", params={name: version}).status_code == 200


@pytest.mark.parametrize("query", ["", "?api-version=2019-11-01", "?api-version=v1.0"])
def test_the_data_plane_takes_any_version_and_none(signed, query):
    assert signed.get(f"{DATA}{RUN}{query}").status_code == 200


@pytest.mark.parametrize(
    ("method", "url", "code"),
    [
        ("GET", f"{ARM}/nothing/here", "NotEmulated"),
        ("POST", f"{ARM}{WORKSPACE}", "NotEmulated"),
        ("GET", f"{ARM}{GROUP}", "NotEmulated"),
        ("GET", f"{LOGIN}/t/oauth2/authorize", "invalid_request"),
    ],
)
def test_what_is_not_emulated_says_so(signed, method, url, code):
    answer = signed.request(method, url, params=VERSION)
    assert answer.status_code == 404
    assert code in answer.text


def test_what_is_not_emulated_on_the_data_plane_says_so_in_the_inner_code(signed):
    error = error_of(signed.get(f"{LOCAL}/history/v9.0/nothing"))
    assert (error["code"], error["innerError"]["code"]) == ("UserError", "NotEmulated")


def test_a_refused_upload_is_read_to_its_end(http):
    consumed = []

    def pieces():
        for number in range(5):
            yield bytes(1000)
            consumed.append(number)

    answer = http.post(f"{DATA}/execution/v1.0{WORKSPACE}/experiments/e/startrun", data=pieces())
    assert answer.status_code == 401
    assert consumed == [0, 1, 2, 3, 4]


def test_who_asks_before_sending_is_refused_before_sending(http):
    consumed = []

    def pieces():
        consumed.append(0)
        yield b""

    path = f"{DATA}/execution/v1.0{WORKSPACE}/experiments/e/startrun"
    assert http.post(path, data=pieces(), headers={"Expect": "100-continue"}).status_code == 401
    assert consumed == []


# what goes wrong here


def test_a_fault_is_answered_in_its_family(signed):
    answer = signed.get(f"{ARM}{WORKSPACE}/computes/c", params=VERSION)
    assert (answer.status_code, error_of(answer)) == (404, {"code": "ResourceNotFound", "message": "no c"})


def test_a_bug_of_ours_is_logged_and_never_a_server_error(signed, caplog):
    with caplog.at_level(logging.ERROR):
        answer = signed.get(f"{DATA}{RUN}/details?sig=hidden")
    assert (answer.status_code, error_of(answer)["innerError"]["code"]) == (400, "EmulatorBug")
    assert "ZeroDivisionError" in caplog.text
    assert "run.details" in caplog.text
    assert "hidden" not in caplog.text


def test_the_journal_keeps_what_was_asked_without_secrets(signed, app, service):
    signed.get(f"{DATA}{RUN}?a=1&sig=hidden&code=hidden&SIG=hidden", headers={"User-Agent": "test"})
    signed.get(f"{ARM}/nothing")
    app.journal.flush()
    rows = [row for _, row in service.store.rows("journal")]
    assert [(r["method"], r["host"], r["operation"], r["status"]) for r in rows] == [
        ("GET", "emulator.api.azureml.ms", "run.show", 200),
        ("GET", "management.azure.com", "", 404),
    ]
    assert rows[0]["query"] == "a=1&sig=...&code=...&SIG=..."
    assert (rows[0]["path"], rows[0]["agent"]) == (RUN, "test")
    assert "hidden" not in json.dumps(rows)
    assert "Bearer" not in json.dumps(rows)


def test_the_journal_is_written_without_being_asked(signed, service):
    signed.get(f"{DATA}{RUN}")
    deadline = time.monotonic() + 10
    while not service.store.rows("journal"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_uploads_that_were_left_behind_go_at_the_next_start(tmp_path, service, handlers):
    (tmp_path / "tmp" / "folder").mkdir(parents=True)
    (tmp_path / "tmp" / "left").write_bytes(b"x")
    create_app(service, handlers.table).close()
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["folder"]


# sign-in, with the library that everybody signs in with


def test_msal_signs_in(http, service):
    identity = service.identity
    client = msal.ConfidentialClientApplication(
        identity.client_id,
        authority=f"{LOGIN}/{identity.tenant_id}",
        client_credential=identity.client_secret,
        http_client=http,
    )
    answer = client.acquire_token_for_client(["https://management.core.windows.net//.default"])
    assert identity.check(answer["access_token"])["aud"] == "https://management.core.windows.net/"
    assert answer["expires_in"] == 3599
