"""PURE: the arithmetic of topology spreading, as upstream has it.

Follows `plugins/podtopologyspread`: common.go, scoring.go.

A hard constraint refuses a domain where one Pod more would make it exceed the emptiest domain by more than
maxSkew. A soft one counts against a node how many Pods are in its domain, weighted by the logarithm of how
many domains there are, so that a few zones with many Pods each do not drown many hosts with few.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_selection import selected
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import SpreadConstraint
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import MAX_SCORE, Scores

#: by node rather than by domain, and without regard to who is eligible
HOSTNAME: Final = "kubernetes.io/hostname"


def weight(domains: int) -> float:
    """Return what a Pod in a domain counts, given how many domains there are (`topologyNormalizingWeight`)."""
    return math.log(domains + 2)


def soft_score(count: int, max_skew: int, domain_weight: float) -> float:
    """Return what a domain with so many Pods counts (`scoreForCount`): less skew than allowed counts less."""
    return count * domain_weight + float(max_skew - 1)


def soft_scores(counts: NDArray[np.int64], max_skew: int, domain_weight: float) -> NDArray[np.float64]:
    """Return the same for many domains."""
    return np.asarray(counts * domain_weight + float(max_skew - 1), np.float64)


def normalise(raw: Scores, low: int, high: int) -> Scores:
    """Return 100 for the fewest Pods, less for more (`NormalizeScore`)."""
    if high == 0:
        return np.full(len(raw), MAX_SCORE, np.int64)
    return MAX_SCORE * (high + low - raw) // high


def eligible(
    constraint: SpreadConstraint, pod: PodClass, nodes: Snapshot, labelled: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return which rows a constraint counts (bool[N]); None: all that have its key.

    Args:
        constraint: with its inclusion policies.
        pod: whose affinity and tolerations the policies honour.
        nodes: the columns.
        labelled: bool[N]: rows with the keys of all constraints; None: this one's key is enough.
    """
    found = labelled
    if constraint.honor_affinity and (pod.node_selector or pod.node_affinity is not None):
        here = nodes.valid & selected(pod, nodes)
        found = here if found is None else found & here
    if constraint.honor_taints and len(nodes.taint_sets):
        tolerated = _tolerated(pod, nodes)
        found = tolerated if found is None else found & tolerated
    return found


def _tolerated(pod: PodClass, nodes: Snapshot) -> NDArray[np.bool_]:
    """Say for each row whether the Pod tolerates the taints that keep away (bool[N])."""
    answers = np.array([not pod.untolerated(taints or ()) for taints in nodes.taint_sets.values], np.bool_)
    tolerated: NDArray[np.bool_] = answers[nodes.taints]
    return tolerated


def has_keys(constraints: tuple[SpreadConstraint, ...], labels: Mapping[str, str]) -> bool:
    """Say whether a node has the keys of all constraints."""
    return all(constraint.topology_key in labels for constraint in constraints)
