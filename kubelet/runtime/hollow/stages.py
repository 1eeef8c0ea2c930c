"""How long each stage takes on a hollow node: a table. PURE.

A stage's delay is drawn evenly between two bounds, from the node's own generator, so that a seed makes the whole run.
"""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds, between two bounds."""

    least: float = 0.0
    most: float = 0.0

    def draw(self, rng: random.Random) -> float:
        """Return a delay."""
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
