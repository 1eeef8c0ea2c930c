"""Exponential back-off as a value: how long to wait before attempt n."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that grow by a factor up to a cap, spread by jitter so that clients do not come back together."""

    base_seconds: float
    cap_seconds: float
    factor: float = 2.0
    #: the delay is multiplied by a number between 1 and 1 + jitter
    jitter: float = 0.0

    def delay(self, attempt: int, rng: random.Random | None = None) -> float:
        """Return the seconds to wait after so many failures (0: the base); without a generator no jitter."""
        # 2 ** 64 is beyond any cap; a larger exponent would overflow a float.
        grown = self.base_seconds * self.factor ** min(attempt, 64)
        delay = min(grown, self.cap_seconds)
        if rng is not None and self.jitter:
            delay *= 1.0 + rng.random() * self.jitter
        return delay
