"""Deployed services: a process of its own for each scoring script, brought up, asked, restarted and ended here.

Knows the documents of services and deployments, no HTTP. Whoever calls never waits without a limit.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import contents
from .definition import pick
from .deployment_error import PROBLEMS, error_of
from .scoring_child import Child, NotStarted, Plan, Scored
from .times import stamp

if TYPE_CHECKING:
    from .service import Service

#: How long a request may take; the service's default too (azure-sdk-for-python#25861 shows 60000 ms in a log).
REQUEST_SECONDS = 60.0
#: How long a script's `init()` may take. [inferred] the service's own limit is not recorded
START_SECONDS = 300.0
BATCH = 200

TRANSITIONING, HEALTHY, UNHEALTHY, FAILED = "Transitioning", "Healthy", "Unhealthy", "Failed"
RUNNING, SUCCEEDED, CANCELLED = "Running", "Succeeded", "Cancelled"
ENDED = frozenset({SUCCEEDED, FAILED, CANCELLED})

log = logging.getLogger(__name__)


class Deployments:
    """The scoring processes of one emulator, by the key of their service's document."""

    def __init__(self, *, request_seconds: float = REQUEST_SECONDS, start_seconds: float = START_SECONDS) -> None:
        self.request_seconds = request_seconds
        self._start_seconds = start_seconds
        self._service: Service | None = None
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._children: dict[str, Child] = {}
        self._starting: dict[Child, str] = {}
        self._working: dict[str, threading.Thread] = {}
        self._closed = False

    def bind(self, service: Service) -> None:
        """Tell whose services these are."""
        self._service = service

    @property
    def service(self) -> Service:
        """The emulator's parts; only after `bind`."""
        assert self._service is not None, "bind comes first"
        return self._service

    def start(self) -> None:
        """Bring back, beside whoever calls, the services that were up or coming up when the emulator ended."""
        self._begin("resume", self._resume)

    def close(self) -> None:
        """End every scoring process; nothing is started any more."""
        with self._guard:
            self._closed = True
            children = [*self._children.values(), *self._starting]
            workers = list(self._working.values())
        for child in children:
            child.end()
        for worker in workers:
            worker.join(timeout=10)
        for child in children:
            child.close()

    def deploy(self, key: str, operation: str) -> None:
        """Lay a service out and start it, beside whoever calls; a second call for the same operation does nothing."""
        self._begin(operation, lambda: self._bring_up(key, operation))

    def remove(self, key: str) -> None:
        """End a service's processes, one that is coming up too, and delete its files."""
        with self._guard:
            starting = [child for child, owner in self._starting.items() if owner == key]
        for child in starting:
            child.end()
        self._retire(key)
        shutil.rmtree(self.folder(key), ignore_errors=True)

    def folder(self, key: str) -> Path:
        """Where a service's files are."""
        return self.service.data / "services" / key

    def log(self, key: str, lines: int) -> str:
        """The last lines of what a service printed."""
        return contents.last_lines(self.folder(key) / "log.txt", lines)

    def score(self, key: str, body: bytes) -> Scored:
        """What a service answers to a request; its process is started again when it is gone."""
        deadline = time.monotonic() + self.request_seconds
        lock = self._lock(key)
        if not lock.acquire(timeout=self.request_seconds):
            return Scored("busy")
        try:
            child = self._children.get(key)
            if child is None or not child.alive:
                child = self._restart(key)
                deadline = time.monotonic() + self.request_seconds
            return Scored("not-started") if child is None else child.ask(body, deadline - time.monotonic())
        finally:
            lock.release()

    def _lock(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        """Do something in a thread of its own, unless that very thing is being done."""

        def run() -> None:
            try:
                work()
            finally:
                with self._guard:
                    self._working.pop(name, None)

        with self._guard:
            if self._closed or name in self._working:
                return
            worker = threading.Thread(target=run, name=f"deployment {name}", daemon=True)
            self._working[name] = worker
            # started before another may look: who closes joins what it finds here
            worker.start()

    def _resume(self) -> None:
        skip, more = 0, True
        while more and not self._closed:
            found, more = self.service.store.page("service", skip=skip, size=BATCH)
            skip += len(found)
            for document in found:
                key = document["_key"]
                if document["state"] == TRANSITIONING:
                    self.deploy(key, f"{document['_workspace']}/{document['operationId']}")
                elif document["state"] == HEALTHY and not self._closed:
                    with self._lock(key):
                        if key not in self._children:
                            self._restart(key)

    def _restart(self, key: str) -> Child | None:
        """Start a service's process again, by the plan that was kept; the caller holds its lock."""
        document = self.service.store.get("service", key)
        if self._closed or document is None or document["state"] not in (HEALTHY, UNHEALTHY):
            return None
        try:
            child = self._launch(key, self._plan(key, document))
        except PROBLEMS as problem:
            self._note(document, {"state": UNHEALTHY, "error": error_of(problem)})
            return None
        if not self._note(document, {"state": HEALTHY, "error": None}):
            child.close()
            return None
        self._adopt(key, child)
        return child

    def _bring_up(self, key: str, operation: str) -> None:
        """Do what a deployment asks: files in place, process started, both documents told."""
        store = self.service.store
        document, progress = store.get("service", key), store.get("deployment", operation)
        if document is None or progress is None or progress["state"] in ENDED:
            return
        if operation != f"{document['_workspace']}/{document['operationId']}":
            store.change("deployment", operation, lambda found: found.update(state=CANCELLED))
            return
        store.change("deployment", operation, lambda found: found.update(state=RUNNING))
        try:
            document["_plan"] = self._lay_out(key, document)
            child = self._launch(key, self._plan(key, document))
        except Exception as problem:
            if not isinstance(problem, PROBLEMS):
                log.exception("service %s", key)
            self._say(key, f"not started: {problem}")
            self._finish(document, operation, {"state": FAILED, "error": error_of(problem)})
            return
        uri = f"https://{document['publicFqdn']}"
        uris = {"scoringUri": f"{uri}/score", "swaggerUri": f"{uri}/swagger.json"}
        changes = {"state": HEALTHY, "error": None, "_plan": document["_plan"], **uris}
        with self._lock(key):
            if self._finish(document, operation, changes):
                self._adopt(key, child)
            else:
                child.close()

    def _lay_out(self, key: str, document: Mapping[str, Any]) -> dict[str, str]:
        """Put a service's files in a folder of this deployment's; where script and models are, from the service's."""
        top = self.folder(key)
        folder = top / document["operationId"]
        shutil.rmtree(folder, ignore_errors=True)
        top.mkdir(parents=True, exist_ok=True)
        script, models = contents.lay_out_service(self.service, document["_workspace"], document, folder)
        return {"script": str(script.relative_to(top)), "models": str(models.relative_to(top))}

    def _plan(self, key: str, document: Mapping[str, Any]) -> Plan:
        """How a service's process is started: paths from its folder, interpreter and variables from its environment."""
        folder, environment = self.folder(key), pick(document["_request"], "environment") or {}
        variables = pick(environment, "environmentVariables") or {}
        script = folder / document["_plan"]["script"]
        with (folder / "log.txt").open("a", encoding="utf-8") as file:
            interpreter = self.service.environments.interpreter(environment, file)
        self._say(key, f"calling init() of {script.name}")
        return Plan(
            interpreter=interpreter,
            script=script,
            models=folder / document["_plan"]["models"],
            log=folder / "log.txt",
            variables={str(name): str(value) for name, value in variables.items()},
        )

    def _say(self, key: str, text: str) -> None:
        """Write a line of the emulator's own into a service's log; a service that was deleted has none."""
        path = self.folder(key) / "log.txt"
        with contextlib.suppress(FileNotFoundError), path.open("a", encoding="utf-8") as file:
            file.write(f"{stamp(time.time())} | {text}\n")

    def _launch(self, key: str, plan: Plan) -> Child:
        """Start a process and wait for its script; it is ended like all others when the emulator closes meanwhile."""
        child = Child(plan)
        with self._guard:
            self._starting[child] = key
            closed = self._closed
        try:
            if closed:
                child.end()
            child.wait_ready(self._start_seconds)
        except NotStarted:
            child.close()
            raise
        finally:
            with self._guard:
                self._starting.pop(child)
        return child

    def _adopt(self, key: str, child: Child) -> None:
        """Let a process answer for a service from now on; the caller holds its lock."""
        with self._guard:
            closed, old = self._closed, self._children.pop(key, None)
            if not closed:
                self._children[key] = child
        for unwanted in filter(None, (old, child if closed else None)):
            unwanted.close()

    def _retire(self, key: str) -> None:
        """End the process that answers for a service, whatever it is doing."""
        with self._guard:
            child = self._children.pop(key, None)
        if child is not None:
            child.end()
            with self._lock(key):
                child.close()

    def _note(self, document: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
        """Change a service's document; False when it is gone or deployed anew, or the emulator is being closed."""
        mine = False
        moment = stamp(time.time())

        def edit(found: dict[str, Any]) -> None:
            nonlocal mine
            mine = found["operationId"] == document["operationId"]
            if mine:
                found.update(changes, updatedTime=moment, _updated=moment)

        if not self._closed:
            self.service.store.change("service", document["_key"], edit)
        return mine

    def _finish(self, document: Mapping[str, Any], operation: str, changes: Mapping[str, Any]) -> bool:
        """Tell both documents how a deployment ended; False when its service is no longer what it was about."""
        mine = self._note(document, changes)
        if self._closed:
            return False
        if mine and changes["error"]:
            self._retire(document["_key"])
        self._tidy(document, mine=mine)
        state = (FAILED if changes["error"] else SUCCEEDED) if mine else CANCELLED
        told = {"state": state, "endTime": stamp(time.time()), "error": changes["error"]}
        self.service.store.change("deployment", operation, lambda found: found.update(told))
        return mine

    def _tidy(self, document: Mapping[str, Any], *, mine: bool) -> None:
        """Remove the files of earlier deployments, and all of them when the service was deleted meanwhile."""
        top = self.folder(document["_key"])
        now = self.service.store.get("service", document["_key"])
        if now is None or not now["operationId"]:
            shutil.rmtree(top, ignore_errors=True)
            return
        for folder in top.iterdir() if mine else ():
            if folder.is_dir() and folder.name != document["operationId"]:
                shutil.rmtree(folder, ignore_errors=True)
