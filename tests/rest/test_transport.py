"""One request on its way: the token stays home where it does not belong, retries, redirects, clear words."""

import io
import socket
import ssl

import pytest
import requests
from requests import exceptions as broken
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, ReadTimeoutError

from azml_magics import errors
from azml_magics.rest import Part, Request
from azml_magics.rest.transport import RETRIES, Transport
from tests.rest.wire import API, ARM, CLOUD, Clock, Reply, Token, Wire

OK = Reply(200, {"ok": True})
URL = f"{ARM}/x"


def transport(*replies, credential=None, **options):
    """A transport on a wire with these replies; wire, clock and credential hang on it."""
    wire, clock = Wire(*replies), Clock()
    http = requests.Session()
    http.mount("https://", wire)
    http.mount("http://", wire)
    made = Transport(CLOUD, credential or Token(), http, sleep=clock.sleep, clock=clock, **options)
    made.wire, made.slept = wire, clock.slept
    return made


def get(url=URL, **values):
    return Request("GET", url, **values)


def test_the_token_of_arm_goes_to_arm_and_to_the_data_plane():
    # wire-v1 2.1: the data plane takes the ARM token too.
    for url in (URL, f"{API}/history"):
        way = transport(OK)
        assert way.answer(get(url), repeat=True).json() == {"ok": True}
        assert way.wire.sent[0].headers["Authorization"] == "Bearer token-1"
        assert way.credential.asked == [("https://management.azure.com", False)]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/x",
        "https://management.azure.com.evil.example.com/x",
        "https://management.azure.com@evil.example.com/x",
        "http://management.azure.com/x",
        "https://management.azure.com:8443/x",
        "https://acc.blob.core.windows.net/c/f?sig=s",
        "",
    ],
)
def test_nothing_is_sent_to_a_host_that_may_not_see_the_token(url):
    way = transport()
    with pytest.raises(errors.TransportError, match="nothing was sent there"):
        way.answer(get(url), repeat=True)
    assert way.wire.sent == []
    assert way.credential.asked == []


def test_an_anonymous_request_carries_no_token():
    way = transport(OK)
    way.answer(get("https://acc.blob.core.windows.net/c/f", anonymous=True), repeat=True)
    assert "Authorization" not in way.wire.sent[0].headers
    assert way.credential.asked == []


def test_without_a_login_nothing_is_sent():
    wire = Wire()
    http = requests.Session()
    http.mount("https://", wire)
    with pytest.raises(errors.NotLoggedIn):
        Transport(CLOUD, None, http).answer(get(), repeat=True)
    assert wire.sent == []


def test_an_expired_token_is_renewed_once_and_the_request_repeated():
    # service-facts 7; a POST too, since a 401 did nothing.
    way = transport(Reply(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "m"}}), OK)
    assert way.answer(Request("POST", URL, json={"a": 1}), repeat=False).status == 200
    assert [sent.headers["Authorization"] for sent in way.wire.sent] == ["Bearer token-1", "Bearer token-2"]
    assert way.wire.bodies == [b'{"a": 1}'] * 2
    assert way.slept == []


def test_a_second_401_is_an_authentication_error():
    refused = {"error": {"code": "InvalidAuthenticationToken", "message": "m"}}
    way = transport(Reply(401, refused), Reply(401, refused))
    with pytest.raises(errors.AuthenticationError) as caught:
        way.answer(get(), repeat=True)
    assert caught.value.code == "InvalidAuthenticationToken"
    assert "%azml login" in caught.value.hint


PASSING = [408, 429, 500, 502, 503, 504]


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_passing_failure_is_tried_again(status, method):
    way = transport(Reply(status), Reply(status), OK)
    assert way.answer(Request(method, URL), repeat=True).status == 200
    assert len(way.slept) == 2
    assert 0 < way.slept[0] <= 0.5 < 1 <= way.slept[1] * 2 <= 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 501])
def test_a_lasting_failure_is_not_tried_again(status):
    way = transport(Reply(status))
    with pytest.raises(errors.ServiceError) as caught:
        way.answer(get(), repeat=True)
    assert (caught.value.status, len(way.wire.sent)) == (status, 1)


@pytest.mark.parametrize("failure", [Reply(503), Reply(429), broken.ConnectionError("x"), broken.ReadTimeout("x")])
def test_what_may_not_be_repeated_is_sent_once(failure):
    way = transport(failure)
    with pytest.raises(errors.AzmlError):
        way.answer(Request("POST", URL, json={}), repeat=False)
    assert len(way.wire.sent) == 1


