from __future__ import annotations

import json
from typing import Any

import pytest

from azml_magics.emulator.handlers.data import seed_datastores
from azml_magics.emulator.service import Fault


@pytest.fixture
def seeded(serving: Any) -> Any:
    workspace, _ = serving.service.store.page("workspace")
    seed_datastores(serving.service, workspace[0])
    return serving


def test_a_workspace_is_born_with_three_datastores_and_a_default(seeded: Any) -> None:
    listed = seeded.call("datastore.list").body
    assert {d["name"]: d["isDefault"] for d in listed["value"]} == {
        "workspaceblobstore": True,
        "workspacefilestore": False,
        "workspaceartifactstore": False,
    }
    assert listed["continuationToken"] is None
    default = seeded.call("datastore.default").body
    assert default == seeded.call("datastore.show", name="workspaceblobstore").body
    assert default["azureStorageSection"]["accountName"] == seeded.service.identity.storage_account


def test_seeding_twice_changes_nothing(seeded: Any) -> None:
    workspace, _ = seeded.service.store.page("workspace")
    before = seeded.call("datastore.list").body
    seed_datastores(seeded.service, workspace[0])
    assert seeded.call("datastore.list").body == before


def test_a_key_is_only_shown_to_who_asks_for_secrets(seeded: Any) -> None:
    key = seeded.service.identity.storage_key
    for verb, keys in (("list", {}), ("show", {"name": "workspaceblobstore"}), ("default", {})):
        assert key not in json.dumps(seeded.call(f"datastore.{verb}", **keys).body)
        assert key in json.dumps(seeded.call(f"datastore.{verb}", query={"includeSecret": "true"}, **keys).body)
    assert key not in json.dumps(seeded.call("datastore.list").body)


def test_pages_of_datastores_go_on_by_a_token(seeded: Any) -> None:
    first = seeded.call("datastore.list", query={"count": "2"}).body
    second = seeded.call("datastore.list", query={"count": "2", "continuationToken": first["continuationToken"]}).body
    assert [len(first["value"]), len(second["value"]), second["continuationToken"]] == [2, 1, None]


def test_datastores_are_listed_by_name(seeded: Any) -> None:
    listed = seeded.call("datastore.list", query={"dataStoreNames": "workspacefilestore,none"}).body["value"]
    assert [d["name"] for d in listed] == ["workspacefilestore"]


def test_an_unknown_datastore_is_not_found_in_the_services_words(seeded: Any) -> None:
    with pytest.raises(Fault) as caught:
        seeded.call("datastore.show", name="nope")
    fault = caught.value
    assert (fault.status, fault.code, fault.inner) == (404, "UserError", "NotFoundError")
    assert fault.message == "Could not find datastore: nope."


def test_an_environment_gets_versions_and_is_shown_in_one_case(serving: Any) -> None:
    body = {
        "Name": "ignored",
        "Docker": {"BaseImage": "ubuntu"},
        "EnvironmentVariables": {"Own": "1"},
        "python": {"condaDependencies": {"dependencies": [{"Pip": ["x"]}]}},
    }
    made = serving.call("environment.create", body, name="env-a").body
    assert (made["name"], made["version"]) == ("env-a", "1")
    assert made["docker"] == {"baseImage": "ubuntu"}
    assert made["environmentVariables"] == {"Own": "1"}
    assert made["python"] == {"condaDependencies": {"dependencies": [{"Pip": ["x"]}]}}
    assert serving.call("environment.show", name="env-a").body == made
    assert serving.call("environment.create", body, name="env-a").body["version"] == "1"
    assert serving.call("environment.create", {}, name="env-a").body["version"] == "2"
    assert [e["version"] for e in serving.call("environment.list").body["value"]] == ["2"]


def test_an_unknown_environment_is_not_found(serving: Any) -> None:
    with pytest.raises(Fault) as caught:
        serving.call("environment.show", name="nope")
    assert caught.value.status == 404
    with pytest.raises(Fault) as caught:
        serving.call("environment.create", [], name="nope")
    assert caught.value.status == 400
