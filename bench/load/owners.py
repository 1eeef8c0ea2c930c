"""Pods that controllers make: a step creates Deployments, ReplicaSets, StatefulSets or Jobs, and their Pods are found by what their names begin with."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from bench.load.arrivals import at_rate
from bench.load.making import Making
from bench.load.podset import PodSet
from bench.load.settings import RUN_LABEL, Settings
from bench.load.templates import Maker
from vaina.client.clientset import Clientset
from vaina.kinds import JOB

#: digits of the number in an owner's name: all names of a step are equally long
DIGITS = 6
#: kinds whose controllers make Pods, so many as they are told
KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "Job")


class OwnedPods(PodSet):
    """Pods whose names are known when they are seen: each owner has room for its replicas. Latencies count from when the owner was due."""

    def __init__(
        self, name: str, namespace: str, owners: Sequence[str], replicas: int, *, wants_running: bool
    ) -> None:
        """Make it. Args: owners: their names, all of one length; replicas: of each."""
        super().__init__(name, namespace, [""] * (len(owners) * replicas), wants_running=wants_running)
        self.owners, self.replicas = owners, replicas
        self._length = len(owners[0]) if owners else 0
        #: places that are left
        self._left = {
            owner: iter(range(number * replicas, (number + 1) * replicas))
            for number, owner in enumerate(owners)
        }

    def place(self, pod: str) -> int | None:
        """Give a Pod its place; None: it is nobody's, or comes instead of one that was there."""
        index = next(self._left.get(pod[: self._length], iter(())), None)
        if index is not None:
            self.names[index], self.places[index] = pod, (self.namespace, pod)
        return index

    def due(self, number: int, at: float) -> None:
        """Note when an owner was due, and with it its Pods."""
        first = number * self.replicas
        self.asked_count += self.replicas
        self.intended[first : first + self.replicas] = [at] * self.replicas


class OwnerCreator:
    """Creates the owners of one step, one a call. Owned by one task."""

    def __init__(
        self, client: Clientset, making: Making, settings: Settings, maker: Maker, numbers: Sequence[int]
    ) -> None:
        """Make it. Args: maker: of the owners; numbers: of each, which no other object with such a name has."""
        self._numbers = numbers
        self._client, self._making, self._settings, self._maker = client, making, settings, maker
        #: nothing is asked again: an owner is created once
        self.retries: Counter[str] = Counter()

    async def create(self, pods: OwnedPods, now: Callable[[], float]) -> None:
        """Create them all: as fast as the callers get answers, or (a rate of Pods a second) when they are due.

        Raises:
            ApiError: one was refused.
        """
        settings = self._settings
        offsets = (
            at_rate(
                len(pods.owners),
                settings.rate / pods.replicas,
                settings.arrivals,
                random.Random(settings.seed),
            )
            if settings.rate
            else None
        )
        order, start = iter(enumerate(pods.owners)), now()

        async def caller() -> None:
            for number, name in order:
                if offsets is not None:
                    await asyncio.sleep(max(0.0, start + offsets[number] - now()))
                pods.due(number, now() if offsets is None else start + offsets[number])
                made = self._make(number, name, pods)
                await self._client.kind(self._maker.template.kind).create(made)

        callers = settings.callers if settings.create == "unary" else settings.in_flight
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, min(callers, len(pods.owners)))):
                group.create_task(caller())

    def _make(self, number: int, name: str, pods: OwnedPods) -> Any:
        made = self._maker.make(self._numbers[number], "")
        made.metadata.name, made.metadata.namespace = name, pods.namespace
        self._making.label(made)
        if self._maker.template.kind is JOB:
            made.spec.parallelism = made.spec.completions = pods.replicas
        else:
            made.spec.replicas = pods.replicas
        template = made.spec.template
        template.metadata.labels[RUN_LABEL] = self._settings.run
        self._making.fit(template)
        return made
