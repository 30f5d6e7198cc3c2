"""A service with real parts for what is registered, deployed and swept, and the means to call its handlers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from azml_magics.catalogue import locate
from azml_magics.emulator.blobs import Blobs
from azml_magics.emulator.dispatch import Dispatcher
from azml_magics.emulator.environments import Environments
from azml_magics.emulator.handlers import assets, data, execution, models, runs, scoring, services, sweeps
from azml_magics.emulator.handlers.common import workspace_key
from azml_magics.emulator.harvest import file_artifact
from azml_magics.emulator.identity import Identity
from azml_magics.emulator.progress import Progress
from azml_magics.emulator.runner import Runner
from azml_magics.emulator.scoring import Deployments
from azml_magics.emulator.service import Call, Part, Reply, Service
from azml_magics.emulator.store import Store

MODULES = (assets, data, execution, models, runs, scoring, services, sweeps)
HANDLERS = {name: handler for module in MODULES for name, handler in module.HANDLERS.items()}
CREATED = "2026-01-02T03:04:05.0000000+00:00"


@dataclass
class Serving:
    """A workspace, and calls of its handlers as the edge makes them."""

    service: Service
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def workspace_id(self) -> str:
        return self.service.identity.workspace_id

    def call(
        self,
        operation_id: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        *,
        url: str = "",
        headers: Mapping[str, str] | None = None,
        parts: Mapping[str, tuple[str, bytes]] | None = None,
        **keys: str,
    ) -> Reply:
        """Call a handler; a body of bytes is an upload."""
        resource, operation = locate(operation_id)
        url = url or f"https://emulator.api.azureml.ms/ws/{resource.plural}" + (f"?{urlencode(query)}" if query else "")
        upload = None
        if isinstance(body, bytes):
            upload = self.folder / "upload"
            upload.write_bytes(body)
            body = None
        caller = {"oid": "o-1", "tid": "t-1", "name": "Somebody"}
        base = "https://emulator.api.azureml.ms"
        files = {name: [Part(file, BytesIO(content))] for name, (file, content) in (parts or {}).items()}
        call = Call(
            resource,
            operation,
            {**self.keys, **keys},
            query or {},
            headers or {},
            base,
            url,
            body,
            files,
            upload,
            caller,
        )
        return HANDLERS[operation_id](self.service, call)

    def keep(self, path: str, content: bytes, container: str = "dcid.run-1", origin: str = "ExperimentRun") -> str:
        """File an artifact; its id."""
        blob = self.service.blobs.write([content])
        document = file_artifact(self.service, self.workspace_id, (origin, container, path), blob, CREATED)
        return cast(str, document["artifactId"])

    def model(
        self, name: str = "digits", path: str = "outputs/model.pkl", content: bytes = b"model", **more: Any
    ) -> Any:
        """Register a model of one file."""
        asset = self.call("asset.create", {"name": name, "artifacts": [{"prefix": self.keep(path, content)}]}).body
        body = {"name": name, "url": f"aml://asset/{asset['id']}", "mimeType": "application/json", **more}
        return self.call("model.register", body).body

    def deploy(self, name: str, script: str, **more: Any) -> dict[str, Any]:
        """Deploy a scoring script and wait for the end of it; the operation's document."""
        return self.ended(self.begin(name, script, **more))

    def begin(self, name: str, script: str, models: tuple[str, ...] = (), **more: Any) -> Reply:
        """Begin to deploy a scoring script."""
        url = f"aml://artifact/{self.keep('score.py', script.encode(), f'upload-{name}', 'LocalUpload')}"
        asset = {"id": "score.py", "mimeType": "application/x-python", "url": url, "unpack": False}
        request = {"driverProgram": "score.py", "assets": [asset], "modelIds": list(models), **more.pop("request", {})}
        return self.call(
            "service.create", {"name": name, "computeType": "ACI", "environmentImageRequest": request, **more}
        )

    def ended(self, reply: Reply) -> dict[str, Any]:
        """Poll a deployment to its end, as the official client does: by the last segment of the header."""
        operation = reply.headers["Operation-Location"].rpartition("/")[2]
        return cast(
            dict[str, Any],
            self.until(
                lambda: self.call("service.operation", operation=operation).body,
                lambda found: found["state"] in ("Succeeded", "Failed", "Cancelled"),
            ),
        )

    def until(self, ask: Callable[[], Any], enough: Callable[[Any], object], seconds: float = 20) -> Any:
        """Ask again and again until it is enough."""
        deadline = time.monotonic() + seconds
        while not enough(found := ask()):
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return found


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    store, identity = Store(tmp_path / "store.sqlite"), Identity.new()
    progress, deployments = Progress(store), Deployments(request_seconds=20, start_seconds=20)
    service = Service(
        data=tmp_path,
        identity=identity,
        store=store,
        blobs=Blobs(tmp_path / "blobs"),
        runner=Runner(),
        environments=Environments(tmp_path / "environments", build=False),
        progress=progress,
        dispatcher=Dispatcher(),
        deployments=deployments,
    )
    keys = {"subscription": identity.subscription_id, "group": identity.group, "workspace": identity.workspace}
    path = f"/subscriptions/{keys['subscription']}/resourceGroups/{keys['group']}/providers/ml/workspaces/ws"
    store.add("workspace", workspace_key(keys), {"id": path, "properties": {"workspaceId": identity.workspace_id}})
    deployments.bind(service)
    service.dispatcher.bind(service)
    progress.bind(service, {**services.EFFECTS, **sweeps.EFFECTS})
    progress.start()
    yield Serving(service, tmp_path, keys)
    for part in (service.dispatcher, progress, service.deployments, service.runner, store):
        part.close()
