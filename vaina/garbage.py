"""What Python's garbage collector looks at, and when: not again and again at what is here to stay.

A collection of the oldest generation looks at every container there is, and everybody waits: with 10,000 Pods
in a watch cache 90 ms, and one comes each time that a quarter has been added. A cache makes no circles, and
goes by itself when it is dropped. So what has survived such a collection is frozen: the next looks at what
came since, and takes a few milliseconds (decision 166).

What was frozen and has become a circle nobody holds is not found that way. So now and then everything is
looked at: when the process has grown by half, or after ten minutes. Both are asked when a collection of the
oldest generation begins, so that a process that does nothing does nothing.
"""

import gc
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

#: collections of the middle generation to one of the oldest (Python's own is 10): each is shorter, all
#: together are the same
OLDEST_EVERY: Final = 3
#: everything is looked at when the process has grown by so much since, and by a half of itself
GROWTH_BYTES: Final = 128 * 1024 * 1024
#: or when so much time has passed since
FULL_SECONDS: Final = 600.0

_STATM: Final = Path("/proc/self/statm")
_OLDEST: Final = 2


def is_full_due(passed_seconds: float, before_bytes: int, now_bytes: int) -> bool:
    """Say whether it is time to look at everything.

    Args:
        passed_seconds: since that was done.
        before_bytes: resident memory then.
        now_bytes: resident memory now.
    """
    grown = now_bytes - before_bytes
    return passed_seconds >= FULL_SECONDS or grown >= max(GROWTH_BYTES, before_bytes // 2)


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Freezer:
    """Keeps what has survived out of later collections. One a process; the collector itself calls it."""

    def __init__(self, now: Callable[[], float], memory: Callable[[], int] = resident_bytes) -> None:
        """Make it; `install` lets it begin.

        Args:
            now: monotonic seconds.
            memory: resident bytes of this process.
        """
        self._now, self._memory = now, memory
        self._at, self._bytes = now(), memory()
        self._is_full = False

    def install(self) -> None:
        """Begin: what there is now, modules above all, is not looked at before the first full look."""
        gc.freeze()
        youngest, middle, _ = gc.get_threshold()
        gc.set_threshold(youngest, middle, OLDEST_EVERY)
        gc.callbacks.append(self._on_collection)

    def remove(self) -> None:
        """End; nothing is frozen any more."""
        gc.callbacks.remove(self._on_collection)
        gc.unfreeze()

    def _on_collection(self, phase: str, info: Mapping[str, int]) -> None:
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            self._is_full = is_full_due(self._now() - self._at, self._bytes, self._memory())
            if self._is_full:
                gc.unfreeze()
            return
        gc.freeze()
        if self._is_full:
            self._at, self._bytes, self._is_full = self._now(), self._memory(), False
