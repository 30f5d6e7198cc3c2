"""`run watch`: a run as a live view in a notebook, as its text anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..records import when
from ..views.snapshot import Metric, Snapshot
from .runs import RUN, named, stop
from .runs_files import follow, log_links, main_log, text_at
from .schema import Argument, Context, Subcommand, Text
from .waiting import reason_of

#: The view shows a log's end; the whole of it is for `run logs`.
LOG_CHARACTERS = 8_000
STUDIO = "https://ml.azure.com/experiments/id/{experiment_id}/runs/{run}?wsid={workspace}"


def watch(context: Context) -> Any:
    """Show a run live until it ends; the cell is free at once."""
    context.need("subscription", "group", "workspace")
    return watch_run(context, context["run"], context["interval"])


def watch_run(context: Context, run_id: str, interval: float | None = None) -> Any:
    """Show the view; where nothing can be live, follow the log and return the text of the end."""
    from ..views.html import run_text
    from ..views.monitor import RunMonitor

    stage = context.state.stage if context.surface.live else None
    if stage is None:
        follow(context, run_id)
        return Text(run_text(looker(context, run_id)()))
    monitor = RunMonitor(
        looker(context, run_id),
        interval=interval or context.state.settings.value("poll_seconds"),
        cancel=lambda: stop(context, run_id),
        stage=stage,
    )
    context.surface.show(monitor)
    return None


def looker(context: Context, run_id: str) -> Callable[[], Snapshot]:
    """A function that asks the service how the run is now: its details, the end of its log, its metrics."""
    run = named(context, [context.session.call("run.show", keys={"run": run_id})])[0]
    session, scope = context.session, context.scope

    def look() -> Snapshot:
        details = session.call("run.details", keys={"run": run_id})
        metrics = last_metrics(context, str(run["experimentName"]), run_id)
        links = log_links(context, run_id)
        log = text_at(context, links[main_log(links)]) if main_log(links) else ""
        return Snapshot(
            run_id=run_id,
            experiment=str(run["experimentName"]),
            display_name=str(run.get("displayName") or ""),
            status=str(details.get("status") or ""),
            compute=str(details.get("target") or ""),
            started=when(details.get("startTimeUtc")),
            ended=when(details.get("endTimeUtc")),
            reason=reason_of(details) or queue_reason(run),
            log=log[-LOG_CHARACTERS:],
            metrics=metrics,
            studio_url=studio_link(run, scope, session.location()),
            tags={str(k): str(v) for k, v in (run.get("tags") or {}).items()},
        )

    return look


def queue_reason(run: Mapping[str, Any]) -> str:
    """Why a run waits, when the service says so."""
    return str((run.get("queueingInfo") or {}).get("message") or "")


def last_metrics(context: Context, experiment: str, run_id: str) -> tuple[Metric, ...]:
    """The last value of each metric of a run, in one query."""
    found: dict[str, tuple[Any, int]] = {}
    pages = context.session.pages("run.metrics", keys={"experiment": experiment}, body={"filter": f"RunId eq {run_id}"})
    for metric in pages:
        name = str(metric.get("name"))
        cells = metric.get("cells") or []
        if cells:
            found[name] = (cells[-1].get(name), found.get(name, (None, 0))[1] + len(cells))
    return tuple(Metric(name, last, count - 1, count) for name, (last, count) in found.items())


def studio_link(run: Mapping[str, Any], scope: Any, location: str) -> str:
    """The studio's page of the run; the emulator has no studio."""
    if location == "emulator":
        return ""
    workspace = f"/subscriptions/{scope.subscription}/resourcegroups/{scope.group}/workspaces/{scope.workspace}"
    return STUDIO.format(experiment_id=run.get("experimentId"), run=run.get("runId"), workspace=workspace)


SUBCOMMANDS = (
    Subcommand(
        ("run", "watch"),
        "Show a run live, until it ends",
        watch,
        (RUN, Argument("--interval", "seconds between two looks", "seconds", metavar="S")),
        ("run.details", "run.metrics", "artifact.links"),
        "%azml run watch digits_1",
    ),
)
