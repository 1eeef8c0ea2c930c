"""When Pods are to be created: offsets in seconds from the start, sorted. PURE."""

import random
from typing import Literal

Arrivals = Literal["constant", "poisson"]


def at_rate(count: int, rate: float, arrivals: Arrivals, rng: random.Random) -> list[float]:
    """Return the offsets of `count` Pods at `rate` a second: evenly, or as independent users would come."""
    if arrivals == "constant":
        return [index / rate for index in range(count)]
    offsets, at = [], 0.0
    for _ in range(count):
        at += rng.expovariate(rate)
        offsets.append(at)
    return offsets


def parse_trace(text: str, count: int) -> list[float]:
    """Read offsets from a text: one number of seconds a line; empty lines and `#` are left out.

    Raises:
        ValueError: a line is no such number, or there are fewer than `count`.
    """
    offsets = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        try:
            offset = float(content)
        except ValueError:
            offset = -1.0
        if not 0 <= offset < float("inf"):
            raise ValueError(f'line {number}: "{content}" is no number of seconds')
        offsets.append(offset)
    if len(offsets) < count:
        raise ValueError(f"the trace has {len(offsets)} offsets and {count} Pods are to be created")
    return sorted(offsets)[:count]
