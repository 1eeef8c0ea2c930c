"""PURE: whether equally good nodes are used evenly: upstream draws one of them (`schedule_one.go`, selectHost).

For each decision among equals: where among them, by name, was the one that was taken; 0 is the first, 1 the
last, and evenly drawn it is in the middle on average, whatever was decided before. How far the average of
many may be from the middle by chance is bounded by Azuma and Hoeffding: beyond `sqrt(ln(2 / p) / 2n)` it is
with a probability of less than p.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

#: that evenly drawn nodes are called uneven by chance, at most
ERROR: Final = 1e-6
#: what is allowed besides where it is not known for certain which nodes were equals for the scheduler
SLACK: Final = 0.1


@dataclass
class Ties:
    """Decisions among equals."""

    count: int = 0
    #: of which it is not certain which nodes were equals
    uncertain: int = 0
    total: float = 0.0

    def take(self, chosen: str, equals: Collection[str], *, certain: bool) -> None:
        """Note a decision; one among fewer than two says nothing."""
        if len(equals) < 2:
            return
        self.total += sum(name < chosen for name in equals) / (len(equals) - 1)
        self.count += 1
        self.uncertain += not certain

    @property
    def average(self) -> float:
        """Where the nodes that were taken were among their equals: 0 the first by name, 1 the last."""
        return self.total / self.count if self.count else 0.5

    def found(self) -> str:
        """Say what is wrong; an empty text: nothing that chance would not explain."""
        if not self.count:
            return ""
        allowed = math.sqrt(math.log(2 / ERROR) / (2 * self.count)) + SLACK * self.uncertain / self.count
        if abs(self.average - 0.5) <= allowed:
            return ""
        side = "first" if self.average < 0.5 else "last"
        return (
            f"equally good nodes are not used evenly: of {self.count:,} decisions the {side} by name are taken too often (on average "
            f"{self.average:.2f} of the way from the first to the last, chance explains {allowed:.2f} to either side of 0.50 but for "
            f"{ERROR:.0e})"
        )
