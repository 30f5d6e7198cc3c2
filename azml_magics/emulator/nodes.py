"""The nodes of computes: which run holds which, and which still stand idle. Plain bookkeeping; not thread-safe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .times import duration

#: Addresses are made up: nobody can sign in to a node of the emulator's.
FIRST_PORT = 50000
FIRST_HOST = 4


@dataclass(slots=True)
class Node:
    """One node. `run` is the id of the run that holds it, empty while idle; `since` when it last changed hands."""

    number: int
    since: float
    run: str = ""

    def document(self) -> dict[str, Any]:
        """The node as `listNodes` shows it (arm-2019-11-01: AmlComputeNodeInformation)."""
        return {
            "nodeId": f"tvmps_{self.number:04d}",
            "privateIpAddress": f"10.0.{self.number // 250}.{FIRST_HOST + self.number % 250}",
            "publicIpAddress": "127.0.0.1",
            "port": FIRST_PORT + self.number,
            "nodeState": "running" if self.run else "idle",
            "runId": self.run or None,
        }


class Nodes:
    """The nodes of every pool; a pool is one compute."""

    def __init__(self) -> None:
        self._pools: dict[str, list[Node]] = {}

    def take(self, pool: str, run: str, count: int, limit: int, moment: float) -> bool:
        """Give a run its nodes, idle ones first; False, and nothing given, when fewer than `count` are to be had."""
        nodes = self._pools.setdefault(pool, [])
        if count > self.free(pool, limit):
            return False
        idle = [node for node in nodes if not node.run]
        fresh = [Node(number, moment) for number in itertools.islice(_unused(nodes), max(count - len(idle), 0))]
        nodes += fresh
        for node in [*idle, *fresh][:count]:
            node.run, node.since = run, moment
        return True

    def free(self, pool: str, limit: int) -> int:
        """How many nodes a run could have now."""
        return limit - sum(1 for node in self._pools.get(pool, ()) if node.run)

    def give_back(self, pool: str, run: str, moment: float) -> None:
        """Take a run's nodes back: they stand idle from now on."""
        for node in self._pools.get(pool, ()):
            if node.run == run:
                node.run, node.since = "", moment

    def standing(self, pool: str, least: int, patience: float, moment: float) -> list[dict[str, Any]]:
        """The nodes that stand now: held ones, idle ones within `patience` seconds, and never fewer than `least`."""
        nodes = self._pools.setdefault(pool, [])
        surplus = len(nodes) - least
        for node in [n for n in nodes if not n.run and moment - n.since >= patience][: max(surplus, 0)]:
            nodes.remove(node)
        nodes += [Node(number, moment) for number in itertools.islice(_unused(nodes), max(least - len(nodes), 0))]
        return [node.document() for node in sorted(nodes, key=lambda n: n.number)]

    def forget(self, pool: str) -> None:
        """The compute is gone, and its nodes with it."""
        self._pools.pop(pool, None)


def _unused(nodes: list[Node]) -> Iterator[int]:
    """Numbers that no node has yet, lowest first, as they were when first asked."""
    taken = {node.number for node in nodes}
    return (number for number in itertools.count(1) if number not in taken)


def widest(compute: Mapping[str, Any]) -> int:
    """How many nodes a compute can have at most: its scale settings' maximum for a cluster, one for all else."""
    inner = compute["properties"].get("properties") or {}
    scale = inner.get("scaleSettings") or {}
    return int(scale.get("maxNodeCount", 1)) if compute["properties"].get("computeType") == "AmlCompute" else 1


def capacity(compute: Mapping[str, Any]) -> int:
    """How many nodes a compute can have now: none while it is not ready, or an instance that does not run."""
    properties = compute["properties"]
    inner = properties.get("properties") or {}
    stopped = properties.get("computeType") == "ComputeInstance" and inner.get("state") != "Running"
    return 0 if stopped or properties.get("provisioningState") != "Succeeded" else widest(compute)


def least(compute: Mapping[str, Any]) -> int:
    """How many nodes of a compute stand even when idle."""
    inner = compute["properties"].get("properties") or {}
    return int((inner.get("scaleSettings") or {}).get("minNodeCount") or 0)


def patience(compute: Mapping[str, Any]) -> float:
    """How many seconds a node of a compute stands idle before it goes."""
    inner = compute["properties"].get("properties") or {}
    return duration((inner.get("scaleSettings") or {}).get("nodeIdleTimeBeforeScaleDown"))
