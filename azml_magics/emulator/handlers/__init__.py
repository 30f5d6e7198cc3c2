"""What each operation does, one module a family; merged here by operation id, with the effects of long operations."""

from __future__ import annotations

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
    models,
    operations,
    runs,
    scoring,
    services,
    sweeps,
)

HANDLERS: dict[str, Handler] = {
    **identity.HANDLERS,
    **arm.HANDLERS,
    **limits.HANDLERS,
    **computes.HANDLERS,
    **operations.HANDLERS,
    **experiments.HANDLERS,
    **runs.HANDLERS,
    **metrics.HANDLERS,
    **mlflow.HANDLERS,
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
EFFECTS: dict[str, Effect] = {**arm.EFFECTS, **computes.EFFECTS, **services.EFFECTS, **sweeps.EFFECTS}
