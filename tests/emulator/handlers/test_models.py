from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azml_magics.emulator.service import Fault


def ids(serving: Any, **query: str) -> list[str]:
    return [model["id"] for model in serving.call("model.list", query=query).body["value"]]


def patch(serving: Any, model: str, *operations: dict[str, Any]) -> Any:
    return serving.call("model.update", list(operations), model=model).body


def test_each_registration_is_the_next_version_of_its_name(serving: Any) -> None:
    made = [serving.model(name)["id"] for name in ("a", "a", "b")]
    assert made == ["a:1", "a:2", "b:1"]


def test_a_model_has_what_the_official_client_needs(serving: Any) -> None:
    model = serving.model(kvTags={"area": "demo"}, runId="run-1", experimentName="exp")
    assert serving.call("model.show", model="digits:1").body == model
    assert model["datasets"] == []
    assert (model["version"], model["kvTags"], model["runId"]) == (1, {"area": "demo"}, "run-1")
    assert model["createdBy"]["userName"] == "Somebody"
    assert not [key for key in model if key.startswith("_")]


def test_the_number_of_a_deleted_version_does_not_come_back(serving: Any) -> None:
    serving.model("a")
    assert serving.call("model.delete", model="a:1").status == 200
    assert serving.call("model.delete", model="a:1").status == 204
    assert serving.model("a")["id"] == "a:2"


def test_an_unknown_model_is_not_found(serving: Any) -> None:
    for verb in ("show", "update"):
        with pytest.raises(Fault) as caught:
            serving.call(f"model.{verb}", [], model="a:1")
        assert (caught.value.status, caught.value.code) == (404, "ModelNotFound")


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a:1", "ä", "a" * 256, "a/b", "a\n"])
def test_a_name_that_the_service_does_not_allow_is_refused(serving: Any, name: str) -> None:
    url = serving.model("a")["url"]
    with pytest.raises(Fault) as caught:
        serving.call("model.register", {"name": name, "url": url, "mimeType": "text/plain"})
    assert caught.value.status == 400


@pytest.mark.parametrize("url", ["aml://asset/none", "https://elsewhere/model.pkl?sig=x", "aml://artifact/a/b/c"])
def test_a_url_of_nothing_that_is_here_is_refused(serving: Any, url: str) -> None:
    with pytest.raises(Fault) as caught:
        serving.call("model.register", {"name": "a", "url": url, "mimeType": "text/plain"})
    assert caught.value.status == 400
    assert "sig" not in caught.value.message


def test_a_list_is_filtered_by_name_tags_properties_run_and_framework(serving: Any) -> None:
    serving.model("a", kvTags={"k": "1"}, framework="Onnx")
    serving.model("b", kvTags={"k": "2", "with.dot": ""}, runId="r1")
    serving.model("a", properties={"p": "x"})
    assert ids(serving) == ["a:2", "b:1", "a:1"]
    assert ids(serving, name="a") == ["a:2", "a:1"]
    assert ids(serving, tags="k") == ["b:1", "a:1"]
    assert ids(serving, tags="k=2,with.dot") == ["b:1"]
    assert ids(serving, properties="p=x") == ["a:2"]
    assert ids(serving, runId="r1") == ["b:1"]
    assert ids(serving, framework="Onnx") == ["a:1"]
    assert ids(serving, orderBy="CreatedAtAsc") == ["a:1", "b:1", "a:2"]


def test_pages_go_on_by_a_skip_token_that_keeps_the_filters(serving: Any) -> None:
    for _ in range(5):
        serving.model("a")
    serving.model("b")
    seen, query = [], {"name": "a", "count": "2"}
    url = ""
    while True:
        reply = serving.call("model.list", query=query, url=url).body
        seen += [model["version"] for model in reply["value"]]
        if "nextLink" not in reply:
            break
        url = reply["nextLink"]
        assert "name=a" in url
        query = {"name": "a", "count": "2", "$skipToken": url.partition("$skipToken=")[2].replace("%3D", "=")}
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("query", [{"count": "x"}, {"count": "0"}, {"orderBy": "Name"}, {"$skipToken": "%%"}])
def test_a_list_that_cannot_be_read_is_refused(serving: Any, query: dict[str, str]) -> None:
    with pytest.raises(Fault) as caught:
        serving.call("model.list", query=query)
    assert caught.value.status == 400


def test_only_the_last_versions_are_listed_when_asked(serving: Any) -> None:
    for name in ("a", "b", "a"):
        serving.model(name)
    assert ids(serving, latestVersionOnly="true") == ["a:2", "b:1"]
    serving.call("model.delete", model="a:2")
    assert ids(serving, latestVersionOnly="true") == ["b:1", "a:1"]


def test_models_registered_at_once_get_versions_of_their_own(serving: Any) -> None:
    url = serving.model("a")["url"]
    body = {"name": "a", "url": url, "mimeType": "text/plain"}
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda _: serving.call("model.register", body).body["version"], range(12)))
    assert sorted(versions) == list(range(2, 14))
    assert ids(serving, latestVersionOnly="true") == ["a:13"]


def test_a_patch_changes_tags_description_and_one_property(serving: Any) -> None:
    serving.model("a", kvTags={"old": "1"})
    changed = patch(
        serving,
        "a:1",
        {"op": "replace", "path": "/kvTags", "value": {"new": "2"}},
        {"op": "add", "path": "/description", "value": "better"},
        {"op": "add", "path": "/properties/a~1b", "value": "x"},
    )
    assert (changed["kvTags"], changed["description"], changed["properties"]) == ({"new": "2"}, "better", {"a/b": "x"})
    assert patch(serving, "a:1", {"op": "remove", "path": "/kvTags/new"})["kvTags"] == {}
    assert serving.call("model.show", model="a:1").body["description"] == "better"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/version", "value": 7},
        {"op": "replace", "path": "/_latest", "value": "no"},
        {"op": "replace", "path": "/kvTags", "value": "text"},
        {"op": "move", "path": "/description"},
        {"op": "remove", "path": "/kvTags/none"},
        {"op": "add", "path": "description", "value": "x"},
        "text",
    ],
)
def test_a_patch_of_anything_else_changes_nothing(serving: Any, operation: Any) -> None:
    before = serving.model("a", kvTags={"k": "v"})
    with pytest.raises(Fault) as caught:
        serving.call("model.update", [{"op": "add", "path": "/description", "value": "x"}, operation], model="a:1")
    assert caught.value.status == 400
    assert serving.call("model.show", model="a:1").body == before
