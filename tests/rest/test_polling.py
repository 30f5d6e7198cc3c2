"""Long operations as service-facts 4 records them: first answers, poll documents, failures under HTTP 200."""

import json

import pytest

from azml_magics import errors
from azml_magics.rest.polling import read_poll
from azml_magics.rest.protocol import Answer
from tests.rest.wire import API, ARM, WS, Reply, found, session

LOC = f"{ARM}/subscriptions/sub/providers/Microsoft.MachineLearningServices/locations/eastus"
SIGNED = (
    f"{LOC}/computeOperationsStatus/g?api-version=2022-10-01-preview&service=new&t=6&c=MII%2fx&s="
    + "A" * 2900
    + "%3d&h=z"
)
ASYNC = f"{LOC}/workspaceOperationsStatus/w?api-version=2022-05-01&type=async"
LOCATION = f"{LOC}/workspaceOperationsStatus/w?api-version=2022-05-01&type=location"
COMPUTE = f"{ARM}{WS}/computes/c?api-version=2019-11-01"
RUNNING = Reply(200, {"status": "InProgress"})
DONE = Reply(200, {"status": "Succeeded", "percentComplete": 100.0})


def resource(state):
    return {"name": "c", "properties": {"provisioningState": state}}


def start(operation_id, first, *replies, keys=None):
    """A poller of an operation that was answered so, with the answers that will follow."""
    asked = session(*(found() if operation_id.startswith("service") else ()), first, *replies)
    poller = asked.start(operation_id, keys=keys or {"name": "c"}, body={})
    poller.asked, poller.before = asked, len(asked.wire.sent)
    return poller


def urls(poller):
    return poller.asked.wire.urls[poller.before :]


def test_a_compute_is_made_as_recorded():
    # service-facts 13: 201 with a body and Azure-AsyncOperation, no Location.
    poller = start(
        "compute.create",
        Reply(201, resource("Creating"), azure_asyncoperation=SIGNED),
        RUNNING,
        RUNNING,
        DONE,
        Reply(200, resource("Succeeded")),
    )
    seen = []
    assert poller.status == "Creating"
    assert poller.wait(on_progress=lambda *told: seen.append(told)) == resource("Succeeded")
    assert urls(poller) == [SIGNED, SIGNED, SIGNED, COMPUTE]
    assert seen == [("InProgress", 0.0), ("InProgress", 1.0), ("Succeeded", 2.5)]
    assert poller.result() == resource("Succeeded")
    assert len(urls(poller)) == 4


def test_a_compute_is_deleted_as_recorded():
    # service-facts 14: 202, empty, only Azure-AsyncOperation.
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=SIGNED), RUNNING, DONE)
    assert poller.wait() is None
    assert urls(poller) == [SIGNED, SIGNED]


def test_a_workspace_is_made_as_recorded():
    # service-facts 15: both addresses; Azure-AsyncOperation wins.
    first = Reply(202, Location=LOCATION, Azure_AsyncOperation=ASYNC)
    poller = start("workspace.create", first, RUNNING, DONE, Reply(200, {"name": "ws"}), keys={})
    assert poller.wait() == {"name": "ws"}
    assert urls(poller) == [ASYNC, ASYNC, f"{ARM}{WS}?api-version=2019-11-01"]


def test_a_location_alone_answers_202_until_the_resource_comes():
    poller = start(
        "workspace.create",
        Reply(202, Location=LOCATION),
        Reply(202, Location=LOCATION),
        Reply(200, {"name": "w"}),
        keys={},
    )
    assert poller.wait() == {"name": "w"}
    assert urls(poller) == [LOCATION, LOCATION]


def test_a_location_may_move_inside_the_cloud_only():
    moved = LOCATION.replace("/w?", "/moved?")
    poller = start(
        "workspace.create", Reply(202, Location=LOCATION), Reply(202, Location=moved), Reply(200, {}), keys={}
    )
    poller.wait()
    assert urls(poller) == [LOCATION, moved]
    poller = start(
        "workspace.create", Reply(202, Location=LOCATION), Reply(202, Location="https://evil.example.com/"), keys={}
    )
    with pytest.raises(errors.TransportError, match=r"evil\.example\.com"):
        poller.wait()


