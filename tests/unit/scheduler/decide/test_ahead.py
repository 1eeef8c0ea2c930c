"""Looking ahead changes no decision.

Those of many equal Pods, with others between them, are those from scratch.
"""

import random
from collections.abc import Sequence

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from tests.unit.scheduler.objects import node as make_node
from tests.unit.scheduler.objects import node_info, pod, pod_class, table
from vaina.api.core.v1 import node_pb2

FRAMEWORK = Framework(default_profile())


ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def _node(number: int, zone: int, *, cpu: str, memory: str, pods: str) -> node_pb2.Node:
    """Return a node in one of three zones, or (3) in none."""
    labels = {HOST: f"n{number}"} if zone == 3 else {HOST: f"n{number}", ZONE: f"z{zone}"}
    return make_node(f"n{number}", labels=labels, cpu=cpu, memory=memory, pods=pods)


def _nodes(count: int, rng: random.Random, zones: int = 3) -> NodeTable:
    """Nodes of three sizes, some with room for a few Pods only."""
    return table(
        *(
            _node(i, rng.randrange(zones), cpu=rng.choice(("2", "4", "8")), memory=rng.choice(("4Gi", "8Gi")), pods=rng.choice(("3", "9", "110")))
            for i in range(count)
        )
    )  # fmt: skip


def _classes(rng: random.Random, count: int, *keys: str) -> Sequence[PodClass]:
    """Return classes of some sizes, the first of which rather spread over domains of these keys."""
    made: list[PodClass] = []
    for i in range(count):
        one = pod(f"p{i}", requests={"cpu": f"{rng.choice((50, 100, 250))}m", "memory": rng.choice(("64Mi", "300Mi"))}, priority=i % 2)  # fmt: skip
        one.metadata.labels["app"] = "a" if i == 0 else rng.choice("ab")
        for key in keys if i == 0 else ():
            added = one.spec.topology_spread_constraints.add(
                max_skew=rng.choice((1, 5)), topology_key=key, when_unsatisfiable="ScheduleAnyway"
            )
            added.label_selector.match_labels["app"] = "a"
        made.append(pod_class(one))
    return made


@pytest.mark.parametrize("keys", [(), (ZONE,), (ZONE, HOST)], ids=["plain", "zones", "zones and hosts"])
@pytest.mark.parametrize("seed", range(12))
def test_decisions_are_those_from_scratch(seed: int, keys: tuple[str, ...]) -> None:
    rng = random.Random(seed)
    # With a fourth zone: nodes of none.
    nodes = _nodes(60, rng, rng.choice((1, 3, 3, 4)))
    classes = _classes(rng, rng.choice((1, 1, 2, 5)), *keys)
    cycles, ours = Cycles(nodes, FRAMEWORK, make_ahead=lambda size: Ahead(size, 2)), random.Random(seed)
    placed: list[tuple[int, PodClass]] = []
    ran = 0
    for number in range(500):
        made = rng.choice(classes)
        again = random.Random()
        again.setstate(ours.getstate())
        decision = cycles.decide(made, ours.randrange)
        assert decision == schedule_pod(made, nodes, FRAMEWORK, tie_break=again.randrange)
        assert ours.getstate() == again.getstate()
        if not isinstance(decision, Scheduled):
            ran = number
            break
        nodes.add_pod(decision.row, made)
        placed.append((decision.row, made))
        match rng.randrange(30):
            case 0:
                # One goes, from the same node or from another.
                row, gone = placed.pop(rng.choice((-1, 0)))
                nodes.remove_pod(row, gone)
            case 1:
                # One that was decided elsewhere turns up.
                row = rng.randrange(60)
                nodes.add_pod(row, classes[0])
                placed.append((row, classes[0]))
            case 2:
                # A node changes.
                nodes.upsert(
                    node_info(_node(rng.randrange(60), rng.randrange(4), cpu="6", memory="6Gi", pods="20"))
                )
            case 3:
                # Room is kept for one that is to come.
                nodes.nominate(rng.randrange(60), classes[-1])
            case _:
                pass
    assert ran or len(placed) > 300
