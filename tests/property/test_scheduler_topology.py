"""Counters by domain and the cycles above them stay what they would be from scratch, whatever Pods and nodes
do.
"""

import random
from dataclasses import dataclass, field

import pytest

from scheduler.cache.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from tests.support.columns import wrong_counters
from tests.unit.scheduler.objects import node
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

ZONE, HOST, RACK = "topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack"
NODES = 40


@dataclass
class Story:
    """A cluster in which things happen by dice."""

    seed: int
    cache: Cache = field(default_factory=Cache)
    compiler: PodCompiler = field(default_factory=PodCompiler)
    framework: Framework = field(default_factory=lambda: Framework(default_profile()))
    placed: dict[str, PodInfo] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.cycles = Cycles(self.cache.table, self.framework, limit=6)
        for number in range(NODES):
            self.node(number)
        self.namespace("default")
        self.namespace("other")

    def node(self, number: int) -> None:
        rng = self.rng
        labels = {HOST: f"n{number}", ZONE: rng.choice("abc"), RACK: f"r{rng.randrange(8)}"}
        for key in (ZONE, RACK):
            if rng.random() < 0.05:
                del labels[key]
        self.cache.upsert_node(compile_node(node(f"n{number}", cpu=rng.choice(["2", "4"]), labels=labels)))

    def namespace(self, name: str) -> None:
        self.cache.table.set_namespace(name, {"team": self.rng.choice(["red", "blue"])})

    def pod(self) -> pod_pb2.Pod:
        """Make a Pod that asks something of the others."""
        rng = self.rng
        app = rng.choice(["x", "y"])
        made = make_pod(
            "p", rng.choice(["default", "default", "other"]), labels={"app": app, "tier": rng.choice("12")},
            containers=[make_container(requests={"cpu": rng.choice(["100m", "300m"]), "memory": "200Mi"})],
        )  # fmt: skip
        if rng.random() < 0.3:
            # Spread by default among those of its owner.
            made.metadata.owner_references.add(
                api_version="apps/v1", kind="ReplicaSet", name=app, uid=app, controller=True
            )
        for _ in range(rng.choice([0, 1, 1, 2])):
            if rng.random() < 0.5:
                constraint = made.spec.topology_spread_constraints.add(
                    max_skew=rng.choice([1, 2, 4]), topology_key=rng.choice([ZONE, HOST, RACK]),
                    when_unsatisfiable=rng.choice(["DoNotSchedule", "ScheduleAnyway"]),
                )  # fmt: skip
                constraint.label_selector.match_labels["app"] = app
                continue
            affinity = made.spec.affinity
            near: bool = rng.random() < 0.5
            required = affinity.pod_affinity if near else affinity.pod_anti_affinity
            if rng.random() < 0.4:
                term = required.required_during_scheduling_ignored_during_execution.add()
            else:
                weighted = required.preferred_during_scheduling_ignored_during_execution.add()
                weighted.weight = rng.randint(1, 100)
                term = weighted.pod_affinity_term
            term.topology_key = rng.choice([ZONE, HOST, RACK])
            term.label_selector.match_labels["app"] = rng.choice([app, "x", "z"])
            if rng.random() < 0.2:
                term.namespace_selector.match_labels["team"] = "red"
        return made

    def schedule(self, template: pod_pb2.Pod) -> None:
        """Decide in two ways, compare, place."""
        self.number += 1
        made = pod_pb2.Pod()
        made.CopyFrom(template)
        made.metadata.name = made.metadata.uid = f"p{self.number}"
        # A label that no selector looks at: the Pods are decided as one class all the same.
        made.metadata.labels["number"] = str(self.number)
        info = self.compiler.compile(made)
        choice = self.rng.randrange(1000)

        def tie_break(count: int) -> int:
            return choice % count

        decision = self.cycles.decide(info.pod_class, tie_break)
        assert decision == schedule_pod(info.pod_class, self.cache.table, self.framework, tie_break=tie_break)
        if isinstance(decision, Scheduled):
            self.cache.assume(info, decision.node_name)
            self.placed[info.uid] = info

    def someone(self) -> PodInfo:
        return self.placed[self.rng.choice(sorted(self.placed))]

    def relabel(self, info: PodInfo) -> None:
        held = self.cache.get(info.uid)
        assert held is not None
        made = pod_pb2.Pod()
        made.CopyFrom(info.pod)
        made.spec.node_name = held.node_name
        if self.rng.random() < 0.5:
            made.metadata.labels["app"] = self.rng.choice(["x", "y", "z"])
        else:
            made.metadata.deletion_timestamp.seconds = 1
        self.placed[info.uid] = self.compiler.compile(made)
        self.cache.put(self.placed[info.uid])

    def step(self, templates: list[pod_pb2.Pod]) -> None:
        dice = self.rng.random()
        if dice < 0.55 or not self.placed:
            template = self.rng.choice(templates)
            for _ in range(self.rng.choice([1, 2, 5, 30])):
                self.schedule(template)
        elif dice < 0.75:
            for _ in range(self.rng.choice([1, 1, 40])):
                if self.placed:
                    info = self.someone()
                    del self.placed[info.uid]
                    self.cache.remove(info.uid)
        elif dice < 0.85:
            self.relabel(self.someone())
        elif dice < 0.93:
            self.node(self.rng.randrange(NODES))
        elif dice < 0.96:
            self.cache.remove_node(f"n{self.rng.randrange(NODES)}")
        else:
            self.namespace(self.rng.choice(["default", "other"]))

    def count_again(self) -> None:
        """Compare every counter that is alive, and then with those of a new table."""
        assert wrong_counters(self.cache.table.topology) == []
        fresh = Cache()
        for name, row in sorted(self.cache.table.rows.items(), key=lambda item: item[1]):
            found = self.cache.node(name)
            assert found is not None
            while len(fresh.table.names) < row:
                # The same rows, so that they can be compared.
                fresh.table.upsert(compile_node(node(f"gap-{len(fresh.table.names)}")))
            fresh.upsert_node(found)
        for name, labels in self.cache.table.topology.namespaces.items():
            fresh.table.set_namespace(name, labels)
        for uid, info in self.placed.items():
            held = self.cache.get(uid)
            assert held is not None
            fresh.assume(info, held.node_name)
        ours, theirs = self.cache.table.topology, fresh.table.topology
        for info in self.placed.values():
            group = info.pod_class.group
            assert ours.terms_matching(group) == theirs.terms_matching(group)
            for term in info.pod_class.asked.terms:
                assert ours.carriers(term).rows == theirs.carriers(term).rows
                assert ours.column(term.peers).rows == theirs.column(term.peers).rows
                mine = ours.sum(term.topology_key, ((ours.column(term.peers), 3),))
                other = theirs.sum(term.topology_key, ((theirs.column(term.peers), 3),))
                assert sorted(mine.values[mine.values > 0]) == sorted(other.values[other.values > 0])


