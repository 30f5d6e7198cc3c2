"""Experiments and runs in MLflow's words. Pure: documents of run history in, MLflow's messages out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..harvest import ORIGIN
from ..times import milliseconds
from .metric_log import LATEST, Row

#: The tag by which MLflow knows a run's name, and the one that names its parent.
NAME_TAG, PARENT_TAG = "mlflow.runName", "mlflow.parentRunId"
#: MLflow's status -> run history's; what is not here is still going on.
STATUSES = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled", "RUNNING": "Running"}
WAITING = frozenset(("NotStarted", "Unapproved", "Starting", "Preparing", "Provisioning", "Queued"))


def status_of(status: str) -> str:
    """A run's status as MLflow has it; SCHEDULED stands for all that comes before Running."""
    ended = {ours: theirs for theirs, ours in STATUSES.items()}
    return "SCHEDULED" if status in WAITING else ended.get(status, "RUNNING")


def experiment(document: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment."""
    return {
        "experiment_id": document["experimentId"],
        "name": document["name"],
        "artifact_location": f"mlflow-artifacts:/{ORIGIN}",
        "lifecycle_stage": "deleted" if document["archivedTime"] else "active",
        "creation_time": milliseconds(document["createdUtc"]),
        "last_update_time": milliseconds(document["latestCreatedRunCreatedUtc"] or document["createdUtc"]),
        "tags": pairs(document["tags"]),
    }


def info(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is: its ids, its status, its times, where its files are."""
    return {
        "run_id": run["runId"],
        "run_uuid": run["runId"],
        "run_name": run["displayName"] or "",
        "experiment_id": run["experimentId"],
        "user_id": run["createdBy"]["userName"],
        "status": status_of(run["status"]),
        "start_time": milliseconds(run["startTimeUtc"] or run["createdUtc"]),
        "end_time": milliseconds(run["endTimeUtc"]),
        "artifact_uri": f"mlflow-artifacts:/{ORIGIN}/{run['dataContainerId']}",
        "lifecycle_stage": "deleted" if run["hidden"] else "active",
    }


def whole(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run with the last value of each metric, its parameters and its tags."""
    latest = run.get(LATEST) or {}
    metrics = [
        {"key": name, "value": kept.get("special", kept["value"]), "timestamp": kept["timestamp"], "step": kept["step"]}
        for name, kept in latest.items()
    ]
    tags = {NAME_TAG: run["displayName"], PARENT_TAG: run["parentRunId"], **run["tags"]}
    data = {"metrics": metrics, "params": pairs(run["parameters"]), "tags": pairs(tags)}
    return {"info": info(run), "data": data, "inputs": {}}


def history(name: str, rows: Iterable[Row], first: int) -> list[dict[str, Any]]:
    """The values of a metric; rows that came without a step are counted."""
    return [
        {
            "key": name,
            "value": row["data"].get(name),
            "timestamp": milliseconds(row["createdUtc"]),
            "step": number if row["step"] is None else row["step"],
        }
        for number, row in enumerate(rows, first)
        if isinstance(row["data"].get(name), int | float)
    ]


def files(paths: Mapping[str, int], folder: str) -> list[dict[str, Any]]:
    """What lies in a folder: files with their sizes, and folders; paths are as the whole paths begin."""
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    found: dict[str, dict[str, Any]] = {}
    for path, size in paths.items():
        if not path.startswith(start):
            continue
        name, _, below = path[len(start) :].partition("/")
        is_dir = bool(below)
        entry = {"path": start + name, "is_dir": is_dir}
        found[name] = entry if is_dir else {**entry, "file_size": size}
    return [found[name] for name in sorted(found)]


def pairs(mapping: Mapping[str, Any]) -> list[dict[str, str]]:
    """A map as MLflow writes it; what has no value is left out."""
    return [{"key": key, "value": str(value)} for key, value in mapping.items() if value is not None]
