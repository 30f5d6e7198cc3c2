"""A service with the parts that handlers need, and the means to call them as the edge does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from azml_magics.catalogue import locate
from azml_magics.emulator.handlers import arm, computes, limits, operations
from azml_magics.emulator.identity import Identity
from azml_magics.emulator.progress import Progress
from azml_magics.emulator.service import Call, Fault, Reply, Service
from azml_magics.emulator.store import Store

HANDLERS = {**arm.HANDLERS, **computes.HANDLERS, **limits.HANDLERS, **operations.HANDLERS}
EFFECTS = {**arm.EFFECTS, **computes.EFFECTS}
STATUS = re.compile(r"/locations/emulator/(compute|workspace)OperationsStatus/([\w-]+)$")


@dataclass
class Cluster:
    """Stands for the dispatcher: which nodes there are is set by the test, what it is told is kept."""

    standing: list[dict[str, Any]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)

    def nodes(self, workspace_id: str, name: str) -> list[dict[str, Any]]:
        return self.standing

    def compute_gone(self, workspace_id: str, name: str) -> None:
        self.gone.append((workspace_id, name))


@dataclass
class Services:
    """Stands for the deployments: keeps which were removed."""

    removed: list[str] = field(default_factory=list)

    def remove(self, key: str) -> None:
        self.removed.append(key)


@dataclass
class Bench:
    """A seeded service. Keys that a call does not give are those of the seeded workspace."""

    service: Service
    cluster: Cluster
    services: Services

    @property
    def keys(self) -> dict[str, str]:
        identity = self.service.identity
        return {
            "subscription": identity.subscription_id,
            "group": identity.group,
            "workspace": identity.workspace,
            "location": "emulator",
        }

    def dependency(self, path: str) -> str:
        """The id of something in the seeded group, such as `Microsoft.KeyVault/vaults/emulatorvault`."""
        return f"/subscriptions/{self.service.identity.subscription_id}/resourceGroups/emulator-rg/providers/{path}"

    def article(self, **properties: Any) -> dict[str, Any]:
        """The article's body of a workspace: odd letters in the vault, no slash before the insights, a small s."""
        given = {
            "friendlyName": "Ours",
            "description": "for all",
            "containerRegistry": self.dependency("Microsoft.ContainerRegistry/registries/emulatorregistry"),
            "keyVault": self.dependency("Microsoft.Keyvault/vaults/emulatorvault"),
            "applicationInsights": self.dependency("Microsoft.insights/components/emulatorinsights")[1:],
            "storageAccount": self.dependency("Microsoft.Storage/storageAccounts/emulatorstorage"),
        }
        return {"location": "emulator", "properties": {**given, **properties}, "identity": {"type": "systemAssigned"}}

    def call(self, operation_id: str, body: Any = None, query: dict[str, str] | None = None, **keys: str) -> Reply:
        resource, operation = locate(operation_id)
        base = "https://management.azure.com" if operation.host == "arm" else "https://emulator.api.azureml.ms"
        query = {"api-version": "2019-11-01", **(query or {})}
        url = f"{base}/somewhere?" + "&".join(f"{k}={v}" for k, v in query.items())
        call = Call(resource, operation, {**self.keys, **keys}, query, {}, base, url, body)
        return HANDLERS[operation_id](self.service, call)

    def refused(self, operation_id: str, body: Any = None, query: dict[str, str] | None = None, **keys: str) -> Fault:
        """Call what must be refused; the fault."""
        with pytest.raises(Fault) as caught:
            self.call(operation_id, body, query, **keys)
        return caught.value

    def follow(self, url: str) -> Reply:
        """Ask the address of an operation once."""
        parts = urlsplit(url)
        found = STATUS.search(parts.path)
        assert found, url
        return self.call(f"operation.{found[1]}-status", query=dict(parse_qsl(parts.query)), operation=found[2])

    def end(self, reply: Reply) -> dict[str, Any]:
        """Poll the operation that an answer began to its end; the last document."""
        url = reply.headers["Azure-AsyncOperation"]
        return self._until_ended(lambda: self.follow(url).body)

    def wait(self, operation_id: str) -> dict[str, Any]:
        """Wait for the end of an operation that no call began."""
        return self._until_ended(lambda: self.service.progress.status(operation_id))

    def _until_ended(self, ask: Callable[[], Any]) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while (document := ask())["status"] == "InProgress":
            assert time.monotonic() < deadline, "the operation did not end"
            time.sleep(0.005)
        return cast(dict[str, Any], document)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    """Make a bench of a tempo: at-once ends operations as they are begun, real not within a test."""
    benches: list[Bench] = []

    def build(tempo: str) -> Bench:
        store, cluster, services = Store(tmp_path / f"{tempo}.sqlite"), Cluster(), Services()
        progress = Progress(store, tempo)
        absent = cast(Any, None)
        parts = {"blobs": absent, "runner": absent, "environments": absent, "progress": progress}
        doubles = {"dispatcher": cast(Any, cluster), "deployments": cast(Any, services)}
        service = Service(data=tmp_path, identity=Identity.new(), store=store, **parts, **doubles)
        arm.seed(service)
        progress.bind(service, EFFECTS)
        progress.start()
        benches.append(Bench(service, cluster, services))
        return benches[-1]

    yield build
    for bench in benches:
        bench.service.progress.close()
        bench.service.store.close()


@pytest.fixture
def bench(make: Callable[[str], Bench]) -> Bench:
    return make("at-once")


@pytest.fixture
def slow(make: Callable[[str], Bench]) -> Bench:
    return make("real")
