"""Shared informers: one a kind and selection, however many controllers of a process want it."""

import asyncio
import random
from typing import Any, TypeVar

from google.protobuf.message import Message

from vaina.cache.informer import Informer
from vaina.cache.mutation import MutationDetector
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.kinds import Kind

M = TypeVar("M", bound=Message)


class InformerFactory:
    """Makes informers and runs them. Ask for all of them before `run`."""

    def __init__(
        self,
        clientset: Clientset,
        clock: Clock,
        *,
        detector: MutationDetector | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.clientset, self.clock, self._detector, self._rng = clientset, clock, detector, rng
        self._informers: dict[tuple[str, str, str], Informer[Any]] = {}

    def informer(self, kind: Kind[M], *, label_selector: str = "", field_selector: str = "") -> Informer[M]:
        """Return the informer of a kind and selection, the same one every time."""
        key = (kind.service, label_selector, field_selector)
        if key not in self._informers:
            self._informers[key] = Informer(
                self.clientset.kind(kind), self.clock, label_selector=label_selector,
                field_selector=field_selector, detector=self._detector, rng=self._rng,
            )  # fmt: skip
        return self._informers[key]

    async def run(self) -> None:
        """Run every informer until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")

    async def wait_synced(self) -> None:
        """Return when every informer has its first list."""
        for informer in [*self._informers.values()]:
            await informer.wait_synced()

    @property
    def synced(self) -> bool:
        """Whether every informer has its first list."""
        return all(informer.synced for informer in self._informers.values())
