from __future__ import annotations

from azml_magics.emulator.handlers import arm
from azml_magics.emulator.handlers.seed import UNREGISTERED

# the sample of the article
SAMPLE = {"id", "name", "type", "location", "tags", "etag", "properties", "identity", "sku"}
SAMPLE_PROPERTIES = {
    "friendlyName",
    "description",
    "creationTime",
    "storageAccount",
    "containerRegistry",
    "keyVault",
    "applicationInsights",
    "hbiWorkspace",
    "workspaceId",
    "subscriptionState",
    "subscriptionStatusChangeTimeStampUtc",
    "discoveryUrl",
}


def test_the_seeded_subscription_comes_first_and_is_counted(bench):
    body = bench.call("subscription.list").body
    assert [item["subscriptionId"] for item in body["value"]] == [
        bench.service.identity.subscription_id,
        UNREGISTERED,
    ]
    assert body["count"] == {"type": "Total", "value": 2}
    assert {item["state"] for item in body["value"]} == {"Enabled"}
    assert all("registered" not in item for item in body["value"])


def test_the_seeded_workspace_has_every_key_of_the_articles_sample(bench):
    workspace = bench.call("workspace.show").body
    identity = bench.service.identity
    assert workspace.keys() >= SAMPLE
    properties = workspace["properties"]
    assert properties.keys() >= SAMPLE_PROPERTIES
    assert properties["workspaceId"] == identity.workspace_id
    assert properties["discoveryUrl"] == "https://emulator.api.azureml.ms/discovery"
    assert properties["mlFlowTrackingUri"] == f"azureml://emulator.api.azureml.ms/mlflow/v1.0{workspace['id']}"
    assert properties["storageAccount"].endswith(f"/storageAccounts/{identity.storage_account}")
    assert workspace["sku"] == {"name": "Basic", "tier": "Basic"}
    assert workspace["etag"] is None
    assert workspace["tags"] == {}


def test_what_was_deleted_since_the_first_start_is_not_seeded_again(bench):
    bench.end(bench.call("compute.delete", query={"underlyingResourceAction": "Delete"}, name="cpu-compute"))
    arm.seed(bench.service)
    assert bench.call("compute.list").body == {"value": []}


def test_a_seed_that_was_cut_short_is_finished(bench):
    bench.service.store.delete("subscription", f"/subscriptions/{UNREGISTERED}")
    bench.service.store.delete("compute", bench.call("compute.show", name="cpu-compute").body["id"].lower())
    arm.seed(bench.service)
    assert bench.call("compute.show", name="cpu-compute").body["properties"]["provisioningState"] == "Succeeded"
    assert len(bench.call("workspace.list").body["value"]) == 1
