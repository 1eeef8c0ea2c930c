"""One label key over all nodes, as codes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.interner import Interner


@dataclass(slots=True)
class LabelColumn:
    """One label key over all nodes. The codes are also the topology domains of the key."""

    #: int32[N], ABSENT where a node has no such label
    codes: NDArray[np.int32]
    values: Interner[str]
