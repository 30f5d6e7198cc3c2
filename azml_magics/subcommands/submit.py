"""Submit: a cell, a file or a folder becomes a run; the answer comes at once, the run goes on by itself."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalogue import find
from ..errors import UsageError
from .definition import MAX_SECONDS, checked_experiment, run_definition
from .runs import RUNS, named
from .schema import Argument, Context, Subcommand, Text
from .waiting import complain_of, wait_for_run
from .watch import watch_run

COMPUTES = find("compute")
CELL_SCRIPT = "cell.py"


def submit_cell(context: Context) -> Any:
    """Submit the cell as a script."""
    if context.cell is None or not context.cell.strip():
        raise UsageError("the cell is empty: its text is the script", "%%azml_submit --help")
    name = context["script"] or CELL_SCRIPT
    if not re.fullmatch(r"[\w.-]+\.py", name):
        raise UsageError(f"--script {name!r} is no name for a script", "a plain name such as train.py")
    return submit(context, name, source=context.cell)


def submit_path(context: Context) -> Any:
    """Submit a script with what lies beside it, or a folder with `--script` in it."""
    path = Path(context["path"]).expanduser()
    if not path.exists():
        raise UsageError(f"there is no {path}", "a script, or a folder with --script NAME")
    if path.is_file():
        if path.suffix != ".py":
            raise UsageError(f"{path} is no Python script", "a .py file, or a folder with --script NAME")
        return submit(context, path.name, file=path)
    scripts = sorted(p.name for p in path.glob("*.py"))
    script = context["script"] or (scripts[0] if len(scripts) == 1 else "")
    if not script:
        raise UsageError(f"which script of {path}? It has: {', '.join(scripts) or 'none'}", "add --script NAME")
    if not (path / script).is_file():
        raise UsageError(f"{path} has no {script}", "add --script NAME")
    return submit(context, script, folder=path)


def submit(
    context: Context, script: str, *, source: str | None = None, file: Path | None = None, folder: Path | None = None
) -> Any:
    """Zip the code, send it with its definition, name and tag the run, and show it."""
    from ..rest import Part
    from ..rest.packing import packed

    experiment = checked_experiment(context["experiment"] or default_experiment())
    includes = [Path(p).expanduser() for p in context["include"]]
    conda = conda_file(context["conda"]) if context["conda"] else None
    with packed(script, source=source, file=file, folder=folder, includes=includes) as archive:
        if context["dry_run"]:
            definition = definition_of(context, script, context["compute"] or "?", conda)
            return Text(json.dumps(definition, indent=2) + "\n\n" + "\n".join(archive.listing()))
        context.need("subscription", "group", "workspace")
        definition = definition_of(context, script, compute_of(context), conda)
        run_id = f"{experiment}_{int(time.time())}_{secrets.token_hex(4)}"
        context.session.call(
            "run.start",
            keys={"experiment": experiment},
            # a chosen id makes the request one that may be sent again
            query={"runId": run_id},
            parts=(
                Part("runDefinitionFile", "definition.json", json.dumps(definition).encode(), "application/json"),
                Part("projectZipFile", "project.zip", archive.path, "application/zip"),
            ),
            idempotent=True,
        )
    return after_start(context, experiment, run_id)


def after_start(context: Context, experiment: str, run_id: str) -> Any:
    """Name and tag the new run; then show, watch or wait for it, as the line says."""
    if context["name"] or context["tag"]:
        body: dict[str, Any] = {"runId": run_id, "tags": context["tag"]}
        body |= {"displayName": context["name"]} if context["name"] else {}
        document = context.session.call("run.update", keys={"run": run_id}, body=body)
    else:
        document = context.session.call("run.show", keys={"run": run_id})
    frame = context.frame(RUNS, named(context, [document]), "submit")
    context.keep(frame)
    if context["watch"]:
        watch_run(context, run_id)
    if context["wait"]:
        document = wait_for_run(context, run_id)
        complain_of(context, document)
        return context.frame(RUNS, named(context, [document]), "submit")
    # beside a live view a row that says "NotStarted" for ever would only mislead
    return None if context["watch"] and context.surface.live else frame


def definition_of(context: Context, script: str, target: str, conda: Mapping[str, Any] | None) -> dict[str, Any]:
    """The run definition of the line."""
    return run_definition(
        script=script,
        arguments=context["arg"],
        target=target,
        node_count=context["node_count"],
        max_seconds=context["max_seconds"],
        image=context["image"] or "",
        conda=conda,
        pip=context["pip"],
        variables=context["env"],
    )


def default_experiment() -> str:
    """The experiment when none is named: the folder one works in, as the official client has it."""
    name = re.sub(r"[^\w-]", "-", Path.cwd().name).strip("-_")[:255]
    return name or "notebook"


def compute_of(context: Context) -> str:
    """The compute of the line, or the only one that there is."""
    if context["compute"]:
        return str(context["compute"])
    names = [str(c["name"]) for c in context.session.pages("compute.list")]
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError("there is no compute yet", "%azml compute create cpu-cluster --max-nodes 2")
    raise UsageError(f"on which compute? There are: {', '.join(names)}", f"add --compute {names[0]}")


def conda_file(name: str) -> Mapping[str, Any]:
    """The dependencies that a conda file declares."""
    import yaml

    try:
        found = yaml.safe_load(Path(name).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, Mapping) or not isinstance(found.get("dependencies", []), list):
        raise UsageError(f"{name} is no conda file: it has no list of dependencies")
    return found


OPTIONS = (
    Argument("--experiment", "the experiment (left out: the folder's name)", metavar="NAME", completes="experiment"),
    Argument("--compute", "the compute (left out: the only one)", metavar="NAME", completes="compute"),
    Argument("--name", "the run's display name", metavar="TEXT"),
    Argument("--script", "the script's name in the zip", metavar="NAME"),
    Argument("--arg", "an argument for the script, again for more", many=True, metavar="TEXT"),
    Argument(
        "--include", "a file or folder to send along, again for more", many=True, metavar="PATH", completes="path"
    ),
    Argument("--conda", "a conda file with the packages", metavar="FILE", completes="path"),
    Argument("--pip", "a pip requirement, again for more", many=True, metavar="PKG"),
    Argument("--image", "the container image", metavar="IMAGE"),
    Argument("--node-count", "how many nodes", "count", 1, metavar="N"),
    Argument("--max-seconds", "end it after so many seconds", "count", MAX_SECONDS, metavar="S"),
    Argument("--env", "an environment variable, again for more", "pair", many=True, metavar="K=V"),
    Argument("--tag", "a tag, again for more", "pair", many=True, metavar="K=V"),
    Argument("--watch", "show it live", "flag"),
    Argument("--wait", "wait until it has ended; fails when it did not complete", "flag"),
    Argument("--dry-run", "show the definition and the zip's listing, send nothing", "flag"),
)
SENDS = ("run.start", "run.update", "run.show", "compute.list")

SUBCOMMANDS = (
    Subcommand(
        ("submit",),
        "Submit a script or a folder as a run",
        submit_path,
        (Argument("path", "the script, or a folder with --script", completes="path"), *OPTIONS),
        SENDS,
        "%azml submit train.py --compute cpu-cluster --arg=--epochs --arg 5",
    ),
)

CELL = Subcommand(
    ("submit",),
    "Submit the cell as a run",
    submit_cell,
    (*OPTIONS, Argument("--expand", "put variables in for {name} in the cell too", "flag")),
    SENDS,
    "%%azml_submit --experiment digits --compute cpu-cluster -o run",
    cell="the script",
    magic="azml_submit",
)
