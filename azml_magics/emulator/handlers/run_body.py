"""A run's document: as it is made, as clients change it, and as they are shown it (wire-v1 4.1). No HTTP, no store.

Keys that begin with an underscore are the emulator's own and never shown: the experiment's name, the workspace's id,
the traits and null-valued keys that filters ask for, the last metrics, and how far a submitted run is.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..filters import NULLS, TRAITS, nulls_of
from ..harvest import container_of
from ..identity import Identity
from ..times import normal
from ..verdict import ENDED
from .common import now
from .history import bad, public

RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
STATUSES = frozenset(
    (
        *("NotStarted", "Unapproved", "Pausing", "Paused", "Starting", "Preparing", "Provisioning", "Queued"),
        *("Running", "Finalizing", "CancelRequested", "NotResponding", "Completed", "Failed", "Canceled"),
    )
)
#: What a client may set as it likes; tags, properties, status, times and parents have rules of their own.
FREE = frozenset(
    (
        *("name", "displayName", "description", "hidden", "runType", "scriptName", "target", "heartbeatEnabled"),
        *("inputDatasets", "outputDatasets", "primaryMetricName", "createdFrom", "cancelUri"),
        *("diagnosticsUri", "queueingInfo", "runDefinition"),
    )
)
FIRST_WORDS = (
    *("amiable", "blue", "bold", "brave", "bright", "calm", "clever", "cool", "coral", "dreamy", "frosty", "gentle"),
    *("green", "happy", "honest", "jolly", "keen", "kind", "lemon", "lucid", "mango", "nimble", "olden", "patient"),
    *("plucky", "quiet", "serene", "sharp", "silver", "sleepy", "sunny", "tender", "upbeat", "vivid", "wise", "zen"),
)
SECOND_WORDS = (
    *("apple", "arch", "bag", "bean", "boat", "brush", "candle", "carrot", "cloud", "drum", "fig", "garden", "glove"),
    *("hat", "island", "jelly", "kettle", "kite", "lamp", "leaf", "library", "lime", "map", "melon", "nail", "oven"),
    *("parrot", "pear", "pillow", "plum", "root", "sail", "shoe", "spoon", "tent", "train", "turnip", "yam"),
)


def new_run(
    identity: Identity, workspace_id: str, experiment: Mapping[str, Any], run_id: str, caller: Mapping[str, Any]
) -> dict[str, Any]:
    """A run that nothing is known of yet, but for who asked for it and where it belongs."""
    moment, author, unique = now(), _author(identity, caller), str(uuid.uuid4())
    return {
        # a Unix time, not 1, 2, 3 (service-facts 37)
        "runNumber": int(time.time()),
        "rootRunId": run_id,
        "createdUtc": moment,
        "createdBy": author,
        "userId": author["userObjectId"],
        **dict.fromkeys(("token", "tokenExpiryTimeUtc", "error", "warnings", "parentRunUuid", "cancelationReason")),
        "runUuid": unique,
        "rootRunUuid": unique,
        "lastModifiedUtc": moment,
        "runId": run_id,
        "parentRunId": None,
        "experimentId": experiment["experimentId"],
        "status": "NotStarted",
        "startTimeUtc": None,
        "endTimeUtc": None,
        "heartbeatEnabled": False,
        "displayName": f"{secrets.choice(FIRST_WORDS)}_{secrets.choice(SECOND_WORDS)}",
        "name": None,
        "dataContainerId": container_of(run_id),
        "description": None,
        "hidden": False,
        "runType": None,
        "runTypeV2": {"orchestrator": None, "traits": []},
        **{name: {} for name in ("properties", "parameters", "tags")},
        **{name: [] for name in ("inputDatasets", "outputDatasets")},
        **dict.fromkeys(("scriptName", "target", "runDefinition", "primaryMetricName", "createdFrom", "cancelUri")),
        **dict.fromkeys(("diagnosticsUri", "queueingInfo", "compute", "computeRequest")),
        "_experiment": experiment["name"],
        "_workspaceId": workspace_id,
    }


def apply(run: dict[str, Any], body: Mapping[str, Any], parent: Mapping[str, Any] | None = None) -> None:
    """Change a run as a CreateRunDto says: maps are merged, a null changes nothing, unknown keys are passed over."""
    given = {name: value for name, value in body.items() if value is not None}
    run.update({name: value for name, value in given.items() if name in FREE})
    for name in ("tags", "properties"):
        if not isinstance(given.get(name, {}), Mapping):
            raise bad(f"{name} is not an object.")
        # [inferred] properties are said to be unchangeable once set; the SDK sets one that the service has set before
        run[name] = {**run[name], **{key: _text(value) for key, value in given.get(name, {}).items()}}
    if parent is not None:
        run.update(parentRunId=parent["runId"], parentRunUuid=parent["runUuid"])
        run.update(rootRunId=parent["rootRunId"], rootRunUuid=parent["rootRunUuid"])
    _set_type(run, given.get("runTypeV2"))
    _set_status(run, given)
    run["lastModifiedUtc"] = now()
    if nulls := nulls_of(run, "tags", "properties"):
        run[NULLS] = nulls


def shown(run: Mapping[str, Any], base: str, workspace_path: str) -> dict[str, Any]:
    """A run as a RunDto. A submitted one has the address that cancels it, at the host that the caller used."""
    document = public(run)
    if run.get("_submitted"):
        place = f"{workspace_path}/experiments/{quote(run['_experiment'])}/runId/{quote(run['runId'])}/cancel"
        document["cancelUri"] = f"{base}/execution/v1.0{place}"
    return document


def details(run: Mapping[str, Any], definition: Any, logs: Mapping[str, str]) -> dict[str, Any]:
    """A run as RunDetails: other names for some times, and the log files with links (service-facts 37)."""
    names = (
        *("runId", "runUuid", "parentRunUuid", "rootRunUuid", "target", "status", "parentRunId", "startTimeUtc"),
        *("endTimeUtc", "error", "tags", "properties", "parameters", "inputDatasets", "outputDatasets", "runTypeV2"),
        *("computeRequest", "compute", "createdBy", "runNumber", "rootRunId", "userId", "lastModifiedUtc"),
    )
    return {
        **{name: run.get(name) for name in names},
        "createdTimeUtc": run["createdUtc"],
        "services": {},
        "warnings": run.get("warnings") or [],
        "runDefinition": definition,
        # an object always: an official client updates it (wire-v1 4.1)
        "logFiles": dict(logs),
    }


def _author(identity: Identity, caller: Mapping[str, Any]) -> dict[str, str]:
    return {
        "userObjectId": caller.get("oid") or identity.object_id,
        "userTenantId": caller.get("tid") or identity.tenant_id,
        "userName": caller.get("name") or identity.user_name,
    }


def _set_type(run: dict[str, Any], kind: Any) -> None:
    if kind is None:
        return
    if not isinstance(kind, Mapping) or not isinstance(kind.get("traits") or [], list):
        raise bad("runTypeV2 is not an object of orchestrator and traits.")
    traits = [str(trait) for trait in kind.get("traits") or []]
    run["runTypeV2"] = {"orchestrator": kind.get("orchestrator"), "traits": traits}
    run[TRAITS] = dict.fromkeys(traits, True)


def _set_status(run: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Status and times of a run that its own client manages; terminal states are final (wire-v1 5)."""
    for name in ("startTimeUtc", "endTimeUtc"):
        if name in given and not run.get("_submitted"):
            try:
                run[name] = normal(str(given[name]))
            except ValueError:
                raise bad(f"{name} is not a time: {given[name]!r}.") from None
    status = given.get("status")
    if status is None:
        return
    if run.get("_submitted"):
        raise bad("Status for this run is system managed")
    if status not in STATUSES:
        raise bad(f"{status!r} is not a status of a run.")
    if run["status"] in ENDED and status != run["status"]:
        raise bad(f"Run {run['runId']} has ended: it stays {run['status']}.")
    run["status"] = status
    if status == "Running" or status in ENDED:
        run["startTimeUtc"] = run["startTimeUtc"] or now()
    if status in ENDED:
        run["endTimeUtc"] = run["endTimeUtc"] or now()


def _text(value: Any) -> str | None:
    """A tag's value: text, or null, which survives a round trip (service-facts 31)."""
    return value if value is None or isinstance(value, str) else str(value)
