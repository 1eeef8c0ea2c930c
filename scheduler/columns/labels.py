"""Values as small numbers that are used again once nobody holds them, and one label key over all nodes in them.

Used by the node table: a column of codes is compared by numpy, and whatever is asked of a value (is it in a
set, is a taint tolerated) is asked once a distinct value and then looked up.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Domains:
    """The topology domains of one label key over all nodes. True until a node changes."""

    key: str
    #: int32[N]: the code of the label's value; 0: no such label
    codes: NDArray[np.int32]
    #: one more than the largest code
    size: int
    #: no two rows are in one domain: what happens on a row reaches no other
    alone: bool
    #: how many rows have the label
    labelled: int


@dataclass(slots=True)
class LabelColumn:
    """One label key over all nodes. The codes are also the topology domains of the key."""

    #: int32[N], ABSENT where a node has no such label
    codes: NDArray[np.int32]
    values: Interner[str]
    #: what was returned last, until a node's label changes: hundreds of classes hold the same
    _domains: Domains | None = field(default=None, init=False)

    def changed(self) -> None:
        self._domains = None

    def domains(self, key: str, size: int) -> Domains:
        """Return the domains of the first `size` rows; `key` is the label's."""
        found = self._domains
        if found is None or len(found.codes) != size:
            # A copy: those that have it start afresh when a node changes, and not in the middle of that.
            codes = self.codes[:size].copy()
            labelled = int(np.count_nonzero(codes))
            alone = len(self.values) == labelled
            found = self._domains = Domains(key, codes, self.values.size, alone, labelled)
        return found
