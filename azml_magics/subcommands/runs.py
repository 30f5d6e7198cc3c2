"""Runs: find them, look at them, wait for them, stop them, compare their numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from ..catalogue import Column, find
from ..errors import UsageError
from ..records import when
from .schema import TOP, Argument, Context, Subcommand, as_sent
from .waiting import complain_of, reason_of, wait_for_run

RUNS = find("run")
METRICS = find("metric")
#: Experiments asked at the same time: a list over all of them is one request per experiment, the service has no other.
AT_ONCE = 8
#: Run ids in one filter of a metrics query; more would make a filter that no URL or body limit is known for.
IDS_AT_ONCE = 50

#: Every status that run history knows (wire-v1 5).
STATUSES = (
    "NotStarted", "Unapproved", "Pausing", "Paused", "Starting", "Provisioning", "Preparing", "Queued", "Running",
    "Finalizing", "NotResponding", "CancelRequested", "Completed", "Failed", "Canceled",
)  # fmt: skip

DETAILS = (
    Column("error", "_reason"),
    Column("script", "runDefinition.script|runDefinition.Script"),
    Column("arguments", "runDefinition.arguments|runDefinition.Arguments", "list"),
    Column("node_count", "runDefinition.nodeCount|runDefinition.NodeCount", "int"),
    Column("environment", "_environment"),
    Column("log_files", "_logs", "list"),
    Column("properties", "properties", "map"),
)


def list_runs(context: Context) -> Any:
    """List runs, newest first, filtered by the service; with `--metrics`, `--params`, `--tags` as columns."""
    context.need("subscription", "group", "workspace")
    if context["parent"]:
        found = children_of(context, context["parent"], context["top"])
    else:
        found = merged(context, [context["experiment"]] if context["experiment"] else experiments(context))
    return with_columns(context, found)


def experiments(context: Context) -> list[str]:
    """The names of the workspace's experiments that are not archived."""
    body = {"viewType": "ActiveOnly"}
    return [str(e["name"]) for e in context.session.pages("experiment.query", body=body)]


def merged(context: Context, names: Sequence[str]) -> list[dict[str, Any]]:
    """The runs of several experiments in one order, no more than `--top` of them."""
    body = {"filter": filter_of(context), "orderby": order_of(context)}
    body |= {"top": min(context["top"], 500)} if context["top"] else {}

    def of(name: str) -> list[dict[str, Any]]:
        pages = context.session.pages("run.list", keys={"experiment": name}, body=body, top=context["top"])
        return [{**run, "experimentName": name} for run in pages]

    if len(names) == 1:
        return of(names[0])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [run for runs in pool.map(of, names) for run in runs]
    key, _, direction = order_of(context).partition(" ")
    path = key[:1].lower() + key[1:]
    found.sort(key=lambda run: str(run.get(path) or run.get("createdUtc") or ""), reverse=direction == "desc")
    return found[: context["top"]] if context["top"] else found


def order_of(context: Context) -> str:
    """The order asked for in the service's words: "CreatedUtc desc" unless told otherwise."""
    keys = {
        "created": "CreatedUtc",
        "started": "StartTimeUtc",
        "ended": "EndTimeUtc",
        "run_id": "RunId",
        "status": "Status",
    }
    text = context["order_by"] or "created desc"
    name, _, direction = text.partition(" ")
    if name not in keys or direction not in ("", "asc", "desc"):
        raise UsageError(f"cannot order by {text!r}", f"one of {', '.join(keys)}, with asc or desc")
    return f"{keys[name]} {direction or 'asc'}"


def filter_of(context: Context) -> str:
    """The filter of the line in run history's language; top-level runs only, unless a parent is named."""
    parts = ["(ParentRunId eq null)"]
    if context["status"]:
        parts.append("(" + " or ".join(f"Status eq {s}" for s in context["status"]) + ")")
    for name, sign in (("since", "ge"), ("until", "le")):
        if context[name]:
            parts.append(f"(CreatedUtc {sign} {moment(context[name]):%Y-%m-%d %H:%M:%S}+00:00)")
    if context["compute"]:
        parts.append(f"(Target eq {context['compute']})")
    if context["type"]:
        parts.append(f"(RunType eq {context['type']} or Properties/azureml.runsource eq {context['type']})")
    parts += [f'(Tags/{key} eq "{value}")' for key, value in context["tag"].items()]
    return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})"


