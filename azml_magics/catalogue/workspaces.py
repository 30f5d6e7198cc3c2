"""What stands above a workspace, and the workspace itself: subscriptions, groups, quotas, sizes."""

from .schema import GROUP, ML, SUBSCRIPTION, WORKSPACE, Column, Lifecycle, Operation, Resource

V1 = "2019-11-01"  # the article's version of Microsoft.MachineLearningServices
LOCATION = SUBSCRIPTION + ML + "/locations/{location}"

SUBSCRIPTIONS = Resource(
    noun="subscription",
    plural="subscriptions",
    summary="An Azure subscription",
    api_version="2022-12-01",
    key="subscription",
    operations=(
        Operation("list", "GET", "/subscriptions", "List the subscriptions you can see", paging="next-link"),
        Operation("show", "GET", SUBSCRIPTION, "Show the subscription in use"),
    ),
    columns=(
        Column("name", "displayName"),
        Column("subscription_id", "subscriptionId"),
        Column("state", "state"),
        Column("tenant_id", "tenantId"),
    ),
)

# The article asks with 2019-11-01, which answers an empty list (azure-docs#53793).
GROUPS = Resource(
    noun="group",
    plural="groups",
    summary="A resource group",
    api_version="2020-06-01",
    key="group",
    operations=(
        Operation(
            "list",
            "GET",
            SUBSCRIPTION + "/resourceGroups",
            "List the resource groups of the subscription",
            paging="next-link",
        ),
        Operation("show", "GET", GROUP, "Show the resource group in use"),
    ),
    columns=(
        Column("name", "name"),
        Column("location", "location"),
        Column("state", "properties.provisioningState"),
        Column("tags", "tags", "map"),
    ),
)

PROVISIONING = Lifecycle(
    path="properties.provisioningState",
    order=("Creating", "Updating", "Succeeded", "Deleting"),
    succeeded=frozenset({"Succeeded"}),
    failed=frozenset({"Failed", "Canceled"}),
)

WORKSPACES = Resource(
    noun="workspace",
    plural="workspaces",
    summary="An Azure Machine Learning workspace",
    api_version=V1,
    key="workspace",
    lifecycle=PROVISIONING,
    operations=(
        Operation("list", "GET", GROUP + ML + "/workspaces", "List the workspaces of a group", paging="next-link"),
        Operation(
            "list-all",
            "GET",
            SUBSCRIPTION + ML + "/workspaces",
            "List the workspaces of the subscription",
            paging="next-link",
            word=False,
        ),
        Operation("show", "GET", WORKSPACE, "Show one workspace"),
        Operation("create", "PUT", WORKSPACE, "Create a workspace", body="json", long_running=True),
        Operation("update", "PATCH", WORKSPACE, "Change a workspace", body="json", long_running=True),
        Operation("delete", "DELETE", WORKSPACE, "Delete a workspace", long_running=True),
        Operation("keys", "POST", WORKSPACE + "/listKeys", "Get the workspace's keys (shown hidden)"),
    ),
    columns=(
        Column("name", "name"),
        Column("group", "id#resourceGroups"),
        Column("location", "location"),
        Column("friendly_name", "properties.friendlyName"),
        Column("sku", "sku.name"),
        Column("state", "properties.provisioningState"),
        Column("created", "properties.creationTime|systemData.createdAt", "time"),
        Column("workspace_id", "properties.workspaceId"),
    ),
)

USAGES = Resource(
    noun="usage",
    plural="usages",
    summary="How much of a limit is used, by region",
    api_version=V1,
    operations=(Operation("list", "GET", LOCATION + "/usages", "List what is used of each limit", paging="next-link"),),
    columns=(
        Column("name", "name.localizedValue|name.value"),
        Column("used", "currentValue", "int"),
        Column("limit", "limit", "int"),
        Column("unit", "unit"),
        Column("type", "type"),
    ),
)

QUOTAS = Resource(
    noun="quota",
    plural="quotas",
    summary="The limits set for a workspace, by VM family",
    api_version=V1,
    operations=(Operation("list", "GET", LOCATION + "/Quotas", "List the quotas of a region", paging="next-link"),),
    columns=(
        Column("name", "name.localizedValue|name.value"),
        Column("limit", "limit", "int"),
        Column("unit", "unit"),
        Column("type", "type"),
    ),
)

SIZES = Resource(
    noun="size",
    plural="sizes",
    summary="A VM size that a compute can have",
    api_version=V1,
    operations=(Operation("list", "GET", LOCATION + "/vmSizes", "List the VM sizes of a region", paging="next-link"),),
    columns=(
        Column("name", "name"),
        Column("family", "family"),
        Column("vcpus", "vCPUs", "int"),
        Column("gpus", "gpus", "int"),
        Column("memory_gb", "memoryGB", "float"),
        Column("low_priority", "lowPriorityCapable", "bool"),
    ),
)

RESOURCES = (SUBSCRIPTIONS, GROUPS, WORKSPACES, USAGES, QUOTAS, SIZES)
