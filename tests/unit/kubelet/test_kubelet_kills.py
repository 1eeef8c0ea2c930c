"""A kubelet that is killed at random moments of a mixed load, over and over.

Every Pod ends as its spec says, and nothing starts twice (I11, I12).

The same story on a real node: tests/cluster/test_kubelet_kills.py.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kubelet.config import KubeletConfig
from kubelet.runtime.hollow.program import Delay, Stages
from kubelet.runtime.records import ContainerPhase
from tests.unit.kubelet.harness import NODE, Node, node
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

KILLS = 12
STAGES = Stages(
    run_sandbox=Delay(0.05, 0.3), create_container=Delay(0.02, 0.1), start_container=Delay(0.02, 0.1),
    stop_container=Delay(0.05, 0.4),
)  # fmt: skip
CONFIG = KubeletConfig(node_name=NODE, crash_backoff_seconds=0.5, crash_backoff_cap_seconds=1.0)
FOREVER = "sleep infinity"


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of Pod."""

    scripts: tuple[str, ...] = (FOREVER,)
    init: tuple[str, ...] = ()
    restart: str = "Always"
    grace: int = 30
    #: in the end: phase, exit code of the first container; None: it is deleted, and gone
    end: tuple[str, int] | None = ("Running", 0)


SORTS = {
    "stays": Sort(),
    "pair": Sort((FOREVER, FOREVER)),
    "succeeds": Sort(("sleep 1",), restart="Never", end=("Succeeded", 0)),
    "fails": Sort(("sleep 2; exit 3",), restart="Never", end=("Failed", 3)),
    "once": Sort(("sleep 1",), restart="OnFailure", end=("Succeeded", 0)),
    "init": Sort(("sleep 1",), ("sleep 1", "sleep 0.5"), restart="Never", end=("Succeeded", 0)),
    "init-stays": Sort((FOREVER,), ("sleep 1",)),
    "goes": Sort(end=None),
    "deaf": Sort((f"trap '' TERM; {FOREVER}",), grace=3, end=None),
}  # fmt: skip


def make(name: str, sort: Sort) -> pod_pb2.Pod:
    def containers(scripts: tuple[str, ...], prefix: str) -> list[pod_pb2.Container]:
        made = []
        for number, script in enumerate(scripts):
            one = make_container(f"{prefix}{number}", "busybox")
            one.command.extend(["sh", "-c", script])
            made.append(one)
        return made

    pod = make_pod(name, containers=containers(sort.scripts, "c"))
    pod.spec.init_containers.extend(containers(sort.init, "i"))
    pod.spec.restart_policy = sort.restart
    pod.spec.termination_grace_period_seconds = sort.grace
    return pod


def is_right(pod: pod_pb2.Pod | None, sort: Sort) -> bool:
    if sort.end is None or pod is None:
        return sort.end is None and pod is None
    phase, code = sort.end
    first = pod.status.container_statuses[0] if pod.status.container_statuses else pod_pb2.ContainerStatus()
    if phase == "Running":
        return pod.status.phase == phase and all(item.ready for item in pod.status.container_statuses)
    return (pod.status.phase, first.state.terminated.exit_code) == (phase, code)


class Story:
    """A load and kills, in an order that a seed decides."""

    def __init__(self, on: Node, rng: random.Random) -> None:
        self.on, self.rng = on, rng
        self.pods: dict[str, Sort] = {}
        self.deleted: set[str] = set()

    async def load(self) -> None:
        """Make a Pod, or delete one that is to go."""
        going = [name for name, sort in self.pods.items() if sort.end is None and name not in self.deleted]
        if going and self.rng.random() < 0.5:
            await self.delete(going[0])
            return
        name = self.rng.choice(sorted(SORTS))
        made = f"{name}-{len(self.pods)}"
        self.pods[made] = SORTS[name]
        await self.on.create(make(made, SORTS[name]))

    async def delete(self, name: str) -> None:
        self.deleted.add(name)
        await self.on.client.pods.delete(name, "default")

    async def wait(self, done: Callable[[], object], what: str) -> None:
        for _ in range(400):
            if all([is_right(await self.on.find(name), sort) for name, sort in self.pods.items()]) and done():
                return
            await self.on.clock.advance(0.25)
        wrong = [name for name, sort in self.pods.items() if not is_right(await self.on.find(name), sort)]
        raise AssertionError(f"{what}: {wrong}")


@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_random_moments_it_restarts_nothing_and_loses_nothing(seed: int) -> None:
    rng = random.Random(seed)
    async with node(STAGES, CONFIG) as on:
        story = Story(on, rng)
        for _ in range(KILLS):
            for _ in range(rng.randrange(1, 4)):
                await story.load()
                await on.clock.advance(rng.uniform(0.0, 0.6))
            await on.stop_kubelet()
            await on.clock.advance(rng.uniform(0.0, 1.5))
            await on.start_kubelet(on.group)
            await on.clock.advance(rng.uniform(0.0, 0.4))
        for name, sort in story.pods.items():
            if sort.end is None and name not in story.deleted:
                await story.delete(name)
        await story.wait(lambda: True, "every Pod ends as its spec says")

        started = Counter(number for what, number in on.runtime.history if what == "start_container")
        assert {number: times for number, times in started.items() if times > 1} == {}
        states = await on.runtime.list_containers()
        # No container ran a second time: nobody's process had to be made anew because of a kubelet.
        assert {state.name: state.attempt for state in states if state.attempt} == {}
        kept = {state.pod_uid for state in states}
        uids = {name: (await on.get(name)).metadata.uid for name, sort in story.pods.items() if sort.end}
        assert kept == set(uids.values())
        running = {state.pod_uid for state in states if state.phase is ContainerPhase.RUNNING}
        assert running == {uids[name] for name, sort in story.pods.items() if sort.end == ("Running", 0)}

        for name in uids:
            await on.client.pods.delete(name, "default", grace_period_seconds=1)
        for _ in range(200):
            if not await on.runtime.list_containers() and not await on.runtime.list_pod_sandboxes():
                break
            await on.clock.advance(0.25)
        assert await on.runtime.list_containers() == []
        assert await on.runtime.list_pod_sandboxes() == []
