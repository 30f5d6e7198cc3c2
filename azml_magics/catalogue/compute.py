"""What runs are executed on."""

from .schema import WORKSPACE, Column, Operation, Resource, action, collection
from .workspaces import PROVISIONING, V1

#: Compute instances came after 2019-11-01, and with them start, stop and restart.
INSTANCES = "2020-08-01"
#: The v1 SDK reads computes from the workspace's regional server, the article from ARM.
RP = "/rp/workspaces" + WORKSPACE + "/computes"

COMPUTES = Resource(
    noun="compute",
    plural="computes",
    summary="A cluster or an instance that runs are executed on",
    api_version=V1,
    lifecycle=PROVISIONING,
    operations=(
        *collection(
            "computes",
            "compute",
            "list",
            "show",
            "create",
            "update",
            long_running=("create", "update"),
        ),
        Operation(
            "delete",
            "DELETE",
            WORKSPACE + "/computes/{name}",
            "Delete a compute",
            long_running=True,
            # required by the service, unknown to the article
            query=(("underlyingResourceAction", "Delete"),),
        ),
        action("computes", "start", "start", "Start a compute instance", long_running=True, api_version=INSTANCES),
        action("computes", "stop", "stop", "Stop a compute instance", long_running=True, api_version=INSTANCES),
        action(
            "computes", "restart", "restart", "Restart a compute instance", long_running=True, api_version=INSTANCES
        ),
        action("computes", "nodes", "listNodes", "List the nodes of a compute", answers="node"),
        Operation("list-regional", "GET", RP, "List the computes, as the v1 SDK does", host="data", word=False),
        Operation(
            "show-regional", "GET", RP + "/{name}", "Show a compute, as the v1 SDK does", host="data", word=False
        ),
    ),
    columns=(
        Column("name", "name"),
        Column("type", "properties.computeType"),
        Column("state", "properties.provisioningState"),
        Column("vm_size", "properties.properties.vmSize"),
        Column("priority", "properties.properties.vmPriority"),
        Column("min_nodes", "properties.properties.scaleSettings.minNodeCount", "int"),
        Column("max_nodes", "properties.properties.scaleSettings.maxNodeCount", "int"),
        Column("current_nodes", "properties.properties.currentNodeCount", "int"),
        Column("idle_before_scale_down", "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown"),
        Column("location", "properties.computeLocation|location"),
    ),
)

NODES = Resource(
    noun="node",
    plural="nodes",
    summary="A machine of a compute",
    operations=(),
    columns=(
        Column("node_id", "nodeId"),
        Column("state", "nodeState"),
        Column("run_id", "runId"),
        Column("private_ip", "privateIpAddress"),
        Column("public_ip", "publicIpAddress"),
        Column("port", "port", "int"),
    ),
)

RESOURCES = (COMPUTES, NODES)