def test_without_any_header_the_resource_is_asked():
    poller = start(
        "compute.create",
        Reply(200, resource("Updating")),
        Reply(200, resource("Updating")),
        Reply(200, resource("Succeeded")),
    )
    assert poller.wait() == resource("Succeeded")
    assert urls(poller) == [COMPUTE, COMPUTE]


@pytest.mark.parametrize("first", [Reply(200, resource("Succeeded")), Reply(201, {"name": "c"}, Location=COMPUTE)])
def test_what_is_finished_at_once_is_not_asked_about(first):
    # service-facts 4.1: a Location beside 201 is the resource's own address.
    poller = start("compute.create", first)
    assert poller.done()
    assert poller.wait() == json.loads(first.body)
    assert urls(poller) == []


def test_what_is_finished_at_once_and_says_nothing_is_read_once():
    poller = start("compute.create", Reply(200), Reply(200, resource("Succeeded")))
    assert poller.wait() == resource("Succeeded")
    assert urls(poller) == [COMPUTE]


def test_a_deletion_without_any_header_waits_until_it_is_gone():
    poller = start(
        "compute.delete", Reply(202), Reply(200, resource("Deleting")), Reply(404, {"error": {"code": "NotFound"}})
    )
    assert poller.wait() is None
    assert len(urls(poller)) == 2


@pytest.mark.parametrize(
    ("operation_id", "status"), [("compute.delete", 204), ("compute.stop", 202), ("compute.stop", 200)]
)
def test_what_names_no_address_is_done(operation_id, status):
    # service-facts 22: cancel and its like answer 200, empty.
    assert start(operation_id, Reply(status)).wait() is None


def test_a_post_with_both_addresses_gives_what_the_location_holds():
    first = Reply(202, Location=LOCATION, Azure_AsyncOperation=ASYNC)
    assert start("compute.restart", first, DONE, Reply(200, {"value": 1})).wait() == {"value": 1}
    assert start("compute.restart", first, DONE, Reply(204)).wait() is None


@pytest.mark.parametrize(
    "word", ["InProgress", "Updating", "Creating", "Deleting", "Accepted", "Running", "Active", "Neues"]
)
def test_every_word_but_three_means_that_it_goes_on(word):
    # service-facts 17
    assert not read_poll("status", Answer(200, {}, json.dumps({"status": word}).encode())).ended


@pytest.mark.parametrize("word", ["Failed", "failed", "Canceled", "CANCELED"])
def test_a_failure_is_http_200(word):
    # service-facts 10
    error = {
        "code": "UserError",
        "message": "Cannot delete an active trigger my-schedule",
        "details": [],
        "additionalInfo": [],
    }
    poller = start(
        "compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), Reply(200, {"status": word, "error": error})
    )
    with pytest.raises(errors.OperationFailed, match="active trigger") as caught:
        poller.wait()
    assert (caught.value.status, caught.value.code) == (200, "UserError")
    assert caught.value.raw["status"] == word
    assert poller.done()
    with pytest.raises(errors.OperationFailed):
        poller.result()


def test_a_failure_without_a_reason_says_how_it_ended():
    poller = start(
        "compute.create",
        Reply(201, resource("Creating"), Azure_AsyncOperation=ASYNC),
        Reply(200, {"status": "Canceled"}),
    )
    with pytest.raises(errors.OperationFailed, match="compute create c ended Canceled") as caught:
        poller.wait()
    assert caught.value.code == "Canceled"
    assert caught.value.hint == "%azml compute show c"


@pytest.mark.parametrize("errors_", [[{"error": {"code": "QuotaExceeded", "message": "no quota"}}], None, []])
def test_a_resource_that_failed_tells_why_in_its_properties(errors_):
    failed = {"properties": {"provisioningState": "Failed", "provisioningErrors": errors_}}
    poller = start("compute.create", Reply(201, resource("Creating")), Reply(200, failed))
    with pytest.raises(errors.OperationFailed, match="no quota" if errors_ else "ended Failed"):
        poller.wait()
    with pytest.raises(errors.OperationFailed):
        start("compute.create", Reply(200, failed)).wait()


