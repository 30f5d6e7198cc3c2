"""The session: the catalogue's words on the wire, and what has to be known of a workspace before."""

import io
import json
import subprocess
import sys

import pytest

from azml_magics import errors
from azml_magics.rest import Poller, Request, RequestShown, Scope, Session
from tests.rest.wire import API, ARM, CLOUD, DISCOVERY, WORKSPACE, WS, Reply, found, session


def test_a_call_of_arm_asks_nothing_before():
    asked = session(Reply(200, {"name": "c"}))
    assert asked.call("compute.show", keys={"name": "c"}) == {"name": "c"}
    assert asked.wire.urls == [f"{ARM}{WS}/computes/c?api-version=2019-11-01"]


def test_the_regional_server_is_found_once_and_without_a_token():
    asked = session(*found(), Reply(200, {"runId": "r"}), Reply(200, {"runId": "q"}))
    assert asked.call("run.show", keys={"run": "r"})["runId"] == "r"
    assert asked.call("run.show", keys={"run": "q"})["runId"] == "q"
    assert asked.wire.urls == [
        f"{ARM}{WS}?api-version=2019-11-01",
        DISCOVERY,
        f"{API}/history/v1.0{WS}/runs/r",
        f"{API}/history/v1.0{WS}/runs/q",
    ]
    assert ["Authorization" in sent.headers for sent in asked.wire.sent] == [True, False, True, True]


def test_another_workspace_has_its_own_regional_server():
    asked = session(*found(), *found())
    assert asked.api_host() == API
    asked.scope = Scope("sub", "grp", "other")
    assert asked.api_host() == API
    assert asked.wire.urls[2] == f"{ARM}{WS}?api-version=2019-11-01".replace("workspaces/ws", "workspaces/other")


@pytest.mark.parametrize("url", ["https://evil.example.com/discovery", "http://eastus.api.azureml.ms/discovery"])
def test_a_discovery_out_of_the_cloud_is_not_asked(url):
    asked = session(Reply(200, {"properties": {"discoveryUrl": url}}))
    with pytest.raises(errors.TransportError, match="nothing was sent there"):
        asked.api_host()
    assert len(asked.wire.sent) == 1


@pytest.mark.parametrize("document", [{"api": "https://evil.example.com"}, {}, [], None, {"api": None}])
def test_a_discovery_that_names_no_server_of_the_cloud_is_refused(document):
    asked = session(Reply(200, WORKSPACE), Reply(200, document))
    with pytest.raises(errors.TransportError):
        asked.call("run.show", keys={"run": "r"})
    assert len(asked.wire.sent) == 2


@pytest.mark.parametrize("properties", [None, {}, {"discoveryUrl": None}, {"discoveryUrl": ""}])
def test_a_workspace_without_discovery_says_so(properties):
    with pytest.raises(errors.TransportError, match="does not say where its regional server is"):
        session(Reply(200, {"properties": properties})).api_host()


def test_the_region_of_the_workspace_is_asked_once():
    asked = session(Reply(200, WORKSPACE))
    assert (asked.location(), asked.location(), asked.workspace_document()) == ("eastus", "eastus", WORKSPACE)


def test_an_experiments_name_is_asked_once_and_empty_when_it_is_gone():
    asked = session(*found(), Reply(200, {"name": "digits"}), Reply(404, {}))
    assert [asked.experiment_name(i) for i in ("a", "a", "b", "b", "")] == ["digits", "digits", "", "", ""]
    assert asked.wire.urls[2:] == [f"{API}/history/v1.0{WS}/experimentids/{i}" for i in "ab"]


def test_a_call_returns_what_came_and_an_answer_tells_how():
    asked = session(
        Reply(202, b"null", Azure_AsyncOperation="u"), Reply(200), Reply(200, b"log", Content_Type="text/plain")
    )
    answer = asked.answer("compute.stop", keys={"name": "c"})
    assert (answer.status, answer.body, answer.header("azure-asyncoperation")) == (202, None, "u")
    assert asked.call("compute.stop", keys={"name": "c"}) is None
    assert asked.call("compute.show", keys={"name": "c"}) == "log"