def test_the_retries_end():
    way = transport(*[Reply(503, {"error": {"code": "Busy", "message": "m"}})] * (RETRIES + 1))
    with pytest.raises(errors.ServiceError, match="Busy"):
        way.answer(get(), repeat=True)
    assert len(way.wire.sent) == RETRIES + 1
    assert sum(way.slept) < 15


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [({"Retry_After": "7"}, 7, 8), ({"retry_after_ms": "200"}, 0.2, 0.25), ({"Retry_After": "0"}, 0, 0)],
)
def test_the_service_says_how_long_to_wait(headers, least, most):
    way = transport(Reply(429, **headers), OK)
    way.answer(get(), repeat=True)
    assert least <= way.slept[0] <= most


def test_a_wait_of_minutes_is_left_to_the_user():
    # service-facts 3.1: "Please try again after '372' seconds".
    way = transport(Reply(429, {"error": {"code": "ResourceRequestsThrottled", "message": "m"}}, Retry_After="372"))
    with pytest.raises(errors.ThrottledError) as caught:
        way.answer(get(), repeat=True)
    assert "372 s" in caught.value.hint
    assert way.slept == []


def test_after_three_seconds_of_trying_the_user_is_told_once():
    told = []
    way = transport(*[Reply(503, Retry_After="2")] * 4, OK, notify=told.append)
    way.answer(get(), repeat=True)
    assert told == ["management.azure.com answers 503; trying again"]


def test_a_short_failure_is_not_told():
    told = []
    transport(Reply(503), OK, notify=told.append).answer(get(), repeat=True)
    assert told == []


