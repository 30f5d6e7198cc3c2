from __future__ import annotations

import copy

import pytest

CLUSTER = {
    "location": "emulator",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0}},
    },
}
# the article's: credentials at the top
ARTICLE = {**CLUSTER, "userAccountCredentials": {"adminUserName": "ada", "adminUserPassword": "hunter2-hunter2"}}
INSTANCE = {
    "location": "emulator",
    "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "STANDARD_DS3_V2", "enableSSO": True}},
}


def with_inner(body=CLUSTER, /, **values):
    body = copy.deepcopy(body)
    body["properties"]["properties"].update(values)
    return body


def inner(document):
    return document["properties"]["properties"]


def made(bench, name, body=CLUSTER):
    assert bench.end(bench.call("compute.create", body, name=name))["status"] == "Succeeded"
    return bench.call("compute.show", name=name).body


def test_the_articles_put_is_answered_201_with_the_resource_and_no_location(slow):
    reply = slow.call("compute.create", ARTICLE, name="cpu1")
    assert reply.status == 201
    assert reply.body["properties"]["provisioningState"] == "Creating"
    assert reply.body["id"].endswith("/workspaces/emulator-ws/computes/cpu1")
    assert "Location" not in reply.headers
    url = reply.headers["Azure-AsyncOperation"]
    assert url.startswith("https://management.azure.com/subscriptions/")
    assert "/locations/emulator/computeOperationsStatus/" in url
    assert "api-version=2019-11-01" in url


def test_an_operation_is_polled_from_in_progress_to_succeeded(slow, bench):
    running = slow.call("compute.create", CLUSTER, name="testcomp")
    reply = slow.follow(running.headers["Azure-AsyncOperation"])
    assert (reply.status, reply.body) == (200, {"status": "InProgress"})
    assert int(reply.headers["retry-after-ms"]) > 0
    ended = bench.end(bench.call("compute.create", CLUSTER, name="testcomp"))
    assert ended == {"status": "Succeeded", "percentComplete": 100.0}


def test_credentials_are_neither_kept_nor_shown_wherever_they_were_put(bench):
    body = with_inner(ARTICLE, userAccountCredentials=ARTICLE["userAccountCredentials"])
    put = bench.call("compute.create", body, name="cpu1")
    bench.end(put)
    everything = f"{put.body}{bench.call('compute.list').body}{bench.service.store.page('operation')}"
    assert "hunter2" not in everything
    assert "userAccountCredentials" not in everything


def test_a_compute_that_is_refused_is_not_there(bench):
    assert bench.refused("compute.create", with_inner(vmSize="Standard_Z9"), name="cpu1").status == 400
    assert bench.service.store.count("compute") == 1  # the seeded one


def test_the_location_of_the_workspace_is_taken_when_none_is_given(bench):
    assert made(bench, "cpu1", {"properties": CLUSTER["properties"]})["location"] == "emulator"


def test_a_compute_that_is_put_again_is_201_again_and_keeps_its_birth(bench):
    first = made(bench, "cpu1")
    second = bench.call("compute.create", with_inner(scaleSettings={"minNodeCount": 0, "maxNodeCount": 3}), name="CPU1")
    assert second.status == 201
    assert second.body["name"] == "cpu1"
    bench.end(second)
    document = bench.call("compute.show", name="cpu1").body
    assert document["properties"]["createdOn"] == first["properties"]["createdOn"]
    assert document["properties"]["modifiedOn"] > first["properties"]["modifiedOn"]
    assert inner(document)["scaleSettings"]["maxNodeCount"] == 3


def test_node_counts_are_those_of_the_moment(bench):
    made(bench, "cpu1", with_inner(scaleSettings={"minNodeCount": 2, "maxNodeCount": 4}))
    counts = inner(bench.call("compute.show", name="cpu1").body)["nodeStateCounts"]
    assert (counts["idleNodeCount"], counts["runningNodeCount"]) == (2, 0)
    bench.cluster.standing = [{"nodeId": "n1", "runId": "run-1"}, {"nodeId": "n2", "runId": "run-2"}]
    document = bench.call("compute.show", name="cpu1").body
    counts = inner(document)["nodeStateCounts"]
    assert (counts["idleNodeCount"], counts["runningNodeCount"]) == (0, 2)
    assert inner(document)["currentNodeCount"] == 2


