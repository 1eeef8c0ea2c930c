"""What a run measures: the Pods of a step, or all that come between `startCollectingMetrics` and
`stopCollectingMetrics`.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from bench.load.context import Context
from bench.load.create import Creator
from bench.load.measure import Measuring
from bench.load.nodes import RunNodes
from bench.load.owners import OwnerCreator, OwnerUpdater
from bench.load.podset import PodSet
from bench.load.report import Measurement
from bench.load.split import SplitCreator
from bench.load.steady import Steady
from bench.load.waiting import Waiting


class Measurements:
    """Owns what was measured, and the measurement that goes on between two steps. Owned by the run."""

    def __init__(self, context: Context, nodes: RunNodes, waiting: Waiting) -> None:
        self._target, self._client, self._settings = context.target, context.client, context.settings
        self._progress, self._spawn, self._notes = context.progress, context.spawn, context.notes
        self._making, self._nodes, self._waiting = context.making, nodes, waiting
        self._machines = context.machines
        #: in the order in which they ended
        self.done: list[Measurement] = []
        #: in the order in which they began; one that goes on is the last
        self.begun: list[Measuring] = []
        self._open: Measuring | None = None
        #: of the open one; none: all
        self._namespaces: Sequence[str] = ()
        self._labels: Mapping[str, str] = {}

    def _new(self, name: str) -> Measuring:
        made = Measuring(
            name, self._target, self._client,
            lambda: self._target.meters() | self._nodes.meters() | self._machines.meters(),
            self._settings.window_seconds,
        )  # fmt: skip
        self.begun.append(made)
        return made

    async def start(self, name: str, namespaces: Sequence[str], labels: Mapping[str, str]) -> None:
        """Begin one that goes on over the steps that follow.

        Args:
            name: in the report.
            namespaces: of the workload, whose Pods count; none: all.
            labels: that the template of these Pods has; none: all.
        """
        self._namespaces, self._labels = namespaces, labels
        self._open = self._new(name)
        await self._open.prepare()
        await self._open.begin()

    def follow(self, short: str, pods: PodSet) -> None:
        """Count a step's Pods where a measurement goes on that is of their namespace and labels."""
        if self._open is None or not pods.has_labels(self._labels):
            return
        if not self._namespaces or short in self._namespaces:
            self._open.pods.append(pods)

    async def stop(self) -> None:
        """End the one that was begun."""
        assert self._open is not None, "the parser sees to it"
        self.done.append(await self._end(self._open))
        self._open = None

    async def measure(
        self,
        short: str,
        pods: PodSet,
        creator: Creator | OwnerCreator | OwnerUpdater | SplitCreator,
        create: Callable[[], Coroutine[Any, Any, object]],
        beside: Callable[[], Coroutine[Any, Any, object]] | None = None,
        settled: Callable[[], object] = lambda: None,
    ) -> None:
        """Measure how a step's Pods come to be where they should be.

        Args:
            short: the name in the report.
            pods: of the step.
            creator: of them; says how often it had to ask again.
            create: has it create them.
            beside: what goes on from when the scheduler may have them.
            settled: is called when they are where they should be, before Events are waited for and nodes are
            looked at.

        Raises:
            RunError: they did not come as far as they should.
            ApiError: one was refused.
        """
        measuring = self._new(short)
        measuring.pods.append(pods)
        pending = self._settings.create == "pending"
        if pending:
            await self._target.stop_scheduler()
            await create()
            self._progress.say(f"{pods.name}: {len(pods):,} are pending")
        await measuring.prepare()
        watchers = [self._spawn(measuring.lag.watch())]
        if beside is not None and not pending:
            watchers.append(self._spawn(_nothing(beside())))
        if pending:
            await self._target.start_scheduler()
            if beside is not None:
                watchers.append(self._spawn(_nothing(beside())))
            await self._waiting.until_begun(pods)
            await measuring.begin(pods.first_bound if pods.bound_count else None)
            watchers.append(self._spawn(measuring.sample()))
        else:
            watchers.append(self._spawn(measuring.sample()))
            await measuring.begin()
            creating = self._spawn(_nothing(create()))
            await self._waiting.until_settled(pods)
            await creating
        await self._waiting.until_settled(pods)
        settled()
        if isinstance(creator, SplitCreator):
            measuring.lag.seconds = max(measuring.lag.seconds, await creator.witness())
            if creator.missed:
                self._notes.append(
                    f"{measuring.name}: {creator.missed:,} times are of the run's watch: the machines had not seen these yet"
                )
        measuring.retries = creator.retries
        found = await self._end(measuring)
        for task in watchers:
            task.cancel()
        if found.seconds < 1:
            # Without the figure, so that several runs say it once; it stands beside the number of Pods.
            self._notes.append(f"{measuring.name}: less than a second is too short for a steady rate")
        self.done.append(found)

    async def _end(self, measuring: Measuring) -> Measurement:
        found = measuring.found = await measuring.end(self._making.nodes)
        self._notes += [
            f"CPU and memory of {name} are not known: its page of metrics did not answer (--{name.partition('-')[0]}-metrics)"
            for name in sorted(measuring.silent)
        ]
        return found

    def add_steady(self, steady: Steady) -> None:
        """Say of the last one how a steady state was held."""
        self.done[-1] = self.begun[-1].found = msgspec.structs.replace(self.done[-1], steady=steady)


async def _nothing(work: Coroutine[Any, Any, object]) -> None:
    await work
