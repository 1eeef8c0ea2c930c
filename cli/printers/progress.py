"""How far something is, for those who wait for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A line, and whether it is over, well or not."""

    text: str
    done: bool = False
    failed: bool = False
