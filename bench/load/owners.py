"""Pods that controllers make: a step creates Deployments, ReplicaSets, StatefulSets, Jobs or DaemonSets, or
updates them, and their Pods are found by what their names begin with.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bench.load.arrivals import at_rate
from bench.load.making import Making
from bench.load.podset import PodSet
from bench.load.settings import RUN_LABEL, Settings
from bench.load.templates import Maker
from bench.load.workload import UpdateOwners
from vaina.client.clientset import Clientset
from vaina.kinds import DAEMON_SET, JOB

#: digits of the number in an owner's name: all names of a step are equally long
DIGITS = 6
#: kinds whose controllers make Pods, so many as they are told
KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "Job", "DaemonSet")
#: whose controllers put other Pods in the place of all when the template changes
ROLLING_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
#: on the template of Pods, as `kubectl rollout restart` has it
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


class OwnedPods(PodSet):
    """Pods whose names are known when they are seen: each owner has room for its replicas.

    Latencies count from when the owner was due.
    """

    def __init__(
        self, name: str, namespace: str, owners: Sequence[str], replicas: int, *, wants_running: bool
    ) -> None:
        """Make it. Args: owners: their names, all of one length; replicas: of each."""
        super().__init__(name, namespace, [""] * (len(owners) * replicas), wants_running=wants_running)
        self.owners, self.replicas = owners, replicas
        #: set where these are Pods of whose owners some may be updated
        self.maker: Maker | None = None
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

    def close(self) -> None:
        """Take no Pod any more: those that come are another step's."""
        self._left.clear()

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

        async def create(number: int) -> None:
            made = self._make(number, pods.owners[number], pods)
            await self._client.kind(self._maker.template.kind).create(made)

        await _each(pods, self._settings, self._settings.rate / max(1, pods.replicas), now, create)

    def _make(self, number: int, name: str, pods: OwnedPods) -> Any:
        made = self._maker.make(self._numbers[number], "")
        made.metadata.name, made.metadata.namespace = name, pods.namespace
        self._making.label(made)
        if self._maker.template.kind is JOB:
            made.spec.parallelism = made.spec.completions = pods.replicas
        elif self._maker.template.kind is not DAEMON_SET:
            made.spec.replicas = pods.replicas
        template = made.spec.template
        template.metadata.labels[RUN_LABEL] = self._settings.run
        self._making.fit(template)
        return made


class OwnerUpdater:
    """Gives the owners of a step another template of Pods, one a call. Owned by one task."""

    def __init__(self, client: Clientset, settings: Settings, maker: Maker, step: UpdateOwners) -> None:
        """Make it. Args: maker: of the owners as they were made."""
        self._client, self._settings, self._maker, self._step = client, settings, maker, step
        #: nothing is asked again: a patch has no conflicts
        self.retries: Counter[str] = Counter()

    async def create(self, pods: OwnedPods, now: Callable[[], float]) -> None:
        """Update them all. Args: pods: that come in the place of those that are there.

        Raises:
            ApiError: one was refused.
        """
        patch = json.dumps({"spec": {"template": self._change()}})

        async def update(number: int) -> None:
            await self._client.kind(self._maker.template.kind).patch(
                pods.owners[number], patch, namespace=pods.namespace
            )

        await _each(pods, self._settings, self._step.owners_per_second, now, update)

    def _change(self) -> dict[str, Any]:
        if not self._step.image:
            return {"metadata": {"annotations": {RESTARTED_AT: self._settings.run}}}
        containers = self._maker.make(0, "").spec.template.spec.containers
        images = [{"name": container.name, "image": self._step.image} for container in containers]
        return {"spec": {"containers": images}}


async def _each(
    pods: OwnedPods,
    settings: Settings,
    per_second: float,
    now: Callable[[], float],
    do: Callable[[int], Awaitable[None]],
) -> None:
    """Do something with each owner: at a rate, or (0) as fast as the callers get answers.

    Its Pods are due then.
    """
    rng = random.Random(settings.seed)
    offsets = at_rate(len(pods.owners), per_second, settings.arrivals, rng) if per_second else None
    order, start = iter(range(len(pods.owners))), now()

    async def caller() -> None:
        for number in order:
            if offsets is not None:
                await asyncio.sleep(max(0.0, start + offsets[number] - now()))
            pods.due(number, now() if offsets is None else start + offsets[number])
            await do(number)

    callers = settings.callers if settings.create == "unary" else settings.in_flight
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, min(callers, len(pods.owners)))):
            group.create_task(caller())
