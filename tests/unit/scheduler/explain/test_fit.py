"""How many copies fit: as many as the scheduler would place, and nothing of it is left anywhere."""

import pytest

from scheduler.cache.cache import Cache
from scheduler.explain.remedies import Fit, copy, fill
from scheduler.framework.registry import default_profile
from tests.unit.scheduler.objects import info, node, node_info, pod
from vaina.api.core.v1 import node_pb2, pod_pb2

PROFILE = default_profile()


def cache_of(*nodes: node_pb2.Node) -> Cache:
    made = Cache()
    for item in nodes:
        made.upsert_node(node_info(item))
    return made


def fit(cache: Cache, asks: pod_pb2.Pod, most: int = 1000) -> Fit:
    found = Fit()
    nodes = [item for item in cache.table.infos if item is not None]
    nominated = [(other, item.name) for item in nodes for other in cache.nominations.on(item.name)]
    for _ in copy(nodes, cache.held(), nominated, cache.table.topology.namespaces, found.cache):
        pass
    for _ in fill(info(asks), PROFILE, most, found):
        pass
    return found


@pytest.mark.parametrize(
    ("nodes", "asks", "copies", "message"),
    [
        ([node("a"), node("b", cpu="2")], pod(requests={"cpu": "1"}), {"a": 4, "b": 2}, "0/2 nodes are available: 2 Insufficient cpu."),
        ([node("a", pods="3")], pod(), {"a": 3}, "0/1 nodes are available: 1 Too many pods."),
        ([node("a"), node("b")], pod(ports=[(80, "")]), {"a": 1, "b": 1}, "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."),
        ([node("a", labels={"disk": "ssd"}), node("b")], pod(requests={"cpu": "2"}, selector={"disk": "ssd"}), {"a": 2}, "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector."),
        ([node("a")], pod(requests={"cpu": "9"}), {}, "0/1 nodes are available: 1 Insufficient cpu."),
        ([], pod(), {}, "no nodes available to schedule pods"),
    ],
    ids=["cpu", "pods", "ports", "selector", "none", "no-nodes"],
)  # fmt: skip
def test_copies_are_placed_until_none_fits(
    nodes: list[node_pb2.Node], asks: pod_pb2.Pod, copies: dict[str, int], message: str
) -> None:
    found = fit(cache_of(*nodes), asks)
    assert (found.copies, found.count, found.more) == (copies, sum(copies.values()), False)
    assert found.verdict is not None
    assert found.verdict.message == message


def test_what_is_there_takes_its_room_and_stays_as_it_was() -> None:
    cache = cache_of(node("a"))
    cache.assume(info(pod("x", {"cpu": "3"}, uid="x")), "a")
    before = cache.table.journal.position
    assert fit(cache, pod(requests={"cpu": "500m"})).copies == {"a": 2}
    assert cache.table.journal.position == before
    assert int(cache.table.snapshot().requested[0][0]) == 3000


def test_enough_is_enough() -> None:
    found = fit(cache_of(node("a")), pod(requests={"cpu": "1m"}), most=7)
    assert (found.count, found.more, found.verdict) == (7, True, None)
    exactly = fit(cache_of(node("a", cpu="7m")), pod(requests={"cpu": "1m"}), most=7)
    assert (exactly.count, exactly.more) == (7, False)


def test_room_that_is_kept_for_a_nominated_pod_is_not_given_away() -> None:
    cache = cache_of(node("a"))
    cache.nominations.put(info(pod("important", {"cpu": "3"}, priority=10, uid="i")), "a")
    assert fit(cache, pod(requests={"cpu": "1"})).count == 1
    assert fit(cache, pod(requests={"cpu": "1"}, priority=11)).count == 4


def test_copies_count_for_each_other() -> None:
    asks = pod(requests={"cpu": "1m"})
    asks.metadata.labels["app"] = "web"
    term = asks.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add(
        topology_key="kubernetes.io/hostname"
    )
    term.label_selector.match_labels["app"] = "web"
    nodes = [node(name, labels={"kubernetes.io/hostname": name}) for name in ("a", "b", "c")]
    assert fit(cache_of(*nodes), asks).copies == {"a": 1, "b": 1, "c": 1}
