from __future__ import annotations

import time
from typing import Any, cast

import pytest

from azml_magics.emulator.handlers import arm
from azml_magics.emulator.handlers.seed import UNREGISTERED, UNREGISTERED_GROUP
from azml_magics.emulator.progress import Progress
from azml_magics.emulator.service import Service


def test_a_subscription_is_shown_without_what_is_the_emulators_own(bench):
    body = bench.call("subscription.show").body
    assert body["tenantId"] == bench.service.identity.tenant_id
    assert "registered" not in body
    assert bench.refused("subscription.show", subscription="nobody").code == "SubscriptionNotFound"


def test_groups_are_those_of_the_subscription_in_the_articles_shape(bench):
    (group,) = bench.call("group.list").body["value"]
    assert group == {
        "id": f"/subscriptions/{bench.service.identity.subscription_id}/resourceGroups/emulator-rg",
        "name": "emulator-rg",
        "type": "Microsoft.Resources/resourceGroups",
        "location": "emulator",
        "properties": {"provisioningState": "Succeeded"},
    }
    assert bench.call("group.show", group="EMULATOR-RG").body == group
    names = [g["name"] for g in bench.call("group.list", subscription=UNREGISTERED).body["value"]]
    assert names == [UNREGISTERED_GROUP]
    assert bench.refused("group.show", group="nobody").code == "ResourceGroupNotFound"


def test_workspaces_are_listed_by_group_and_by_subscription(bench):
    key = f"/subscriptions/{bench.service.identity.subscription_id}"
    other = {"id": f"{key}/resourceGroups/emulator-rg-2/providers/x/workspaces/w", "name": "w"}
    bench.service.store.put("workspace", "somewhere else", other, key)
    assert [w["name"] for w in bench.call("workspace.list").body["value"]] == ["emulator-ws"]
    assert [w["name"] for w in bench.call("workspace.list-all").body["value"]] == ["emulator-ws", "w"]
    assert bench.refused("workspace.list", group="nobody").code == "ResourceGroupNotFound"


def test_an_empty_list_has_a_value_and_no_link(bench):
    body = bench.call("workspace.list", subscription=UNREGISTERED, group=UNREGISTERED_GROUP).body
    assert body == {"value": []}


def test_a_missing_workspace_is_the_gateways_404(bench):
    fault = bench.refused("workspace.show", workspace="my-ws")
    assert (fault.status, fault.code) == (404, "ResourceNotFound")


def test_the_articles_put_is_202_empty_with_two_addresses(slow):
    reply = slow.call("workspace.create", slow.article(), workspace="new-ws")
    assert (reply.status, reply.body, reply.content) == (202, None, None)
    location, operation = reply.headers["Location"], reply.headers["Azure-AsyncOperation"]
    assert location.startswith("https://management.azure.com/subscriptions/")
    assert "/workspaceOperationsStatus/" in location
    assert location.endswith("?api-version=2019-11-01&type=location")
    assert operation.endswith("?api-version=2019-11-01&type=async")
    assert slow.follow(operation).body == {"status": "InProgress"}
    again = slow.follow(location)
    assert (again.status, again.body) == (202, None)
    assert (again.headers["Location"], again.headers["Azure-AsyncOperation"]) == (location, operation)
    assert slow.call("workspace.show", workspace="new-ws").body["properties"]["provisioningState"] == "Creating"


