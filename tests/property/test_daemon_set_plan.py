"""From any state a DaemonSet's plans lead to one Pod of the new template on each node, and then to nothing.

On the way no bound is broken.
"""

import random
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.daemonset.reconcile import DaemonSet, Plan, node_of, reconcile
from tests.unit.controller.daemonset.test_reconcile import daemon_set
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.pods import is_ready
from vaina.objects.rollouts import REVISION_HASH, amount_of
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import EPOCH

MAX_STEPS, UNREST = 300, 12
OLD, NEW = "old", "new"


def is_ending(pod: pod_pb2.Pod) -> bool:
    return pod.metadata.HasField("deletion_timestamp")


@dataclass
class World:
    """A DaemonSet, its nodes, and the Pods on them."""

    made: DaemonSet
    nodes: list[node_pb2.Node]
    pods: dict[str, pod_pb2.Pod] = field(default_factory=dict)
    now: float = EPOCH
    numbers: count = field(default_factory=count)  # type: ignore[type-arg]  # of ints

    def add(self, node: str, template: str, *, ready: bool = False) -> pod_pb2.Pod:
        name = f"log-{next(self.numbers)}"
        pod = make_pod(name, node=node)
        pod.metadata.uid, pod.metadata.labels[REVISION_HASH] = name, template
        pod.metadata.creation_timestamp.CopyFrom(timestamp(self.now))
        pod.status.phase = "Running"
        pod.status.conditions.add(type="Ready", status="False")
        self.pods[name] = pod
        if ready:
            self.make_ready(pod, True)
        return pod

    def make_ready(self, pod: pod_pb2.Pod, ready: bool) -> None:
        condition = get_condition(pod.status, "Ready")
        assert condition is not None
        condition.status = "True" if ready else "False"
        condition.last_transition_time.CopyFrom(timestamp(self.now))

    def plan(self) -> Plan:
        return reconcile(self.made, self.nodes, [*self.pods.values()], NEW, self.now)

    def carry_out(self, plan: Plan) -> None:
        for node in plan.create:
            self.add(node, NEW)
        for pod in plan.delete:
            pod.metadata.deletion_timestamp.CopyFrom(timestamp(self.now))
        if plan.status is not None:
            self.made.status.CopyFrom(plan.status)

    def steady(self, node: str) -> list[pod_pb2.Pod]:
        return [pod for pod in self.pods.values() if node_of(pod) == node and not is_ending(pod)]

    def meant(self) -> list[str]:
        return [node.metadata.name for node in self.nodes if not node.spec.taints]

    def available(self) -> set[str]:
        """Nodes with a Pod that serves."""
        wait = self.made.spec.min_ready_seconds
        found = set[str]()
        for pod in self.pods.values():
            condition = get_condition(pod.status, "Ready")
            assert condition is not None
            if (
                is_ready(pod)
                and not is_ending(pod)
                and condition.last_transition_time.seconds + wait <= self.now
            ):
                found.add(node_of(pod))
        return found & {*self.meant()}

    def live(self, rng: random.Random, *, unrest: bool) -> None:
        """Some Pods that are ending have gone, some become ready.

        In unrest some end by themselves, or are ready no more.
        """
        for pod in [*self.pods.values()]:
            if is_ending(pod):
                if rng.random() < 0.6:
                    del self.pods[pod.metadata.name]
            elif unrest and rng.random() < 0.05:
                pod.status.phase = rng.choice(["Failed", "Succeeded"])
                self.make_ready(pod, False)
            elif unrest and rng.random() < 0.1:
                self.make_ready(pod, False)
            elif pod.status.phase == "Running" and not is_ready(pod) and rng.random() < 0.4:
                self.make_ready(pod, True)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    surge = draw(st.booleans())
    amount = draw(st.integers(1, 4) | st.sampled_from(["1%", "30%", "50%", "100%"]))
    made = daemon_set(unavailable=0 if surge else amount, surge=amount if surge else 0)
    made.spec.min_ready_seconds = draw(st.sampled_from([0, 0, 3]))
    world = World(made, [make_node(f"n{number}") for number in range(draw(st.integers(0, 7)))])
    for node in world.nodes:
        if draw(st.integers(0, 5)) == 0:
            node.spec.taints.add(key="dedicated", effect="NoExecute")
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
            pod = world.add(
                node.metadata.name, draw(st.sampled_from([OLD, OLD, NEW])), ready=draw(st.booleans())
            )
            if draw(st.integers(0, 7)) == 0:
                pod.metadata.deletion_timestamp.CopyFrom(timestamp(EPOCH))
    return world


@settings(max_examples=60, deadline=None)
@given(world=worlds(), seed=st.integers(0, 1 << 32))
def test_plans_lead_there_and_break_no_bound(world: World, seed: int) -> None:
    rng, desired = random.Random(seed), len(world.meant())
    rolling = world.made.spec.update_strategy.rolling_update
    surge = amount_of(rolling.max_surge, desired, round_up=True)
    away = 0 if surge else max(1, amount_of(rolling.max_unavailable, desired, round_up=True))
    for step in range(MAX_STEPS):
        before = {name: world.steady(name) for name in world.meant()}
        tidy = all(len(pods) <= 1 + (surge > 0) for pods in before.values()) and all(
            len({pod.metadata.labels[REVISION_HASH] for pod in pods}) == len(pods) for pods in before.values()
        )
        available, doubled = world.available(), sum(len(pods) > 1 for pods in before.values())
        plan = world.plan()
        for name in plan.create:
            assert name in world.meant()
            assert len(before[name]) <= (surge > 0), "there is one already"
            if not surge:
                assert all(node_of(pod) != name for pod in world.pods.values()), "one is still ending"
        assert len({*plan.create}) == len(plan.create)
        unserved = sum(len(pods) == 1 and name not in available for name, pods in before.items())
        world.carry_out(plan)
        if tidy:
            # What did not serve may go or be doubled; of what does, no more is taken than may be away.
            assert len(world.available()) >= min(len(available), desired - away)
            now_doubled = sum(len(world.steady(name)) > 1 for name in world.meant())
            assert now_doubled <= max(doubled, surge + unserved + doubled * (surge == 0))
        if not plan.acts and step > UNREST + 10 and is_there(world):
            break
        world.live(rng, unrest=step < UNREST)
        if step == UNREST + 10:
            # A new template when all is calm: now all have to go, one after the other.
            for pod in world.pods.values():
                pod.metadata.labels[REVISION_HASH] = OLD
        world.now += 1
    else:
        raise AssertionError("never over")
    world.now += 10
    world.carry_out(world.plan())
    assert world.plan() == Plan()
    status = world.made.status
    assert (
        status.desired_number_scheduled
        == status.updated_number_scheduled
        == status.number_available
        == desired
    )


def is_there(world: World) -> bool:
    places = sorted(node_of(pod) for pod in world.pods.values())
    return places == world.meant() and all(
        pod.metadata.labels[REVISION_HASH] == NEW and is_ready(pod) for pod in world.pods.values()
    )
