"""Requests are made from the catalogue to the letter, and answers are read as the service writes them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from azml_magics.catalogue import RESOURCES, Operation, Resource, locate
from azml_magics.errors import NoWorkspace, TransportError, UsageError
from azml_magics.rest.clouds import CLOUDS
from azml_magics.rest.protocol import (
    Answer,
    Request,
    Scope,
    build_request,
    choose_path,
    next_request,
    read_page,
    repeatable,
    retry_after,
    token_name,
    with_body,
)

CLOUD = CLOUDS["AzureCloud"]
API = "https://eastus.api.azureml.ms"
SCOPE = Scope("sub", "grp", "ws")
WS = "/subscriptions/sub/resourceGroups/grp/providers/Microsoft.MachineLearningServices/workspaces/ws"


def build(operation_id, keys=None, query=None, body=None, scope=SCOPE):
    return build_request(*locate(operation_id), CLOUD, API, scope, keys, query, body)


@pytest.mark.parametrize(
    ("operation_id", "keys", "url"),
    [
        ("subscription.list", {}, "https://management.azure.com/subscriptions?api-version=2022-12-01"),
        ("group.list", {}, "https://management.azure.com/subscriptions/sub/resourceGroups?api-version=2020-06-01"),
        ("workspace.show", {}, f"https://management.azure.com{WS}?api-version=2019-11-01"),
        ("compute.show", {"name": "c1"}, f"https://management.azure.com{WS}/computes/c1?api-version=2019-11-01"),
        # Compute instances came later: the operation's own version wins over the resource's.
        ("compute.stop", {"name": "c"}, f"https://management.azure.com{WS}/computes/c/stop?api-version=2020-08-01"),
        # service-facts 14: required, and unknown to the article.
        (
            "compute.delete",
            {"name": "c"},
            f"https://management.azure.com{WS}/computes/c?api-version=2019-11-01&underlyingResourceAction=Delete",
        ),
        # service-facts 34: the data plane's specification has no api-version.
        ("run.show", {"run": "r_1"}, f"{API}/history/v1.0{WS}/runs/r_1"),
        ("model.show", {"model": "m:1"}, f"{API}/modelmanagement/v1.0{WS}/models/m%3A1"),
        ("service.list", {}, f"{API}/modelmanagement/v1.0{WS}/services?expand=true"),
        # wire-v1 3: /rp always carries one.
        ("compute.list-regional", {}, f"{API}/rp/workspaces{WS}/computes?api-version=2019-11-01"),
    ],
)
def test_an_operation_becomes_its_address(operation_id, keys, url):
    assert build(operation_id, keys).full_url == url


@pytest.mark.parametrize("name", ["a/b", "a b", "ä?x=1&y#z", "100%", "a:b"])
def test_a_name_is_one_segment_whatever_it_holds(name):
    url = build("compute.show", {"name": name}).url
    assert url.startswith(f"https://management.azure.com{WS}/computes/")
    assert not set(url.rpartition("/computes/")[2]) & set("/ ?#&:ä")


def test_only_a_greedy_key_keeps_its_slashes():
    keys = {"origin": "ExperimentRun", "container": "dcid.r", "path": "outputs/a b/ü.txt"}
    assert build("artifact.link", keys).url == (
        f"{API}/artifact/v2.0{WS}/artifacts/contentinfo/ExperimentRun/dcid.r/outputs/a%20b/%C3%BC.txt"
    )


def test_the_path_that_takes_every_given_key_is_chosen():
    operation = locate("run.list")[1]
    assert choose_path(operation, {"experiment": "e"}).endswith("/experiments/{experiment}/runs:query")
    assert choose_path(operation, {"experiment_id": "i"}).endswith("/experimentids/{experiment_id}/runs:query")


@pytest.mark.parametrize("name", ["..", ".", "a/../b", "../x"])
def test_a_name_that_would_climb_is_refused(name):
    with pytest.raises(UsageError, match="cannot be the name"):
        build("compute.delete", {"name": name})


@pytest.mark.parametrize("keys", [{}, {"name": ""}])
def test_an_operation_on_one_thing_is_not_sent_to_all_of_them(keys):
    with pytest.raises(UsageError, match="the name is missing"):
        build("compute.delete", keys)


@pytest.mark.parametrize(
    ("scope", "missing"), [(Scope(), "subscription"), (Scope("s"), "group"), (Scope("s", "g"), "workspace")]
)
def test_what_the_scope_lacks_is_named_before_anything_is_sent(scope, missing):
    with pytest.raises(NoWorkspace, match=f"no {missing} is chosen") as caught:
        build("compute.list", scope=scope)
    assert f"%azml {missing}s" in caught.value.hint


def test_a_blank_behind_a_group_is_not_sent():
    # service-facts 12: it answers 403 as if it were a matter of rights.
    assert "/resourceGroups/grp/" in build("compute.list", scope=Scope("sub", "grp ", "ws")).url


def test_a_key_wins_over_the_scope():
    assert build("workspace.show", {"workspace": "other"}).url.endswith("/workspaces/other")


def test_a_query_wins_over_what_is_fixed_and_none_is_left_out():
    query = {
        "API-Version": "2023-10-01",
        "$top": 5,
        "$filter": "a eq 'b c'",
        "flag": True,
        "tag": ["x", "y"],
        "no": None,
    }
    assert build("compute.list", query=query).full_url.partition("?")[2] == (
        "API-Version=2023-10-01&$top=5&$filter=a%20eq%20%27b%20c%27&flag=true&tag=x&tag=y"
    )


def test_an_address_without_parameters_is_sent_to_the_letter():
    # service-facts 20: signed links of 3 kB, with lower-case escapes and odd order.
    signed = "https://management.azure.com/x?b=1&a=%3d&s=" + "A" * 3000 + "&h=~"
    assert Request("GET", signed).full_url == signed


@pytest.mark.parametrize("operation_id", ["token.create", "blob.read", "scoring.score"])
def test_what_is_asked_of_other_hosts_is_not_built_here(operation_id):
    with pytest.raises(ValueError, match="not asked of ARM"):
        build(operation_id)


OWN = [(r, o) for r in RESOURCES for o in r.operations if o.host in ("arm", "data")]


@pytest.mark.parametrize(("resource", "operation"), OWN, ids=lambda v: v.noun if isinstance(v, Resource) else v.verb)
def test_every_operation_of_the_catalogue_becomes_a_request_of_its_host(resource, operation):
    keys = dict.fromkeys(operation.keys, "k")
    request = build_request(resource, operation, CLOUD, API, SCOPE, keys)
    assert request.url.startswith(CLOUD.arm if operation.host == "arm" else API)
    assert "{" not in request.full_url
    assert CLOUD.trusted(request.full_url)
    assert not any("authorization" in name.lower() for name in request.headers)


def test_a_query_without_a_filter_is_an_empty_object():
    assert build("run.list", {"experiment": "e"}).json == {}
    assert build("run.cancel", {"experiment": "e", "run": "r"}).json is None


@pytest.mark.parametrize(("body", "data"), [(b"x", b"x"), ("x", b"x"), (Path("f"), Path("f"))])
def test_bytes_text_and_files_are_sent_as_they_are(body, data):
    request = with_body(Request("POST", "https://h"), body)
    assert (request.data, request.json, request.headers["Content-Type"]) == (data, None, "application/octet-stream")
    assert with_body(Request("POST", "https://h", headers={"content-type": "a/b"}), body).headers == {
        "content-type": "a/b"
    }


@pytest.mark.parametrize(
    ("request_", "operation_id", "safe"),
    [
        (Request("GET", "u"), None, True),
        (Request("HEAD", "u"), None, True),
        (Request("PUT", "u"), "compute.create", True),
        (Request("DELETE", "u"), "compute.delete", True),  # service-facts 9
        (Request("PATCH", "u"), "run.update", False),
        (Request("POST", "u"), None, False),
        (Request("POST", "u"), "run.start", False),
        (Request("POST", "u", params=(("runid", "r"),)), "run.start", True),
        (Request("POST", "u", params=(("runId", ""),)), "run.start", False),
        (Request("POST", "u"), "run.list", True),
        (Request("POST", "u"), "experiment.query", True),
        (Request("POST", "u"), "run.metrics", True),
        (Request("POST", "u"), "run.list-metrics", True),
        (Request("POST", "u"), "run.read-metric", True),
        (Request("POST", "u"), "workspace.keys", True),
        (Request("POST", "u"), "compute.nodes", True),
        (Request("POST", "u"), "compute.stop", False),
        (Request("POST", "u"), "run.cancel", False),
        (Request("POST", "u"), "run.write-metrics", False),
        (Request("POST", "u"), "model.register", False),
        (Request("POST", "u"), "service.create", False),
        (Request("POST", "u"), "experiment.create", False),
    ],
)
def test_only_what_changes_nothing_more_is_sent_twice(request_, operation_id, safe):
    assert repeatable(request_, locate(operation_id)[1] if operation_id else None) is safe


def answer(body=b"", status=200, **headers):
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"null"])
def test_an_accepted_body_may_be_empty(body):
    # service-facts 21
    assert answer(body).json() is None
    assert answer(body).body is None


@pytest.mark.parametrize(
    ("media", "body", "read"),
    [
        ("application/json; charset=utf-8", b'{"a": 1}', {"a": 1}),
        ("application/json", b'"PT30M"', "PT30M"),
        ("application/problem+json", b"[]", []),
        ("", b'{"a": NaN}', {"a": pytest.approx(float("nan"), nan_ok=True)}),
        ("application/json", "\ufeff{}".encode(), {}),
        ("text/plain; charset=utf-8", "ä\n".encode(), "ä\n"),
        ("application/zip", b"PK\x03", b"PK\x03"),
        ("application/zip", b"", None),
    ],
)
def test_a_body_is_read_by_its_media_type(media, body, read):
    assert answer(body, content_type=media).body == read


@pytest.mark.parametrize(
    ("media", "body"), [("application/json", b'{"a": '), ("text/html", b"<html>"), ("", b"<html>")]
)
def test_a_broken_body_is_said_to_be_the_transports(media, body):
    broken = Answer(200, {"Content-Type": media}, body, "https://management.azure.com/x?sig=secret")
    with pytest.raises(TransportError, match=r"management\.azure\.com answered 200") as caught:
        broken.body  # noqa: B018
    assert "secret" not in str(caught.value)


def test_headers_are_found_in_any_case():
    # service-facts 40: names change case.
    assert answer(azure_asyncoperation="u").header("Azure-AsyncOperation") == "u"
    assert answer().header("x") == ""


LINK = "https://management.azure.com/x?api-version=1&$skipToken=NTA%3d"


@pytest.mark.parametrize(
    ("operation_id", "body", "items", "following"),
    [
        ("compute.list", f'{{"value": [{{"n": 1}}], "nextLink": "{LINK}"}}', 1, LINK),
        ("compute.list", '{"value": []}', 0, ""),
        ("compute.list", '{"value": null, "nextLink": null}', 0, ""),
        ("compute.list", '{"value": [{"n": 1}], "nextLink": ""}', 1, ""),
        # service-facts 40: a count beside the values.
        ("subscription.list", '{"value": [{"n": 1}], "count": {"type": "Total", "value": 237}}', 1, ""),
        ("size.list", '{"amlCompute": [{"n": 1}, {"n": 2}]}', 2, ""),
        ("compute.nodes", f'{{"computeType": "AmlCompute", "nodes": [{{"n": 1}}], "nextLink": "{LINK}"}}', 1, LINK),
        ("compute.list-regional", '[{"n": 1}, null, "x"]', 1, ""),
        # service-facts 36: both a token and a link; the body's filter needs the token.
        ("run.list", f'{{"value": [{{"n": 1}}], "continuationToken": "t", "nextLink": "{LINK}"}}', 1, "t"),
        ("run.list", f'{{"value": [], "continuationToken": null, "nextLink": "{LINK}"}}', 0, ""),
        ("run.children", f'{{"value": [], "continuationToken": "t", "nextLink": "{LINK}"}}', 0, "t"),
        ("datastore.list", f'{{"value": [], "nextLink": "{LINK}"}}', 0, LINK),
        ("model.list", f'{{"value": [], "continuationToken": "t", "nextLink": "{LINK}"}}', 0, LINK),
        ("run.list-metrics", '{"value": [{"n": 1}], "continuationToken": "t"}', 1, "t"),
        ("compute.list", "null", 0, ""),
        ("compute.list", '"PT30M"', 0, ""),
        ("compute.list", "{}", 0, ""),
    ],
)
def test_a_page_gives_its_items_and_what_follows(operation_id, body, items, following):
    found, token = read_page(locate(operation_id)[1], answer(body.encode()))
    assert (len(found), token) == (items, following)


def follow(operation_id, request, following):
    return next_request(locate(operation_id)[1], request, following)


def test_the_next_page_of_a_query_keeps_its_filter():
    request = Request("POST", "https://h/q", json={"filter": "f", "top": 5})
    assert follow("run.list", request, "t").json == {"filter": "f", "top": 5, "continuationToken": "t"}


def test_the_next_page_of_a_list_replaces_the_token_in_its_query():
    request = Request("GET", "https://h/q", params=(("$top", "5"), ("$continuationtoken", "old")))
    assert follow("run.children", request, "a+b").full_url == "https://h/q?$top=5&$continuationToken=a%2Bb"


@pytest.mark.parametrize("operation_id", ["compute.list", "datastore.list", "model.list"])
def test_a_link_is_followed_to_the_letter(operation_id):
    request = Request("GET", "https://management.azure.com/q", params=(("api-version", "2"),), headers={"Accept": "a"})
    assert follow(operation_id, request, LINK) == Request("GET", LINK, headers={"Accept": "a"})


def test_a_link_without_a_host_is_completed():
    assert follow("compute.list", Request("GET", "https://h/a/b"), "/c?$skip=x").url == "https://h/c?$skip=x"


@pytest.mark.parametrize(
    ("operation_id", "name"),
    [
        ("run.children", "$continuationToken"),
        ("experiment.list", "$continuationToken"),
        ("run.artifacts", "continuationToken"),
        ("artifact.links", "continuationToken"),
        ("datastore.list", "continuationToken"),
        ("environment.list", "continuation"),
    ],
)
def test_the_token_has_the_name_that_the_service_reads(operation_id, name):
    # wire-v1 3.1
    assert token_name(locate(operation_id)[1].path) == name


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "2", "retry-after-ms": "100"}, 2),
        ({"Retry-After": "Fri, 02 Jan 2026 12:00:30 GMT"}, 30),
        ({"Retry-After": "Fri, 02 Jan 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
    ],
)
def test_the_service_may_ask_for_a_pause_in_four_ways(headers, seconds):
    assert retry_after(Answer(429, headers), datetime(2026, 1, 2, 12, tzinfo=UTC)) == seconds


def test_an_anonymous_operation_makes_an_anonymous_request():
    assert build("cloud.discovery").anonymous
    assert not build("run.show", {"run": "r"}).anonymous


def test_an_operation_that_the_catalogue_calls_a_list_pages_by_link():
    operation = Operation("list", "GET", "/x", "")
    assert read_page(operation, answer(b'{"value": [{}], "nextLink": "https://h/n"}')) == ([{}], "https://h/n")
