"""What the parts of a run share: where it goes on, how, and what is told of it. Made by `run`."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.load.cluster import Target
from bench.load.machines import Machines
from bench.load.making import Making
from bench.load.observe import Observer
from bench.load.progress import Progress
from bench.load.settings import Settings
from bench.load.workload import Workload
from vaina.client.clientset import Clientset

#: begins work that goes on beside the steps; the run ends it
Spawn = Callable[[Awaitable[None]], asyncio.Task[None]]


class RunError(Exception):
    """A run that cannot go on."""


@dataclass(frozen=True, slots=True)
class Context:
    """Of one run; one event loop."""

    workload: Workload
    target: Target
    client: Clientset
    settings: Settings
    progress: Progress
    making: Making
    observer: Observer
    spawn: Spawn
    #: that take part, beside that of the run
    machines: Machines
    #: of the report: each part adds what its reader has to know
    notes: list[str]

    def dice(self, number: int) -> random.Random:
        """Return the dice of a step: the same in each run with this seed."""
        return random.Random(f"{self.settings.seed}-{number}")
