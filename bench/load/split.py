"""The Pods of one step created by several machines at once, each its share.

Each says what became of its own. Called by `pods`.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.load import frames
from bench.load.create import Pace
from bench.load.machines import Remote
from bench.load.podset import PodSet
from vaina.api.core.v1 import pod_pb2

#: Pods in a frame
_CHUNK = 500


class SplitCreator:
    """Pods go round the machines, each with its own due time.

    All together are the arrivals that one machine would have made.

    Owned by one task.
    """

    def __init__(self, machines: Sequence[Remote], pods: PodSet) -> None:
        self._machines, self._pods = machines, pods
        #: what was refused and asked again, by reason
        self.retries: Counter[str] = Counter()
        #: when the first machine began, of the run's clock
        self.start = 0.0
        #: of each machine
        self._begun: list[float] = []
        #: Pods of which the run has seen more than the machine that created them
        self.missed = 0

    def _shares(self) -> list[tuple[Remote, range]]:
        size = len(self._machines)
        return [(one, range(number, len(self._pods), size)) for number, one in enumerate(self._machines)]

    async def ship(self, pace: Pace, selector: str, make: Callable[[int], pod_pb2.Pod]) -> None:
        """Send each machine its Pods, before anything is measured. Raises MachineError."""

        async def one(machine: Remote, mine: range) -> None:
            offsets = pace.offsets
            plan = frames.Plan(
                self._pods.namespace, [self._pods.names[index] for index in mine], selector, pace.in_flight, pace.batch,
                None if offsets is None else [offsets[index] for index in mine],
            )  # fmt: skip
            await machine.ask(plan, None)
            for first in range(0, len(mine), _CHUNK):
                some = [make(index).SerializeToString() for index in mine[first : first + _CHUNK]]
                await machine.ask(frames.More(some), None)

        async with asyncio.TaskGroup() as group:
            for machine, mine in self._shares():
                group.create_task(one(machine, mine))

    async def create(self) -> None:
        """Have all begin at once, and return when all Pods are created.

        Raises MachineError: one was refused, for example.
        """
        self._begun = list(await asyncio.gather(*(_begin(one) for one in self._machines)))
        self.start = min(self._begun)
        async with asyncio.TaskGroup() as group:
            for (machine, mine), base in zip(self._shares(), self._begun, strict=True):
                group.create_task(self._finish(machine, mine, base))
        self._pods.asked_count = len(self._pods)

    async def _finish(self, machine: Remote, mine: range, base: float) -> None:
        found = await machine.ask(frames.Finish(), frames.Created, patient=True)
        for index, due, done in zip(mine, found.intended, found.created, strict=True):
            self._pods.intended[index], self._pods.created[index] = base + due, base + done
        self.retries.update(found.retries)
        machine.saw(pods=len(mine))

    async def witness(self) -> float:
        """Put what each machine has seen of its own Pods in the place of what the run has seen.

        Return how late any timer was.

        Raises:
            MachineError: one does not say.
        """
        pods = self._pods
        worst = 0.0
        for (machine, mine), base in zip(self._shares(), self._begun, strict=True):
            bound, running = (
                sum(not math.isnan(times[index]) for index in mine) for times in (pods.bound, pods.running)
            )
            seen = await machine.ask(frames.Witness(bound, running), frames.Seen)
            machine.saw(lag=seen.lag_seconds)
            worst = max(worst, seen.lag_seconds)
            for times, found in ((pods.bound, seen.bound), (pods.running, seen.running)):
                for index, at in zip(mine, found, strict=True):
                    if at is not None:
                        times[index] = base + at
                    elif not math.isnan(times[index]):
                        self.missed += 1
        return worst


async def _begin(machine: Remote) -> float:
    """Have it begin; return when, of this machine's clock: it was between the question and the answer."""
    sent = time.perf_counter()
    await machine.ask(frames.Begin(), None)
    answered = time.perf_counter()
    machine.saw(clock=(answered - sent) / 2)
    return (sent + answered) / 2
