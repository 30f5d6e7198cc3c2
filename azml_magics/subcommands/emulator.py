"""The emulator of this machine: start it, stop it, log in to it, run other programs against it."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogue import Column, Resource
from ..errors import OperationFailed, UsageError
from .schema import Argument, Context, Subcommand, Text

if TYPE_CHECKING:
    from ..emulator.ready import Ready
    from ..rest import Scope

EMULATOR = Resource(
    noun="emulator",
    plural="emulators",
    summary="An emulator that runs on this machine",
    operations=(),
    columns=(
        Column("pid", "pid", "int"),
        Column("url", "url"),
        Column("workspace", "workspace"),
        Column("group", "resource_group"),
        Column("subscription", "subscription_id"),
        Column("compute", "compute"),
        Column("region", "region"),
        Column("version", "version"),
        Column("data", "data"),
    ),
)
#: What makes a folder one of ours: nothing else is ever wiped.
OURS = "identity.json"


def data_of(context: Context) -> Path:
    """The data directory of the line, of the setting, or the user's default one."""
    from ..emulator.instance import default_data

    named = context["data"] or context.state.settings.value("data")
    return Path(named).expanduser().resolve() if named else default_data()


def start(context: Context) -> Any:
    """Start the emulator: a terminal stays with it until it ends, a notebook finds it running in the background."""
    need_extra()
    if not context.surface.foreground:
        return shown(context, started(context))
    import sys

    from ..emulator.server import serve

    serve(
        data_of(context),
        port=context["port"],
        tempo=context["tempo"],
        build_environments=context["build_environments"],
        idle_exit=context["idle_exit"],
        ready_file=Path(context["ready_file"]) if context["ready_file"] else None,
        stdout=sys.stdout,
    )
    return None


def started(context: Context) -> Ready:
    """The running emulator of the data directory, started in the background if need be."""
    from ..emulator.instance import start_background

    return start_background(
        data_of(context),
        port=context["port"] or 0,
        tempo=context["tempo"] or context.state.settings.value("tempo") or "at-once",
        build_environments=bool(context["build_environments"]),
        idle_exit=context["idle_exit"],
    )


def need_extra() -> None:
    """Tell how to install the emulator when it is not."""
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "uvicorn", "python_multipart", "trustme") if find_spec(name) is None]
    if missing:
        raise UsageError(f"the emulator needs {', '.join(missing)}", 'pip install "azml-magics[local]"')


def shown(context: Context, ready: Ready | None) -> Any:
    """An emulator as a row; no row when none runs."""
    rows = [asdict(ready) | {"data": str(data_of(context))}] if ready else []
    for row in rows:
        row.pop("client_secret")
    return context.frame(EMULATOR, rows, "status")


def status(context: Context) -> Any:
    """Show the running emulator; no row when none runs."""
    from ..emulator.instance import find

    ready = find(data_of(context))
    if ready is None:
        context.surface.note("no emulator runs here -> %azml emulator start")
    return shown(context, ready)


def stop(context: Context) -> Any:
    """End the emulator. Its data stays, and runs that it has started go on."""
    from ..emulator import instance

    ended = instance.stop(data_of(context))
    context.state.leave_local()
    return Text("the emulator has ended" if ended else "no emulator runs here")


def reset(context: Context) -> Any:
    """End the emulator and throw away everything that it keeps; start it again when it was running."""
    from ..emulator import instance

    data = data_of(context)
    if data.exists() and any(data.iterdir()) and not (data / OURS).exists():
        raise UsageError(f"{data} is no emulator's data directory: nothing is thrown away")
    ran = instance.stop(data)
    shutil.rmtree(data, ignore_errors=True)
    was_local = context.state.leave_local()
    if not ran:
        return Text(f"{data} is empty")
    return login_local(context) if was_local else shown(context, started(context))


def execute(context: Context) -> Any:
    """Run a program so that its calls to Azure reach the emulator, and return its exit code."""
    from ..emulator.instance import execute as run_program

    need_extra()
    code, output = run_program(data_of(context), context["command"], capture=not context.surface.foreground)
    if context.surface.foreground:
        return code
    if code:
        raise OperationFailed(
            output.strip().splitlines()[-1] if output.strip() else "no output", status=code, code="Exit"
        )
    return Text(output)


def scope_at(context: Context, ready: Ready) -> Scope:
    """What the line chooses, what was chosen before in this emulator, or its first workspace."""
    from ..rest import Scope

    settings = context.state.settings
    here = settings.value("subscription") == ready.subscription_id
    first = {"subscription": ready.subscription_id, "group": ready.resource_group, "workspace": ready.workspace}
    return Scope(**{part: context[part] or (here and settings.value(part)) or first[part] for part in first})


def login_local(context: Context) -> Any:
    """Log in to this machine's emulator, starting it when it does not run."""
    from ..emulator.instance import find
    from ..rest import Session
    from ..rest.clouds import by_name
    from ..rest.credentials import ServicePrincipal
    from .session import whoami

    need_extra()
    if context["data"]:
        context.state.settings.set("data", str(data_of(context)))
    if (context["build_environments"] or context["tempo"]) and find(data_of(context)) is not None:
        context.surface.note("it runs already; its options count from the next start -> %azml emulator stop")
    ready = started(context)
    proxies = {"https": ready.proxy}
    cloud = by_name("AzureCloud")
    credential = ServicePrincipal(
        cloud,
        ready.tenant_id,
        ready.client_id,
        ready.client_secret,
        proxies=proxies,
        verify=ready.ca_bundle,
    )
    credential.way = "local"
    scope = scope_at(context, ready)
    for part in ("subscription", "group", "workspace"):
        context.state.settings.set(part, getattr(scope, part))
    notify = context.surface.progress
    context.state.enter(Session(credential, cloud, scope, proxies=proxies, verify=ready.ca_bundle, notify=notify))
    return whoami(context)


DATA = Argument(
    "--data", "its data directory (left out: AZML_DATA, or the user's own)", metavar="DIR", completes="path"
)
STARTING = (
    Argument("--port", "the port of its https address (0: any)", "int", 0, metavar="PORT"),
    DATA,
    Argument("--tempo", "how fast it makes things happen", default="at-once", choices=("at-once", "demo", "real")),
    Argument("--build-environments", "build a run's conda and pip packages instead of using this interpreter", "flag"),
    Argument("--idle-exit", "end after so many seconds without a request or a run", "seconds", metavar="SECONDS"),
)

SUBCOMMANDS = (
    Subcommand(
        ("emulator", "start"),
        "Start the emulator of this machine",
        start,
        (*STARTING, Argument("--ready-file", "write the ready line here too", metavar="FILE", completes="path")),
        example="%azml emulator start",
    ),
    Subcommand(("emulator", "stop"), "End the emulator; its data stays", stop, (DATA,), example="%azml emulator stop"),
    Subcommand(("emulator", "status"), "Show the running emulator", status, (DATA,), example="%azml emulator status"),
    Subcommand(
        ("emulator", "reset"),
        "Throw away everything that the emulator keeps",
        reset,
        (DATA,),
        example="%azml emulator reset",
    ),
    Subcommand(
        ("emulator", "exec"),
        "Run a program whose Azure calls reach the emulator",
        execute,
        (DATA, Argument("command", "the program and its arguments, behind --", "rest")),
        example="%azml emulator exec -- curl https://emulator.api.azureml.ms/discovery",
    ),
)
