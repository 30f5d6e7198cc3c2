"""Sweeps: what is asked for is checked in full before there is a parent run; its children are started elsewhere.

Early termination and Bayesian sampling are accepted and said not to be applied.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..definition import BadDefinition, parse, pick, shown
from ..service import Call, Fault, Handler, Reply, Service
from ..store import Where
from ..sweeps import BadSpace, check_space, grid
from ..verdict import ENDED
from .common import now, scope_of, workspace_of
from .execution import check_target
from .experiments import find_or_make
from .history import bad, missing
from .run_body import new_run
from .runs import file_run
from .sweep_children import ADVANCE, TAG, advance, write_log

#: The service's own limits: jobs, jobs at a time (the SDK's reference), minutes (wire-v1 10).
LARGEST_TOTAL, LARGEST_CONCURRENT, LONGEST = 1000, 100, 10080
REQUIRED = ("name", "platform", "platform_config", "generator_config", "policy_config", "primary_metric_config")
SAMPLERS = ("random", "grid", "bayesianoptimization")


def start(service: Service, call: Call) -> Reply:
    """Begin a sweep; the answer's `ParentRunId` is all that the official client reads (wire-v1 10)."""
    workspace, config = workspace_of(service, call), _config(call)
    workspace_id = str(workspace["properties"]["workspaceId"])
    sweep = _sweep(service, workspace, call.keys["experiment"], config)
    run_id = f"HD_{uuid.uuid4()}"
    key = f"{workspace_id}/{run_id}"
    experiment = find_or_make(service, workspace_id, call.keys["experiment"])
    parent = new_run(service.identity, workspace_id, experiment, run_id, call.caller)
    parent.update(_parent_facts(config, sweep))
    service.store.add("sweep", key, {**sweep, "parent": run_id, "caller": dict(call.caller)}, workspace_id)
    file_run(service, workspace_id, parent)
    write_log(service, workspace_id, run_id, [f"{sweep['total']} jobs, {sweep['concurrent']} at a time"])
    service.progress.begin("sweep", ADVANCE, {"sweep": key, "tick": 0})
    return Reply({"code": 201, "result": _result(config, sweep, parent)}, status=201)


def cancel(service: Service, call: Call) -> Reply:
    """Ask a sweep to stop: its children are asked too, and it is Canceled when the last of them has ended."""
    workspace_id, run_id = scope_of(service, call), call.keys["run"]
    key = f"{workspace_id}/{run_id}"
    if service.store.get("sweep", key) is None:
        raise missing(f"Run {run_id}")

    def edit(run: dict[str, Any]) -> None:
        if run["status"] not in ENDED:
            run.update(status="CancelRequested", lastModifiedUtc=now())

    service.store.change("run", key, edit)
    return Reply({"code": 200, "result": f"Cancellation requested for {run_id}"})


def _config(call: Call) -> Mapping[str, Any]:
    """The one part of a submission, `config`, with all that it must have."""
    parts = {name.lower(): some for name, some in call.parts.items()}
    found = parts.get("config") or next(iter(parts.values()), None)
    if not found:
        raise bad("The request has no part config: the sweep's configuration.")
    try:
        config = json.loads(found[0].file.read())
    except (ValueError, RecursionError):
        raise bad("The sweep's configuration is not JSON.") from None
    if not isinstance(config, Mapping):
        raise bad("The sweep's configuration is not a JSON object.")
    for name in REQUIRED:
        wanted = str if name in ("name", "platform") else Mapping
        if not isinstance(config.get(name), wanted):
            raise bad(f"The sweep's configuration has no {name}, or it is of the wrong kind.")
    return config


