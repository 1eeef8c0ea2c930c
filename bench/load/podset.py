"""The Pods of one step, and when each was created, bound and running. Owned by the run; one event loop."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence

NEVER = math.nan


class PodSet:
    """Times are seconds of one monotonic clock; NEVER where something has not happened."""

    def __init__(
        self,
        name: str,
        namespace: str,
        names: Sequence[str],
        *,
        wants_running: bool = False,
        namespaces: Sequence[str] = (),
        may_stay: bool = False,
        stay: frozenset[int] = frozenset(),
    ) -> None:
        """Make it for Pods that are still to be created.

        Args:
            name: of the step, for people.
            namespace: of all of them; "" where each has its own.
            names: of the Pods.
            wants_running: whether `settled` waits for them to run as well.
            namespaces: of each, where they differ.
            may_stay: whether the run goes on though some have no node.
            stay: indexes of those for which no node will do: nobody waits for them.
        """
        self.name, self.namespace, self.names, self.may_stay = name, namespace, list(names), may_stay
        #: of their template, by which steps select them
        self.labels: Mapping[str, str] = {}
        self.stay = stay
        size = len(names)
        #: namespace and name of each
        self.places = list(zip(namespaces or [namespace] * size, names, strict=True))
        #: how many have been asked for
        self.asked_count = 0
        #: when its creation was due: in a closed loop, when it was asked for
        self.intended = [NEVER] * size
        #: when the apiserver had answered
        self.created = [NEVER] * size
        self.bound = [NEVER] * size
        self.running = [NEVER] * size
        self.gone = [NEVER] * size
        self.nodes = [""] * size
        self.bound_count = self.running_count = self.gone_count = 0
        self.first_bound = self.last_bound = NEVER
        #: how many have a node for which none should do
        self.strayed_count = 0
        #: is told of each that the apiserver has taken
        self.on_created: Callable[[int], None] | None = None
        #: is told of each that has a node, once: its index, and when
        self.on_bound: Callable[[int, float], None] | None = None
        #: whether it is waited until they run
        self.wants_running = wants_running
        #: set when the first one was bound
        self.begun = asyncio.Event()
        #: set when there is nothing to wait for
        self.settled = asyncio.Event()
        self._settle()

    def has_labels(self, wanted: Mapping[str, str]) -> bool:
        """Say whether a step that selects these labels means these Pods."""
        return wanted.items() <= self.labels.items()

    def __len__(self) -> int:
        return len(self.names)

    def see_bound(self, index: int, node: str, at: float) -> None:
        """Note that a Pod has a node; only the first time counts."""
        if not self.nodes[index]:
            self.nodes[index], self.bound[index], self.last_bound = node, at, at
            if not self.bound_count:
                self.first_bound = at
                self.begun.set()
            self.bound_count += 1
            self.strayed_count += index in self.stay
            if self.on_bound is not None:
                self.on_bound(index, at)
            if self.bound_count >= self._wanted:
                self._settle()

    def see_running(self, index: int, at: float) -> None:
        """Note that a Pod runs; only the first time counts."""
        if math.isnan(self.running[index]):
            self.running[index] = at
            self.running_count += 1
            self._settle()

    def see_gone(self, index: int, at: float = NEVER) -> None:
        """Note that a Pod was deleted; what never ran never will."""
        self.gone_count, self.gone[index] = self.gone_count + 1, at
        if self.wants_running and math.isnan(self.running[index]):
            self.running_count += 1
        self._settle()

    def _settle(self) -> None:
        reached = self.bound_count - self.strayed_count >= self._wanted
        if reached and (not self.wants_running or self.running_count >= self._wanted):
            self.settled.set()

    @property
    def _wanted(self) -> int:
        return len(self.names) - len(self.stay)

    def see_created(self, index: int, at: float) -> None:
        """Note that the apiserver has taken a Pod."""
        self.created[index] = at
        if self.on_created is not None:
            self.on_created(index)

    @property
    def progress(self) -> tuple[int, int, int]:
        """What changes as long as something happens."""
        return self.bound_count, self.running_count, self.gone_count

    @property
    def is_idle(self) -> bool:
        """Whether all that were asked for are where they should be, and others are to come: an open loop has
        pauses.
        """
        reached = min(self.bound_count, self.running_count) if self.wants_running else self.bound_count
        staying = sum(not math.isnan(self.intended[index]) for index in self.stay)
        return reached >= self.asked_count - staying and not self.settled.is_set()

    def unbound(self) -> list[str]:
        """Return the names of those that have had no node and should."""
        return [
            name
            for index, (name, node) in enumerate(zip(self.names, self.nodes, strict=True))
            if name and not node and index not in self.stay
        ]
