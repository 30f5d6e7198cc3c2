"""Sweeps (v1): many runs of one script over a space of parameters."""

from .schema import Resource, data

#: The specification's `{armScope}` is the experiment's path.
RUNS = "/hyperdrive/v1.0{ws}/experiments/{experiment}/runs"

SWEEPS = Resource(
    noun="sweep",
    plural="sweeps",
    summary="A parent run that tries parameters in child runs",
    key="run",
    operations=(
        data("start", "POST", RUNS, "Start a sweep", body="multipart", word=False),
        data("cancel", "POST", RUNS + "/{run}/cancel", "Stop a sweep and its children", word=False),
    ),
)

RESOURCES = (SWEEPS,)
