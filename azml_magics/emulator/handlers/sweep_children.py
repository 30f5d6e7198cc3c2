"""The children of a sweep: started with parameters of their own, so many at a time, and stopped with it.

A sweep is looked after by an effect that comes again and again (`advance`): it is in the store, so a sweep goes on
after a restart.
"""

from __future__ import annotations

import itertools
import json
import logging
import shlex
from collections.abc import Mapping
from typing import Any

from ..definition import BadDefinition, parse, pick, shown
from ..harvest import ORIGIN, container_of, file_artifact
from ..service import Fault, Service
from ..store import Condition, Where
from ..sweeps import arguments_of, draws, grid
from ..verdict import CANCELED, COMPLETED, ENDED, FAILED, Trouble, error_of
from .common import now
from .execution import submit

#: The effect's name.
ADVANCE = "sweep.advance"
#: Seconds between two looks at a sweep's children.
TICK = 0.25
#: How many children are started, or stopped, at one look, so that other operations get their turn.
BATCH = 10
#: Before the names of the parent's tags that are not its user's own (wire-v1 10).
TAG = "_aml_system_"
LOG = "azureml-logs/hyperdrive.txt"

log = logging.getLogger(__name__)


def advance(service: Service, arguments: dict[str, Any]) -> None:
    """Look at a sweep: start what may start, stop what must stop, end it when all is done, else look again later."""
    key = arguments["sweep"]
    sweep, parent = service.store.get("sweep", key), service.store.get("run", key)
    if sweep is None or parent is None or sweep["tick"] != arguments["tick"]:
        return  # gone with its workspace, or this look was begun twice
    workspace_id = parent["_workspaceId"]
    active = service.store.count("run", workspace_id, [_of(parent), *_not_ended()])
    stopping = parent["status"] in ("CancelRequested", CANCELED) or now() > sweep["deadline"]
    if stopping:
        _stop_children(service, workspace_id, parent)
    elif sweep["trouble"] is None:
        active += _start_children(service, sweep, parent, sweep["concurrent"] - active)
    if active == 0 and (stopping or sweep["trouble"] or sweep["started"] >= sweep["total"]):
        _finish(service, key, sweep, parent, cancelled=stopping)
    else:
        _look_again(service, key, sweep)


def _of(parent: Mapping[str, Any]) -> Condition:
    return Where(("parentRunId",), "eq", parent["runId"])


def _not_ended() -> list[Condition]:
    return [Where(("status",), "ne", status) for status in sorted(ENDED)]


def _stop_children(service: Service, workspace_id: str, parent: Mapping[str, Any]) -> None:
    where = [_of(parent), *_not_ended(), Where(("status",), "ne", "CancelRequested")]
    found, _ = service.store.page("run", workspace_id, where=where, size=BATCH)
    for child in found:
        service.dispatcher.cancel(f"{workspace_id}/{child['runId']}", "The sweep was stopped.")


def _start_children(service: Service, sweep: dict[str, Any], parent: dict[str, Any], room: int) -> int:
    """Start as many children as there is room for; how many were started. What goes wrong ends the sweep."""
    first = int(sweep["started"])
    last = min(first + min(room, BATCH), sweep["total"])
    if last <= first:
        return 0
    values = grid(sweep["space"]) if sweep["sampler"] == "grid" else draws(sweep["space"], parent["runId"])
    try:
        for number, drawn in enumerate(itertools.islice(values, first, last), first):
            _start_child(service, sweep, parent, number, drawn)
    except (Fault, BadDefinition) as problem:
        sweep["trouble"] = str(problem)
    except Exception:
        log.exception("sweep %s", parent["runId"])
        sweep["trouble"] = "The emulator failed to start a child run; its log tells more."
    _note(service, sweep, parent)
    return int(sweep["started"]) - first


