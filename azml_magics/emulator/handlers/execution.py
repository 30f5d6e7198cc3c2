"""Starting and stopping runs: what is sent is checked in full before a run exists, so that a refusal leaves nothing."""

from __future__ import annotations

import io
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ..blobs import CHUNK
from ..definition import LOCAL, BadDefinition, Definition, configuration_of, parse
from ..nodes import widest
from ..service import Call, Fault, Handler, Reply, Service
from ..store import Exists
from ..ticket import compute_of
from .common import scope_of, workspace_of
from .experiments import NAME, find_or_make
from .history import bad
from .run_body import RUN_ID, new_run
from .runs import file_run, run_of

#: The parts of a submission, and what their files' names end with where a client calls the parts otherwise
#: (an older sample calls both "files").
DEFINITION, CODE = ("rundefinitionfile", ".json"), ("projectzipfile", ".zip")
LONGEST_DEFINITION = 8 << 20


def start(service: Service, call: Call) -> Reply:
    """Start a run from a zip and a definition. A run id that was given before answers again with the same run."""
    workspace, name = workspace_of(service, call), call.keys["experiment"]
    run_id = call.param("runId")
    if run_id and not RUN_ID.fullmatch(run_id):
        raise bad(f"{run_id!r} is not an id for a run: letters, digits, _ and -, at most 256, not - or _ first.")
    configuration, definition = read_definition(_part(call, DEFINITION, "the run definition").read(LONGEST_DEFINITION))
    code = _part(call, CODE, "the zip of the code")
    _check_code(code, definition)
    code.seek(0)
    snapshot = service.blobs.write(iter(lambda: code.read(CHUNK), b""))
    run = submit(
        service,
        workspace,
        name,
        configuration,
        definition,
        snapshot=snapshot.digest,
        caller=call.caller,
        run_id=run_id,
    )
    return Reply({"runId": run["runId"]})


def cancel(service: Service, call: Call) -> Reply:
    """Ask a run to stop. A run that has ended stays as it is, and the answer is the same."""
    workspace_id = scope_of(service, call)
    run = run_of(service, call, workspace_id)
    service.dispatcher.cancel(f"{workspace_id}/{run['runId']}", call.param("CancelationReason"))
    return Reply({"runId": run["runId"]})


def read_definition(data: bytes) -> tuple[Mapping[str, Any], Definition]:
    """A definition file's configuration as it came and as it is read; 400 says what is wrong with it."""
    try:
        configuration = configuration_of(data)
        return configuration, parse(configuration)
    except BadDefinition as problem:
        raise bad(str(problem)) from None


def submit(
    service: Service,
    workspace: Mapping[str, Any],
    experiment: str,
    configuration: Mapping[str, Any],
    definition: Definition,
    *,
    snapshot: str,
    caller: Mapping[str, Any],
    run_id: str = "",
    **facts: Any,
) -> dict[str, Any]:
    """Put a run on record and set it on its way; `facts` are added to its document. The run is answered.

    A sweep starts its children by this too.
    """
    compute = check_target(service, workspace, definition)
    workspace_id = str(workspace["properties"]["workspaceId"])
    if not NAME.fullmatch(experiment):
        raise bad(f"{experiment!r} is not a name for an experiment.")
    known = service.store.get("run", f"{workspace_id}/{run_id}") if run_id else None
    if known is not None:
        return _same(known, experiment)
    record = find_or_make(service, workspace_id, experiment)
    run = new_run(service.identity, workspace_id, record, run_id or _new_id(service, workspace_id, experiment), caller)
    run.update(_submitted_facts(service, definition, compute))
    for name, value in facts.items():
        run[name] = {**run[name], **value} if isinstance(run.get(name), dict) else value
    key = f"{workspace_id}/{run['runId']}"
    plan = {"configuration": configuration, "snapshot": snapshot, "workspace": workspace["id"]}
    service.store.put("definition", key, plan, workspace_id)
    try:
        file_run(service, workspace_id, run)
    except Exists:
        return _same(service.store.get("run", key) or run, experiment)
    service.dispatcher.submit(key)
    return run


