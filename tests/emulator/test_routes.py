from __future__ import annotations

import re

import pytest

from azml_magics.catalogue import RESOURCES
from azml_magics.emulator.routes import Router, host_name, is_known, place
from azml_magics.emulator.service import Fault

ROUTER = Router()
HOSTS = {
    "arm": "management.azure.com",
    "data": "emulator.api.azureml.ms",
    "login": "login.microsoftonline.com",
    "blob": "account.blob.core.windows.net",
    "scoring": "digits.emulator.azurecontainer.io",
}
PREFIXES = {"blob": "/blob/account", "scoring": "/scoring/digits"}
EVERY = [
    pytest.param(r, o, path, id=f"{r.operation_id(o)} {path}")
    for r in RESOURCES
    for o in r.operations
    for path in (o.path, *o.also)
]
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def fill(path: str) -> str:
    return re.sub(r"\{(\w+)(\*?)\}", lambda m: f"<{m[1]}>/x%2Fy%20z" if m[2] else f"<{m[1]}>", path)


def find(method: str, host: str, path: str):
    return ROUTER.match(method, place(host, path))


@pytest.mark.parametrize(("resource", "operation", "path"), EVERY)
def test_every_path_of_the_catalogue_leads_to_its_operation_under_both_kinds_of_name(resource, operation, path):
    asked = fill(path)
    named = find(operation.method, HOSTS[operation.host], asked)
    local = find(operation.method, "127.0.0.1:8443", PREFIXES.get(operation.host, "") + asked)
    assert named == local
    assert (named.resource, named.operation) == (resource, operation)
    keys = re.findall(r"\{(\w+)\*?\}", path)
    assert {k: named.keys[k] for k in keys} == {k: f"<{k}>" + "/x/y z" * (k + "*" in path) for k in keys}


@pytest.mark.parametrize(
    "path",
    [
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/",
        "//subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces",
        "/SUBSCRIPTIONS/s/resourcegroups/g/Providers/microsoft.machinelearningservices/WORKSPACES",
    ],
)
def test_slashes_and_case_make_no_difference(path):
    match = find("GET", "management.azure.com", path)
    assert match.operation.verb == "list"
    assert match.keys == {"subscription": "s", "group": "g"}


def test_keys_keep_their_case_and_are_decoded():
    match = find("GET", "management.azure.com", f"{WORKSPACE}/computes/My%20Compute%2B%C3%A9")
    assert match.keys["name"] == "My Compute+é"


def test_the_path_with_most_literal_segments_wins():
    base = f"/artifact/v2.0{WORKSPACE}/artifacts"
    assert find("GET", HOSTS["data"], f"{base}/content/ExperimentRun/dcid.r/a/b.txt").keys["path"] == "a/b.txt"
    by_query = find("GET", HOSTS["data"], f"{base}/ExperimentRun/dcid.r/content")
    assert (by_query.operation.verb, by_query.keys["origin"]) == ("content", "ExperimentRun")


def test_a_host_answers_only_its_own_operations():
    assert find("GET", HOSTS["data"], "/subscriptions") is None
    assert find("GET", HOSTS["arm"], f"/history/v1.0{WORKSPACE}/experiments") is None
    assert find("GET", HOSTS["arm"], f"/rp/workspaces{WORKSPACE}/computes") is None
    assert find("GET", "ml.azure.com", "/subscriptions") is None


def test_the_host_tells_account_and_service():
    assert find("GET", "acc.blob.core.windows.net", "/c/a/b").keys["account"] == "acc"
    assert find("POST", "digits.emulator.inference.ml.azure.com", "/score").keys["service"] == "digits"
    assert find("GET", "localhost:1", "/blob/acc/c/a/b").keys == {"account": "acc", "container": "c", "path": "a/b"}
    assert find("POST", "[::1]:1", "/scoring/digits/score").keys == {"service": "digits"}


def test_the_methods_of_a_path_are_known_apart_from_the_path():
    where = place(HOSTS["arm"], f"{WORKSPACE}/computes/c")
    assert ROUTER.match("POST", where) is None
    assert ROUTER.methods(where) == ["DELETE", "GET", "PATCH", "PUT"]
    assert ROUTER.methods(place(HOSTS["arm"], "/nothing/here")) == []


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "management.azure.com.evil.org",
        "evil-management.azure.com",
        "a.b.blob.core.windows.net",
        ".blob.core.windows.net",
        "westeurope.api.azureml.ms",
        "127.0.0.1.nip.io",
        "127.0.0.1/x",
        "user@127.0.0.1",
        "127.0.0.2",
    ],
)
def test_a_host_that_is_none_of_ours_is_refused(host):
    with pytest.raises(Fault) as caught:
        place(host, "/subscriptions")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "path", ["/a/../b", "/a/%2e%2e/b", "/a/..%2fb", "/a/..%5Cb", "/a/.", "/a%00b", "/a%0Ab", "/%ff"]
)
def test_a_path_that_climbs_or_is_no_text_is_refused(path):
    with pytest.raises(Fault) as caught:
        place("management.azure.com", path)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("netloc", "name"),
    [
        ("Management.Azure.com:443", "management.azure.com"),
        ("management.azure.com.", "management.azure.com"),
        ("[::1]:8443", "::1"),
        ("localhost", "localhost"),
        ("a b", ""),
        ("host:99999999", ""),
    ],
)
def test_a_host_header_is_read_as_a_name(netloc, name):
    assert host_name(netloc) == name


def test_what_a_place_is_without_an_operation_follows_from_its_path():
    kinds = {path: place("127.0.0.1", path).kind for path in ("/history/x", "/subscriptions/x", "/t/oauth2/x", "/")}
    assert kinds == {"/history/x": "data", "/subscriptions/x": "arm", "/t/oauth2/x": "login", "/": "arm"}


def test_loopback_is_no_name_of_the_service():
    assert is_known("login.windows.net")
    assert not is_known("127.0.0.1")
    assert not is_known("example.com")
