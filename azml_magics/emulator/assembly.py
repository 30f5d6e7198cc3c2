"""The service put together from its parts, and taken apart again. Knows the parts' order, no HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from ..errors import AzmlError
from .blobs import Blobs
from .dispatch import Dispatcher
from .environments import Environments
from .files import private_folder
from .handlers import EFFECTS
from .handlers.seed import seed
from .identity import Identity
from .progress import Progress
from .runner import Runner
from .scoring import Deployments
from .service import Service
from .store import Store, StoreError


def make_service(data: Path, *, tempo: str = "at-once", build_environments: bool = False) -> Service:
    """The service of a data directory, seeded, at rest: `start_service` sets it going."""
    private_folder(data)
    identity = Identity.load(data / "identity.json")
    store = _open(data / "state.sqlite")
    service = Service(
        data=data,
        identity=identity,
        store=store,
        blobs=Blobs(data / "blobs"),
        runner=Runner(),
        environments=Environments(data / "environments", build_environments),
        progress=Progress(store, tempo),
        dispatcher=Dispatcher(),
        deployments=Deployments(),
    )
    service.progress.bind(service, EFFECTS)
    service.dispatcher.bind(service)
    service.deployments.bind(service)
    seed(service)
    return service


def start_service(service: Service) -> None:
    """Go on with what was under way. `plain_url` must be known by now: it is what runs are told."""
    service.progress.start()
    service.dispatcher.start()
    service.deployments.start()


def close_service(service: Service) -> None:
    """Stop everything but the runs, which go on by themselves."""
    with ExitStack() as stack:  # each, even when one of them fails; the last named comes first
        for part in (service.store, service.runner, service.deployments, service.progress, service.dispatcher):
            stack.callback(part.close)


def _open(path: Path) -> Store:
    try:
        return Store(path)
    except StoreError as error:
        raise AzmlError(str(error), "azml emulator reset") from error