def test_nodes_are_listed_with_their_run_under_their_own_key(bench):
    made(bench, "cpu1", with_inner(scaleSettings={"minNodeCount": 2, "maxNodeCount": 4}))
    bench.cluster.standing = [{"nodeId": "n1", "runId": "run-1"}]
    body = bench.call("compute.nodes", name="cpu1").body
    assert [(node["nodeState"], node.get("runId")) for node in body["nodes"]] == [("running", "run-1"), ("idle", None)]
    assert body["nodes"][0]["nodeId"] == "n1"
    assert "nextLink" not in body


def test_the_list_is_the_same_through_arm_and_through_the_regional_server(bench):
    made(bench, "cpu1")
    body = bench.call("compute.list").body
    assert [document["name"] for document in body["value"]] == ["cpu-compute", "cpu1"]
    assert "nextLink" not in body
    assert bench.call("compute.list-regional").body == body
    assert bench.call("compute.show-regional", name="cpu1").body == body["value"][1]


def test_a_long_list_goes_on_by_an_absolute_link(bench):
    template = bench.call("compute.show", name="cpu-compute").body
    scope = bench.service.identity.workspace_id
    for n in range(120):
        bench.service.store.put("compute", f"many/{n}", {**template, "name": f"many-{n}"}, scope)
    first = bench.call("compute.list").body
    assert len(first["value"]) == 100
    link = first["nextLink"]
    assert link.startswith("https://management.azure.com/")
    token = link.partition("$skipToken=")[2]
    second = bench.call("compute.list", query={"$skiptoken": token.replace("%3D", "=")}).body
    assert len(second["value"]) == 21
    assert "nextLink" not in second


