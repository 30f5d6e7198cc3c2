"""Models and services: register what a run left, deploy it with a scoring script, look after it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from ..catalogue import find
from ..errors import OperationFailed, UsageError
from .runs_files import FILES
from .schema import NO_WAIT, Argument, Context, Subcommand, Text, as_sent
from .waiting import finish

MODELS = find("model")
SERVICES = find("service")


def register(context: Context) -> Any:
    """Register a run's file or folder, or a local file, as the next version of a model."""
    context.need("subscription", "group", "workspace")
    if bool(context["run"]) == bool(context["file"]):
        raise UsageError("a model comes from a run or from a file", "--run ID --path outputs/model.pkl, or --file PATH")
    name = context["model"]
    body: dict[str, Any] = {
        "name": name,
        "mimeType": "application/json",
        "unpack": False,
        "description": context["description"],
        "framework": context["framework"],
        "kvTags": context["tag"],
    }
    if context["run"]:
        run = context.session.call("run.show", keys={"run": context["run"]})
        container = run.get("dataContainerId") or f"dcid.{context['run']}"
        prefix = f"ExperimentRun/{container}/{context['path']}"
        body |= {"runId": context["run"]}
        body["experimentName"] = context.session.experiment_name(str(run.get("experimentId") or ""))
    else:
        prefix = upload(context, [Path(context["file"]).expanduser()])
    body["url"] = asset_url(context, name, [prefix], run_id=context["run"])
    return context.row(MODELS, context.session.call("model.register", body=body), "register")


def upload(context: Context, paths: list[Path]) -> str:
    """Upload local files and folders as artifacts of one new container, and return the prefix that names them."""
    container = secrets.token_hex(8)
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise UsageError(f"there is no file {path}")
        for n, file in enumerate(files, 1):
            context.surface.progress(f"{n} of {len(files)}: {file.name}")
            context.session.call(
                "artifact.upload",
                keys={"origin": "LocalUpload", "container": container},
                query={"path": file.relative_to(path.parent).as_posix(), "allowOverwrite": "true"},
                body=file,
            )
    context.surface.progress("")
    return f"LocalUpload/{container}" + (f"/{paths[0].name}" if len(paths) == 1 else "")


def asset_url(context: Context, name: str, prefixes: list[str], run_id: str | None = None) -> str:
    """Make an asset of these artifacts and return the url by which a model or a service names it."""
    body: dict[str, Any] = {"name": name, "artifacts": [{"prefix": prefix} for prefix in prefixes]}
    if run_id:
        body["runid"] = run_id  # this one is lower case on the wire
    asset = context.session.call("asset.create", body=body)
    return f"aml://asset/{asset['id']}"


def tag(context: Context) -> Any:
    """Put tags on a model, beside those that it has, and show it."""
    context.need("subscription", "group", "workspace")
    keys = {"model": context["model"]}
    tags = dict(context.session.call("model.show", keys=keys).get("kvTags") or {}) | context["tags"]
    patch = [{"op": "replace", "path": "/kvTags", "value": tags}]
    return context.row(MODELS, context.session.call("model.update", keys=keys, body=patch), "tag")


def download(context: Context) -> Any:
    """Fetch a model's files into a folder, and list what came."""
    from ..rest.transfer import contained

    context.need("subscription", "group", "workspace")
    model = context.session.call("model.show", keys={"model": context["model"]})
    folder = Path(context["to"] or str(context["model"]).replace(":", "-"))
    asset = context.session.call("asset.show", keys={"asset": str(model["url"]).rpartition("/")[2]})
    rows = []
    for artifact in asset.get("artifacts") or ():
        origin, _, rest = str(artifact.get("prefix") or artifact.get("id")).partition("/")
        container, _, path = rest.partition("/")
        keys = {"origin": origin, "container": container}
        for info in context.session.pages("artifact.links", keys=keys, query={"path": path}):
            target = contained(folder, Path(str(info["path"])).name if info["path"] == path else str(info["path"]))
            target.parent.mkdir(parents=True, exist_ok=True)
            context.session.fetch(str(info["contentUri"]), target)
            rows.append({"path": str(target), "size": target.stat().st_size})
    return context.frame(FILES, rows, "download")