def _sweep(
    service: Service, workspace: Mapping[str, Any], experiment: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    """What the sweep is to do, checked in full: space, numbers, definition, target, code."""
    generator, definition = config["generator_config"], pick(config["platform_config"], "Definition")
    sampler = str(generator.get("name", "")).lower()
    if sampler not in SAMPLERS:
        raise bad(f"generator_config.name is one of {', '.join(SAMPLERS)}, not {generator.get('name')!r}.")
    space, overrides = generator.get("parameter_space"), pick(definition, "Overrides")
    try:
        check_space(space, grid=sampler == "grid")
        combinations = len(grid(space)) if sampler == "grid" else LARGEST_TOTAL
        if not isinstance(overrides, Mapping):
            raise BadDefinition("platform_config.Definition.Overrides is not a run configuration.")
        check_target(service, workspace, parse(overrides))
    except (BadSpace, BadDefinition) as problem:
        raise bad(str(problem)) from None
    total = min(_whole(config, "max_total_jobs", combinations if sampler == "grid" else 0, LARGEST_TOTAL), combinations)
    minutes = _whole(config, "max_duration_minutes", LONGEST, LONGEST)
    end = datetime.now(UTC) + timedelta(minutes=minutes)
    return {
        "experiment": experiment,
        "workspace": workspace["id"],
        "sampler": sampler,
        "space": space,
        "configuration": overrides,
        "snapshot": _snapshot(service, workspace, str(pick(definition, "SnapshotId") or "")),
        "snapshotId": pick(definition, "SnapshotId"),
        "total": total,
        "concurrent": min(_whole(config, "max_concurrent_jobs", total, total), LARGEST_CONCURRENT),
        "minutes": minutes,
        "deadline": end.strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00"),
        # how many children there are, what went wrong with the next, which look is to come and by which operation
        "started": 0,
        "trouble": None,
        "tick": 0,
        "operation": "",
    }


def _whole(config: Mapping[str, Any], name: str, usual: int, largest: int) -> int:
    value = config.get(name)
    value = usual if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise bad(f"{name} must be a whole number above 0.")
    return min(value, largest)


def _snapshot(service: Service, workspace: Mapping[str, Any], snapshot_id: str) -> str:
    """The digest of the code that a snapshot id stands for: that of the run which has it in its properties."""
    where = [Where(("properties", "ContentSnapshotId"), "eq", snapshot_id)]
    workspace_id = workspace["properties"]["workspaceId"]
    found, _ = service.store.page("run", workspace_id, where=where, size=1) if snapshot_id else ([], False)
    plan = service.store.get("definition", f"{workspace_id}/{found[0]['runId']}") if found else None
    if plan is None:
        raise Fault(400, "UserError", f"Snapshot {snapshot_id or '(none)'} was not found.", inner="SnapshotNotFound")
    return str(plan["snapshot"])


def _parent_facts(config: Mapping[str, Any], sweep: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run a sweep's parent: type, tags and properties that the SDK and its widget read (wire-v1 10)."""
    tags = {
        "generator_config": config["generator_config"],
        "primary_metric_config": config["primary_metric_config"],
        "policy_config": config["policy_config"],
        "platform_config": _masked(config["platform_config"]),
        "max_total_jobs": sweep["total"],
        "max_concurrent_jobs": sweep["concurrent"],
        "max_duration_minutes": sweep["minutes"],
    }
    moment = now()
    return {
        "runType": "hyperdrive",
        "runTypeV2": {"orchestrator": "HyperDrive", "traits": []},
        "status": "Running",
        "startTimeUtc": moment,
        "description": config.get("description"),
        "target": parse(sweep["configuration"]).target,
        "primaryMetricName": config["primary_metric_config"].get("name"),
        "tags": {f"{TAG}{name}": json.dumps(value) for name, value in tags.items()},
        "properties": {
            "azureml.runsource": "hyperdrive",
            "platform": "AML",
            "primary_metric_config": json.dumps(config["primary_metric_config"]),
            "ContentSnapshotId": sweep["snapshotId"],
        },
        "warnings": [{"source": "emulator", "message": text} for text in _warnings(config, sweep)] or None,
        "_submitted": True,
    }


def _warnings(config: Mapping[str, Any], sweep: Mapping[str, Any]) -> list[str]:
    """What was asked for and is done otherwise."""
    policy = str(config["policy_config"].get("name", "Default"))
    asked = {
        f"The policy {policy} is not applied: every child runs to its end.": policy.lower() != "default",
        "Bayesian sampling is not emulated: values are drawn at random.": sweep["sampler"] == "bayesianoptimization",
        "Resuming is not emulated: the sweep begins anew.": config.get("resume_from")
        or config.get("resume_child_runs"),
    }
    return [text for text, wanted in asked.items() if wanted]


def _masked(platform: Mapping[str, Any]) -> dict[str, Any]:
    """A platform_config as it is shown: its keys as they came, but no secrets among a run's variables."""
    result = dict(platform)
    for name, definition in platform.items():
        if name.lower() == "definition" and isinstance(definition, Mapping):
            result[name] = {k: shown(v) if k.lower() == "overrides" else v for k, v in definition.items()}
    return result


def _result(config: Mapping[str, Any], sweep: Mapping[str, Any], parent: Mapping[str, Any]) -> dict[str, Any]:
    """The sweep as its own service describes it (the specification's HyperDriveExperiment)."""
    return {
        **{name: config.get(name) for name in (*REQUIRED, "description")},
        "platform_config": {**_masked(config["platform_config"]), "ParentRunId": parent["runId"]},
        "max_total_jobs": sweep["total"],
        "max_concurrent_jobs": sweep["concurrent"],
        "max_duration_minutes": sweep["minutes"],
        "all_jobs_generated": False,
        "cancellation_requested": False,
        "created": parent["createdUtc"],
        "modified": parent["createdUtc"],
        "created_by_user_id": 0,
        "experiment_id": parent["experimentId"],
        "experiment_uri": None,
        "status": parent["status"],
        "study_id": 0,
        "study_uri": None,
        "hyperdrive_run_id": parent["runId"],
    }


HANDLERS: dict[str, Handler] = {"sweep.start": start, "sweep.cancel": cancel}
EFFECTS = {ADVANCE: advance}