def test_a_list_is_read_to_its_end():
    link = f"{ARM}{WS}/computes?api-version=2019-11-01&$skipToken=NTA%3d"
    asked = session(Reply(200, {"value": [{"n": 1}], "nextLink": link}), Reply(200, {"value": [{"n": 2}]}))
    assert list(asked.pages("compute.list")) == [{"n": 1}, {"n": 2}]
    assert asked.wire.urls[1] == link


def test_a_next_link_out_of_the_cloud_is_not_followed():
    asked = session(Reply(200, {"value": [{"n": 1}], "nextLink": "https://evil.example.com/?$skip=1"}))
    with pytest.raises(errors.TransportError, match=r"evil\.example\.com is no server of AzureCloud"):
        list(asked.pages("compute.list"))
    assert len(asked.wire.sent) == 1


def test_a_page_of_a_query_is_retried_and_a_start_is_not():
    asked = session(*found(), Reply(503), Reply(200, {"value": [{"n": 1}]}), Reply(503))
    assert list(asked.pages("run.list", keys={"experiment": "e"}, body={"filter": "f"}, top=1)) == [{"n": 1}]
    with pytest.raises(errors.ServiceError):
        asked.call("run.start", keys={"experiment": "e"}, body={})
    assert json.loads(asked.wire.bodies[3]) == {"filter": "f", "top": 1}


@pytest.mark.parametrize("options", [{"query": {"runId": "r"}}, {"idempotent": True}])
def test_a_start_that_names_what_it_makes_is_retried(options):
    asked = session(*found(), Reply(503), Reply(200, {"runId": "r"}))
    assert asked.call("run.start", keys={"experiment": "e"}, body={}, **options) == {"runId": "r"}


def test_a_long_operation_gives_a_poller():
    asked = session(
        Reply(201, {"properties": {"provisioningState": "Creating"}}, Azure_AsyncOperation=f"{ARM}/s?a=%3d")
    )
    poller = asked.start("compute.create", keys={"name": "c"}, body={"location": "eastus"})
    assert isinstance(poller, Poller)
    assert poller.status == "Creating"
    assert json.loads(asked.wire.bodies[0]) == {"location": "eastus"}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/subscriptions?api-version=1", f"{ARM}/subscriptions?api-version=1"),
        ("subscriptions/s/x", f"{ARM}/subscriptions/s/x"),
        ("/Providers/x", f"{ARM}/Providers/x"),
        ("/metadata/endpoints", f"{ARM}/metadata/endpoints"),
        (f"{ARM}/subscriptions?a=%3d", f"{ARM}/subscriptions?a=%3d"),
        ("history/v1.0/x", f"{API}/history/v1.0/x"),
        ("/rp/workspaces/x", f"{API}/rp/workspaces/x"),
        (f"{API}/mlflow/v2.0", f"{API}/mlflow/v2.0"),
    ],
)
def test_a_path_goes_where_its_first_segment_belongs(path, url):
    needs = found() if url.startswith(API) and "://" not in path else ()
    asked = session(*needs, Reply(200, {}))
    asked.send("get", path)
    assert asked.wire.urls[-1] == url
    assert asked.wire.sent[-1].method == "GET"
    assert asked.wire.sent[-1].headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize("url", ["https://evil.example.com/x", "http://management.azure.com/x", "ftp://x/y"])
def test_a_whole_url_out_of_the_cloud_is_refused_before_it_is_sent(url):
    asked = session()
    with pytest.raises(errors.UsageError, match="token must not go there"):
        asked.send("GET", url)
    assert asked.credential.asked == []


def test_pasted_headers_do_not_change_host_or_token():
    asked = session(Reply(200, {}))
    pasted = {
        "authorization": "Bearer stolen",
        "Host": "evil",
        "Content-Length": "9",
        "X-Own": "1",
        "Accept": "text/plain",
    }
    asked.send("POST", "/subscriptions", headers=pasted, body={"a": 1}, query={"q": "x y"})
    sent = asked.wire.sent[0]
    assert sent.headers["Authorization"] == "Bearer token-1"
    assert (sent.headers.get("Host"), sent.headers["X-Own"], sent.headers["Accept"]) == (None, "1", "text/plain")
    assert (sent.headers["Content-Length"], sent.url) == ("8", f"{ARM}/subscriptions?q=x%20y")