def test_a_missing_compute_is_404_through_arm_and_in_the_data_planes_words_beside_it(bench):
    fault = bench.refused("compute.show", name="nobody")
    assert (fault.status, fault.code) == (404, "ResourceNotFound")
    assert "computes/nobody' under resource group 'emulator-rg' was not found" in fault.message
    fault = bench.refused("compute.show-regional", name="nobody")
    assert (fault.status, fault.code, fault.inner) == (404, "UserError", "NotFoundError")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_patch_changes_the_scale_settings_that_it_names(bench, wrapped):
    made(bench, "cpu1")
    settings = {"scaleSettings": {"maxNodeCount": 5, "nodeIdleTimeBeforeScaleDown": "PT5M"}}
    body = {"properties": {"properties": settings} if wrapped else settings}
    reply = bench.call("compute.update", body, name="cpu1")
    assert (reply.status, reply.body["properties"]["provisioningState"]) == (200, "Updating")
    assert bench.end(reply)["status"] == "Succeeded"
    document = bench.call("compute.show", name="cpu1").body
    assert document["properties"]["provisioningState"] == "Succeeded"
    expected = {"maxNodeCount": 5, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT5M"}
    assert inner(document)["scaleSettings"] == expected


def test_a_patch_that_cannot_be_changes_nothing(bench):
    before = made(bench, "cpu1")
    bench.refused("compute.update", {"properties": {"scaleSettings": {"minNodeCount": 9}}}, name="cpu1")
    assert bench.call("compute.show", name="cpu1").body == before


@pytest.mark.parametrize("word", ["Delete", "delete", "Detach", "DETACH"])
def test_a_deletion_is_202_without_body_and_the_compute_goes(bench, word):
    made(bench, "cpu1")
    reply = bench.call("compute.delete", query={"underlyingResourceAction": word}, name="cpu1")
    assert (reply.status, reply.body, reply.content) == (202, None, None)
    assert "Location" not in reply.headers
    assert bench.end(reply)["status"] == "Succeeded"
    assert bench.refused("compute.show", name="cpu1").status == 404
    assert bench.cluster.gone == [(bench.service.identity.workspace_id, "cpu1")]


@pytest.mark.parametrize("query", [{}, {"underlyingResourceAction": "Destroy"}])
def test_a_deletion_must_say_what_becomes_of_the_machines(bench, query):
    fault = bench.refused("compute.delete", query=query, name="cpu-compute")
    assert (fault.status, fault.code) == (400, "UserError")
    assert "underlyingResourceAction" in fault.message
    assert bench.call("compute.show", name="cpu-compute").body["properties"]["provisioningState"] == "Succeeded"


def test_what_is_being_deleted_is_still_listed_and_cannot_be_changed(slow):
    slow.call("compute.delete", query={"underlyingResourceAction": "Delete"}, name="cpu-compute")
    states = [document["properties"]["provisioningState"] for document in slow.call("compute.list").body["value"]]
    assert states == ["Deleting"]
    assert slow.refused("compute.create", CLUSTER, name="cpu-compute").status == 409


def test_a_creation_that_ends_late_does_not_bring_back_what_is_being_deleted(bench):
    key = bench.call("compute.show", name="cpu-compute").body["id"].lower()
    bench.service.store.change("compute", key, lambda d: d["properties"].update(provisioningState="Deleting"))
    operation_id = bench.service.progress.begin("compute", "compute.settle", {"key": key})
    assert bench.wait(operation_id)["status"] == "Succeeded"
    assert bench.call("compute.show", name="cpu-compute").body["properties"]["provisioningState"] == "Deleting"


def test_an_instance_is_born_running_and_shows_what_it_was_given(bench):
    document = made(bench, "ada1", INSTANCE)
    assert inner(document)["state"] == "Running"
    assert inner(document)["enableSSO"] is True
    assert inner(document)["errors"] == []
    assert inner(document)["createdBy"]["userName"] == bench.service.identity.user_name
    assert inner(document)["lastOperation"]["operationName"] == "Create"


@pytest.mark.parametrize(
    ("verb", "between", "after"),
    [("stop", "Stopping", "Stopped"), ("start", "Starting", "Running"), ("restart", "Restarting", "Running")],
)
def test_an_instance_is_turned_by_202_without_body_or_location(bench, slow, verb, between, after):
    for where, expected in ((bench, after), (slow, between)):
        identity = where.service.identity
        document = made(bench, "ada1", INSTANCE)
        key = f"/subscriptions/{identity.subscription_id}/resourcegroups/emulator-rg/providers"
        key += "/microsoft.machinelearningservices/workspaces/emulator-ws/computes/ada1"
        where.service.store.put("compute", key, document, identity.workspace_id)
        reply = where.call(f"compute.{verb}", name="ada1")
        assert (reply.status, reply.body, "Location" in reply.headers) == (202, None, False)
        if where is bench:
            assert where.end(reply)["status"] == "Succeeded"
        shown = inner(where.call("compute.show", name="ada1").body)
        assert shown["state"] == expected
        assert shown["lastOperation"]["operationStatus"] == ("Succeeded" if where is bench else "InProgress")


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_a_cluster_is_not_turned(bench, verb):
    fault = bench.refused(f"compute.{verb}", name="cpu-compute")
    assert (fault.status, fault.code) == (400, "UserError")


def test_an_instance_has_no_nodes_to_list(bench):
    made(bench, "ada1", INSTANCE)
    assert bench.refused("compute.nodes", name="ada1").status == 400


def test_nothing_is_written_where_the_provider_is_not_registered(bench):
    key = f"/subscriptions/{bench.service.identity.subscription_id}"
    bench.service.store.change("subscription", key, lambda document: document.update(registered=False))
    for operation_id in ("compute.create", "compute.update", "compute.delete", "compute.stop"):
        fault = bench.refused(operation_id, CLUSTER, name="cpu-compute")
        assert (fault.status, fault.code) == (409, "MissingSubscriptionRegistration")
    assert bench.call("compute.show", name="cpu-compute").status == 200
