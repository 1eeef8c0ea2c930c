"""The controllers killed at every write of a story.

Just before it, and just after it, when its answer is lost. Nothing is left to chance.

A story is told once to count the writes, then once for each and either side of it. It has to come to the same
end each time, within all invariants. After ALICE and CrashMonkey, which do the same to file systems
(https://www.usenix.org/conference/osdi14, T. S. Pillai et al.).
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.checks.model import Model
from tests.simulation.simulate import Outcome, simulate
from tests.simulation.story import CALM, Step, Story
from tests.simulation.world import World
from vaina.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    STATEFUL_SET,
)
from vaina.leaderelection.service import READS
from vaina.objects.jobs import completion_index
from vaina.objects.meta import controller_of

PART = "controller"
#: what is written besides, and decides nothing
_ASIDE = ("Event", "Lease", "PodTrace")
#: when the first step is done; what is written before belongs to the cluster, not to the story
_BEGINS = 2.0


@dataclass(frozen=True, slots=True)
class Crash:
    """At which write, counted from one, and on which side of it."""

    number: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} write {self.number}"


class CrashingWorld(World):
    """Kills the controllers once, where it is told to. Those that stories are about, for shortness."""

    controllers = (
        "replicaset", "deployment", "job", "statefulset", "daemonset", "disruption", "garbage-collector", "node-ipam",
        "node-lifecycle",
    )  # fmt: skip
    #: a second kill would show; what comes late is for stories of chance
    keep_seconds = 3.0

    def __init__(self, story: Story, crash: Crash | None) -> None:
        super().__init__(story)
        if self.disks is not None:
            self.controllers += ("persistentvolume-binder", "local-path", "pvc-protection", "pv-protection")
        self._crash = crash
        #: the controllers' writes, in order
        self.writes: list[str] = []

    async def before_call(self, part: str, method: str) -> int:
        service, _, verb = method.rpartition("/")
        kind = service.rpartition(".")[2].removesuffix("Service")
        if part != PART or verb in READS or kind in _ASIDE or self.now < _BEGINS:
            return 0
        self.writes.append(f"{kind} {verb}")
        number = len(self.writes)
        if self._crash == Crash(number, after=False):
            await self._die()
        return number

    async def after_call(self, number: int) -> None:
        if number and self._crash == Crash(number, after=True):
            await self._die()

    async def _die(self) -> None:
        self.on_fault("crash-at-write", f"{self._crash}: {self.writes[-1]}")
        self._restarting = asyncio.get_running_loop().create_task(self._restart())
        await asyncio.get_running_loop().create_future()

    async def _restart(self) -> None:
        await self.kill(PART)
        await self.clock.sleep(1.0)
        self.start(PART)


@dataclass(frozen=True, slots=True)
class Telling:
    """What came of a story with a crash, or without."""

    outcome: Outcome
    writes: tuple[str, ...]
    ending: tuple[str, ...]


def tell(story: Story, crash: Crash | None = None) -> Telling:
    """Tell a story, with the controllers killed once."""
    world = CrashingWorld(story, crash)
    outcome = simulate(story, world_of=lambda _: world)
    return Telling(outcome, tuple(world.writes), tuple(sorted(_ending(world.model))))


def crashes(count: int) -> Iterator[Crash]:
    """Give every crash of a story of so many writes."""
    return (Crash(number, after) for number in range(1, count + 1) for after in (False, True))


def _ending(model: Model) -> Iterator[str]:
    """Describe what there is in the end, but for names and times, which may be others."""
    for pod in model.of(POD):
        owner = controller_of(pod.metadata)
        # A ReplicaSet is told by its template.
        name = owner.name if owner is not None and owner.kind != REPLICA_SET.kind else ""
        what = (
            pod.metadata.name if owner is not None and owner.kind == STATEFUL_SET.kind else "",
            completion_index(pod),
        )
        yield f"Pod of {name} {what} {_cpu(pod.spec)} {pod.status.phase} on a node: {bool(pod.spec.node_name)}"
    for job in model.of(JOB):
        status = job.status
        ends = sorted(f"{item.type} {item.status} {item.reason}" for item in status.conditions)
        yield f"Job {job.metadata.name} {status.succeeded} {status.failed} {status.completed_indexes} {ends}"
    for claim in model.of(PERSISTENT_VOLUME_CLAIM):
        has = claim.status.capacity["storage"].string if claim.status.capacity else ""
        yield f"claim {claim.metadata.name} {claim.status.phase} {has}"
    for kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET, POD_DISRUPTION_BUDGET):
        for obj in model.of(kind):
            yield f"{kind.kind} {_cpu(obj.spec.template.spec) if kind is not POD_DISRUPTION_BUDGET else ''} {_numbers(obj.status)}"


def _cpu(spec: Any) -> str:
    return ",".join(container.resources.requests["cpu"].string for container in spec.containers)


def _numbers(status: Any) -> str:
    """Return the counts of a status; which generation was looked at and conditions' words follow from how it
    came about.
    """
    return ", ".join(
        f"{field.name} {value}"
        for field, value in status.ListFields()
        if isinstance(value, int) and field.name != "observed_generation"
    )


def _story(*steps: Step, nodes: int = 1) -> Story:
    return Story(1, nodes, 1, 1, 0.0, CALM, steps)


#: cheap ones, few Pods and few writes: what `make test-sim` tells
STORIES: Mapping[str, Story] = {
    "a rollout": _story(
        Step(0.0, "create-deployment", ("dep0", 1, 100, "one more")), Step(2.0, "roll", (0, 101))
    ),
    "a scale-down": _story(Step(0.0, "create-rs", ("rs0", 3, 100)), Step(2.0, "scale", (0, 1))),
    "a Job": _story(
        Step(0.0, "create-job", ("job0", 2, 3, "indexed", "3 s, then 0", 1)),
        Step(0.0, "create-job", ("job1", 1, 1, "plain", "2 s, then 1", 0)),
    ),
    "an update of a StatefulSet": _story(
        Step(0.0, "create-stateful-set", ("sts0", 2, 100, "OrderedReady")), Step(2.5, "roll", (0, 101))
    ),
    "an update of a DaemonSet": _story(
        Step(0.0, "create-daemon-set", ("ds0", 100, "surge", "everywhere")), Step(2.0, "roll", (0, 101))
    ),
}  # fmt: skip
#: the rest is for `make sim CRASHES=1`
MORE: Mapping[str, Story] = {
    "a rollout of several": _story(
        Step(0.0, "create-deployment", ("dep0", 3, 100, "a quarter")), Step(3.0, "roll", (0, 101))
    ),
    "a rollout all at once": _story(
        Step(0.0, "create-deployment", ("dep0", 2, 100, "all at once")), Step(3.0, "roll", (0, 101))
    ),
    "a scale-down of a Deployment in its rollout": _story(
        Step(0.0, "create-deployment", ("dep0", 4, 100, "one less")), Step(3.0, "roll", (0, 101)), Step(3.3, "scale", (0, 1))
    ),
    "a Job that is suspended": _story(
        Step(0.0, "create-job", ("job0", 2, 3, "plain", "3 s, then 0", 1)), Step(1.5, "suspend", (0, 2.0))
    ),
    "a Job that waits for the end of its Pods": _story(
        Step(0.0, "create-job", ("job0", 2, 2, "indexed failed", "3 s, then 0", 1)), Step(1.5, "delete-pod", (0, -1))
    ),
    "a scale-down of a StatefulSet": _story(
        Step(0.0, "create-stateful-set", ("sts0", 3, 100, "OrderedReady")), Step(4.0, "scale", (0, 1))
    ),
    "a StatefulSet all at once": _story(
        Step(0.0, "create-stateful-set", ("sts0", 3, 100, "Parallel")), Step(3.0, "roll", (0, 101)),
        Step(4.0, "scale", (0, 2)),
    ),
    "an update of a DaemonSet on two nodes": _story(
        Step(0.0, "create-daemon-set", ("ds0", 100, "surge", "everywhere")), Step(3.0, "roll", (0, 101)), nodes=2
    ),
    "an update of a DaemonSet in place": _story(
        Step(0.0, "create-daemon-set", ("ds0", 100, "in place", "pool")), Step(0.1, "label-node", ("node-0", "yes")),
        Step(3.0, "roll", (0, 101)), Step(3.2, "label-node", ("node-1", "yes")), nodes=2,
    ),
    "an eviction": _story(
        Step(0.0, "create-rs", ("rs0", 2, 100)), Step(0.5, "create-budget", ("pdb0", 0, "miss 1")),
        Step(3.0, "evict", (0,)), Step(3.1, "evict", (1,)),
    ),
    "a claim with its volume": _story(
        Step(0.0, "use-claim", ("user0", 0, 100, "for ever")), Step(3.0, "grow-claim", (0, "2Gi")),
        Step(5.0, "delete-pod", (0, -1)), Step(12.0, "delete-claim", (0,)),
    ),
    "claims of a StatefulSet": _story(
        Step(0.0, "create-claimed-set", ("db0", 2, "OrderedReady", "dropped")), Step(6.0, "scale", (0, 1))
    ),
    "a deletion of all below": _story(
        Step(0.0, "create-deployment", ("dep0", 2, 100, "one more")), Step(3.0, "delete-set", (0, "Foreground"))
    ),
    "a deletion that leaves the Pods": _story(
        Step(0.0, "create-deployment", ("dep0", 2, 100, "one more")), Step(3.0, "delete-set", (0, "Orphan"))
    ),
}  # fmt: skip


def findings(story: Story) -> Iterator[str]:
    """Tell a story with a crash at every write, and give what came of it that should not."""
    quiet = tell(story)
    if quiet.outcome.violation is not None:
        yield f"without a crash: {quiet.outcome.violation}"
        return
    for crash in crashes(len(quiet.writes)):
        told, what = tell(story, crash), f"killed {crash} ({quiet.writes[crash.number - 1]})"
        if told.outcome.violation is not None:
            yield f"{what}: {told.outcome.violation}"
        elif not told.outcome.faults["crash-at-write"]:
            yield f"{what}: there was no such write"
        elif told.ending != quiet.ending:
            yield f"{what}: {sorted(Counter(told.ending) - Counter(quiet.ending))} instead of {sorted(Counter(quiet.ending) - Counter(told.ending))}"
