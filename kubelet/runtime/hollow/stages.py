"""How long each stage takes on a hollow node. PURE.

A delay is drawn evenly between two bounds, from the node's own generator, so a seed makes the whole run.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds, between two bounds."""

    least: float = 0.0
    most: float = 0.0

    def draw(self, rng: random.Random) -> float:
        return self.least if self.most <= self.least else rng.uniform(self.least, self.most)


NONE = Delay()


@dataclass(frozen=True, slots=True)
class Stages:
    """phase -> delay -> next phase."""

    run_sandbox: Delay = NONE
    create_container: Delay = NONE
    start_container: Delay = NONE
    #: from the stop signal to the end of the process
    stop_container: Delay = NONE
    pull_image: Delay = NONE
    #: images that are on the node from the beginning; ("*",): all
    images: tuple[str, ...] = ("*",)
    #: images that are in no registry: pulling them fails
    missing_images: frozenset[str] = field(default_factory=frozenset)


#: the stages that take time
TIMED: Final = ("run_sandbox", "create_container", "start_container", "stop_container", "pull_image")


def parse_stages(items: Sequence[str]) -> Stages:
    """Read delays in seconds, `run_sandbox=0.1-0.5` or `pull_image=2`; the others are 0. Raises ValueError."""
    delays: dict[str, Delay] = {}
    for item in items:
        stage, equals, text = item.partition("=")
        if stage not in TIMED:
            raise ValueError(f'"{item}": "{stage}" is no stage (there are {", ".join(TIMED)})')
        least, dash, most = text.partition("-")
        try:
            delay = Delay(float(least), float(most if dash else least))
        except ValueError:
            raise ValueError(f'"{item}": a delay is 0.5 or 0.1-0.5') from None
        if not equals or not 0 <= delay.least <= delay.most < float("inf"):
            raise ValueError(f'"{item}": a delay is 0.5 or 0.1-0.5')
        delays[stage] = delay
    # An image that takes time to come is not there yet.
    return Stages(
        run_sandbox=delays.get("run_sandbox", NONE),
        create_container=delays.get("create_container", NONE),
        start_container=delays.get("start_container", NONE),
        stop_container=delays.get("stop_container", NONE),
        pull_image=delays.get("pull_image", NONE),
        images=() if "pull_image" in delays else ("*",),
    )
