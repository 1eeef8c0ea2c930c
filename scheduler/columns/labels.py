"""One label key over all nodes, as codes; and the topology domains that these are."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.interner import Interner


@dataclass(frozen=True, slots=True)
class Domains:
    """The topology domains of one label key over all nodes. True until a node changes."""

    key: str
    #: intp[N]: the code of the label's value; 0: no such label
    codes: NDArray[np.intp]
    #: one more than the largest code
    size: int
    #: no two rows are in one domain: what happens on a row reaches no other
    alone: bool


@dataclass(slots=True)
class LabelColumn:
    """One label key over all nodes. The codes are also the topology domains of the key."""

    #: int32[N], ABSENT where a node has no such label
    codes: NDArray[np.int32]
    values: Interner[str]
    #: what was returned last: hundreds of classes hold the same
    _domains: Domains | None = field(default=None, init=False)

    def domains(self, key: str, size: int) -> Domains:
        """Return the domains of the first `size` rows; `key` is the label's.

        The same object as long as they are the same.
        """
        codes, found = self.codes[:size], self._domains
        alone = len(self.values) == np.count_nonzero(codes)
        if (
            found is None or found.size != self.values.size or found.alone != alone
            or not np.array_equal(found.codes, codes)
        ):  # fmt: skip
            found = self._domains = Domains(key, codes.astype(np.intp), self.values.size, alone)
        return found
