"""A run places Pods as one at a time would.

The same nodes by the same dice, and everything counted alike afterwards.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Snapshot
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.framework.interface import CycleState
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Decision, Scheduled
from scheduler.plugins.pod_topology_spread import PodTopologySpread
from tests.support.apiserver import make_apiserver
from tests.support.columns import wrong_counters
from tests.support.scheduler import build
from tests.unit.scheduler.objects import compiler, node_info, pod
from tests.unit.scheduler.objects import node as make_node
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.testing.clock import FakeClock

FRAMEWORK = Framework(default_profile())
NODES = 40
ZONE = "topology.kubernetes.io/zone"


def _nodes(rng: random.Random) -> list[node_pb2.Node]:
    """Nodes of three sizes, some with room for a few Pods only."""
    return [
        make_node(
            f"n{i}", cpu=rng.choice(("2", "4", "8")), memory=rng.choice(("4Gi", "8Gi")),
            pods=rng.choice(("3", "9", "110")), labels={"kubernetes.io/hostname": f"n{i}", ZONE: f"z{i % 3}"},
        )
        for i in range(NODES)
    ]  # fmt: skip


def _template(rng: random.Random, number: int) -> pod_pb2.Pod:
    made = pod(requests={"cpu": f"{rng.choice((50, 100, 250))}m", "memory": rng.choice(("64Mi", "300Mi"))}, priority=number % 2)  # fmt: skip
    made.metadata.labels["app"] = f"app-{number}"
    for key in {1: (ZONE,), 3: (ZONE, "kubernetes.io/hostname")}.get(number, ()):
        # Rather spread over zones, and hosts.
        spread = made.spec.topology_spread_constraints.add(
            max_skew=rng.choice((1, 5)), topology_key=key, when_unsatisfiable="ScheduleAnyway"
        )
        spread.label_selector.match_labels["app"] = f"app-{number}"
    if number == 2:
        # Away from others of its kind: no run, and somebody counts the Pods of the first kind.
        for app in ("app-2", "app-0"):
            part = made.spec.affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution
            added = part.add(weight=5)
            added.pod_affinity_term.topology_key = "kubernetes.io/hostname"
            added.pod_affinity_term.label_selector.match_labels["app"] = app
    return made


def _named(template: pod_pb2.Pod, number: int) -> PodInfo:
    made = pod_pb2.Pod()
    made.CopyFrom(template)
    made.metadata.name = made.metadata.uid = f"p{number}"
    return compiler.compile(made)


class World:
    """A cache with its cycles, and dice."""

    def __init__(self, nodes: Sequence[node_pb2.Node], seed: int) -> None:
        self.cache, self.dice = Cache(), random.Random(seed)
        for made in nodes:
            self.cache.upsert_node(node_info(made))
        self.cycles = Cycles(self.cache.table, FRAMEWORK, make_ahead=lambda size: Ahead(size, 2))

    def one(self, info: PodInfo) -> Decision:
        """Decide for one Pod and place it."""
        decision = self.cycles.decide(info.pod_class, self.dice.randrange)
        if isinstance(decision, Scheduled):
            self.cache.assume(info, decision.node_name)
        return decision

    def run(self, pod_class: PodClass, infos: Sequence[PodInfo]) -> list[Decision]:
        """Place as many of these Pods as a run takes."""
        coming = iter(infos)
        chosen = self.cycles.run(pod_class, coming, self.dice.randrange)
        # Nobody was taken who got no node.
        assert [*coming] == [*infos[len(chosen) :]]
        if chosen:
            placed = [(info, where.row, where.node_name) for info, where in chosen]
            self.cache.assume_all(pod_class, placed)
        return [where for _, where in chosen]

    def state(self) -> dict[str, object]:
        """Return all that is believed."""
        table = self.cache.table
        nodes = table.snapshot()
        columns = [*nodes.requested, nodes.nonzero_cpu, nodes.nonzero_memory, nodes.pod_count]
        return {
            "columns": [column.tolist() for column in columns],
            "priorities": {level: counts.tolist() for level, counts in nodes.priorities.items()},
            "journal": table.journal.since(0),
            "last": table.last_added,
            "placed": table.topology.placed(),
            "carried": table.topology.carried(),
            "held": {uid: (held.node_name, held.assumed) for uid, held in self.cache.held().items()},
            "on": [[info.uid for info in self.cache.on(f"n{i}")] for i in range(NODES)],
            "sizes": self.cache.sizes(),
            "dice": self.dice.getstate(),
        }


@pytest.mark.parametrize("seed", range(24))
def test_what_is_placed_is_what_one_at_a_time_would_have_placed(seed: int) -> None:
    rng = random.Random(seed)
    nodes = _nodes(rng)
    plain, fast = World(nodes, seed), World(nodes, seed)
    kinds = rng.sample(range(4), rng.choice((1, 2, 3)))
    templates = [_template(rng, number) for number in kinds]
    number = ran = 0
    for _ in range(60):
        template = rng.choice(templates)
        infos = [_named(template, number + i) for i in range(rng.choice((1, 2, 5, 30)))]
        number += len(infos)
        left = infos
        while left:
            # As `scheduler.attempts` does: one as ever, and as many more as a run takes.
            first = fast.one(left[0])
            assert plain.one(left[0]) == first
            left = left[1:]
            if not isinstance(first, Scheduled):
                break
            more = fast.run(infos[0].pod_class, left)
            assert more == [plain.one(info) for info in left[: len(more)]]
            ran += len(more)
            left = left[len(more) :]
        assert fast.state() == plain.state()
        assert not wrong_counters(fast.cache.table.topology)
        happens, row, gone = rng.randrange(6), rng.randrange(NODES), rng.random()
        changed = node_info(make_node(f"n{row}", cpu="6", memory="6Gi", pods="20", labels={"kubernetes.io/hostname": f"n{row}", ZONE: f"z{seed % 3}"}))  # fmt: skip
        for world in (plain, fast):
            held = [*world.cache.held()]
            if happens == 0 and held:
                world.cache.remove(held[int(gone * len(held))])
            elif happens == 1:
                world.cache.upsert_node(changed)
            elif happens == 2:
                world.cache.nominations.put(_named(templates[0], -1), f"n{row}")
            elif happens == 3:
                world.cache.nominations.remove("p-1")
    # What depends on other Pods is placed one at a time.
    assert ran > 20 or 0 not in kinds or 2 in kinds


def test_a_burst_goes_in_the_order_of_the_queue_to_the_nodes_it_would_go_to_one_by_one() -> None:
    nodes = [make_node(f"n{i:03}", cpu="4", memory="8Gi", pods="12") for i in range(64)]
    server, clock = make_apiserver(), FakeClock()
    scheduler = build(server.client, clock, tie_break=random.Random(3).randrange)
    plain = Cache()
    for made in nodes:
        scheduler.cache.upsert_node(node_info(made))
        plain.upsert_node(node_info(made))
    shapes = [{"cpu": "100m", "memory": "64Mi"}] * 3 + [{"cpu": "9"}, {"cpu": "150m", "memory": "200Mi"}]
    infos: list[PodInfo] = []
    for block in range(20):
        requests = shapes[block % len(shapes)]
        for i in range(1 if "memory" not in requests else 40):
            template = pod(requests=requests, priority=block % 2)
            infos.append(_named(template, 100 * block + i))
            scheduler.queue.add(infos[-1], now=clock.monotonic())
    dice = random.Random(3)
    expected: dict[str, str] = {}
    for info in sorted(infos, key=lambda info: -info.pod_class.priority):
        decision = schedule_pod(info.pod_class, plain.table, FRAMEWORK, tie_break=dice.randrange)
        if isinstance(decision, Scheduled):
            plain.assume(info, decision.node_name)
            expected[info.uid] = decision.node_name
    assert scheduler.cycle() == len(infos)
    assert [(uid, held.node_name) for uid, held in scheduler.cache.held().items()] == [*expected.items()]
    told = {entry.uid: entry for _, entry in scheduler.decisions.find()}
    assert len(told) == len(infos)
    assert {uid: told[uid].decision.node_name for uid in expected} == expected  # type: ignore[union-attr]
    assert scheduler.queue.sizes()["unschedulable"] == len(infos) - len(expected) == 4
    assert np.array_equal(scheduler.cache.table.snapshot().pod_count, plain.table.snapshot().pod_count)
    # All others are on their way: attempted once, and none of them waits any more.
    assert scheduler.queue.ready == 0
    assert {scheduler.queue.get(uid).attempts for uid in expected} == {1}  # type: ignore[union-attr]


class FailsOnce(PodTopologySpread):
    """Raises one time when it is asked to score."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.told, self._at = 0, at

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        self.told += 1
        if self.told == self._at:
            raise KeyError("a bug of a plugin")
        return super().score_row(state, pod, nodes, row)