def test_a_request_of_somebody_elses_is_not_anonymous_here():
    asked = session(Reply(200, {}))
    asked.send_request(Request("GET", f"{ARM}/subscriptions", anonymous=True))
    assert asked.wire.sent[0].headers["Authorization"] == "Bearer token-1"


def test_an_error_is_raised_with_the_real_code():
    body = {"error": {"code": "UserError", "message": "m", "innerError": {"code": "NotFoundError", "innerError": None}}}
    asked = session(Reply(404, body, x_ms_request_id="id"))
    with pytest.raises(errors.NotFoundError) as caught:
        asked.call("compute.show", keys={"name": "c"})
    assert (caught.value.code, caught.value.request_id) == ("NotFoundError", "id")


def test_a_prepared_request_holds_no_token():
    asked = session(*found())
    request = asked.prepare("run.cancel", keys={"experiment": "e", "run": "r"})
    assert request.full_url == f"{API}/execution/v1.0{WS}/experiments/e/runId/r/cancel"
    assert "token-1" not in repr(request)


def test_an_operation_is_shown_in_place_of_being_sent():
    asked = session(Reply(200, {"value": []}))
    with asked.showing("compute.delete"):
        list(asked.pages("compute.list"))
        with pytest.raises(RequestShown) as shown:
            asked.start("compute.delete", keys={"name": "c"})
    assert shown.value.request.method == "DELETE"
    assert len(asked.wire.sent) == 1


def test_a_score_goes_with_its_key_and_never_with_the_token():
    asked = session(Reply(200, [1, 2]), Reply(200, b"text", Content_Type="text/plain"), Reply(200, {}))
    uri = "https://svc.eastus.inference.ml.azure.com/score"
    assert asked.score(uri, "KEY", {"data": [[1]]}) == [1, 2]
    assert asked.score("http://10.0.0.1:80/api/v1/service/s/score", "", b'{"data": 1}') == "text"
    assert asked.score(f"{ARM}/score", "KEY", "{}") == {}
    assert [sent.headers.get("Authorization") for sent in asked.wire.sent] == ["Bearer KEY", None, "Bearer KEY"]
    assert {sent.headers["Content-Type"] for sent in asked.wire.sent} == {"application/json"}
    assert asked.wire.bodies == [b'{"data": [[1]]}', b'{"data": 1}', b"{}"]
    assert asked.credential.asked == []


def test_a_refused_score_is_not_repeated_and_points_at_the_key():
    asked = session(Reply(401, b"Unauthorized"))
    with pytest.raises(errors.AuthenticationError, match="Unauthorized") as caught:
        asked.score("https://svc.eastus.inference.ml.azure.com/score", "KEY", {})
    assert "%azml service keys" in caught.value.hint
    assert len(asked.wire.sent) == 1


def test_a_signed_link_is_fetched_without_the_token():
    asked = session(Reply(200, b"content", Content_Length="7"), Reply(200, Content_Length="7"))
    link, target = "https://acc.blob.core.windows.net/c/f?sig=x%3d", io.BytesIO()
    assert asked.fetch(link, target) == 7
    assert asked.size_of(link) == 7
    assert target.getvalue() == b"content"
    assert asked.wire.urls == [link, link]
    assert asked.credential.asked == []


def test_a_session_says_where_it_is_and_nothing_secret():
    assert repr(session()) == "<Session AzureCloud ws>"
    assert session().token().token == "token-1"
    assert "token-1" not in repr(session().token())


def test_without_a_login_a_word_says_what_to_type():
    with pytest.raises(errors.NotLoggedIn, match="%azml login"):
        Session(None, CLOUD, Scope("s", "g", "w")).call("compute.list")


def test_an_unknown_operation_is_a_programming_error():
    with pytest.raises(KeyError):
        session().call("run.fly")


def test_the_client_is_imported_without_requests_and_msal():
    code = "import sys, azml_magics.rest; print({'pandas', 'requests', 'msal', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
