from dataclasses import dataclass

import pytest

from controller.node_lifecycle.taints import (
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    UNREACHABLE,
    FirstSeen,
    compute_taints,
    eviction_of,
    tolerates,
)
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import EPOCH

NOW = EPOCH + 1000


def taint(key: str, effect: str, *, value: str = "", added: float | None = EPOCH) -> node_pb2.Taint:
    made = node_pb2.Taint(key=key, effect=effect, value=value)
    if added is not None:
        made.time_added.CopyFrom(timestamp(added))
    return made


def node(ready: str = "True", taints=(), unschedulable: bool = False, **conditions: str) -> node_pb2.Node:
    made = make_node("n1", taints=taints)
    made.status.conditions[0].status = ready
    for name, status in conditions.items():
        made.status.conditions.add(type=name, status=status)
    made.spec.unschedulable = unschedulable
    return made


@dataclass(frozen=True)
class Case:
    name: str
    node: node_pb2.Node
    #: None: as they are
    want: tuple[tuple[str, str], ...] | None = None
    may_evict: bool = True


FOREIGN = taint("example.com/gpu", NO_SCHEDULE, value="yes")
CASES = [
    Case("a ready node has none", node()),
    Case("taints of others stay", node(taints=[FOREIGN])),
    Case("not ready", node("False"), ((NOT_READY, NO_EXECUTE), (NOT_READY, NO_SCHEDULE))),
    Case("unknown", node("Unknown"), ((UNREACHABLE, NO_EXECUTE), (UNREACHABLE, NO_SCHEDULE))),
    Case("unknown while nothing may be evicted", node("Unknown"), ((UNREACHABLE, NO_SCHEDULE),), may_evict=False),
    Case("what was given is taken back, what is others' stays", node(taints=[taint(UNREACHABLE, NO_EXECUTE), FOREIGN]),
         (("example.com/gpu", NO_SCHEDULE),)),
    Case("NoExecute goes when nothing may be evicted any more",
         node("Unknown", [taint(UNREACHABLE, NO_SCHEDULE), taint(UNREACHABLE, NO_EXECUTE)]),
         ((UNREACHABLE, NO_SCHEDULE),), may_evict=False),
    Case("from unknown to not ready", node("False", [taint(UNREACHABLE, NO_SCHEDULE), taint(UNREACHABLE, NO_EXECUTE)]),
         ((NOT_READY, NO_EXECUTE), (NOT_READY, NO_SCHEDULE))),
    Case("pressure", node(MemoryPressure="True", DiskPressure="True", PIDPressure="False"),
         (("node.kubernetes.io/disk-pressure", NO_SCHEDULE), ("node.kubernetes.io/memory-pressure", NO_SCHEDULE))),
    Case("cordoned", node(unschedulable=True), (("node.kubernetes.io/unschedulable", NO_SCHEDULE),)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_taints_of_a_node(case):
    got = compute_taints(case.node, may_evict=case.may_evict, now=NOW)
    assert (None if got is None else tuple((item.key, item.effect) for item in got)) == case.want
    if got is not None:
        assert all(item.HasField("time_added") for item in got)
        del case.node.spec.taints[:]
        case.node.spec.taints.extend(got)
        assert compute_taints(case.node, may_evict=case.may_evict, now=NOW) is None


def toleration(key: str = "", operator: str = "Exists", **kwargs) -> pod_pb2.Toleration:
    return pod_pb2.Toleration(key=key, operator=operator, **kwargs)


@pytest.mark.parametrize(
    ("item", "want"),
    [
        (toleration(), True),
        (toleration("k"), True),
        (toleration("other"), False),
        (toleration("k", effect="NoExecute"), True),
        (toleration("k", effect="NoSchedule"), False),
        (toleration("k", "Equal", value="v"), True),
        (toleration("k", "", value="v"), True),
        (toleration("k", "Equal", value="w"), False),
        (toleration("", "Equal", value="v"), False),
    ],
)
def test_tolerations(item, want):
    assert tolerates(item, taint("k", NO_EXECUTE, value="v")) is want


def exec_toleration(key: str, seconds: int | None) -> pod_pb2.Toleration:
    made = toleration(key, effect=NO_EXECUTE)
    if seconds is not None:
        made.toleration_seconds = seconds
    return made


@pytest.mark.parametrize(
    ("tolerations", "taints", "want"),
    [
        pytest.param([], [taint(UNREACHABLE, NO_SCHEDULE)], None, id="NoSchedule drives nobody away"),
        pytest.param([], [taint(UNREACHABLE, NO_EXECUTE)], EPOCH + 50, id="no word of its own: the configured time"),
        pytest.param(
            [exec_toleration(UNREACHABLE, 300)], [taint(UNREACHABLE, NO_EXECUTE)], EPOCH + 50,
            id="the default toleration is no word of its own",
        ),
        pytest.param(
            [exec_toleration(UNREACHABLE, 7)], [taint(UNREACHABLE, NO_EXECUTE)], EPOCH + 7, id="its own time counts"
        ),
        pytest.param([exec_toleration(UNREACHABLE, None)], [taint(UNREACHABLE, NO_EXECUTE)], None, id="for ever"),
        pytest.param(
            [exec_toleration(UNREACHABLE, 9), exec_toleration(UNREACHABLE, 3)], [taint(UNREACHABLE, NO_EXECUTE)],
            EPOCH + 3, id="the shortest of several",
        ),
        pytest.param([], [taint("k", NO_EXECUTE)], EPOCH, id="another taint drives away at once"),
        pytest.param([], [taint("k", NO_EXECUTE, added=None)], NOW, id="a taint without a time counts from now"),
        pytest.param(
            [exec_toleration("k", None)], [taint("k", NO_EXECUTE), taint(UNREACHABLE, NO_EXECUTE)], EPOCH + 50,
            id="every taint must be tolerated",
        ),
    ],
)  # fmt: skip
def test_when_a_pod_must_go(tolerations, taints, want):
    pod = make_pod("a", node="n1")
    pod.spec.tolerations.extend(tolerations)
    assert eviction_of(pod, taints, {}, default_seconds=50, now=NOW) == want


def test_the_time_of_a_taint_that_tells_none_runs_from_when_it_was_seen_first() -> None:
    pod, seen = make_pod("a", node="n1"), FirstSeen()
    pod.spec.tolerations.append(exec_toleration("k", 30))
    tainted = node(taints=[taint("k", NO_EXECUTE, added=None)])

    def due(now: float) -> float | None:
        found = seen.look(tainted, now)
        return eviction_of(pod, tainted.spec.taints, found, default_seconds=50, now=now)

    # It is looked at again with each heartbeat, and when its value changes.
    assert [due(NOW + later) for later in (0, 10, 29)] == [NOW + 30] * 3
    tainted.spec.taints[0].value = "other"
    assert due(NOW + 29) == NOW + 30
    # One that went and came back begins again; a node of the same name is another node.
    seen.look(node(), NOW + 40)
    assert due(NOW + 50) == NOW + 80
    seen.forget("n1")
    assert due(NOW + 60) == NOW + 90


@pytest.mark.parametrize(
    ("seconds", "want"), [(30, NOW + 25), (None, None)], ids=["for some time", "for ever"]
)
def test_a_pod_that_comes_to_a_tainted_node_has_its_whole_time(
    seconds: int | None, want: float | None
) -> None:
    pod = make_pod("a", node="n1")
    pod.spec.tolerations.append(exec_toleration("k", seconds))
    pod.status.conditions.add(type="PodScheduled", status="True", last_transition_time=timestamp(NOW - 5))
    assert eviction_of(pod, [taint("k", NO_EXECUTE)], {}, default_seconds=50, now=NOW) == want


@pytest.mark.parametrize(
    ("seconds", "want"), [(7, EPOCH + 907), (300, EPOCH + 950)], ids=["its own time", "the configured time"]
)
def test_a_pod_that_was_made_for_a_tainted_node_has_its_whole_time(seconds: int, want: float) -> None:
    """It has no PodScheduled: nobody bound it, and the node's kubelet may be silent."""
    pod = make_pod("a", node="n1", created=EPOCH + 900)
    pod.spec.tolerations.append(exec_toleration(UNREACHABLE, seconds))
    assert eviction_of(pod, [taint(UNREACHABLE, NO_EXECUTE)], {}, default_seconds=50, now=NOW) == want