@pytest.mark.parametrize("at", [2, 3, 7, 12, 20, 50])
def test_a_bug_of_a_plugin_is_met_by_one_pod_at_most_and_the_others_go_on(at: int) -> None:
    profile, fails = default_profile(), FailsOnce(at)
    scores = [
        replace(item, plugin=fails) if isinstance(item.plugin, PodTopologySpread) else item
        for item in profile.scores
    ]
    server, clock = make_apiserver(), FakeClock()
    scheduler = build(
        server.client, clock, profiles=(replace(profile, scores=tuple(scores)),), tie_break=random.Random(3).randrange
    )  # fmt: skip
    for i in range(64):
        labels = {ZONE: f"z{i % 3}"}
        scheduler.cache.upsert_node(
            node_info(make_node(f"n{i:04}", cpu="4", memory="8Gi", pods="12", labels=labels))
        )
    template = _template(random.Random(1), 1)
    for number in range(90):
        scheduler.queue.add(_named(template, number), now=clock.monotonic())
    while scheduler.queue.ready:
        scheduler.cycle()
    assert fails.told > at
    held = scheduler.cache.held()
    assert len(held) >= 89
    assert len(held) + scheduler.queue.sizes()["backoff"] == 90
    assert not wrong_counters(scheduler.cache.table.topology)
    # What was drawn before the bug counts as ever.
    zones = Counter(int(there.node_name[1:]) % 3 for there in held.values())
    assert max(zones.values()) - min(zones.values()) <= 1
