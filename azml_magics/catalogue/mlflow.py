"""MLflow's own REST protocol, which the workspace's regional server speaks too: what `mlflow` in a script calls.

No words are made of these rows. Paths as MLflow's clients ask for them below `/mlflow/v1.0{workspace}`; the
service's own plugin says v2.0 (wire-v1 2.3).
"""

from .schema import Body, Operation, Resource, data

API = "/api/2.0/mlflow/"
#: Where a client that is told an artifact address `mlflow-artifacts:/…` reads and writes files.
FILES = "/api/2.0/mlflow-artifacts/artifacts"


def call(verb: str, method: str, path: str, summary: str, body: Body | None = None) -> Operation:
    """One call of the protocol, under both of its versions."""
    return data(
        verb,
        method,
        f"/mlflow/v1.0{{ws}}{path}",
        summary,
        body=body or ("json" if method == "POST" else None),
        also=(f"/mlflow/v2.0{{ws}}{path}",),
        word=False,
    )


MLFLOW = Resource(
    noun="mlflow",
    plural="mlflows",
    summary="MLflow's tracking protocol: experiments, runs, metrics, parameters and files",
    operations=(
        call("show-experiment", "GET", API + "experiments/get", "Find an experiment by its id"),
        call("find-experiment", "GET", API + "experiments/get-by-name", "Find an experiment by its name"),
        call("search-experiments", "POST", API + "experiments/search", "List the experiments"),
        call("create-experiment", "POST", API + "experiments/create", "Create an experiment"),
        call("show-run", "GET", API + "runs/get", "Show a run with its last metrics, parameters and tags"),
        call("search-runs", "POST", API + "runs/search", "Find runs by metrics, parameters, tags and attributes"),
        call("create-run", "POST", API + "runs/create", "Create a run that its client manages"),
        call("update-run", "POST", API + "runs/update", "Change a run's status or name"),
        call("log-metric", "POST", API + "runs/log-metric", "Log one value"),
        call("log-batch", "POST", API + "runs/log-batch", "Log values, parameters and tags"),
        call("log-parameter", "POST", API + "runs/log-parameter", "Log one parameter"),
        call("set-tag", "POST", API + "runs/set-tag", "Put a tag on a run"),
        call("delete-tag", "POST", API + "runs/delete-tag", "Take a tag from a run"),
        call("history", "GET", API + "metrics/get-history", "Every value of one metric"),
        call("artifacts", "GET", API + "artifacts/list", "List the files of a run, folder by folder"),
        call("search-models", "POST", API + "logged-models/search", "The models that MLflow 3 keeps apart from runs"),
        call("list-files", "GET", FILES, "List a folder of files"),
        call("read-file", "GET", FILES + "/{path*}", "Read a file"),
        call("write-file", "PUT", FILES + "/{path*}", "Write a file", "bytes"),
    ),
)

RESOURCES = (MLFLOW,)
