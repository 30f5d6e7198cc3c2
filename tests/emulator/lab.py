"""A whole service in a folder, its handlers called as the edge calls them, and runs of scripts on it."""

from __future__ import annotations

import io
import json
import textwrap
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from azml_magics.catalogue import around, history, mlflow
from azml_magics.emulator.assembly import close_service, make_service, start_service
from azml_magics.emulator.handlers import (
    artifacts,
    blobs,
    computes,
    execution,
    experiments,
    metrics,
    mlflow_files,
    runs,
)
from azml_magics.emulator.handlers import mlflow as mlflow_handlers
from azml_magics.emulator.service import Call, Fault, Part, Reply, Service
from azml_magics.emulator.verdict import ENDED

MODULES = (artifacts, blobs, computes, execution, experiments, metrics, mlflow_files, mlflow_handlers, runs)
HANDLERS = {name: handler for module in MODULES for name, handler in module.HANDLERS.items()}
RESOURCES = {r.noun: r for r in (*history.RESOURCES, *around.RESOURCES, *mlflow.RESOURCES)}
BASE = "https://emulator.api.azureml.ms"
SECONDS = 20.0


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


def definition(**configuration: Any) -> bytes:
    """A definition file: the article's, with these things otherwise."""
    given = {"Script": "hello.py", "Arguments": [], "Framework": "Python", "Target": "cpu-compute", "NodeCount": 1}
    return json.dumps({"Configuration": {**given, **configuration}}).encode()


class Lab:
    """Leave it to close everything. `slow` gives the tempo real, at which nothing is ever ready within a test."""

    def __init__(self, folder: Path, tempo: str = "at-once") -> None:
        self.folder = folder
        self.tempo = tempo
        self.service: Service
        self.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in self.service.runner.running():
            self.service.runner.stop(key)
        if self.tempo == "at-once":
            self.until(lambda: self.service.runner.running(), lambda running: not running)
        close_service(self.service)

    def again(self) -> None:
        """Close the service and open it anew on the same folder, as a restart of the emulator does."""
        close_service(self.service)
        self.open()

    def open(self) -> None:
        """Open the service of the folder."""
        self.service = make_service(self.folder / "data", tempo=self.tempo)
        self.service.plain_url = "http://127.0.0.1:9"
        start_service(self.service)

    @property
    def workspace_id(self) -> str:
        return self.service.identity.workspace_id

    @property
    def keys(self) -> dict[str, str]:
        identity = self.service.identity
        return {
            "subscription": identity.subscription_id,
            "group": identity.group,
            "workspace": identity.workspace,
        }

    def call(
        self,
        operation_id: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        *,
        parts: Mapping[str, tuple[str, bytes]] | None = None,
        upload: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **keys: str,
    ) -> Reply:
        """Call a handler; the reply's content, where it is a stream, is read to its end."""
        noun, _, verb = operation_id.partition(".")
        path = None
        if upload is not None:
            path = self.folder / "upload"
            path.write_bytes(upload)
        call = Call(
            RESOURCES[noun],
            RESOURCES[noun].operation(verb),
            {**self.keys, **keys},
            query or {},
            {name.lower(): value for name, value in (headers or {}).items()},
            BASE,
            f"{BASE}/somewhere",
            body,
            {name: [Part(file, io.BytesIO(content))] for name, (file, content) in (parts or {}).items()},
            path,
            {"oid": "o-1", "tid": "t-1", "name": "Somebody"},
        )
        reply = HANDLERS[operation_id](self.service, call)
        if path is not None:
            path.unlink(missing_ok=True)
        if reply.content is None or isinstance(reply.content, bytes | Path):
            return reply
        return Reply(reply.body, reply.status, reply.headers, b"".join(reply.content), reply.media_type)

    def refused(self, operation_id: str, *arguments: Any, **keywords: Any) -> Fault:
        """Call what must be refused; the fault."""
        with pytest.raises(Fault) as caught:
            self.call(operation_id, *arguments, **keywords)
        return caught.value

    def experiment(self, name: str = "digits") -> dict[str, Any]:
        """An experiment, made when there is none."""
        return dict(self.call("experiment.create", experiment=name).body)

    def record(self, run_id: str, experiment: str = "digits", **body: Any) -> dict[str, Any]:
        """A run that its client manages."""
        self.experiment(experiment)
        return dict(self.call("run.update", {"runId": run_id, **body}, experiment=experiment, run=run_id).body)

    def start(
        self,
        script: str = "print('Hello, REST!')",
        *,
        run_id: str = "",
        experiment: str = "digits",
        files: Mapping[str, str] | None = None,
        **configuration: Any,
    ) -> str:
        """Submit a script; the run's id."""
        code = zipped({"hello.py": script, **(files or {})})
        parts = {
            "runDefinitionFile": ("definition.json", definition(**configuration)),
            "projectZipFile": ("project.zip", code),
        }
        query = {"runId": run_id} if run_id else {}
        return str(self.call("run.start", None, query, parts=parts, experiment=experiment).body["runId"])

    def show(self, run_id: str) -> dict[str, Any]:
        return dict(self.call("run.show", run=run_id).body)

    def wait(self, run_id: str, *statuses: str) -> dict[str, Any]:
        """The run's document once it has one of these statuses, or has ended."""
        return self.until(lambda: self.show(run_id), lambda run: run["status"] in (statuses or ENDED))

    def run(self, script: str, **more: Any) -> dict[str, Any]:
        """Submit a script and wait for its end; the run's document."""
        return self.wait(self.start(script, **more))

    def log(self, run_id: str) -> str:
        """What is in a run's log now, by its signed link."""
        return self.get(self.call("run.details", run=run_id).body["logFiles"]["user_logs/std_log.txt"]).decode()

    def get(self, link: str, headers: Mapping[str, str] | None = None) -> bytes:
        """What is behind a signed link."""
        return bytes(self.follow("blob.read", link, headers=headers).content or b"")

    def follow(self, operation_id: str, link: str, **more: Any) -> Reply:
        """Ask a signed link for something."""
        parts = urlsplit(link)
        _, container, path = unquote(parts.path).split("/", 2)
        query = {**dict(parse_qsl(parts.query)), **more.pop("query", {})}
        return self.call(operation_id, None, query, container=container, path=path, **more)

    def until(self, ask: Callable[[], Any], enough: Callable[[Any], object]) -> Any:
        """Ask again and again until it is enough."""
        deadline = time.monotonic() + SECONDS
        while not enough(found := ask()):
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return found
