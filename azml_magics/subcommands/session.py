"""Who asks, and about what: login, logout, whoami, use, config; and what there is to type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..catalogue import Column, Resource, locate
from ..errors import UsageError
from .schema import Argument, Context, Subcommand

WAYS = ("service-principal", "azure-cli", "managed-identity", "browser", "device-code", "local")

LOGIN = Resource(
    noun="login",
    plural="logins",
    summary="Who is logged in, and about what",
    operations=(),
    columns=(
        Column("way", "way"),
        Column("identity", "identity"),
        Column("tenant", "tenant"),
        Column("until", "until", "time"),
        Column("subscription", "subscription"),
        Column("group", "group"),
        Column("workspace", "workspace"),
        Column("cloud", "cloud"),
    ),
)

SETTING = Resource(
    noun="setting",
    plural="settings",
    summary="A setting, its value and where that came from",
    operations=(),
    columns=(Column("name", "name"), Column("value", "value"), Column("source", "source"), Column("help", "help")),
)

WORD = Resource(
    noun="word",
    plural="words",
    summary="A word and the request behind it",
    operations=(),
    columns=(
        Column("words", "words"),
        Column("summary", "summary"),
        Column("operation", "operation"),
        Column("method", "method"),
        Column("path", "path"),
    ),
)


def login(context: Context) -> Any:
    """Sign in, by the way asked for or by the first one that works, and say which it was."""
    from ..rest import Session, sign_in

    if context["client_secret"] is not None:
        raise UsageError(
            "a secret is never taken from the line: it would stay in the history",
            "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, then %azml login",
        )
    ways = [way for way in WAYS if context[way.replace("-", "_")]]
    if len(ways) > 1:
        raise UsageError(f"choose one way: {' or '.join('--' + way for way in ways)}")
    if context.surface.foreground and ways:
        context.state.settings.remember("login", ways[0])  # a terminal's next process signs in the same way
    if ways == ["local"]:
        from .emulator import login_local

        return login_local(context)
    settings = context.state.settings
    cloud, credential = sign_in(
        context["cloud"] or settings.value("cloud"),
        ways[0] if ways else settings.value("login"),
        tenant=context["tenant"] or "",
        say=context.surface.note,
    )
    context.state.enter(Session(credential, cloud, context.scope, notify=context.surface.progress))
    choose(context)
    return whoami(context)


def choose(context: Context) -> None:
    """Take subscription, group and workspace from the line into the settings."""
    for part in ("subscription", "group", "workspace"):
        if context[part]:
            context.state.settings.set(part, context[part])


def logout(context: Context) -> None:
    """Forget the session and its tokens, and in a terminal the way in which it signs in."""
    context.state.leave()
    if context.surface.foreground:
        context.state.settings.remember("login", None)


def whoami(context: Context) -> Any:
    """Show who is logged in, by which way, for which tenant and until when."""
    session = context.session
    told = dict(session.credential.describe()) if session.credential else {}
    token = session.token()
    scope = context.scope
    document = told | {
        "until": datetime.fromtimestamp(token.expires_on, UTC).isoformat(),
        "subscription": scope.subscription,
        "group": scope.group,
        "workspace": scope.workspace,
        "cloud": session.cloud.name,
    }
    return context.row(LOGIN, document, "whoami")


def use(context: Context) -> Any:
    """Choose the subscription, the group and the workspace that the next words are about."""
    choose(context)
    if context["remember"] or context.surface.foreground:  # a terminal's next process starts anew
        for part in ("subscription", "group", "workspace"):
            if context[part]:
                context.state.settings.remember(part, context[part])
    scope = context.scope
    document = {"subscription": scope.subscription, "group": scope.group, "workspace": scope.workspace}
    return context.row(LOGIN, document, "use")


def config(context: Context) -> Any:
    """Show every setting, its value and where it came from; with NAME VALUE, change one."""
    settings, name, value = context.state.settings, context["name"], context["value"]
    if name:
        settings.found(name)  # an unknown one is an error before anything is changed
    if name and context["unset"]:
        settings.unset(name)
        if context["remember"]:
            settings.remember(name, None)
    elif name and value is not None:
        (settings.remember if context["remember"] else settings.set)(name, value)
    rows = [dict(row) for row in settings.table()]
    return context.frame(SETTING, [row for row in rows if not name or row["name"] == name], "config")


def resources(context: Context) -> Any:
    """List every phrase with the request behind it."""
    from . import SUBCOMMANDS

    rows = []
    for subcommand in SUBCOMMANDS.values():
        row = {"words": subcommand.phrase, "summary": subcommand.summary}
        if subcommand.operations:
            _, operation = locate(subcommand.operations[0])
            row |= {"operation": subcommand.operations[0], "method": operation.method, "path": operation.path}
        rows.append(row)
    return context.frame(WORD, rows, "resources")


def show_help(context: Context) -> Any:
    """Explain a word, a noun, or everything."""
    return context.explain(context["words"] or ())


SCOPE_OPTIONS = (
    Argument("--subscription", "the subscription's id", metavar="ID", completes="subscription"),
    Argument("--group", "the resource group", metavar="NAME", completes="group"),
)

SUBCOMMANDS = (
    Subcommand(
        ("login",),
        "Sign in to Azure, or to the emulator with --local",
        login,
        (
            Argument("--service-principal", "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET", "flag"),
            Argument("--azure-cli", "the account of `az login`", "flag"),
            Argument("--managed-identity", "the identity of this machine in Azure", "flag"),
            Argument("--browser", "a browser window on this machine", "flag"),
            Argument("--device-code", "a code to type at another machine's browser", "flag"),
            Argument("--local", "the emulator on this machine: no account needed; started if it does not run", "flag"),
            Argument("--tenant", "the tenant to sign in to", metavar="ID"),
            Argument("--cloud", "AzureCloud, AzureUSGovernment, AzureChinaCloud or a metadata URL", metavar="NAME"),
            *SCOPE_OPTIONS,
            Argument("--workspace", "the workspace", metavar="NAME", completes="workspace"),
            Argument("--data", "the emulator's data directory (with --local)", metavar="DIR", completes="path"),
            Argument("--tempo", "how fast it makes things happen", choices=("at-once", "demo", "real")),
            Argument("--build-environments", "let the emulator build a run's packages (with --local)", "flag"),
            Argument("--client-secret", "refused: a secret never stands on a line"),
        ),
        example="%azml login --local",
    ),
    Subcommand(("logout",), "Forget the login and its tokens", logout, example="%azml logout"),
    Subcommand(("whoami",), "Show who is logged in, how, and until when", whoami, example="%azml whoami"),
    Subcommand(
        ("use",),
        "Choose the workspace that the next words are about",
        use,
        (
            Argument("workspace", "the workspace", required=False, completes="workspace"),
            *SCOPE_OPTIONS,
            Argument("--remember", "keep the choice in the user file", "flag"),
        ),
        example="%azml use my-workspace --group my-group",
    ),
    Subcommand(
        ("config",),
        "Show or change the settings",
        config,
        (
            Argument("name", "the setting", required=False, completes="setting"),
            Argument("value", "its new value", required=False),
            Argument("--unset", "go back to where the value came from before", "flag"),
            Argument("--remember", "keep the value in the user file", "flag"),
        ),
        example="%azml config poll_seconds 2",
    ),
    Subcommand(("resources",), "List every word with the request behind it", resources, example="%azml resources"),
    Subcommand(
        ("help",),
        "Explain a word",
        show_help,
        (Argument("words", "the words", many=True, required=False, completes="word"),),
        example="%azml help run show",
    ),
)
