from __future__ import annotations

import pytest

from azml_magics.emulator.handlers.sizes import FAMILIES
from azml_magics.emulator.service import Fault

BODY = {
    "location": "emulator",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"minNodeCount": 2, "maxNodeCount": 4}},
    },
}


def usages(bench):
    return {row["name"]["value"]: row for row in bench.call("usage.list").body["value"]}


def test_usages_count_the_clusters_and_the_cores_of_their_nodes(bench):
    before = usages(bench)
    assert before["Clusters"]["currentValue"] == 1
    assert before["Total Cluster Dedicated Regional vCPUs"]["currentValue"] == 0
    bench.end(bench.call("compute.create", BODY, name="cpu2"))
    after = usages(bench)
    assert after["Clusters"]["currentValue"] == 2
    assert after["Total Cluster Dedicated Regional vCPUs"]["currentValue"] == 8
    assert after["Standard DSv2 Family Cluster Dedicated vCPUs"]["currentValue"] == 8
    assert after["Standard DSv2 Family Cluster LowPriority vCPUs"]["currentValue"] == 0


def test_low_priority_nodes_are_counted_apart(bench):
    low = {**BODY, "properties": {**BODY["properties"]}}
    low["properties"]["properties"] = {**BODY["properties"]["properties"], "vmPriority": "LowPriority"}
    bench.end(bench.call("compute.create", low, name="cpu2"))
    found = usages(bench)
    assert found["Total Cluster Dedicated Regional vCPUs"]["currentValue"] == 0
    assert found["Total Cluster LowPriority Regional vCPUs"]["currentValue"] == 8


def test_an_instance_counts_until_it_is_stopped(bench):
    body = {"properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_D2_v2"}}}
    bench.end(bench.call("compute.create", body, name="ada1"))
    assert usages(bench)["Standard Dv2 Family Cluster Dedicated vCPUs"]["currentValue"] == 2
    bench.end(bench.call("compute.stop", name="ada1"))
    assert usages(bench)["Standard Dv2 Family Cluster Dedicated vCPUs"]["currentValue"] == 0


def test_every_row_of_a_limit_has_the_keys_that_the_service_sends(bench):
    for row in bench.call("usage.list").body["value"]:
        assert row.keys() == {"id", "amlWorkspaceLocation", "type", "unit", "currentValue", "limit", "name"}
        assert row["name"]["value"] == row["name"]["localizedValue"]
        assert row["type"].endswith("/usages")
    for row in bench.call("quota.list").body["value"]:
        assert row.keys() == {"id", "amlWorkspaceLocation", "type", "unit", "limit", "name"}
        assert row["type"] == "Microsoft.MachineLearningServices/vmFamily/quotas"


def test_a_quota_is_the_limit_that_usages_show(bench):
    quotas = {row["name"]["value"]: row["limit"] for row in bench.call("quota.list").body["value"]}
    assert quotas["Standard NDSv2 Family Cluster Dedicated vCPUs"] == 0
    assert quotas == {name: row["limit"] for name, row in usages(bench).items() if name in quotas}


@pytest.mark.parametrize(
    ("version", "key"),
    [
        ("2019-11-01", "amlCompute"),
        ("2020-08-01", "amlCompute"),
        ("2020-09-01-preview", "value"),
        ("2023-08-01-preview", "value"),
    ],
)
def test_sizes_are_under_the_key_of_the_version_that_is_asked_for(bench, version, key):
    body = bench.call("size.list", query={"api-version": version}).body
    assert list(body) == [key]
    sizes = {size["name"]: size for size in body[key]}
    assert (sizes["Standard_D1"]["vCPUs"], sizes["Standard_D1"]["memoryGB"]) == (1, 3.5)
    assert sizes["Standard_NC6"]["gpus"] == 1


def test_every_size_belongs_to_a_family_that_has_a_quota(bench):
    assert {size["family"] for size in bench.call("size.list").body["amlCompute"]} == set(FAMILIES)


@pytest.mark.parametrize("operation_id", ["usage.list", "quota.list", "size.list"])
def test_another_region_is_refused_with_the_regions_there_are(bench, operation_id):
    with pytest.raises(Fault) as caught:
        bench.call(operation_id, location="westeurope")
    assert (caught.value.status, caught.value.code) == (400, "NoRegisteredProviderFound")
    assert "location 'westeurope' and API version '2019-11-01' for type 'locations/" in caught.value.message
    assert "The supported locations are 'emulator'." in caught.value.message


@pytest.mark.parametrize("operation_id", ["usage.list", "quota.list", "size.list"])
def test_another_subscription_is_not_found(bench, operation_id):
    with pytest.raises(Fault) as caught:
        bench.call(operation_id, subscription="22222222-2222-4222-8222-222222222222")
    assert (caught.value.status, caught.value.code) == (404, "SubscriptionNotFound")


def test_a_region_is_taken_in_any_case(bench):
    assert bench.call("size.list", location="Emulator").status == 200
