"""CostPacking: cheap nodes first, and of those the fullest, so that dear ones can be switched off.

A node's price an hour is its label `example.com/price`; a node without one costs as much as the dearest. Raw
scores are prices that would be saved, plus how full the node is; `scale` makes 0..100 of them (upstream's
NormalizeScore).
"""

from dataclasses import dataclass

import numpy as np

from scheduler.columns.snapshot import CPU
from scheduler.framework.interface import Reach
from scheduler.framework.plugin import Score


class CostPacking(Score):
    """Prefers cheap and full nodes."""

    #: a Pod on a node changes how full that node is, and nothing else
    reach = Reach.ROW
    scales = True

    @dataclass(frozen=True)
    class Args:
        """The label that says the price."""

        label: str = "example.com/price"

    def __init__(self, args):
        self._label = args.label

    def score(self, state, pod, nodes, rows):
        prices = self._prices(nodes)
        full = nodes.requested[CPU] * 100 // np.maximum(nodes.allocatable[CPU], 1)
        return ((prices.max(initial=0) - prices) * 1000 + full)[rows].astype(np.int64)

    def scale(self, raw, low, high):
        return (raw - low) * 100 // max(high - low, 1)

    def _prices(self, nodes):
        """Return thousandths of the price of each row."""
        column = nodes.label_codes(self._label)
        if column is None:
            return np.zeros(nodes.size, np.int64)
        known = [_price(value) for value in column.values.values]
        dearest = max((price for price in known if price is not None), default=0)
        of_code = np.array([dearest if price is None else price for price in known], np.int64)
        return of_code[column.codes[: nodes.size]]


def _price(text):
    try:
        return int(float(text) * 1000)
    except (TypeError, ValueError, OverflowError):
        return None
