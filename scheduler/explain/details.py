"""PURE: from an evaluation to what the ring of decisions keeps of it."""

from typing import Final

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.explain.decisions import BestNode, Detail
from scheduler.explain.evaluate import Evaluation, evaluate
from scheduler.framework.runtime import Profile

#: nodes whose scores are kept of one decision
BEST: Final = 3


def take_detail(pod: PodClass, table: NodeTable, profile: Profile, now: float, number: int) -> Detail:
    """Look at a class with all plugins, and keep what is worth keeping."""
    seen = evaluate(pod, table, profile)
    return Detail(
        at=now,
        number=number,
        reasons=tuple(seen.reason_counts()),
        best=tuple(best_node(seen, index) for index in seen.best(BEST)),
        tie_count=len(seen.ties()),
    )


def best_node(seen: Evaluation, index: int) -> BestNode:
    """Return a node that fits, with its scores."""
    return BestNode(
        seen.name(index),
        int(seen.total[index]),
        tuple(
            (score.name, int(score.raw[index]), int(score.normalised[index]), score.weight)
            for score in seen.scores
        ),
    )
