"""Workspaces and computes: the words of ARM that need more than their path."""

from __future__ import annotations

from typing import Any

from ..catalogue import find
from ..errors import UsageError
from .schema import NO_WAIT, TOP, Argument, Context, Subcommand
from .waiting import finish

WORKSPACES = find("workspace")
COMPUTES = find("compute")
DEPENDENCIES = {
    "storage_account": ("storageAccount", "Microsoft.Storage/storageAccounts"),
    "key_vault": ("keyVault", "Microsoft.KeyVault/vaults"),
    "app_insights": ("applicationInsights", "microsoft.insights/components"),
    "registry": ("containerRegistry", "Microsoft.ContainerRegistry/registries"),
}


def list_workspaces(context: Context) -> Any:
    """List the workspaces of the group in use, or of the whole subscription when no group is chosen."""
    context.need("subscription")
    group = context["group"] or ("" if context["all"] else context.scope.group)
    operation_id = "workspace.list" if group else "workspace.list-all"
    keys = {"group": group} if group else {}
    return context.frame(WORKSPACES, list(context.session.pages(operation_id, keys=keys, top=context["top"])))


def create_workspace(context: Context) -> Any:
    """Create a workspace upon its four dependencies and follow it to its end."""
    context.need("subscription", "group")
    properties: dict[str, Any] = {
        "friendlyName": context["friendly_name"] or "",
        "description": context["description"] or "",
    }
    for key, (name, kind) in DEPENDENCIES.items():
        if context[key]:
            properties[name] = dependency_id(context, context[key], kind)
    body = {
        "location": context["location"] or group_location(context),
        "properties": properties,
        "identity": {"type": "systemAssigned"},
        "tags": context["tag"],
    }
    name = context["workspace"]
    poller = context.session.start("workspace.create", keys={"workspace": name}, body=body)
    return finish(context, WORKSPACES, WORKSPACES.operation("create"), poller, name)


def dependency_id(context: Context, name: str, kind: str) -> str:
    """A dependency's ARM id: as it was given, or of that name in the group in use."""
    if "/" in name:
        return name
    scope = context.scope
    return f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}/providers/{kind}/{name}"


def group_location(context: Context) -> str:
    """The region of the group in use: where a new workspace goes when nobody says otherwise."""
    return str(context.session.call("group.show")["location"])


def create_compute(context: Context) -> Any:
    """Create or replace a compute and follow its provisioning to its end."""
    context.need("subscription", "group", "workspace")
    name = context["compute"]
    poller = context.session.start("compute.create", keys={"name": name}, body=compute_body(context))
    return finish(context, COMPUTES, COMPUTES.operation("create"), poller, name)


def compute_body(context: Context) -> dict[str, Any]:
    """The document of a new compute, as the service has it (the article puts the account one level too high)."""
    low, high = context["min_nodes"], context["max_nodes"]
    if low > high:
        raise UsageError(f"--min-nodes {low} is more than --max-nodes {high}")
    inner: dict[str, Any] = {"vmSize": context["size"]}
    if context["type"] == "AmlCompute":
        inner |= {
            "vmPriority": "LowPriority" if context["low_priority"] else "Dedicated",
            "scaleSettings": {
                "minNodeCount": low,
                "maxNodeCount": high,
                "nodeIdleTimeBeforeScaleDown": f"PT{context['idle_seconds']}S",
            },
        }
    return {
        "location": context["location"] or context.session.location(),
        "tags": context["tag"],
        "properties": {"computeType": context["type"], "properties": inner},
    }


TAG = Argument("--tag", "a tag, again for more", "pair", many=True, metavar="K=V")
LOCATION = Argument("--location", "the region (left out: the workspace's or the group's)", metavar="REGION")

SUBCOMMANDS = (
    Subcommand(
        ("workspace", "list"),
        "List the workspaces of the group in use, or of the subscription",
        list_workspaces,
        (
            Argument("--group", "of this group", metavar="NAME", completes="group"),
            Argument("--all", "of the whole subscription", "flag"),
            TOP,
        ),
        ("workspace.list", "workspace.list-all"),
        "%azml workspaces",
    ),
    Subcommand(
        ("workspace", "create"),
        "Create a workspace and follow it to its end",
        create_workspace,
        (
            Argument("workspace", "its name"),
            Argument("--storage-account", "a storage account: its name or id", metavar="NAME"),
            Argument("--key-vault", "a key vault: its name or id", metavar="NAME"),
            Argument("--app-insights", "an Application Insights component: its name or id", metavar="NAME"),
            Argument("--registry", "a container registry with admin access: its name or id", metavar="NAME"),
            LOCATION,
            Argument("--friendly-name", "the name that people see", metavar="TEXT"),
            Argument("--description", "what it is for", metavar="TEXT"),
            TAG,
            NO_WAIT,
        ),
        ("workspace.create", "group.show"),
        "%azml workspace create ws2 --storage-account sa --key-vault kv --app-insights ai",
    ),
    Subcommand(
        ("compute", "create"),
        "Create or replace a compute and follow it to its end",
        create_compute,
        (
            Argument("compute", "its name"),
            Argument("--type", "what it is", default="AmlCompute", choices=("AmlCompute", "ComputeInstance")),
            Argument("--size", "the VM size", default="STANDARD_DS3_V2", metavar="SIZE", completes="size"),
            Argument("--min-nodes", "nodes that always run (0: none is paid for while idle)", "int", 0, metavar="N"),
            Argument("--max-nodes", "the most nodes", "int", 1, metavar="N"),
            Argument("--idle-seconds", "idle time before a node is given back", "int", 1800, metavar="S"),
            Argument("--low-priority", "cheaper nodes that may be taken away", "flag"),
            LOCATION,
            TAG,
            NO_WAIT,
        ),
        ("compute.create",),
        "%azml compute create cpu-cluster --size STANDARD_DS3_V2 --max-nodes 4",
    ),
)