def _start_child(
    service: Service, sweep: dict[str, Any], parent: dict[str, Any], number: int, drawn: dict[str, Any]
) -> None:
    """Start one child; a second time, after a sudden end of the emulator, it is the same child."""
    run_id = f"{parent['runId']}_{number}"
    configuration = with_values(sweep["configuration"], drawn)
    submit(
        service,
        {"id": sweep["workspace"], "properties": {"workspaceId": parent["_workspaceId"]}},
        sweep["experiment"],
        configuration,
        parse(configuration),
        snapshot=sweep["snapshot"],
        caller=sweep["caller"],
        run_id=run_id,
        parentRunId=parent["runId"],
        parentRunUuid=parent["runUuid"],
        rootRunId=parent["rootRunId"],
        rootRunUuid=parent["rootRunUuid"],
        properties={"ContentSnapshotId": sweep["snapshotId"]},
    )
    parent["tags"][f"{TAG}{run_id}"] = json.dumps(drawn)
    sweep["started"] = number + 1


def _note(service: Service, sweep: Mapping[str, Any], parent: Mapping[str, Any]) -> None:
    """Write down which children there are: in the sweep, and for its readers in the parent's tags."""
    key = f"{parent['_workspaceId']}/{parent['runId']}"
    tags = {name: value for name, value in parent["tags"].items() if name.startswith(f"{TAG}{parent['runId']}_")}
    service.store.change("run", key, lambda run: run["tags"].update(tags))
    facts = {"started": sweep["started"], "trouble": sweep["trouble"]}
    service.store.change("sweep", key, lambda found: found.update(facts))


def with_values(configuration: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """A run configuration with a child's parameters behind its arguments, or behind its command."""
    words = arguments_of(drawn)
    command = pick(configuration, "Command")
    name, value = ("command", command) if command else ("arguments", pick(configuration, "Arguments") or [])
    if isinstance(value, str):
        more: Any = f"{value} {shlex.join(map(str, words))}"
    else:
        more = [*value, *(word if isinstance(word, int | float) else str(word) for word in words)]
    others = {k: v for k, v in configuration.items() if k.lower() != name}
    return {**others, name: more}


def _look_again(service: Service, key: str, sweep: Mapping[str, Any]) -> None:
    """Have this sweep looked at later; the operation that brought us here is not kept."""
    tick = sweep["tick"] + 1
    operation = service.progress.begin("sweep", ADVANCE, {"sweep": key, "tick": tick}, TICK)
    service.store.change("sweep", key, lambda found: found.update(tick=tick, operation=operation))
    service.store.delete("operation", sweep["operation"])


def _finish(
    service: Service, key: str, sweep: Mapping[str, Any], parent: Mapping[str, Any], *, cancelled: bool
) -> None:
    """Write down how a sweep ended. [inferred] that it fails when all its children did."""
    workspace_id, moment, started = parent["_workspaceId"], now(), sweep["started"]
    failed = service.store.count("run", workspace_id, [_of(parent), Where(("status",), "eq", FAILED)])
    text = sweep["trouble"] or ("Every child run of the sweep failed." if failed == started else "")
    trouble = Trouble(text, "ChildrenFailed") if text and not cancelled else None
    ended = {
        "status": CANCELED if cancelled else FAILED if trouble else COMPLETED,
        "error": error_of(trouble, moment) if trouble else None,
        "endTimeUtc": moment,
        "lastModifiedUtc": moment,
        "_over": True,
    }
    names = [f"{parent['runId']}_{number}" for number in range(started)]
    lines = [f"{name}: {parent['tags'].get(TAG + name)}" for name in names]
    summary = f"{ended['status']}: {started} jobs, {failed} of them failed"
    write_log(service, workspace_id, parent["runId"], [*lines, summary])
    service.store.change("run", key, lambda run: run.update(ended))
    # its secrets are needed no more
    over = {"tick": -1, "configuration": shown(sweep["configuration"])}
    service.store.change("sweep", key, lambda found: found.update(over))


def write_log(service: Service, workspace_id: str, run_id: str, lines: list[str]) -> None:
    """Write the sweep's own log, each entry between marks, as the service's has them (wire-v1 10)."""
    moment = now()
    text = "".join(f"<START>[{moment}] {line}<END>\n" for line in lines)
    blob = service.blobs.write([text.encode()])
    file_artifact(service, workspace_id, (ORIGIN, container_of(run_id), LOG), blob, moment)
