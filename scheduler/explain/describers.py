"""PURE: how a plugin's refusals are described: by the plugin itself, or by its reasons.

One of ours has a `describer`, which works on columns. One of others may have a method `describe(pod, nodes,
row)`, which returns what is in the way on one node.
"""

from collections.abc import Callable

import numpy as np
import structlog
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.explain.evaluate import FilterAnswer
from scheduler.explain.lacks import BY_REASONS, Asked, Describer, by_reasons
from scheduler.framework.checked import text

log = structlog.stdlib.get_logger(__name__)

#: (who asks, the columns, a row) -> what is in the way there
Describe = Callable[[PodClass, Snapshot, int], str]


def describer_of(answer: FilterAnswer) -> Describer:
    """Return how the refusals of a plugin are described."""
    found = getattr(answer.plugin, "describer", None)
    describe = getattr(answer.plugin, "describe", None)
    if answer.rejected:
        return BY_REASONS
    if isinstance(found, Describer):
        return found
    return _by_method(answer.plugin.name, describe) if callable(describe) else BY_REASONS


def _by_method(name: str, describe: Describe) -> Describer:
    def words(asked: Asked, index: int) -> str:
        try:
            row = int(asked.evaluation.rows[index])
            return text(name, "describe", describe(asked.pod, asked.nodes, row)) or by_reasons(asked, index)
        except Exception:
            # It is about words alone: those of its reasons will do.
            log.exception("describe failed", plugin=name)
            return by_reasons(asked, index)

    def apart(asked: Asked) -> list[NDArray[np.int64]]:
        numbers: dict[str, int] = {}
        told = np.zeros(asked.evaluation.count, np.int64)
        for index in np.flatnonzero(asked.refused).tolist():
            told[index] = numbers.setdefault(words(asked, index), len(numbers) + 1)
        return [told]

    return Describer(words, apart)
