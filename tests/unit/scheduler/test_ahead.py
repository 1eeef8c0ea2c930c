"""Looking ahead changes no decision: those of many equal Pods, with others between them, are those from scratch."""

import random
from collections.abc import Sequence

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.cycles import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from tests.unit.scheduler.objects import node as make_node
from tests.unit.scheduler.objects import node_info, pod, pod_class, table

FRAMEWORK = Framework(default_profile())


def _nodes(count: int, rng: random.Random) -> NodeTable:
    """Nodes of three sizes, some with room for a few Pods only."""
    return table(
        *(
            make_node(f"n{i}", cpu=rng.choice(("2", "4", "8")), memory=rng.choice(("4Gi", "8Gi")), pods=rng.choice(("3", "9", "110")))
            for i in range(count)
        )
    )  # fmt: skip


def _classes(rng: random.Random, count: int) -> Sequence[PodClass]:
    return [
        pod_class(pod(f"p{i}", requests={"cpu": f"{rng.choice((50, 100, 250))}m", "memory": rng.choice(("64Mi", "300Mi"))}, priority=i % 2))
        for i in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_decisions_are_those_from_scratch(seed: int) -> None:
    rng = random.Random(seed)
    nodes, classes = _nodes(60, rng), _classes(rng, rng.choice((1, 1, 2, 5)))
    cycles, ours = Cycles(nodes, FRAMEWORK, ahead_from=2), random.Random(seed)
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
                nodes.upsert(node_info(make_node(f"n{rng.randrange(60)}", cpu="6", memory="6Gi", pods="20")))
            case 3:
                # Room is kept for one that is to come.
                nodes.nominate(rng.randrange(60), classes[-1])
            case _:
                pass
    assert ran or len(placed) > 300
