"""PURE: what would make a Pod fit, in a defined order.

Refused nodes that lack the same are one group. Groups come in this order: the fewest failing plugins; the
smallest relative lack (the sum over plugins: half of the CPU that is asked for is 0.5, a refusal that is no
matter of amounts is 1); the largest group; the name of its first node.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.explain.evaluate import Evaluation
from scheduler.explain.lacks import Asked, describer_of
from scheduler.framework.interface import UNRESOLVABLE

NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one plugin has against a group of nodes."""

    plugin: str
    reasons: tuple[str, ...]
    lack: str
    unresolvable: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that lack the same."""

    count: int
    #: the first of them, by name
    nodes: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    relative_lack: float


def remedies(evaluation: Evaluation, limit: int) -> tuple[list[Group], int]:
    """Return the first groups of refused nodes, and how many more groups there are."""
    refused = np.flatnonzero(evaluation.failing > 0)
    if not len(refused):
        return [], 0
    asked = [Asked(evaluation, answer) for answer in evaluation.filters if (answer.codes != 0).any()]
    columns: list[NDArray[np.int64]] = []
    relative = np.zeros(evaluation.count, np.float64)
    for one in asked:
        describer = describer_of(one.answer)
        columns.append(one.answer.codes)
        columns += [np.where(one.refused, column, np.int64(0)) for column in describer.tells_apart(one)]
        lack = np.where(one.refused, describer.relative(one), 0.0)
        if one.answer.kept:
            kept = np.zeros(evaluation.count, np.int64)
            for index, count in one.answer.kept.items():
                kept[index] = count
            columns.append(kept)
            # The node has the room: it is no matter of amounts.
            lack = np.where(kept > 0, 1.0, lack)
        relative += lack
    # One row of numbers a node; equal rows are equal words.
    numbers = np.ascontiguousarray(np.stack(columns, axis=1)[refused])
    packed, width = numbers.tobytes(), numbers.strides[0]
    groups: dict[bytes, list[int]] = {}
    for place, index in enumerate(refused.tolist()):
        groups.setdefault(packed[place * width : (place + 1) * width], []).append(index)
    found: list[tuple[tuple[int, float, int], list[str], int]] = []
    for members in groups.values():
        first = members[0]
        order = int(evaluation.failing[first]), round(float(relative[first]), 6), -len(members)
        found.append((order, sorted(map(evaluation.name, members)), first))
    found.sort()
    shown = [
        Group(
            count=len(names),
            nodes=tuple(names[:NAMED]),
            refusals=tuple(_describe(one, first) for one in asked if one.code(first)),
            relative_lack=lack,
        )
        for (_, lack, _), names, first in found[:limit]
    ]
    return shown, len(found) - len(shown)


def _describe(asked: Asked, index: int) -> Refusal:
    answer, reasons = asked.answer, tuple(asked.answer.words(index))
    coming = answer.kept.get(index, 0)
    if coming:
        who = "a Pod that is" if coming == 1 else f"{coming} Pods that are"
        words = f"{', '.join(reasons)}: room is kept for {who} to come there"
    else:
        words = describer_of(answer).words(asked, index)
    return Refusal(answer.plugin.name, reasons, words, bool(asked.code(index) & UNRESOLVABLE))
