"""Which thresholds are met, which conditions follow, and what has to be done about them now. PURE.

Upstream's synchronize (`pkg/kubelet/eviction/eviction_manager.go`) without its I/O: a threshold counts from
when it was first met (soft ones wait for their grace period) and stays met until its least reclaim is
reached; a condition stays for the transition period after it was last seen, so that it does not flap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubelet.eviction.signals import Observation, Signal, Threshold, condition_of, rank_of


@dataclass(frozen=True, slots=True)
class PressureState:
    """What is remembered between two looks. A restarted kubelet begins with an empty one, as upstream."""

    #: when each threshold that is met was first seen so
    first_met: Mapping[Threshold, float] = field(default_factory=dict[Threshold, float])
    #: when each condition was last seen
    last_seen: Mapping[str, float] = field(default_factory=dict[str, float])
    #: met for long enough, and not yet made good
    met: tuple[Threshold, ...] = ()
    observed: Mapping[Signal, Observation] = field(default_factory=dict[Signal, Observation])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows."""

    state: PressureState
    #: conditions of the Node that are True
    conditions: frozenset[str]
    #: thresholds that something has to be done about now, the first first; only those that were measured anew
    due: tuple[Threshold, ...]


def is_met(threshold: Threshold, observation: Observation, *, with_reclaim: bool = False) -> bool:
    """Say whether less is available than the threshold asks for, or than its least reclaim above it."""
    wanted = threshold.value.of(observation.capacity)
    if with_reclaim:
        wanted += threshold.min_reclaim.of(observation.capacity)
    return observation.available < wanted


def judge(
    thresholds: tuple[Threshold, ...],
    observed: Mapping[Signal, Observation],
    before: PressureState,
    *,
    now: float,
    transition_seconds: float,
) -> Judgement:
    """Return what follows from what was measured; nothing follows from a signal that is missing in
    `observed`.

    A condition stays for `transition_seconds` after it was last seen.
    """
    met = [item for item in thresholds if item.signal in observed and is_met(item, observed[item.signal])]
    met += [
        item
        for item in before.met
        if item not in met
        and item.signal in observed
        and is_met(item, observed[item.signal], with_reclaim=True)
    ]
    first_met = {item: before.first_met.get(item, now) for item in met}
    last_seen = {kind: at for kind, at in before.last_seen.items() if now - at < transition_seconds} | {
        condition_of(item.signal): now for item in met
    }
    overdue = tuple(item for item in met if now - first_met[item] >= item.grace_seconds)
    due = sorted((item for item in overdue if _is_new(item, observed, before.observed)), key=rank_of)
    state = PressureState(first_met, last_seen, overdue, dict(observed))
    return Judgement(state, frozenset(last_seen), tuple(due))


def _is_new(
    item: Threshold, observed: Mapping[Signal, Observation], before: Mapping[Signal, Observation]
) -> bool:
    """Say whether the signal was measured since: what was done about the old measure may have helped."""
    return item.signal not in before or observed[item.signal].at > before[item.signal].at