def moment(text: str) -> datetime:
    """A time as people type it: an ISO date or time (UTC), or so long ago: 30m, 12h, 7d."""
    unit = {"m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    try:
        if unit and text[:-1].isdecimal():
            return datetime.now(UTC) - timedelta(**{unit: int(text[:-1])})
        found = when(text)
    except OverflowError:  # before all calendars
        found = None
    if found is None:
        raise UsageError(f"{text!r} is no time", "2026-01-31, 2026-01-31T12:00, or 30m, 12h, 7d ago")
    return found


def named(context: Context, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Run documents with their experiment's name: run history gives only its id."""
    name = context.session.experiment_name
    return [
        {**d, "experimentName": d.get("experimentName") or name(str(d.get("experimentId") or ""))} for d in documents
    ]


def children_of(context: Context, run_id: str, top: int | None = None) -> list[dict[str, Any]]:
    """The children of a run, with their experiment's name."""
    return named(context, list(context.session.pages("run.children", keys={"run": run_id}, top=top)))


def with_columns(context: Context, documents: list[dict[str, Any]]) -> Any:
    """The runs as a frame, with the extra columns that the line asks for."""
    frame = context.frame(RUNS, documents, "list")
    if context["json"]:
        return frame
    from ..records import widen

    if context["tags"]:
        widen(frame, "tag", "text", [d.get("tags") or {} for d in documents])
    if context["params"]:
        widen(frame, "param", "text", [params_of(d) for d in documents])
    if context["metrics"]:
        last = last_values(context, documents)
        widen(frame, "metric", "float", [last.get(str(d.get("runId")), {}) for d in documents])
    return frame


def params_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """A run's parameters: what it recorded, else its arguments `--name value`."""
    if document.get("parameters"):
        return dict(document["parameters"])
    definition = document.get("runDefinition") or {}
    words = [str(a) for a in definition.get("arguments") or definition.get("Arguments") or ()]
    return {w[2:]: v for w, v in itertools.pairwise(words) if w.startswith("--") and not v.startswith("--")}


def last_values(context: Context, documents: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last value of every metric of these runs, asked for in one query per experiment and 50 runs."""
    by_experiment: dict[str, list[str]] = {}
    for document in documents:
        by_experiment.setdefault(str(document["experimentName"]), []).append(str(document["runId"]))
    last: dict[str, dict[str, Any]] = {}
    for experiment, ids in by_experiment.items():
        for start in range(0, len(ids), IDS_AT_ONCE):
            wanted = " or ".join(f"RunId eq {i}" for i in ids[start : start + IDS_AT_ONCE])
            pages = context.session.pages("run.metrics", keys={"experiment": experiment}, body={"filter": wanted})
            for metric in pages:
                cells = metric.get("cells") or []
                if cells and metric.get("name") in cells[-1]:
                    last.setdefault(str(metric["runId"]), {})[metric["name"]] = cells[-1][metric["name"]]
    return last


def show(context: Context) -> Any:
    """Show one run, or several, as rows."""
    context.need("subscription", "group", "workspace")
    found = [context.session.call("run.show", keys={"run": run}) for run in context["run"]]
    return context.frame(RUNS, named(context, found), "show")


def details(context: Context) -> Any:
    """Show a run with its definition, its error and its log files."""
    context.need("subscription", "group", "workspace")
    document = context.session.call("run.details", keys={"run": context["run"]})
    if context["json"]:
        return as_sent(document)
    from ..records import to_frame

    run = context.session.call("run.show", keys={"run": context["run"]})
    shown = named(context, [run | {k: v for k, v in document.items() if v is not None}])[0]
    properties = document.get("properties") or {}
    shown |= {
        "_reason": reason_of(document),
        "_environment": properties.get("azml.emulator.environment"),
        "_logs": sorted(document.get("logFiles") or {}),
    }
    return to_frame(RUNS, [shown], extra_columns=DETAILS, operation="run.details", scope=context.scope)


def metrics(context: Context) -> Any:
    """Show every value that the runs logged: one row a step."""
    context.need("subscription", "group", "workspace")
    rows = [row for run in context["run"] for row in metric_rows(context, run, context["name"])]
    return context.frame(METRICS, rows, "metrics")


def metric_rows(context: Context, run_id: str, wanted: str | None = None) -> Iterator[dict[str, Any]]:
    """A run's metrics, oldest first; a metric of several columns gives a row for each: name.column."""
    names = context.session.pages("run.list-metrics", keys={"run": run_id}, body={})
    for entry in [wanted] if wanted else [str((n.get("metricKey") or {}).get("name")) for n in names]:
        token: str | None = None
        while True:
            body = {"metricName": entry} | ({"continuationToken": token} if token else {})
            metric = context.session.call("run.read-metric", keys={"run": run_id}, body=body)
            for n, value in enumerate(metric.get("value") or ()):
                cells = value.get("data") or {}
                for column, cell in cells.items():
                    name = entry if column == entry or len(cells) == 1 else f"{entry}.{column}"
                    step = value.get("step")
                    yield {"run_id": run_id, "name": name, "step": n if step is None else step, "value": cell} | {
                        "time": value.get("createdUtc")
                    }
            token = metric.get("continuationToken")
            if not token:
                break


def children(context: Context) -> Any:
    """List the children of a run."""
    context.need("subscription", "group", "workspace")
    return with_columns(context, children_of(context, context["run"], context["top"]))


def cancel(context: Context) -> Any:
    """Ask runs to stop, and show where they stand."""
    context.need("subscription", "group", "workspace")
    for run in context["run"]:
        stop(context, run)
    return show(context)


def stop(context: Context, run_id: str) -> None:
    """Ask one run to stop."""
    document = context.session.call("run.show", keys={"run": run_id})
    experiment = named(context, [document])[0]["experimentName"]
    context.session.call("run.cancel", keys={"experiment": experiment, "run": run_id})


def wait(context: Context) -> Any:
    """Wait until runs have ended and show them; the cell fails when one of them did not complete."""
    context.need("subscription", "group", "workspace")
    ended = [wait_for_run(context, run, timeout=context["timeout"]) for run in context["run"]]
    for document in ended:
        complain_of(context, document)
    return context.frame(RUNS, named(context, ended), "wait")


def tag(context: Context) -> Any:
    """Put tags on a run (and name it), and show it."""
    context.need("subscription", "group", "workspace")
    body: dict[str, Any] = {"tags": context["tags"]}
    if context["name"]:
        body["displayName"] = context["name"]
    document = context.session.call("run.update", keys={"run": context["run"]}, body={"runId": context["run"], **body})
    return context.frame(RUNS, named(context, [document]), "tag")


RUN = Argument("run", "the run's id", completes="run")
SOME_RUNS = Argument("run", "the run's id, several for more", many=True, completes="run")
COLUMNS = (
    Argument("--metrics", "add a column metric.NAME with the last value of each", "flag"),
    Argument("--params", "add a column param.NAME for each parameter", "flag"),
    Argument("--tags", "add a column tag.NAME for each tag", "flag"),
)

SUBCOMMANDS = (
    Subcommand(
        ("run", "list"),
        "List the runs of an experiment, or of all",
        list_runs,
        (
            Argument("--experiment", "of this experiment", metavar="NAME", completes="experiment"),
            Argument("--status", "of this status, again for more", many=True, metavar="STATUS", choices=STATUSES),
            Argument("--since", "created since: a date, or 30m, 12h, 7d ago", metavar="TIME"),
            Argument("--until", "created until", metavar="TIME"),
            Argument("--compute", "on this compute", metavar="NAME", completes="compute"),
            Argument("--tag", "with this tag, again for more", "pair", many=True, metavar="K=V"),
            Argument("--type", "of this run type", metavar="TYPE"),
            Argument("--parent", "the children of this run", metavar="ID", completes="run"),
            Argument(
                "--order-by",
                "created, started, ended, status or run_id, and asc or desc",
                metavar="ORDER",
                completes="order",
            ),
            TOP,
            *COLUMNS,
        ),
        ("run.list", "experiment.query", "run.metrics"),
        "%azml runs --experiment digits --status Completed --metrics --top 5",
    ),
    Subcommand(("run", "show"), "Show runs as rows", show, (SOME_RUNS,), ("run.show",), "%azml run show digits_1"),
    Subcommand(
        ("run", "details"),
        "Show a run's definition, error and log files",
        details,
        (RUN,),
        ("run.details", "run.show"),
        "%azml run details digits_1",
    ),
    Subcommand(
        ("run", "metrics"),
        "Show every value that runs logged, one row a step",
        metrics,
        (SOME_RUNS, Argument("--name", "only this metric", metavar="NAME")),
        ("run.list-metrics", "run.read-metric"),
        "%azml run metrics digits_1",
    ),
    Subcommand(
        ("run", "children"),
        "List the children of a run",
        children,
        (RUN, TOP, *COLUMNS),
        ("run.children",),
        "%azml run children sweep_1 --metrics",
    ),
    Subcommand(
        ("run", "cancel"),
        "Ask runs to stop",
        cancel,
        (SOME_RUNS,),
        ("run.cancel", "run.show"),
        "%azml run cancel digits_1",
    ),
    Subcommand(
        ("run", "wait"),
        "Wait until runs have ended; fails when one did not complete",
        wait,
        (SOME_RUNS, Argument("--timeout", "give up waiting after so many seconds", "seconds", metavar="S")),
        ("run.show", "run.details"),
        "%azml run wait digits_1",
    ),
    Subcommand(
        ("run", "tag"),
        "Put tags on a run, or name it",
        tag,
        (
            RUN,
            Argument("tags", "KEY=VALUE, several for more", "pair", many=True, required=False),
            Argument("--name", "its display name", metavar="TEXT"),
        ),
        ("run.update",),
        "%azml run tag digits_1 phase=dev",
    ),
)
