"""Nominations are compared with what the Pods' status says: one that nobody has any more is found."""

from scheduler.cache.cache import Cache
from scheduler.debug.verify import verify_nominations
from tests.unit.scheduler.objects import info, node, node_info, pod
from vaina.api.core.v1 import pod_pb2


def waiting(name: str, nominated: str = "") -> pod_pb2.Pod:
    made = pod(name, priority=5, uid=name)
    made.status.nominated_node_name = nominated
    return made


def differences(cache: Cache, *pods: pod_pb2.Pod) -> list[tuple[str, str, str]]:
    found = verify_nominations(cache.nominations.all(), cache.table, pods, cache.held())
    return [(item.subject, item.have, item.want) for item in found]


def made() -> Cache:
    cache = Cache()
    for name in ("a", "b"):
        cache.upsert_node(node_info(node(name)))
    return cache


def test_what_the_status_says_and_what_we_have_just_chosen_is_true() -> None:
    cache = made()
    cache.nominations.observe(info(waiting("said", "a")))
    cache.nominations.put(info(waiting("chosen")), "b")
    assert differences(cache, waiting("said", "a"), waiting("chosen")) == []
    # A node that is gone keeps no room, and may come back.
    cache.nominations.observe(info(waiting("far", "c")))
    assert differences(cache, waiting("said", "a"), waiting("chosen"), waiting("far", "c")) == []


def test_room_that_is_kept_for_nobody_is_found() -> None:
    cache = made()
    cache.nominations.observe(info(waiting("said", "a")))
    assert differences(cache) == [("default/said", "a", "no such Pod")]
    assert differences(cache, waiting("said")) == [("default/said", "a", "none")]
    assert differences(cache, waiting("said", "b")) == [("default/said", "a", "b")]
    cache.put(info(pod("said", uid="said", node="b")))
    assert differences(cache, waiting("said", "a")) == [("default/said", "a", "is on b")]


def test_a_row_whose_room_is_kept_for_others_is_found() -> None:
    cache = made()
    cache.nominations.observe(info(waiting("said", "a")))
    cache.table.nominate(cache.table.rows["b"], info(waiting("leaked")).pod_class)
    assert differences(cache, waiting("said", "a")) == [("b", "1", "0")]