def check_target(service: Service, workspace: Mapping[str, Any], definition: Definition) -> dict[str, Any] | None:
    """The compute that a run is meant for, None for this machine itself; 400 when there is none or it is too small."""
    if definition.target.lower() == LOCAL:
        return None
    compute = service.store.get("compute", compute_of(str(workspace["id"]), definition.target))
    if compute is None:
        raise Fault(
            400,
            "UserError",
            f"Compute {definition.target!r}, named by Configuration.Target, does not exist in this workspace.",
            inner="ComputeNotFound",
        )
    if definition.node_count > widest(compute):
        text = f"Configuration.NodeCount is {definition.node_count}, but {compute['name']} has at most"
        raise bad(f"{text} {widest(compute)} node(s).")
    return compute


def _same(known: dict[str, Any], experiment: str) -> dict[str, Any]:
    """[inferred] A repeated submission is answered with the run it made: clients retry with the id they chose."""
    if known["_experiment"] != experiment:
        raise Fault(
            409,
            "UserError",
            f"Run {known['runId']} exists already, in experiment {known['_experiment']}",
            inner="ConflictError",
        )
    return known


def _new_id(service: Service, workspace_id: str, experiment: str) -> str:
    """An id as the article's sample has it: experiment and milliseconds, made later by one where it is taken."""
    moment = time.time_ns() // 1_000_000
    while service.store.get("run", f"{workspace_id}/{experiment[:240]}_{moment}") is not None:
        moment += 1
    return f"{experiment[:240]}_{moment}"


def _submitted_facts(service: Service, definition: Definition, compute: Mapping[str, Any] | None) -> dict[str, Any]:
    described = service.environments.describe(definition.environment)
    missing = described.get("emulator.notHonored")
    kind = f"{described['emulator.environment']} interpreter, Python {described['emulator.python']}"
    inner = (compute or {}).get("properties", {})
    return {
        "runType": "azureml.scriptrun",
        "runTypeV2": {"orchestrator": "Execution", "traits": []},
        "scriptName": definition.script or None,
        "target": definition.target,
        "properties": {
            "azureml.runsource": "experiment",
            "_azureml.ComputeTargetType": "amlctrain" if compute else LOCAL,
            "ContentSnapshotId": str(uuid.uuid4()),
            **{f"azml.{name}": value for name, value in described.items()},
            "azml.emulator.environment": f"{kind}; {missing}" if missing else kind,
        },
        "computeRequest": {"nodeCount": definition.node_count, "gpuCount": 0},
        "compute": {
            "target": definition.target,
            "targetType": inner.get("computeType") or LOCAL,
            "vmSize": (inner.get("properties") or {}).get("vmSize"),
            "instanceCount": definition.node_count,
            "gpuCount": None,
            "priority": (inner.get("properties") or {}).get("vmPriority"),
            "region": inner.get("computeLocation"),
        },
        # in full it is in the details
        "runDefinition": {
            "script": definition.script or None,
            "command": definition.command or None,
            "arguments": list(definition.arguments),
            "target": definition.target,
            "nodeCount": definition.node_count,
        },
        "_submitted": True,
    }


def _part(call: Call, wanted: tuple[str, str], what: str) -> BinaryIO:
    """The part of a submission by its name, in any case, or else by its file's name."""
    name, ending = wanted
    parts = [(key.lower(), part) for key, some in call.parts.items() for part in some]
    by_name = (part for key, part in parts if key == name)
    by_file = (part for key, part in parts if part.filename.lower().endswith(ending))
    found = next(by_name, None) or next(by_file, None)
    if found is None:
        proper = {DEFINITION: "runDefinitionFile", CODE: "projectZipFile"}[wanted]
        raise bad(f"The request has no part {proper}: {what}.")
    return found.file


def _check_code(code: BinaryIO, definition: Definition) -> None:
    """Refuse a zip that cannot be read, or in whose root the script is not."""
    try:
        with zipfile.ZipFile(code) as archive:
            names = [info.filename.replace("\\", "/").removeprefix("./") for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, io.UnsupportedOperation):
        raise bad("projectZipFile is not a zip archive.") from None
    if not definition.script or definition.script in names:
        return
    elsewhere = next(_below(names, definition.script), "")
    hint = f": it is at {elsewhere}, so zip what is in the folder, not the folder" if elsewhere else ""
    raise bad(f"Configuration.Script {definition.script!r} is not in the root of the zip{hint}.")


def _below(names: list[str], script: str) -> Iterator[str]:
    return (name for name in names if name.endswith(f"/{script}"))


HANDLERS: dict[str, Handler] = {
    "run.start": start,
    "run.cancel": cancel,
}
