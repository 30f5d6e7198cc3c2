"""rest/managed_identity.py: the machine's own identity, and the second that it costs where there is none."""

import http.server
import json
import socket
import threading
import time
import urllib.parse

import pytest

from azml_magics.errors import AuthenticationError
from azml_magics.rest.managed_identity import ManagedIdentity
from tests.rest.wire import jwt

AUDIENCE = "https://management.azure.com"


@pytest.fixture
def server():
    class Identity(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query or body))
            seen.append((self.command, parts.path, query, {k.lower(): v for k, v in self.headers.items()}))
            status, document = (400, {"error": "no header"}) if not query else answers.get(parts.path, (404, {}))
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_):
            pass

    seen, answers = [], {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Identity) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", seen, answers
        httpd.shutdown()


@pytest.fixture
def silence():
    """The address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_app_service_is_asked_with_its_header(server):
    url, seen, answers = server
    answers["/msi"] = 200, {"access_token": "t", "expires_on": "5000", "token_type": "Bearer"}
    environment = {"IDENTITY_ENDPOINT": f"{url}/msi", "IDENTITY_HEADER": "hunter2"}
    token = ManagedIdentity("mine", environment=environment).get_token(AUDIENCE)
    assert (token.token, token.expires_on) == ("t", 5000)
    method, path, query, headers = seen[0]
    assert (method, path) == ("GET", "/msi")
    assert query == {"api-version": "2019-08-01", "resource": AUDIENCE, "client_id": "mine"}
    assert headers["x-identity-header"] == "hunter2"


def test_a_compute_instance_is_asked_with_its_secret(server):
    url, seen, answers = server
    answers["/msi/token"] = 200, {"access_token": "t", "expires_on": 5000}
    environment = {
        "MSI_ENDPOINT": f"{url}/msi/token",
        "MSI_SECRET": "hunter2",
        "DEFAULT_IDENTITY_CLIENT_ID": "cluster",
    }
    assert ManagedIdentity(environment=environment).get_token(AUDIENCE).expires_on == 5000
    method, _, query, headers = seen[0]
    assert (method, headers["secret"]) == ("GET", "hunter2")
    assert query == {"api-version": "2017-09-01", "resource": AUDIENCE, "clientid": "cluster"}


def test_an_endpoint_without_a_secret_is_asked_by_a_form(server):
    url, seen, answers = server
    answers["/msi"] = 200, {"access_token": "t", "expires_in": "60"}
    credential = ManagedIdentity(environment={"MSI_ENDPOINT": f"{url}/msi"}, clock=lambda: 1000.0)
    assert credential.get_token(AUDIENCE).expires_on == 1060
    method, _, query, headers = seen[0]
    assert (method, query, headers["metadata"]) == ("POST", {"resource": AUDIENCE}, "true")


def test_a_virtual_machine_is_probed_then_asked(server):
    url, seen, answers = server
    answers["/metadata/identity/oauth2/token"] = 200, {"access_token": "t", "expires_on": "5000", "expires_in": "1"}
    ManagedIdentity(environment={"AZURE_POD_IDENTITY_AUTHORITY_HOST": url}).get_token(AUDIENCE)
    assert [("metadata" in headers, query) for _, _, query, headers in seen] == [
        (False, {}),
        (True, {"api-version": "2018-02-01", "resource": AUDIENCE}),
    ]


def test_a_machine_outside_azure_loses_a_second_at_most(silence):
    started = time.monotonic()
    with pytest.raises(AuthenticationError, match="not in Azure"):
        ManagedIdentity(environment={"AZURE_POD_IDENTITY_AUTHORITY_HOST": silence}).get_token(AUDIENCE)
    assert time.monotonic() - started < 1.2


def test_no_proxy_is_asked(server, monkeypatch):
    url, seen, answers = server
    answers["/msi"] = 200, {"access_token": "t", "expires_on": "5000"}
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    ManagedIdentity(environment={"MSI_ENDPOINT": f"{url}/msi"}).get_token(AUDIENCE)
    assert len(seen) == 1


def test_a_redirect_is_not_followed(server):
    url, seen, answers = server
    answers["/msi"] = 302, {}
    answers["/elsewhere"] = 200, {"access_token": "t", "expires_on": "5000"}
    with pytest.raises(AuthenticationError, match="answer 302"):
        ManagedIdentity(environment={"MSI_ENDPOINT": f"{url}/msi"}).get_token(AUDIENCE)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (400, {"error": "invalid_request", "error_description": "Identity not\r\nfound"}, "Identity not found"),
        (500, {"statusCode": 500, "message": "secret is hunter2? client_secret=hunter2x"}, "client_secret=***"),
        (200, b"<html></html>", "answer 200"),
        (200, {"access_token": None}, "answer 200"),
    ],
)
def test_a_refusal_is_said_in_one_line(server, status, document, said):
    url, _, answers = server
    answers["/msi"] = status, document
    with pytest.raises(AuthenticationError) as caught:
        ManagedIdentity(environment={"MSI_ENDPOINT": f"{url}/msi"}).get_token(AUDIENCE)
    assert said in caught.value.message
    assert "hunter2x" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_machines_that_prove_themselves_otherwise_are_named():
    for environment in (
        {"IDENTITY_ENDPOINT": "http://x", "IMDS_ENDPOINT": "http://y"},
        {"IDENTITY_ENDPOINT": "https://x", "IDENTITY_HEADER": "h", "IDENTITY_SERVER_THUMBPRINT": "p"},
    ):
        with pytest.raises(AuthenticationError, match="Azure Arc"):
            ManagedIdentity(environment=environment).get_token(AUDIENCE)


def test_who_asks_is_read_off_the_token(server):
    url, _, answers = server
    answers["/msi"] = (
        200,
        {
            "access_token": jwt(tid="t-1", appid="a-1", xms_mirid="/s/groups/g/my-id"),
            "expires_on": "5000",
        },
    )
    credential = ManagedIdentity(environment={"MSI_ENDPOINT": f"{url}/msi", "MSI_SECRET": "hunter2"})
    assert credential.describe()["identity"] == ""
    credential.get_token(AUDIENCE)
    assert credential.describe() == {
        "way": "managed-identity",
        "identity": "my-id",
        "tenant": "t-1",
        "client": "a-1",
    }
    assert "hunter2" not in repr(credential)
