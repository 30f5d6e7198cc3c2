"""Limits of the region: what computes use of them, the quotas, the VM sizes. None has a second page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..service import REGION, Call, Handler, Reply, Service
from .compute_body import INSTANCE
from .computes import nodes_of
from .gateway import PROVIDER, every, require_region, subscription_key, subscription_of
from .sizes import CLUSTERS, FAMILIES, SIZES, TOTAL_DEDICATED, TOTAL_LOW_PRIORITY, find_size

UNLIMITED = -1


def list_usages(service: Service, call: Call) -> Reply:
    """How many clusters there are and how many vCPUs they hold, in all and by family."""
    root = _root(service, call, "locations/usages")
    clusters, cores = _used(service, call)
    rows = [
        _row(root, "totalCores", "usages", "Clusters", CLUSTERS, clusters),  # the type's name is the specification's
        _row(
            root,
            "dedicatedCores",
            "usages",
            "Total Cluster Dedicated Regional vCPUs",
            TOTAL_DEDICATED,
            _total(cores, "Dedicated"),
        ),
        *_families(root, cores, "Dedicated"),
        _row(
            root,
            "lowPriorityCores",
            "usages",
            "Total Cluster LowPriority Regional vCPUs",
            TOTAL_LOW_PRIORITY,
            _total(cores, "LowPriority"),
        ),
        *_families(root, cores, "LowPriority"),
    ]
    return Reply({"value": rows})


def list_quotas(service: Service, call: Call) -> Reply:
    """The vCPUs that each family may have; no workspace has a smaller share of its own."""
    root = _root(service, call, "locations/quotas")
    return Reply(
        {
            "value": [
                _row(root, "vmFamily", "quotas", f"{words} Cluster Dedicated vCPUs", limit)
                for words, limit in FAMILIES.values()
            ]
        }
    )


def list_sizes(service: Service, call: Call) -> Reply:
    """The VM sizes, under the key that clients of the version asked for read (wire-v2 2.4)."""
    _root(service, call, "locations/vmSizes")
    old = call.param("api-version")[:10] <= "2020-08-01"
    return Reply({"amlCompute" if old else "value": [size.document() for size in SIZES]})


def _root(service: Service, call: Call, kind: str) -> str:
    """The id that the rows' ids begin with, once subscription and region are known to be there."""
    subscription = subscription_of(service, call)
    require_region(call, kind)
    return str(subscription["id"])


def _families(root: str, cores: Counter[tuple[str, str]], priority: str) -> list[dict[str, Any]]:
    return [
        _row(
            root,
            "vmFamily",
            "usages",
            f"{words} Cluster {priority} vCPUs",
            limit if priority == "Dedicated" else UNLIMITED,
            cores[family, priority],
        )
        for family, (words, limit) in FAMILIES.items()
    ]


def _row(root: str, kind: str, what: str, name: str, limit: int, used: int | None = None) -> dict[str, Any]:
    tail = f"/{name.replace(' ', '_')}" if kind == "vmFamily" else ""
    row: dict[str, Any] = {
        "id": f"{root}/{what}{tail}",
        "amlWorkspaceLocation": REGION,
        "type": f"{PROVIDER}/{kind}/{what}",
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
        "unit": "Count",
    }
    return row if used is None else {**row, "currentValue": used}


def _total(cores: Counter[tuple[str, str]], priority: str) -> int:
    return sum(count for (_, of), count in cores.items() if of == priority)


def _used(service: Service, call: Call) -> tuple[int, Counter[tuple[str, str]]]:
    """How many computes the subscription has, and the vCPUs of their nodes by family and priority."""
    computes, cores = 0, Counter[tuple[str, str]]()
    for workspace in every(service, "workspace", subscription_key(call.keys)):
        scope = workspace["properties"]["workspaceId"]
        for document in every(service, "compute", scope):
            computes += 1
            inner = document["properties"]["properties"]
            size = find_size(inner["vmSize"])
            if size is not None:
                priority = inner.get("vmPriority") or "Dedicated"
                cores[size.family, priority] += size.vcpus * _node_count(service, scope, document)
    return computes, cores


def _node_count(service: Service, scope: str, document: dict[str, Any]) -> int:
    if document["properties"]["computeType"] == INSTANCE:
        return int(document["properties"]["properties"]["state"] != "Stopped")
    return len(nodes_of(service, scope, document))


HANDLERS: dict[str, Handler] = {
    "usage.list": list_usages,
    "quota.list": list_quotas,
    "size.list": list_sizes,
}