def test_an_interrupt_ends_the_tries():
    def interrupted(_seconds):
        raise KeyboardInterrupt

    way = transport(Reply(503))
    way.sleep = interrupted
    with pytest.raises(KeyboardInterrupt):
        way.answer(get(), repeat=True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_get_is_redirected_inside_the_cloud(status):
    way = transport(Reply(status, Location="https://westus.api.azureml.ms/y?a=%3d"), OK)
    assert way.answer(get(), repeat=True).url == "https://westus.api.azureml.ms/y?a=%3d"
    assert way.wire.sent[1].headers["Authorization"] == "Bearer token-1"


def test_a_redirect_may_be_a_bare_path():
    way = transport(Reply(307, Location="/y"), OK)
    assert way.answer(get(), repeat=True).url == f"{ARM}/y"


@pytest.mark.parametrize(
    "target", ["https://evil.example.com/y", "http://management.azure.com/y", "//evil.example.com/y"]
)
@pytest.mark.parametrize("anonymous", [True, False])
def test_a_redirect_out_of_the_cloud_is_refused_by_name(target, anonymous):
    way = transport(Reply(307, Location=target))
    with pytest.raises(errors.TransportError, match="redirects a GET to"):
        way.answer(get(anonymous=anonymous), repeat=True)
    assert len(way.wire.sent) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_a_get_is_redirected(method):
    way = transport(Reply(308, Location=f"{ARM}/y"))
    with pytest.raises(errors.TransportError, match="not followed"):
        way.answer(Request(method, URL), repeat=True)


def test_a_circle_of_redirects_ends():
    way = transport(*[Reply(307, Location=URL)] * 6)
    with pytest.raises(errors.TransportError, match="circle"):
        way.answer(get(), repeat=True)


def test_an_address_goes_out_to_the_letter():
    # service-facts 20: signed links of 3 kB; no re-encoding, no other order, no size limit.
    url = f"{ARM}/locations/eastus/computeOperationsStatus/g?service=new&t=1&c=MII%2fx~'()*&s=" + "a_-" * 1000 + "%3d"
    way = transport(OK)
    way.answer(get(url), repeat=True)
    assert way.wire.urls == [url]


def test_json_is_sent_as_json():
    way = transport(OK)
    way.answer(Request("PUT", URL, json={"a": "ä", "b": None}), repeat=True)
    assert way.wire.bodies == [b'{"a": "\\u00e4", "b": null}']
    assert way.wire.sent[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": {1, 2}}])
def test_what_json_has_not_is_the_callers_mistake(body):
    with pytest.raises(errors.UsageError, match="as JSON"):
        transport().answer(Request("PUT", URL, json=body), repeat=True)


def test_a_post_without_a_body_has_its_length():
    # ARM answers 411 to one without.
    way = transport(OK)
    way.answer(Request("POST", URL), repeat=False)
    assert way.wire.sent[0].headers["Content-Length"] == "0"


def test_a_file_is_read_anew_for_every_try(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"content")
    way = transport(Reply(503), OK)
    way.answer(Request("PUT", URL, data=file), repeat=True)
    assert way.wire.bodies == [b"content", b"content"]
    assert way.wire.sent[0].headers["Content-Length"] == "7"


def test_parts_are_sent_as_a_form_with_files(tmp_path):
    # service-facts 39: the names of the parts of startrun.
    zipped = tmp_path / "p.zip"
    zipped.write_bytes(b"PK\x03\x04")
    parts = (
        Part("runDefinitionFile", "definition.json", b"{}", "application/json"),
        Part("projectZipFile", "project.zip", zipped, "application/zip"),
    )
    way = transport(Reply(503), OK)
    way.answer(Request("POST", URL, parts=parts), repeat=True)
    sent, body = way.wire.sent[1], way.wire.bodies[1]
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert int(sent.headers["Content-Length"]) == len(body)
    assert b'name="projectZipFile"; filename="project.zip"' in body
    assert b"PK\x03\x04" in body


def test_every_request_has_an_id_of_its_own():
    way = transport(OK, OK)
    for _ in range(2):
        way.answer(get(), repeat=True)
    first, second = (sent.headers["x-ms-client-request-id"] for sent in way.wire.sent)
    assert first != second


def wrapped(reason):
    return MaxRetryError(None, "/c/f?sig=SECRETSIGNATURE", reason)


BROKEN = [
    (
        broken.ConnectionError(wrapped(NameResolutionError("h", None, socket.gaierror()))),
        "name management.azure.com",
        True,
    ),
    (broken.ConnectionError(wrapped(NewConnectionError(None, "[Errno 111] Connection refused"))), "refuses", True),
    (broken.ConnectionError("('Connection aborted.', RemoteDisconnected())"), "broke", True),
    (broken.ConnectTimeout(wrapped("timed out")), "within 10 s", True),
    (broken.ReadTimeout(wrapped("Read timed out.")), "within 60 s", True),
    (broken.ConnectionError(ReadTimeoutError(None, "", "Read timed out.")), "within 60 s", True),
    (broken.ChunkedEncodingError("IncompleteRead"), "broke off", True),
    (broken.ContentDecodingError("gzip"), "damaged", True),
    (broken.SSLError(wrapped(ssl.SSLError("EOF occurred"))), "no TLS connection", True),
    (broken.SSLError(wrapped("CERTIFICATE_VERIFY_FAILED")), "certificate of management.azure.com", False),
    (broken.ProxyError(wrapped("Unable to connect to proxy")), "proxy does not answer", True),
    (broken.ProxyError(wrapped("Tunnel connection failed: 403 Forbidden")), "proxy refuses", False),
    (broken.InvalidProxyURL("x"), "InvalidProxyURL", False),
    (
        OSError("Could not find a suitable TLS CA certificate bundle, invalid path: ca.pem"),
        "file of certificates",
        False,
    ),
]


@pytest.mark.parametrize(("error", "words", "passing"), BROKEN, ids=[words for _, words, _ in BROKEN])
def test_what_broke_is_told_in_one_line_with_the_host_and_no_signature(error, words, passing):
    way = transport(*[error] * (RETRIES + 1))
    with pytest.raises(errors.TransportError, match=words) as caught:
        way.answer(get(), repeat=True)
    text = str(caught.value)
    assert "management.azure.com" in text
    assert "\n" not in text
    assert caught.value.hint
    assert "SECRETSIGNATURE" not in text
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert len(way.wire.sent) == (RETRIES + 1 if passing else 1)


def test_a_broken_connection_is_tried_again():
    way = transport(broken.ConnectionError("x"), OK)
    assert way.answer(get(), repeat=True).status == 200


def test_an_answer_that_breaks_off_is_tried_again():
    class Short(io.BytesIO):
        def read(self, *_args):
            raise broken.ChunkedEncodingError("IncompleteRead")

    way = transport(Reply(200, Short()), OK)
    assert way.answer(get(), repeat=True).json() == {"ok": True}


def test_an_address_that_is_none_is_the_callers_mistake():
    with pytest.raises(errors.UsageError, match="cannot be sent"):
        transport().answer(get("nonsense", anonymous=True), repeat=True)


def test_a_given_proxy_and_certificate_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/elsewhere.pem")
    way = transport(OK, proxies={"https": "http://127.0.0.1:9"}, verify="/mine.pem")
    way.answer(get(), repeat=True)
    assert way.wire.ways[0]["proxies"]["https"] == "http://127.0.0.1:9"
    assert way.wire.ways[0]["verify"] == "/mine.pem"


def test_a_given_certificate_wins_without_a_proxy_too(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/elsewhere.pem")
    way = transport(OK, verify="/mine.pem")
    way.answer(get(), repeat=True)
    assert way.wire.ways[0]["verify"] == "/mine.pem"


def test_the_environments_proxy_and_certificates_are_honoured(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/elsewhere.pem")
    way = transport(OK)
    way.answer(get(), repeat=True)
    assert way.wire.ways[0]["proxies"]["https"] == "http://elsewhere:1"
    assert way.wire.ways[0]["verify"] == "/elsewhere.pem"


def test_an_answer_sets_no_cookie():
    way = transport(Reply(200, {}, Set_Cookie="a=b; Path=/"), OK)
    for _ in range(2):
        way.answer(get(), repeat=True)
    assert "Cookie" not in way.wire.sent[1].headers
