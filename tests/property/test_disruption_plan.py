"""Whatever happens, evictions that a budget allows never take more healthy Pods than it may lose.

At rest nothing is written.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.disruption.reconcile import Scale, reconcile
from tests.unit.controller.disruption.test_reconcile import budget
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of, timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.disruption_budgets import DELETION_TIMEOUT_SECONDS, Budget
from vaina.objects.pods import is_ready
from vaina.objects.rollouts import amount_of
from vaina.testing.builders import make_pod, owner_ref
from vaina.testing.clock import EPOCH

STEPS = 80


class World:
    """A ReplicaSet's Pods, its budget, and somebody who evicts as the apiserver lets him."""

    def __init__(self, made: Budget, replicas: int) -> None:
        self.budget, self.replicas, self.now, self._count = made, replicas, EPOCH, 0
        self.pods: dict[str, pod_pb2.Pod] = {}
        #: when an eviction was granted, whatever the budget remembers of it
        self._granted: dict[str, float] = {}
        self.replace()

    def replace(self) -> None:
        """The ReplicaSet makes what is missing."""
        there = [pod for pod in self.pods.values() if not pod.metadata.HasField("deletion_timestamp")]
        for _ in range(self.replicas - len(there)):
            self._count += 1
            pod = make_pod(f"p-{self._count}", labels={"app": "web"})
            pod.metadata.owner_references.append(owner_ref("ReplicaSet", "web", uid="uid-rs"))
            pod.status.conditions.add(type="Ready", status="False")
            self.pods[pod.metadata.name] = pod

    def look(self) -> bool:
        """The controller looks; says whether it wrote."""
        verdict = reconcile(
            self.budget, [*self.pods.values()], lambda _: Scale("uid-rs", self.replicas), self.now
        )
        if verdict.wanted is not None:
            self.budget = verdict.wanted
        return verdict.wanted is not None

    def evict(self, name: str) -> bool:
        """Grant an eviction as the apiserver does: counted down before the Pod is marked."""
        if self.budget.status.disruptions_allowed <= 0 or name in self.budget.status.disrupted_pods:
            return False
        self.budget.status.disruptions_allowed -= 1
        self.budget.status.disrupted_pods[name].CopyFrom(timestamp(self.now))
        # Times of the API are whole seconds.
        self._granted[name] = seconds_of(self.budget.status.disrupted_pods[name])
        return True

    def healthy(self) -> int:
        """Pods that serve, and that nobody is about to take."""
        return sum(
            is_ready(pod)
            and not pod.metadata.HasField("deletion_timestamp")
            and self.now - self._granted.get(name, -DELETION_TIMEOUT_SECONDS) >= DELETION_TIMEOUT_SECONDS
            for name, pod in self.pods.items()
        )

    def set_ready(self, name: str, ready: bool) -> None:
        condition = get_condition(self.pods[name].status, "Ready")
        assert condition is not None
        condition.status = "True" if ready else "False"


amounts = st.integers(0, 6) | st.sampled_from(["0%", "20%", "50%", "99%", "100%"])


@settings(max_examples=60, deadline=None)
@given(replicas=st.integers(0, 8), amount=amounts, least=st.booleans(), seed=st.integers(0, 1 << 32))
def test_what_is_allowed_is_never_too_much(replicas: int, amount: int | str, least: bool, seed: int) -> None:
    rng = random.Random(seed)
    world = World(budget(least=amount) if least else budget(most=amount), replicas)
    spec = world.budget.spec
    if least:
        desired = amount_of(spec.min_available, replicas, round_up=True)
    else:
        desired = replicas - amount_of(spec.max_unavailable, replicas, round_up=True)
    granted: list[str] = []
    for _ in range(STEPS):
        world.now += rng.choice([0.1, 1, 5])
        match rng.randrange(6):
            case 0 | 1:
                world.look()
                assert world.budget.status.disruptions_allowed <= max(0, world.healthy() - desired)
            case 2 if world.pods:
                before = world.healthy()
                name = rng.choice([*world.pods])
                serves = is_ready(world.pods[name])
                if world.evict(name):
                    granted.append(name)
                    # One that served nobody costs nothing; of the others no more go than may.
                    assert not serves or world.healthy() >= min(before, desired)
            case 3 if granted:
                # Its deletion arrives, or is lost: then it stays, and counts again later.
                pod = world.pods.get(granted.pop(0))
                if pod is not None and rng.random() < 0.8:
                    pod.metadata.deletion_timestamp.CopyFrom(timestamp(world.now))
            case 4 if world.pods:
                # Nothing is taken by anybody else here: what is ready stays so.
                world.set_ready(rng.choice([*world.pods]), True)
            case _:
                for name in [
                    name for name, pod in world.pods.items() if pod.metadata.HasField("deletion_timestamp")
                ]:
                    if rng.random() < 0.5:
                        del world.pods[name]
                world.replace()
    world.now += 500
    world.look()
    assert not world.look()
