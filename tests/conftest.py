"""What most tests stand on: the emulator, in this process or behind its real sockets, and words typed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from azml_magics.catalogue import find
from azml_magics.emulator import instance
from azml_magics.emulator.app import create_app
from azml_magics.emulator.assembly import close_service, make_service, start_service
from azml_magics.emulator.handlers import HANDLERS
from azml_magics.emulator.service import Service
from azml_magics.line import run
from azml_magics.rest import Scope, Session
from azml_magics.rest.clouds import by_name
from azml_magics.rest.credentials import ServicePrincipal
from azml_magics.settings import Settings
from azml_magics.subcommands.schema import Silent
from azml_magics.subcommands.state import State
from tests.emulator.asgi import AsgiAdapter

ARM = "https://management.azure.com"


class Heard(Silent):
    """A surface that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.shown: list[Any] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def show(self, view: Any) -> None:
        self.shown.append(view)


@dataclass
class World:
    """An emulator with somebody logged in to it: `azml` types a line, `http` sends anything else."""

    state: State
    http: requests.Session
    facts: dict[str, str]
    surface: Heard = field(default_factory=Heard)
    service: Service | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    def azml(self, line: str, cell: str | None = None) -> Any:
        """What a notebook does with a line."""
        return run(
            line,
            cell=cell,
            state=self.state,
            surface=self.surface,
            namespace=self.variables,
            keep=self.variables.__setitem__,
        )

    @property
    def workspace(self) -> str:
        """The ARM path of the workspace in use."""
        scope = self.state.scope
        return (
            f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{scope.workspace}"
        )

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run's document once it has ended."""
        lifecycle = find("run").lifecycle
        assert lifecycle is not None
        while True:
            document = self.state.session.call("run.show", keys={"run": run_id})
            if document["status"] in lifecycle.ended:
                return dict(document)


def settings_in(folder: Path) -> Settings:
    """Settings that see nothing of this machine's user."""
    return Settings(environment={}, cwd=folder, home=folder)


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[World]:
    """The emulator in this process: the transport is the double."""
    service = make_service(tmp_path / "data")
    app = create_app(service, HANDLERS)
    adapter = AsgiAdapter(app)
    http = requests.Session()
    http.trust_env = False
    http.mount("https://", adapter)
    service.plain_url = "http://127.0.0.1:9"  # nobody listens: a run that logs metrics needs the sockets
    start_service(service)
    who = service.identity
    cloud = by_name("AzureCloud")
    credential = ServicePrincipal(cloud, who.tenant_id, who.client_id, who.client_secret, http=http)
    state = State(settings_in(tmp_path))
    for part, value in (("subscription", who.subscription_id), ("group", who.group), ("workspace", who.workspace)):
        state.settings.set(part, value)
    state.enter(Session(credential, cloud, Scope(), http=http, sleep=lambda seconds: None))
    facts = {"tenant_id": who.tenant_id, "client_id": who.client_id, "client_secret": who.client_secret}
    yield World(state, http, facts | {"compute": who.compute}, service=service)
    http.close()
    app.close()
    close_service(service)


@pytest.fixture(scope="session")
def emulator_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of one emulator that runs as a process of its own, for the whole run of the tests."""
    data = tmp_path_factory.mktemp("emulator")
    yield data
    instance.stop(data)


@pytest.fixture
def by_socket(emulator_data: Path, tmp_path: Path) -> Iterator[World]:
    """The emulator behind its real sockets: the proxy, TLS, its own certificate."""
    ready = instance.start_background(emulator_data)
    state = State(settings_in(tmp_path))
    surface = Heard()
    run(f"login --local --data '{emulator_data}'", state=state, surface=surface)
    http = requests.Session()
    http.trust_env = False
    http.proxies, http.verify = {"https": ready.proxy}, ready.ca_bundle
    facts = {name: getattr(ready, name) for name in ("tenant_id", "client_id", "client_secret", "compute")}
    yield World(state, http, facts, surface)
    http.close()


@pytest.fixture(params=["in_process", "by_socket"])
def world(request: pytest.FixtureRequest) -> World:
    """The emulator both ways: the same test in this process and through a real socket with TLS."""
    chosen: World = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def azml(world: World) -> Callable[..., Any]:
    """Types a line in a world."""
    return world.azml
