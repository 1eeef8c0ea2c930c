"""What is believed of Pods and nodes, and that the watch always wins."""

from scheduler.cache.cache import OVERDUE_SECONDS, Cache
from scheduler.columns.node_info import NodeChange
from scheduler.columns.snapshot import CPU
from tests.unit.scheduler.objects import info, node, node_info, pod


def make_cache(*names: str) -> Cache:
    cache = Cache()
    for name in names:
        cache.upsert_node(node_info(node(name)))
    return cache


def cpu(cache: Cache, name: str) -> int:
    return int(cache.table.snapshot().requested[CPU][cache.table.rows[name]])


WEB = info(pod("web", {"cpu": "1"}, uid="u"))


def on(name: str, cpu: str = "1") -> object:
    return info(pod("web", {"cpu": cpu}, uid="u", node=name))


def test_an_assumed_pod_takes_room_until_it_is_forgotten() -> None:
    cache = make_cache("a")
    cache.assume(WEB, "a")
    assert cpu(cache, "a") == 1000
    assert cache.sizes() == {"nodes": 1, "pods": 1, "assumed_pods": 1}
    assert cache.forget("u") is WEB
    assert cpu(cache, "a") == 0
    assert cache.sizes() == {"nodes": 1, "pods": 0, "assumed_pods": 0}


def test_a_pod_that_the_watch_has_shown_is_not_forgotten() -> None:
    cache = make_cache("a")
    cache.assume(WEB, "a")
    before = cache.put(on("a"))  # type: ignore[arg-type]
    assert before is not None
    assert before.assumed
    assert cache.forget("u") is None
    assert cpu(cache, "a") == 1000
    assert cache.sizes()["assumed_pods"] == 0


def test_a_pod_that_turns_up_elsewhere_is_moved_there() -> None:
    cache = make_cache("a", "b")
    cache.assume(WEB, "a")
    cache.put(on("b"))  # type: ignore[arg-type]
    assert (cpu(cache, "a"), cpu(cache, "b")) == (0, 1000)


def test_a_pod_that_was_resized_is_counted_anew() -> None:
    cache = make_cache("a")
    cache.put(on("a"))  # type: ignore[arg-type]
    cache.put(on("a", "3"))  # type: ignore[arg-type]
    assert cpu(cache, "a") == 3000
    cache.remove("u")
    assert cpu(cache, "a") == 0
    assert cache.remove("u") is None


def test_pods_are_kept_for_a_node_that_is_not_there() -> None:
    cache = make_cache()
    cache.put(on("late"))  # type: ignore[arg-type]
    assert cache.upsert_node(node_info(node("late"))) == NodeChange.ADDED
    assert cpu(cache, "late") == 1000
    cache.remove_node("late")
    assert cache.remove_node("late") is None
    cache.upsert_node(node_info(node("late")))
    assert cpu(cache, "late") == 1000
    cache.remove("u")
    assert cpu(cache, "late") == 0


def test_a_resource_that_comes_late_is_counted_for_pods_that_were_there() -> None:
    cache = make_cache("a", "b")
    hungry = info(pod("hungry", {"gpu/x": "2"}, uid="h", node="a"))
    waiting = info(pod("waiting", {"gpu/x": "1"}, uid="w", node="c"))
    cache.put(hungry)
    cache.put(waiting)
    cache.upsert_node(node_info(node("c", extended={"gpu/x": "4"})))
    nodes = cache.table.snapshot()
    column = nodes.requested[nodes.resources["gpu/x"]]
    assert [int(column[cache.table.rows[name]]) for name in "abc"] == [2, 0, 1]
    cache.remove("h")
    cache.remove("w")
    assert column.tolist() == [0, 0, 0]


def test_a_confirmation_that_stays_out_is_noticed() -> None:
    cache = make_cache("a")
    cache.assume(WEB, "a")
    assert cache.overdue(now=1000.0) == []
    cache.acknowledged("u", now=1000.0)
    assert cache.overdue(now=1000.0 + OVERDUE_SECONDS) == []
    assert cache.overdue(now=1001.0 + OVERDUE_SECONDS) == [WEB]
    cache.put(on("a"))  # type: ignore[arg-type]
    assert cache.overdue(now=2000.0) == []
