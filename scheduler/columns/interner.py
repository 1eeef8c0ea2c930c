"""Texts (and tuples of them) as small numbers that are used again once nobody holds them.

Used by the node table: a column of codes is compared by numpy, and whatever is asked of a value (is it in a
set, is a taint tolerated) is asked once a distinct value and then looked up.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: the code of *nothing there*; values have codes from 1 on
ABSENT = 0


class Interner(Generic[K]):
    """Values by code, counted. Owned by the scheduling task."""

    def __init__(self) -> None:
        self._codes: dict[K, int] = {}
        #: by code; None where no value is (code 0 always)
        self.values: list[K | None] = [None]
        self._counts: list[int] = [0]
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return the number of values that are held."""
        return len(self._codes)

    @property
    def size(self) -> int:
        """One more than the largest code: the length of a table of answers."""
        return len(self.values)

    def find(self, value: K) -> int:
        """Return the code of a value, or ABSENT when nobody holds it."""
        return self._codes.get(value, ABSENT)

    def acquire(self, value: K) -> int:
        """Return the code of a value, which is held once more."""
        code = self._codes.get(value)
        if code is None:
            if self._free:
                code = self._free.pop()
                self.values[code] = value
            else:
                code = len(self.values)
                self.values.append(value)
                self._counts.append(0)
            self._codes[value] = code
        self._counts[code] += 1
        return code

    def release(self, code: int) -> None:
        """Hold a value once less; with the last holder its code becomes free. ABSENT may be released too."""
        if code == ABSENT:
            return
        self._counts[code] -= 1
        if self._counts[code] == 0:
            value = self.values[code]
            assert value is not None
            del self._codes[value]
            self.values[code] = None
            self._free.append(code)
