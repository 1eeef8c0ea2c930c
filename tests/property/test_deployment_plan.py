"""From any state a Deployment's plans lead to the wished-for one, and then to nothing.

On the way no bound is broken.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.deployment.reconcile import Plan, reconcile
from controller.deployment.rollout import is_scaling
from tests.unit.controller.deployment.cases import NEW, deployment, replica_set
from vaina.objects.rollouts import REVISION, fenceposts, replicas_of
from vaina.testing.clock import EPOCH

amounts = st.integers(0, 6) | st.sampled_from(["0%", "10%", "25%", "50%", "100%", "150%"])
MAX_STEPS = 400
#: ReplicaSets of templates before
OLD = ("a", "b", "c")


@dataclass
class World:
    """A Deployment, its ReplicaSets, and what of their Pods is available. Statuses may lag behind."""

    made: Any
    sets: dict[str, Any]
    available: dict[str, int]
    now: float = EPOCH

    def carry_out(self, plan: Plan) -> None:
        if plan.create is not None:
            rs = type(plan.create)()
            rs.CopyFrom(plan.create)
            rs.metadata.uid, rs.metadata.generation = rs.metadata.name, 1
            rs.metadata.creation_timestamp.seconds = int(self.now)
            self.sets[rs.metadata.name], self.available[rs.metadata.name] = rs, 0
        for change in plan.changes:
            rs = type(change.wanted)()
            rs.CopyFrom(change.wanted)
            rs.metadata.generation += 1
            name = rs.metadata.name
            self.sets[name] = rs
            # Those that are not available are taken first.
            self.available[name] = min(self.available[name], replicas_of(rs))
        for rs in plan.delete:
            del self.sets[rs.metadata.name]
        if plan.revision is not None:
            self.made.metadata.annotations[REVISION] = plan.revision
        if plan.status is not None:
            self.made.status.CopyFrom(plan.status)

    def report(self, name: str) -> None:
        """The ReplicaSet controller writes the status of one set."""
        rs = self.sets[name]
        status, count = rs.status, replicas_of(rs)
        status.observed_generation = rs.metadata.generation
        status.replicas, status.terminating_replicas = count, 0
        status.ready_replicas = status.available_replicas = min(self.available[name], count)

    def total(self) -> int:
        return sum(replicas_of(rs) for rs in self.sets.values())

    def alive(self) -> int:
        return sum(self.available.values())


@st.composite
def worlds(draw: st.DrawFn) -> World:
    replicas = draw(st.integers(0, 12))
    surge, away = draw(amounts), draw(amounts)
    made = deployment(replicas, max_surge=surge, max_unavailable=away, recreate=draw(st.integers(0, 9)) == 0)
    names = draw(st.lists(st.sampled_from([NEW, *OLD]), unique=True))
    sets, available = {}, {}
    for index, name in enumerate(names):
        size = draw(st.integers(0, 14))
        available[name] = draw(st.integers(0, size))
        told = draw(st.integers(0, size))
        sets[name] = replica_set(
            made,
            name,
            size,
            told,
            age=100 - index,
            revision=index + 1,
            scaled_for=draw(st.sampled_from([None, 3, 10])),
        )
    return World(made, sets, available)


@settings(max_examples=120, deadline=None)
@given(world=worlds(), data=st.data())
def test_plans_lead_there_and_break_no_bound(world: World, data: st.DataObject) -> None:
    made = world.made
    wished, (surge, away) = replicas_of(made), fenceposts(made)
    rng = data.draw(st.randoms(use_true_random=False))
    for _ in range(MAX_STEPS):
        plan = reconcile(made, list(world.sets.values()), world.now)
        scaling = is_scaling(made, list(world.sets.values()))
        alive, total, truth = world.alive(), world.total(), _is_true(world)
        world.carry_out(plan)
        if not scaling:
            assert world.total() <= max(total, wished + surge)
            if truth and made.spec.strategy.type != "Recreate":
                assert world.alive() >= min(alive, wished - away)
        # Something happens to some of the sets: Pods come up, or a status is written.
        for name in sorted(world.sets):
            if rng.random() < 0.5:
                world.available[name] += rng.randint(0, replicas_of(world.sets[name]) - world.available[name])
            if rng.random() < 0.7:
                world.report(name)
        world.now += 1
        if not plan.acts and _is_over(world):
            break
    else:
        raise AssertionError(f"never over: {world}")
    for name, rs in world.sets.items():
        world.available[name] = replicas_of(rs)
        world.report(name)
    for _ in range(3):
        world.carry_out(reconcile(made, list(world.sets.values()), world.now))
    assert reconcile(made, list(world.sets.values()), world.now) == Plan()


def _is_true(world: World) -> bool:
    """Whether statuses tell what there is. If not, what goes is not the controller's doing.

    The new set may tell of fewer Pods than are available: then less is taken away. Of an old one that does,
    Pods are taken for unhealthy and go first, as upstream (`cleanupUnhealthyReplicas`).
    """
    for name, rs in world.sets.items():
        told = min(rs.status.available_replicas, replicas_of(rs))
        if told > world.available[name] or (name in OLD and told < world.available[name]):
            return False
    return True


def _is_over(world: World) -> bool:
    template = world.made.spec.template.spec
    return all(
        replicas_of(rs) == (replicas_of(world.made) if rs.spec.template.spec == template else 0)
        for rs in world.sets.values()
    ) and any(rs.spec.template.spec == template for rs in world.sets.values())
