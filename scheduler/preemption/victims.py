"""PURE: who would have to leave one node so that a Pod fits there, and which of several nodes is spared most
by it.

First everybody of a lower priority is taken away; if the Pod fits then, they are let back one by one, the
most important first and those before all whose eviction would break a disruption budget, as long as the Pod
still fits. Who cannot come back is a victim. Follows `SelectVictimsOnNode` of upstream's plugin
defaultpreemption and `pickOneNodeForPreemption` of its framework/preemption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.columns.pod_info import PodInfo
from scheduler.framework.interface import WhatIf

NO_VICTIMS: Final = "No preemption victims found for incoming pod"

#: added to each priority, so that fewer victims of a negative priority are better than more
_LIFT: Final = 1 << 31
_NEVER: Final = float("inf")

#: what nodes are compared by, the smallest first: broken budgets, highest priority of a victim, sum of
#: priorities, number of victims, and how long ago (negative: seconds since the epoch) the first of the most
#: important victims was started
Order = tuple[int, int, int, int, float]
#: whether evicting each Pod, after those before it, breaks a budget
Violating = Callable[[Sequence[PodInfo]], Sequence[bool]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that would do without some of its Pods."""

    row: int
    #: the most important first
    victims: tuple[PodInfo, ...]
    order: Order


def started(pod: PodInfo) -> float:
    """Return when a Pod was started, in seconds since the epoch; one that was not yet counts as the latest."""
    status = pod.pod.status
    if not status.HasField("start_time"):
        return _NEVER
    at = status.start_time
    return at.seconds + at.nanos / 1e9


def importance(pod: PodInfo) -> tuple[int, float]:
    """Return what Pods are sorted by: higher priority, then longer running (`util.MoreImportantPod`)."""
    return (-pod.pod_class.priority, started(pod))


def select(row: int, priority: int, what_if: WhatIf, violating: Violating) -> Candidate | tuple[str, ...]:
    """Return the Pods that would have to leave a row for a Pod of a priority, or why evicting does not help."""
    lower = [pod for pod in what_if.pods(row) if pod.pod_class.priority < priority]
    if not lower:
        return (NO_VICTIMS,)
    lower.sort(key=importance)
    trial = what_if.begin(row)
    try:
        for pod in lower:
            trial.take(pod)
        refusal = trial.refusal()
        if refusal:
            return refusal
        breaking = violating(lower)
        victims: list[PodInfo] = []
        broken = 0
        for first in (True, False) if any(breaking) else (False,):
            for pod, breaks in zip(lower, breaking, strict=True):
                if breaks is not first:
                    continue
                trial.put(pod)
                if trial.refusal():
                    trial.take(pod)
                    victims.append(pod)
                    broken += breaks
    finally:
        trial.close()
    if not victims:
        # It fits as it is: the filters have changed their mind since they were asked. The next attempt will
        # find it.
        return (NO_VICTIMS,)
    victims.sort(key=importance)
    return Candidate(row, tuple(victims), order_of(victims, broken))


def order_of(victims: Sequence[PodInfo], broken: int) -> Order:
    """Return what a node is compared by: its victims, the most important first, and how many budgets break."""
    highest = victims[0].pod_class.priority
    return (
        broken,
        highest,
        sum(pod.pod_class.priority + _LIFT for pod in victims),
        len(victims),
        -min(started(pod) for pod in victims if pod.pod_class.priority == highest),
    )