@pytest.mark.parametrize("body", [b"", b"null", b'"PT30M"', b"{}"])
def test_bodies_may_be_empty_null_or_a_bare_string(body):
    # service-facts 21
    poller = start("compute.delete", Reply(202, body, Azure_AsyncOperation=ASYNC), Reply(202, body), Reply(200, body))
    assert poller.status == "InProgress"
    assert not poller.done()
    assert poller.done()
    assert poller.wait() is None


@pytest.mark.parametrize(
    "document", [{"status": "Succeeded", "id": "a bare guid"}, {"id": "…/mfeOperationResults/x", "status": "SUCCEEDED"}]
)
def test_only_the_word_of_a_status_document_counts(document):
    assert read_poll("status", Answer(200, {}, json.dumps(document).encode())).ended


def test_the_final_body_of_a_location_may_hold_any_status():
    package = {"packageBuildState": "Failed", "status": "Failed", "buildId": "b"}
    assert not read_poll("location", Answer(200, {}, json.dumps(package).encode())).failed
    failed = {"status": "Failed", "error": {"code": "X", "message": "m"}}
    assert read_poll("location", Answer(200, {}, json.dumps(failed).encode())).failed
    assert not read_poll("location", Answer(202, {}, b'{"status": "Succeeded"}')).ended


def test_two_errors_of_the_server_do_not_end_the_wait():
    # service-facts 9; the session has given up on each poll by then.
    storm = [Reply(500, {"error": {"code": "ServiceError", "message": "InternalServerError"}})] * 5
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), *storm, *storm, DONE)
    assert poller.wait() is None


def test_an_expired_token_in_the_middle_does_not_end_the_wait():
    # service-facts 7
    expired = Reply(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "m"}})
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), RUNNING, expired, DONE)
    assert poller.wait() is None
    assert [sent.headers["Authorization"] for sent in poller.asked.wire.sent[-2:]] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_login_that_has_ended_ends_the_wait():
    expired = Reply(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "m"}})
    with pytest.raises(errors.AuthenticationError):
        start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), expired, expired).wait()


def test_a_service_that_stays_away_ends_the_wait():
    storm = [Reply(503, {"error": {"code": "Busy", "message": "m"}})] * 25
    with pytest.raises(errors.ServiceError, match="Busy"):
        start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), *storm).wait()


def test_a_status_that_is_gone_ends_the_wait():
    gone = Reply(404, {"error": {"code": "NotFound", "message": "no such operation"}})
    with pytest.raises(errors.NotFoundError):
        start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), gone).wait()


def test_an_api_version_is_added_only_when_the_service_asks_for_it():
    bare = f"{LOC}/computeOperationsStatus/g?service=new&s=%3d"
    missing = Reply(400, {"error": {"code": "MissingApiVersionParameter", "message": "m"}})
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=bare), missing, DONE)
    poller.wait()
    assert urls(poller) == [bare, f"{bare}&api-version=2019-11-01"]


def test_an_api_version_that_does_not_help_is_an_error():
    missing = Reply(400, {"error": {"code": "MissingApiVersionParameter", "message": "m"}})
    with pytest.raises(errors.ServiceError, match="MissingApiVersionParameter"):
        start("compute.delete", Reply(202, Azure_AsyncOperation=SIGNED), missing).wait()


@pytest.mark.parametrize("header", ["Azure_AsyncOperation", "Location"])
def test_an_address_out_of_the_cloud_is_not_followed(header):
    with pytest.raises(errors.TransportError, match=r"evil\.example\.com is no server of AzureCloud"):
        start("compute.delete", Reply(202, **{header: "https://evil.example.com/status"}))


def test_the_subscription_in_an_address_may_be_another():
    # service-facts 4.3: pin scheme, host and port, never the path.
    other = ASYNC.replace("/subscriptions/sub/", "/subscriptions/other/")
    assert start("compute.delete", Reply(202, Azure_AsyncOperation=other), DONE).wait() is None


def test_a_bare_path_is_completed():
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC.removeprefix(ARM)), DONE)
    poller.wait()
    assert urls(poller) == [ASYNC]