def deploy(context: Context) -> Any:
    """Deploy models behind a scoring URI with a scoring script, and follow it until it is healthy."""
    context.need("subscription", "group", "workspace")
    name = context["service"]
    script = Path(context["script"]).expanduser()
    files = [script, *(Path(p).expanduser() for p in context["include"])]
    url = asset_url(context, f"{name}-code", [upload(context, files)])
    body = {
        "name": name,
        "computeType": "ACI",
        "authEnabled": True,
        "sslEnabled": True,
        "kvTags": context["tag"],
        "location": context.session.location(),
        "environmentImageRequest": {
            "driverProgram": script.name,
            "assets": [{"id": "driver", "url": url, "mimeType": "application/octet-stream", "unpack": False}],
            "modelIds": context["model"],
            "environment": {
                "python": {"condaDependencies": {"dependencies": [{"pip": context["pip"]}]} if context["pip"] else {}}
            },
        },
    }
    poller = context.session.start("service.create", keys={"service": name}, body=body)
    try:
        return finish(context, SERVICES, SERVICES.operation("create"), poller, name)
    except OperationFailed as error:
        error.hint = f"%azml service logs {name}"  # there is what the script said
        raise


def logs(context: Context) -> Any:
    """Return what a service's script printed and what went wrong with it."""
    context.need("subscription", "group", "workspace")
    query = {"tail": context["tail"]} if context["tail"] else {}
    found = context.session.call("service.logs", keys={"service": context["service"]}, query=query)
    return as_sent(found) if context["json"] else Text(found.get("content") or "")


MODEL = Argument("model", "the model's id: NAME:VERSION", completes="model")
TO = Argument("--to", "the folder (left out: one named after the model)", metavar="DIR", completes="path")
TAG = Argument("--tag", "a tag, again for more", "pair", many=True, metavar="K=V")

SUBCOMMANDS = (
    Subcommand(
        ("model", "register"),
        "Register what a run left, or a file, as a model",
        register,
        (
            Argument("model", "its name"),
            Argument("--run", "the run that made it", metavar="ID", completes="run"),
            Argument("--path", "the file or folder in the run", default="outputs/model.pkl", metavar="PATH"),
            Argument("--file", "a local file instead", metavar="FILE", completes="path"),
            Argument("--description", "what it is for", metavar="TEXT"),
            Argument("--framework", "what it was made with", default="Custom", metavar="NAME"),
            TAG,
        ),
        ("model.register", "asset.create", "run.show", "artifact.upload"),
        "%azml model register digits --run digits_1 --path outputs/model.pkl",
    ),
    Subcommand(
        ("model", "tag"),
        "Put tags on a model",
        tag,
        (MODEL, Argument("tags", "KEY=VALUE, several for more", "pair", many=True)),
        ("model.update", "model.show"),
        "%azml model tag digits:1 stage=test",
    ),
    Subcommand(
        ("model", "download"),
        "Fetch a model's files into a folder",
        download,
        (MODEL, TO),
        ("model.show", "asset.show", "artifact.links"),
        "%azml model download digits:1 --to model",
    ),
    Subcommand(
        ("service", "create"),
        "Deploy models with a scoring script",
        deploy,
        (
            Argument("service", "its name"),
            Argument("--model", "a model's id, again for more", many=True, metavar="ID", completes="model"),
            Argument("--script", "the scoring script, with init() and run(data)", default="score.py", metavar="FILE"),
            Argument("--include", "a file that the script needs, again for more", many=True, metavar="FILE"),
            Argument("--pip", "a pip requirement, again for more", many=True, metavar="PKG"),
            TAG,
            NO_WAIT,
        ),
        ("service.create", "asset.create", "artifact.upload"),
        "%azml service create digits --model digits:1 --script score.py",
    ),
    Subcommand(
        ("service", "logs"),
        "Show what a service printed",
        logs,
        (
            Argument("service", "the service", completes="service"),
            Argument("--tail", "only so many last lines", "count", metavar="N"),
        ),
        ("service.logs",),
        "%azml service logs digits --tail 50",
    ),
)
