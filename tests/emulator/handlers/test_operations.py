from __future__ import annotations

import pytest

DELETION = {"underlyingResourceAction": "Delete"}


def test_an_address_keeps_the_version_that_the_caller_asked_with(slow):
    query = {"api-version": "2023-08-01-preview", **DELETION}
    url = slow.call("compute.delete", query=query, name="cpu-compute").headers["Azure-AsyncOperation"]
    assert url.endswith("?api-version=2023-08-01-preview&service=new")


def test_who_polls_is_told_in_milliseconds_when_to_come_again(bench, slow):
    for where in (bench, slow):
        reply = where.call("compute.delete", query=DELETION, name="cpu-compute")
        assert reply.headers["retry-after-ms"] == str(where.service.progress.pause_milliseconds)
        assert "Retry-After" not in reply.headers
    running = slow.follow(reply.headers["Azure-AsyncOperation"])
    assert running.body == {"status": "InProgress"}
    assert running.headers["retry-after-ms"] == str(slow.service.progress.pause_milliseconds)


def test_a_workspaces_operation_is_a_status_document_unless_its_location_is_asked_for(slow):
    headers = slow.call("workspace.delete").headers
    async_url, location = headers["Azure-AsyncOperation"], headers["Location"]
    assert slow.follow(async_url).body == slow.follow(async_url.replace("&type=async", "")).body
    reply = slow.follow(location)
    assert (reply.status, reply.body) == (202, None)


def test_a_failure_is_http_200_with_its_error(bench):
    reply = bench.call("workspace.create", bench.article(keyVault="/nobody"), workspace="new-ws")
    ended = bench.end(reply)
    assert bench.follow(reply.headers["Azure-AsyncOperation"]).status == 200
    assert ended.keys() == {"status", "percentComplete", "error"}
    assert ended["error"].keys() == {"code", "message", "details"}


@pytest.mark.parametrize(("kind", "other"), [("compute", "workspace"), ("workspace", "compute")])
def test_an_operation_is_found_in_its_own_collection_only(bench, kind, other):
    operation_id = bench.service.progress.begin(kind, "none", {})
    assert bench.call(f"operation.{kind}-status", operation=operation_id).status == 200
    fault = bench.refused(f"operation.{other}-status", operation=operation_id)
    assert (fault.status, fault.code) == (404, "NotFound")
    assert bench.refused(f"operation.{kind}-status", operation="nobody").status == 404
