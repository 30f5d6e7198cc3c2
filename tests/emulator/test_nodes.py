"""Nodes are taken and given back, stand idle for a while, and never are more than there may be."""

from __future__ import annotations

from azml_magics.emulator.nodes import Nodes, capacity, least, patience, widest


def states(nodes: Nodes, least: int = 0, patience: float = 10, moment: float = 0) -> list[str]:
    return [node["runId"] or "-" for node in nodes.standing("c", least, patience, moment)]


def test_a_run_gets_all_its_nodes_or_none():
    nodes = Nodes()
    assert nodes.take("c", "a", 2, 3, 0)
    assert not nodes.take("c", "b", 2, 3, 0)
    assert nodes.free("c", 3) == 1
    assert states(nodes) == ["a", "a"]


def test_idle_nodes_are_used_before_new_ones():
    nodes = Nodes()
    nodes.take("c", "a", 2, 4, 0)
    nodes.give_back("c", "a", 1)
    nodes.take("c", "b", 3, 4, 2)
    assert states(nodes) == ["b", "b", "b"]


def test_an_idle_node_goes_when_its_time_is_over():
    nodes = Nodes()
    nodes.take("c", "a", 1, 4, 0)
    nodes.give_back("c", "a", 5)
    assert states(nodes, moment=14) == ["-"]
    assert states(nodes, moment=15) == []


def test_the_least_number_of_nodes_stands_always():
    nodes = Nodes()
    assert states(nodes, least=2) == ["-", "-"]
    assert states(nodes, least=2, moment=100) == ["-", "-"]


def test_a_node_is_shown_in_the_services_words():
    nodes = Nodes()
    nodes.take("c", "a", 1, 1, 0)
    node = nodes.standing("c", 0, 0, 0)[0]
    assert set(node) == {"nodeId", "privateIpAddress", "publicIpAddress", "port", "nodeState", "runId"}
    assert node["nodeState"] == "running"


def cluster(state: str = "Succeeded", **scale: object) -> dict:  # type: ignore[type-arg]
    return {
        "properties": {"computeType": "AmlCompute", "provisioningState": state, "properties": {"scaleSettings": scale}}
    }


def instance(state: str) -> dict:  # type: ignore[type-arg]
    inner = {"state": state}
    return {"properties": {"computeType": "ComputeInstance", "provisioningState": "Succeeded", "properties": inner}}


def test_what_a_compute_can_have_comes_from_its_document():
    document = cluster(maxNodeCount=4, minNodeCount=1, nodeIdleTimeBeforeScaleDown="PT2M")
    assert (widest(document), capacity(document), least(document), patience(document)) == (4, 4, 1, 120)


def test_what_is_not_ready_has_no_nodes_yet():
    assert (widest(cluster("Creating", maxNodeCount=4)), capacity(cluster("Creating", maxNodeCount=4))) == (4, 0)
    assert (capacity(instance("Stopped")), capacity(instance("Running"))) == (0, 1)
