from __future__ import annotations

import pytest

from azml_magics.emulator.service import Fault


def test_a_registry_is_not_needed(bench):
    reply = bench.call("workspace.create", bench.article(containerRegistry=None), workspace="new-ws")
    assert bench.end(reply)["status"] == "Succeeded"
    assert bench.call("workspace.show", workspace="new-ws").body["properties"]["containerRegistry"] is None


@pytest.mark.parametrize(
    ("name", "path", "part"),
    [
        ("keyVault", "Microsoft.KeyVault/vaults/nobody", "does not exist"),
        ("storageAccount", "Microsoft.Storage/storageAccounts/nobody", "does not exist"),
        ("applicationInsights", "Microsoft.Insights/components/nobody", "does not exist"),
        ("containerRegistry", "Microsoft.ContainerRegistry/registries/nobody", "does not exist"),
        ("keyVault", "Microsoft.Storage/storageAccounts/emulatorstorage", "not Microsoft.KeyVault/vaults"),
        ("containerRegistry", "Microsoft.ContainerRegistry/registries/noadminregistry", "admin user is disabled"),
        ("keyVault", "", "Missing dependent resources in workspace json"),
    ],
)
def test_a_dependency_that_cannot_be_had_ends_the_operation_with_the_reason(bench, name, path, part):
    body = bench.article(**{name: bench.dependency(path) if path else None})
    reply = bench.call("workspace.create", body, workspace="new-ws")
    assert reply.status == 202
    ended = bench.end(reply)
    assert ended["status"] == "Failed"
    assert name in ended["error"]["message"]
    assert part in ended["error"]["message"]
    assert [detail["target"] for detail in ended["error"]["details"]] == [name]
    with pytest.raises(Fault) as caught:
        bench.follow(reply.headers["Location"])
    assert (caught.value.status, caught.value.message) == (400, ended["error"]["message"])
    assert bench.call("workspace.show", workspace="new-ws").body["properties"]["provisioningState"] == "Failed"


def test_every_dependency_that_is_missing_is_named(bench):
    ended = bench.end(bench.call("workspace.create", {"location": "emulator"}, workspace="new-ws"))
    targets = [detail["target"] for detail in ended["error"]["details"]]
    assert sorted(targets) == ["applicationInsights", "keyVault", "storageAccount"]


def test_a_failed_workspace_can_be_put_again(bench):
    bench.end(bench.call("workspace.create", bench.article(keyVault=None), workspace="new-ws"))
    bench.end(bench.call("workspace.create", bench.article(), workspace="new-ws"))
    workspace = bench.call("workspace.show", workspace="new-ws").body
    assert workspace["properties"]["provisioningState"] == "Succeeded"
    assert bench.service.store.count("datastore", workspace["properties"]["workspaceId"]) > 0


def test_a_put_that_fails_leaves_an_old_workspace_as_it_was(bench):
    before = bench.call("workspace.show").body
    body = bench.article(friendlyName="Broken", keyVault="/nobody")
    assert bench.end(bench.call("workspace.create", body))["status"] == "Failed"
    assert bench.call("workspace.show").body == before


def test_a_patch_to_a_registry_without_admin_access_fails_and_changes_nothing(bench):
    before = bench.call("workspace.show").body
    registry = bench.dependency("Microsoft.ContainerRegistry/registries/noadminregistry")
    ended = bench.end(bench.call("workspace.update", {"properties": {"containerRegistry": registry}}))
    assert "admin user is disabled" in ended["error"]["message"]
    assert bench.call("workspace.show").body == before


def test_a_workspace_without_registry_has_no_credentials_for_one(bench):
    bench.end(bench.call("workspace.create", bench.article(containerRegistry=None), workspace="new-ws"))
    assert bench.call("workspace.keys", workspace="new-ws").body["containerRegistryCredentials"] is None