def test_a_deployed_service_is_followed_by_the_id_of_its_operation():
    # wire-v1 11: the header's host and path are of old; only the id at its end counts.
    first = Reply(
        202, Operation_Location="https://eastus.modelmanagement.azureml.net/api/subscriptions/s/operations/op-1"
    )
    poller = start(
        "service.create",
        first,
        Reply(200, {"id": "op-1", "state": "NotStarted"}),
        Reply(200, {"id": "op-1", "state": "Running"}),
        Reply(200, {"id": "op-1", "state": "Succeeded", "resourceLocation": "/api/subscriptions/s/services/svc"}),
        Reply(200, {"name": "svc", "state": "Healthy"}),
        keys={"service": "svc"},
    )
    assert poller.wait() == {"name": "svc", "state": "Healthy"}
    operation = f"{API}/modelmanagement/v1.0{WS}/operations/op-1"
    assert urls(poller) == [operation] * 3 + [f"{API}/modelmanagement/v1.0{WS}/services/svc?expand=true"]


@pytest.mark.parametrize("state", ["Failed", "Cancelled", "TimedOut"])
def test_a_service_that_did_not_come_up_says_why(state):
    error = {"code": "KubernetesDeploymentFailed", "statusCode": 400, "message": "Couldn't run init()", "details": []}
    first = Reply(202, Operation_Location=f"{API}/operations/op-1")
    poller = start("service.create", first, Reply(200, {"state": state, "error": error}), keys={"service": "svc"})
    with pytest.raises(errors.OperationFailed, match=r"Couldn't run init\(\)") as caught:
        poller.wait()
    assert caught.value.code == "KubernetesDeploymentFailed"


def test_the_pauses_grow_from_one_second_to_thirty():
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), *[RUNNING] * 12, DONE)
    poller.wait()
    slept = poller.asked.slept
    assert slept[:4] == [1.0, 1.5, 2.25, 3.375]
    assert slept[-1] == max(slept) == 30.0
    assert len(slept) == 12


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry_After": "7"}, 7),
        ({"retry_after_ms": "100"}, 0.1),
        ({"x_ms_retry_after_ms": "250"}, 0.25),
        ({"Retry_After": "0"}, 0.05),
    ],
)
def test_the_service_may_say_when_to_look_again(headers, pause):
    poller = start(
        "compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), Reply(200, {"status": "x"}, **headers), DONE
    )
    poller.wait()
    assert poller.asked.slept == [pause]


def test_the_first_answer_may_say_when_to_look_first():
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC, Retry_After="3"), DONE)
    poller.wait()
    assert poller.asked.slept == [3]


def test_a_wait_of_limited_length_ends_and_may_be_taken_up_again():
    poller = start(
        "compute.create",
        Reply(201, resource("Creating"), Azure_AsyncOperation=ASYNC),
        RUNNING,
        RUNNING,
        DONE,
        Reply(200, resource("Succeeded")),
    )
    with pytest.raises(errors.TransportError, match="compute create c has not ended within 2 s") as caught:
        poller.wait(timeout=2)
    assert caught.value.hint == "%azml compute show c"
    assert poller.wait() == resource("Succeeded")


def test_an_interrupt_ends_the_wait_and_not_the_operation():
    def interrupted(_seconds):
        raise KeyboardInterrupt

    poller = start("compute.create", Reply(201, resource("Creating"), Azure_AsyncOperation=ASYNC), RUNNING)
    poller.asked.sleep = interrupted
    with pytest.raises(errors.Interrupted, match="compute create c goes on in the service") as caught:
        poller.wait()
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.hint == "%azml compute show c"


def test_an_operation_location_of_arm_is_used_to_the_letter():
    poller = start("compute.delete", Reply(202, Operation_Location=SIGNED), DONE)
    poller.wait()
    assert urls(poller) == [SIGNED]


def test_asking_for_the_result_waits_for_it():
    first = Reply(201, resource("Creating"), Azure_AsyncOperation=ASYNC)
    poller = start("compute.create", first, RUNNING, DONE, Reply(200, resource("Succeeded")))
    assert poller.result() == resource("Succeeded")
    assert poller.asked.slept == [1.0]


def test_looking_once_asks_once():
    poller = start("compute.delete", Reply(202, Azure_AsyncOperation=ASYNC), RUNNING, DONE)
    assert (poller.done(), poller.status) == (False, "InProgress")
    assert (poller.done(), poller.status) == (True, "Succeeded")
    assert poller.done()
    assert len(urls(poller)) == 2
    assert repr(poller) == "<Poller compute.delete: Succeeded>"