@pytest.mark.parametrize("seed", range(12))
def test_counters_and_decisions_are_those_of_a_new_scheduler(seed: int) -> None:
    story = Story(seed)
    templates = [story.pod() for _ in range(4)]
    for _ in range(18):
        story.step(templates)
        assert wrong_counters(story.cache.table.topology) == []
    story.count_again()


def test_supposing_leaves_no_trace() -> None:
    story = Story(99)
    templates = [story.pod() for _ in range(4)]
    for _ in range(12):
        story.step(templates)
    table = story.cache.table
    for info in [*story.placed.values()]:
        held = story.cache.get(info.uid)
        assert held is not None
        row = table.rows.get(held.node_name)
        if row is not None:
            table.suppose(row, info.pod_class, -1)
            table.suppose(row, info.pod_class, 1)
    story.count_again()
    for template in templates:
        story.schedule(template)


def test_labels_that_nobody_looks_at_do_not_make_classes() -> None:
    story = Story(1)
    plain = make_pod("p", labels={"app": "x"}, containers=[make_container(requests={"cpu": "100m"})])
    for _ in range(30):
        story.schedule(plain)
    assert story.cycles.kept == 1


def test_counters_go_with_the_classes_that_asked_for_them() -> None:
    story = Story(2)
    for number in range(12):
        made = make_pod("p", labels={"app": f"a{number}"})
        constraint = made.spec.topology_spread_constraints.add(
            max_skew=1, topology_key=HOST, when_unsatisfiable="DoNotSchedule"
        )
        constraint.label_selector.match_labels["app"] = f"a{number}"
        story.schedule(made)
    # Six classes are kept.
    assert story.cache.table.topology.sizes["columns"] == 6
