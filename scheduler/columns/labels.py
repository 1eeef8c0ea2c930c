"""One label key over all nodes, as codes; and the topology domains that these are."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.interner import Interner


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
        """A node's label is another."""
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