def test_the_articles_put_ends_in_a_workspace_with_canonical_dependencies(bench):
    reply = bench.call("workspace.create", bench.article(), workspace="new-ws")
    assert bench.end(reply) == {"status": "Succeeded", "percentComplete": 100.0}
    workspace = bench.follow(reply.headers["Location"]).body
    assert workspace == bench.call("workspace.show", workspace="new-ws").body
    properties = workspace["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["friendlyName"] == "Ours"
    assert properties["keyVault"] == bench.dependency("Microsoft.KeyVault/vaults/emulatorvault")
    assert properties["applicationInsights"] == bench.dependency("Microsoft.Insights/components/emulatorinsights")
    assert properties["workspaceId"] != bench.service.identity.workspace_id
    assert workspace["identity"]["type"] == "SystemAssigned"
    assert workspace["identity"]["tenantId"] == bench.service.identity.tenant_id
    assert workspace["identity"]["principalId"]


def test_a_new_workspace_has_its_datastores(bench):
    bench.end(bench.call("workspace.create", bench.article(), workspace="new-ws"))
    scope = bench.call("workspace.show", workspace="new-ws").body["properties"]["workspaceId"]
    names = {datastore["name"] for datastore in bench.service.store.page("datastore", scope)[0]}
    assert "workspaceblobstore" in names


def test_a_put_on_a_workspace_keeps_its_ids_and_its_birth(bench):
    before = bench.call("workspace.show").body
    bench.end(bench.call("workspace.create", bench.article(friendlyName="Again")))
    after = bench.call("workspace.show").body
    assert after["properties"]["friendlyName"] == "Again"
    for key in ("workspaceId", "creationTime"):
        assert after["properties"][key] == before["properties"][key]
    assert after["identity"] == before["identity"]
    assert after["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    assert after["systemData"]["lastModifiedAt"] > before["systemData"]["lastModifiedAt"]


def test_a_workspace_that_is_being_updated_is_seen_to_be(slow):
    slow.call("workspace.update", {"properties": {"friendlyName": "New"}})
    properties = slow.call("workspace.show").body["properties"]
    assert (properties["provisioningState"], properties["friendlyName"]) == ("Updating", "emulator-ws")


@pytest.mark.parametrize(
    ("body", "name", "code"),
    [
        ({"properties": {}}, "new-ws", "LocationRequired"),
        ({"location": "westeurope"}, "new-ws", "LocationNotAvailableForResourceType"),
        ({"location": "emulator"}, "a", "ValidationError"),
        ({"location": "emulator"}, "-new", "ValidationError"),
        ([], "new-ws", "InvalidRequestContent"),
        ({"location": "emulator", "properties": "none"}, "new-ws", "InvalidRequestContent"),
    ],
)
def test_a_body_that_cannot_be_is_refused_at_once(bench, body, name, code):
    fault = bench.refused("workspace.create", body, workspace=name)
    assert (fault.status, fault.code) == (400, code)
    assert bench.service.store.count("workspace") == 1


def test_a_patch_is_202_and_changes_words_and_tags(bench):
    body = {"tags": {"team": "blue"}, "properties": {"description": "changed", "workspaceId": "stolen"}}
    reply = bench.call("workspace.update", body)
    assert reply.status == 202
    assert {"Location", "Azure-AsyncOperation"} <= reply.headers.keys()
    assert bench.end(reply)["status"] == "Succeeded"
    workspace = bench.call("workspace.show").body
    assert workspace["tags"] == {"team": "blue"}
    assert workspace["properties"]["description"] == "changed"
    assert workspace["properties"]["friendlyName"] == "emulator-ws"
    assert workspace["properties"]["workspaceId"] == bench.service.identity.workspace_id
    assert workspace["properties"]["provisioningState"] == "Succeeded"


def test_a_patch_without_tags_keeps_them(bench):
    bench.end(bench.call("workspace.update", {"tags": {"team": "blue"}}))
    bench.end(bench.call("workspace.update", {"properties": {"description": "x"}}))
    assert bench.call("workspace.show").body["tags"] == {"team": "blue"}


def test_a_deletion_takes_everything_in_the_workspace_with_it(bench):
    scope = bench.service.identity.workspace_id
    bench.service.store.put("run", f"{scope}/r", {"runId": "r"}, scope)
    bench.service.store.put("service", f"{scope}/s", {"_key": f"{scope}/s"}, scope)
    reply = bench.call("workspace.delete", query={"forceToPurge": "false"})
    assert (reply.status, reply.body) == (202, None)
    assert bench.end(reply)["status"] == "Succeeded"
    assert bench.refused("workspace.show").status == 404
    for kind in ("compute", "run", "service", "datastore"):
        assert bench.service.store.count(kind, scope) == 0
    assert bench.cluster.gone == [(scope, "cpu-compute")]
    assert bench.services.removed == [f"{scope}/s"]
    assert bench.follow(reply.headers["Location"]).status == 204


def test_a_workspace_is_listed_as_deleting_until_it_is_gone(slow):
    slow.call("workspace.delete")
    (workspace,) = slow.call("workspace.list").body["value"]
    assert workspace["properties"]["provisioningState"] == "Deleting"
    assert slow.refused("workspace.create", slow.article()).status == 409
    assert slow.refused("workspace.update", {"tags": {}}).status == 409


def test_deleting_a_workspace_that_is_not_there_is_204(bench):
    assert bench.call("workspace.delete", workspace="nobody").status == 204
    assert bench.refused("workspace.delete", group="nobody").status == 404


def test_the_keys_of_a_workspace_are_under_the_old_and_the_live_names(bench):
    keys = bench.call("workspace.keys").body
    identity = bench.service.identity
    assert keys["userStorageKey"] == identity.storage_key
    assert keys["userStorageArmId"] == keys["userStorageResourceId"]
    assert keys["userStorageArmId"].endswith(identity.storage_account)
    assert len(keys["appInsightsInstrumentationKey"]) == 36
    assert keys["containerRegistryCredentials"]["username"] == "emulatorregistry"
    values = [p["value"] for p in keys["containerRegistryCredentials"]["passwords"]]
    values += list(keys["notebookAccessKeys"].values())
    assert len(set(values)) == 4
    assert bench.call("workspace.keys").body == keys


@pytest.mark.parametrize("operation_id", ["workspace.create", "workspace.update", "workspace.delete"])
def test_nothing_is_written_in_the_subscription_whose_provider_is_not_registered(bench, operation_id):
    keys = {"subscription": UNREGISTERED, "group": UNREGISTERED_GROUP, "workspace": "new-ws"}
    fault = bench.refused(operation_id, bench.article(), **keys)
    assert (fault.status, fault.code) == (409, "MissingSubscriptionRegistration")
    assert "not registered to use namespace 'Microsoft.MachineLearningServices'" in fault.message
    assert fault.details[0]["target"] == "Microsoft.MachineLearningServices"


def test_a_workspace_that_was_being_made_is_there_after_a_restart(slow):
    reply = slow.call("workspace.create", slow.article(), workspace="new-ws")
    slow.service.progress.close()
    store = slow.service.store
    (pending,) = store.page("operation")[0]
    store.change("operation", pending["id"], lambda document: document.update(due=time.time()))
    parts: dict[str, Any] = {**vars(slow.service), "progress": Progress(store)}
    again = slow.service = cast(Any, Service(**parts))
    again.progress.bind(again, arm.EFFECTS)
    again.progress.start()
    assert slow.end(reply)["status"] == "Succeeded"
    assert slow.call("workspace.show", workspace="new-ws").body["properties"]["provisioningState"] == "Succeeded"
