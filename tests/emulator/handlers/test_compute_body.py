from __future__ import annotations

import copy

import pytest

from azml_magics.emulator.handlers.compute_body import requested, rescaled, settled
from azml_magics.emulator.service import Fault

ADA = {"userName": "Ada"}
# as an official client sent it (service-facts 4.4)
RECORDED = {
    "properties": {
        "properties": {
            "osType": "Linux",
            "vmSize": "STANDARD_DS3_V2",
            "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0},
            "remoteLoginPortPublicAccess": "NotSpecified",
            "enableNodePublicIp": True,
        },
        "computeType": "AmlCompute",
    },
    "location": "emulator",
}
INSTANCE = {"properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_D1"}}}


def changed(**values):
    body = copy.deepcopy(RECORDED)
    body["properties"]["properties"].update(values)
    return body


def inner(document):
    return document["properties"]["properties"]


def refused(body, name="cpu1"):
    with pytest.raises(Fault) as caught:
        requested(name, body, ADA)
    return caught.value


def test_a_put_is_answered_with_nulls_where_the_service_chooses_later():
    document = requested("testcomp", RECORDED, ADA)
    assert (document["tags"], document["properties"]["provisioningState"]) == (None, "Creating")
    found = inner(document)
    assert found["scaleSettings"] == {"maxNodeCount": 1, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": None}
    assert (found["vmPriority"], found["remoteLoginPortPublicAccess"]) == (None, "NotSpecified")
    nulls = ("subnet", "currentNodeCount", "targetNodeCount", "nodeStateCounts", "allocationState", "errors")
    assert {found[key] for key in nulls} == {None}


def test_a_ready_cluster_shows_what_the_service_chose():
    document = settled(requested("testcomp", RECORDED, ADA))
    assert (document["tags"], document["properties"]["provisioningState"]) == ({}, "Succeeded")
    assert document["properties"]["computeLocation"] == "emulator"
    found = inner(document)
    assert found["scaleSettings"] == {"maxNodeCount": 1, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"}
    assert (found["vmPriority"], found["remoteLoginPortPublicAccess"]) == ("Dedicated", "Enabled")
    assert (found["allocationState"], found["propertyBag"]) == ("Steady", {})


def test_what_was_asked_for_is_kept_when_the_cluster_is_ready():
    scale = {"maxNodeCount": 4, "minNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT30M"}
    body = {**changed(vmPriority="lowpriority", remoteLoginPortPublicAccess="Disabled", scaleSettings=scale)}
    document = settled(requested("cpu1", {**body, "tags": {"a": "b"}}, ADA))
    found = inner(document)
    assert (found["vmPriority"], found["remoteLoginPortPublicAccess"]) == ("LowPriority", "Disabled")
    assert (found["scaleSettings"], document["tags"]) == (scale, {"a": "b"})


def test_settling_twice_changes_nothing_but_the_time():
    once = settled(requested("cpu1", RECORDED, ADA))
    twice = settled(once)
    for document in (once, twice):
        del document["properties"]["modifiedOn"], inner(document)["allocationStateTransitionTime"]
    assert twice == once


def test_what_the_v1_sdk_reads_is_there_and_what_breaks_it_is_not():
    document = settled(requested("cpu1", RECORDED, ADA))
    assert {"tags", "location"} <= document.keys()
    assert {"description", "resourceId", "provisioningErrors", "isAttachedCompute"} <= document["properties"].keys()
    assert "subnet" in inner(document)
    assert "identity" not in document
    assert "userAccountCredentials" not in inner(document)


def test_an_identity_is_shown_when_one_was_given():
    assert requested("cpu1", {**RECORDED, "identity": {"type": "SystemAssigned"}}, ADA)["identity"]


@pytest.mark.parametrize("size", ["standard_d1", "Standard_D1", "STANDARD_D1"])
def test_a_size_in_any_case_is_shown_in_capitals(size):
    assert inner(requested("cpu1", changed(vmSize=size), ADA))["vmSize"] == "STANDARD_D1"


@pytest.mark.parametrize("duration", ["PT30M", "PT120S", "P1D", "PT1H30M", "P1DT1S", "PT0.5S"])
def test_a_duration_is_taken_in_every_form(duration):
    scale = {"maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": duration}
    found = inner(requested("cpu1", changed(scaleSettings=scale), ADA))["scaleSettings"]
    assert found["nodeIdleTimeBeforeScaleDown"] == duration


@pytest.mark.parametrize("duration", ["30 min", "PT", "P", "PT30", "30", "", 30, "PT30M\n"])
def test_a_duration_that_is_none_is_refused(duration):
    scale = {"maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": duration}
    assert "ISO 8601" in refused(changed(scaleSettings=scale)).message


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (None, "Compute type 'None'"),
        ([], "body is an object"),
        ({"properties": {"computeType": "AKS"}}, "'AKS' is not supported"),
        (changed(vmSize="Standard_Z9"), "Standard_Z9"),
        (changed(vmSize=None), "VM size 'None'"),
        (changed(scaleSettings=None), "maxNodeCount"),
        (changed(scaleSettings={"maxNodeCount": 1, "minNodeCount": 2}), "greater than maxNodeCount 1"),
        (changed(scaleSettings={"maxNodeCount": 1, "minNodeCount": -1}), "minNodeCount"),
        (changed(scaleSettings={"maxNodeCount": "4"}), "maxNodeCount"),
        (changed(scaleSettings={"maxNodeCount": True}), "maxNodeCount"),
        (changed(vmPriority="Cheap"), "Dedicated, LowPriority"),
        (changed(enableNodePublicIp=False), "requires workspace private endpoint"),
    ],
)
def test_a_body_that_cannot_be_is_refused_with_its_reason(body, part):
    fault = refused(body)
    assert (fault.status, fault.code) == (400, "UserError")
    assert part in fault.message


@pytest.mark.parametrize("name", ["a", "1cpu", "cpu_1", "cpu-", "c" * 33, "c.pu", "cpu\n"])
def test_a_name_that_cannot_be_is_refused(name):
    assert "Compute name is invalid" in refused(RECORDED, name).message


def test_an_instance_needs_a_shorter_name_than_a_cluster():
    name = "c" * 25
    assert requested(name, RECORDED, ADA)["name"] == name
    assert "between 3 and 24" in refused(INSTANCE, name).message


def test_a_family_without_quota_is_refused_in_the_services_words():
    fault = refused(changed(vmSize="Standard_ND40rs_v2"))
    assert (fault.status, fault.code) == (400, "BadRequest")
    assert "vCPU quota of 0 and cannot accomodate" in fault.message
    assert "maps to 40 vCPUs" in fault.message


def test_only_a_cluster_can_be_rescaled():
    instance = settled(requested("ada1", INSTANCE, ADA))
    with pytest.raises(Fault, match="scale settings"):
        rescaled(instance, {"properties": {"scaleSettings": {"maxNodeCount": 2}}})
