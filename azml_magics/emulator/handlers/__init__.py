"""What each operation does, one module a family; merged here by operation id, with the effects of long operations."""

from __future__ import annotations

from ...catalogue import RESOURCES
from ..progress import Effect
from ..service import Handler
from . import (
    arm,
    artifacts,
    assets,
    blobs,
    computes,
    data,
    execution,
    experiments,
    identity,
    limits,
    metrics,
    mlflow,
    mlflow_files,
    models,
    neighbours,
    operations,
    ordinary,
    runs,
    scoring,
    services,
    sweeps,
)

_BY_HAND: dict[str, Handler] = {
    **identity.HANDLERS,
    **arm.HANDLERS,
    **limits.HANDLERS,
    **computes.HANDLERS,
    **operations.HANDLERS,
    **neighbours.HANDLERS,
    **experiments.HANDLERS,
    **runs.HANDLERS,
    **metrics.HANDLERS,
    **mlflow.HANDLERS,
    **mlflow_files.HANDLERS,
    **execution.HANDLERS,
    **artifacts.HANDLERS,
    **blobs.HANDLERS,
    **models.HANDLERS,
    **assets.HANDLERS,
    **services.HANDLERS,
    **scoring.HANDLERS,
    **data.HANDLERS,
    **sweeps.HANDLERS,
}

#: An operation that nobody wrote a handler for is answered by the ordinary verb of ARM, if it is one.
HANDLERS: dict[str, Handler] = {
    **{
        resource.operation_id(operation): ordinary.VERBS[operation.verb]
        for resource in RESOURCES
        for operation in resource.operations
        if operation.host == "arm" and operation.verb in ordinary.VERBS
    },
    **_BY_HAND,
}
EFFECTS: dict[str, Effect] = {**arm.EFFECTS, **computes.EFFECTS, **services.EFFECTS, **sweeps.EFFECTS}
