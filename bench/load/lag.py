"""How late a process' own timers are: whoever measures others has to know this of itself."""

import asyncio
import time

_TICK_SECONDS = 0.02


class Lag:
    """Owned by who measures."""

    def __init__(self) -> None:
        #: the worst so far
        self.seconds = 0.0

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            due = time.perf_counter() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self.seconds = max(self.seconds, time.perf_counter() - due)
