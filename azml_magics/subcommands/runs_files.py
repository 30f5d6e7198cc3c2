"""What runs leave behind: logs and artifacts, read and downloaded."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalogue import Column, Resource, find
from ..errors import NotFoundError, UsageError
from .runs import RUN, named
from .schema import TOP, Argument, Context, Subcommand, Text
from .waiting import wait_for_run

ARTIFACTS = find("artifact")
FILES = Resource(
    noun="file",
    plural="files",
    summary="A file and its size: a log of a run, or what was downloaded",
    operations=(),
    columns=(Column("path", "path"), Column("size", "size", "int")),
)

#: Which log a person means, best first (the official clients choose by the same names).
MAIN_LOGS = (
    r"user_logs/std_log[\D]*[0]*(?:_ps)?\.txt",
    r"azureml-logs/70_driver_log\.txt",
    r"azureml-logs/\d{2}.+\.txt",
    r"azureml-logs/hyperdrive\.txt",
)
LOG_FOLDERS = ("user_logs/", "system_logs/")


def log_links(context: Context, run_id: str) -> dict[str, str]:
    """The run's log files and a signed link to each; links end after some hours and are never kept."""
    details = context.session.call("run.details", keys={"run": run_id})
    links = dict(details.get("logFiles") or {})
    container = f"dcid.{run_id}"
    for folder in LOG_FOLDERS:
        keys = {"origin": "ExperimentRun", "container": container}
        for info in context.session.pages("artifact.links", keys=keys, query={"path": folder}):
            links.setdefault(str(info["path"]), str(info["contentUri"]))
    return links


def main_log(names: Mapping[str, str]) -> str:
    """The log that shows what the script printed; empty when there is none yet."""
    for pattern in MAIN_LOGS:
        if found := sorted(name for name in names if re.fullmatch(pattern, name)):
            return found[-1]
    return ""


def logs(context: Context) -> Any:
    """Return a run's log as text; `--list` gives the files, `--follow` goes on until the run has ended."""
    context.need("subscription", "group", "workspace")
    run_id = context["run"]
    if context["follow"]:
        return follow(context, run_id)
    links = log_links(context, run_id)
    if context["list"]:
        rows = [{"path": path, "size": context.session.size_of(link)} for path, link in sorted(links.items())]
        return context.frame(FILES, rows, "logs")
    name = context["file"] or main_log(links)
    if name not in links:
        if not context["file"]:
            return Text("")
        raise UsageError(f"run {run_id} has no log {name!r}", f"%azml run logs {run_id} --list")
    text = text_at(context, links[name])
    if context["tail"]:
        text = "\n".join(text.splitlines()[-context["tail"] :])
    return Text(text)


def text_at(context: Context, link: str) -> str:
    """The text behind a signed link; a log that is not there yet is empty."""
    target = io.BytesIO()
    try:
        context.session.fetch(link, target)
    except NotFoundError:
        return ""
    return target.getvalue().decode("utf-8", "replace")


def follow(context: Context, run_id: str) -> Text:
    """Say each new line of the run's log until the run has ended, and return the whole of it."""
    seen: list[str] = [""]

    def look(_: Mapping[str, Any]) -> None:
        links = log_links(context, run_id)
        name = context["file"] or main_log(links)
        text = text_at(context, links[name]) if name in links else ""
        new = text[len(seen[0]) :]
        complete = new[: new.rfind("\n") + 1]
        if complete:
            context.surface.note(complete.rstrip("\n"))
            seen[0] += complete

    document = wait_for_run(context, run_id, on_look=look)
    look(document)
    return Text(seen[0])


def artifacts(context: Context) -> Any:
    """List the files that a run left."""
    context.need("subscription", "group", "workspace")
    return context.frame(ARTIFACTS, artifact_rows(context, context["run"], context["top"]), "list")


def artifact_rows(context: Context, run_id: str, top: int | None = None) -> list[dict[str, Any]]:
    """The artifacts of a run, as the service lists them."""
    document = context.session.call("run.show", keys={"run": run_id})
    experiment = named(context, [document])[0]["experimentName"]
    keys = {"experiment": experiment, "run": run_id}
    return list(context.session.pages("run.artifacts", keys=keys, top=top))


def download(context: Context) -> Any:
    """Fetch a run's files into a folder, and list what came."""
    from ..rest.transfer import contained

    context.need("subscription", "group", "workspace")
    run_id = context["run"]
    folder = Path(context["to"] or run_id)
    container = f"dcid.{run_id}"
    keys = {"origin": "ExperimentRun", "container": container}
    links: dict[str, str] = {}
    for prefix in context["path"] or ("",):
        for info in context.session.pages("artifact.links", keys=keys, query={"path": prefix}):
            links[str(info["path"])] = str(info["contentUri"])
    if not links:
        wanted = " ".join(context["path"] or ()) or "files"
        raise UsageError(f"run {run_id} has no {wanted}", f"%azml run artifacts {run_id}")
    rows = []
    for n, (path, link) in enumerate(sorted(links.items()), 1):
        context.surface.progress(f"{n} of {len(links)}: {path}")
        target = contained(folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        context.session.fetch(link, target)
        rows.append({"path": str(target), "size": target.stat().st_size})
    context.surface.progress("")
    return context.frame(FILES, rows, "download")


SUBCOMMANDS = (
    Subcommand(
        ("run", "logs"),
        "Show what a run printed",
        logs,
        (
            RUN,
            Argument("--list", "list the log files", "flag"),
            Argument("--file", "this log instead of the main one", metavar="PATH"),
            Argument("--tail", "only so many last lines", "count", metavar="N"),
            Argument("--follow", "go on until the run has ended", "flag"),
        ),
        ("run.details", "artifact.links"),
        "%azml run logs digits_1 --tail 20",
    ),
    Subcommand(
        ("run", "artifacts"),
        "List the files that a run left",
        artifacts,
        (RUN, TOP),
        ("run.artifacts", "run.show"),
        "%azml run artifacts digits_1",
    ),
    Subcommand(
        ("artifact", "list"),
        "List the files that a run left",
        artifacts,
        (RUN, TOP),
        ("run.artifacts", "run.show"),
        "%azml artifacts digits_1",
    ),
    Subcommand(
        ("run", "download"),
        "Fetch a run's files into a folder",
        download,
        (
            RUN,
            Argument("path", "only files under this path, several for more", many=True, required=False),
            Argument("--to", "the folder (left out: one named after the run)", metavar="DIR", completes="path"),
        ),
        ("artifact.links",),
        "%azml run download digits_1 outputs --to results",
    ),
)
