"""PURE: how fast the number of replicas may change, and what recent recommendations say against it.

Follows normalizeDesiredReplicas of upstream's `pkg/controller/podautoscaler/horizontal.go`, and KEP-853.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2

_MAX_INT32: Final = 2**31 - 1
#: without a behavior: twice as many, or this many, at a time
_UP_FACTOR, _UP_LEAST = 2, 4

_LOWER: Final = (
    "recent recommendations were lower than current one, applying the lowest recent recommendation"
)
_HIGHER: Final = (
    "recent recommendations were higher than current one, applying the highest recent recommendation"
)
_READY: Final = ("ReadyForNewScale", "recommended size matches current size")
_WITHIN: Final = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY: Final = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW: Final = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT: Final = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
_DOWN_LIMIT: Final = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")  # fmt: skip

#: (seconds since the epoch, number): recommendations, or changes
Samples = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class History:
    """What an autoscaler remembers; lost with the process, as upstream's."""

    recommendations: Samples = ()
    #: replicas that were added, and taken away, by when
    ups: Samples = ()
    downs: Samples = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the metrics call for, beside what there is."""

    current: int
    desired: int
    least: int
    most: int
    now: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be."""

    replicas: int
    history: History
    #: reason and message of AbleToScale
    able: tuple[str, str]
    limited: bool
    #: reason and message of ScalingLimited
    limit: tuple[str, str]


def start(history: History, current: int, now: float) -> History:
    """Return a history that is not empty: what there is at the start is the first recommendation."""
    return history if history.recommendations else replace(history, recommendations=((now, current),))


def normalise(
    behavior: v2.HorizontalPodAutoscalerBehavior | None, wish: Wish, history: History, window: float
) -> Verdict:
    """Hold a wish to limits, rates and recent recommendations.

    `behavior` has its defaults, or is None. `window` is the seconds for which the highest recommendation
    holds where the behavior says nothing.
    """
    if behavior is None:
        stable = max([wish.desired, *_since(history.recommendations, wish.now - window)])
        able = _READY if stable == wish.desired else ("ScaleDownStabilized", _HIGHER)
        replicas, limit = _by_factor(replace(wish, desired=stable))
        kept = _remember(history, wish, window)
    else:
        up, down = behavior.scale_up, behavior.scale_down
        up_window = float(up.stabilization_window_seconds)
        down_window = float(
            down.stabilization_window_seconds if down.HasField("stabilization_window_seconds") else window
        )
        stable = _stabilise(wish, history, up_window, down_window)
        word = (
            ("ScaleUpStabilized", _LOWER)
            if wish.desired >= wish.current
            else ("ScaleDownStabilized", _HIGHER)
        )
        able = _READY if stable == wish.desired else word
        replicas, limit = _by_policies(replace(wish, desired=stable), history, behavior)
        kept = _remember(history, wish, max(up_window, down_window))
    return Verdict(replicas, kept, able, replicas != stable, limit)


def changed(
    history: History, behavior: v2.HorizontalPodAutoscalerBehavior | None, before: int, after: int, now: float
) -> History:
    """Remember a change that was made, for as long as a policy asks for it."""
    if behavior is None:
        return history
    if after > before:
        return replace(history, ups=(*_lately(history.ups, behavior.scale_up, now), (now, after - before)))
    return replace(history, downs=(*_lately(history.downs, behavior.scale_down, now), (now, before - after)))


def _lately(samples: Samples, rules: v2.HPAScalingRules, now: float) -> Samples:
    longest = max((policy.period_seconds for policy in rules.policies), default=0)
    return tuple(sample for sample in samples if sample[0] >= now - longest)


def _since(samples: Samples, cutoff: float) -> Iterable[int]:
    return (number for when, number in samples if when >= cutoff)


def _remember(history: History, wish: Wish, window: float) -> History:
    kept = tuple(sample for sample in history.recommendations if sample[0] >= wish.now - window)
    return replace(history, recommendations=(*kept, (wish.now, wish.desired)))


def _stabilise(wish: Wish, history: History, up_window: float, down_window: float) -> int:
    """Return the wish, moved only as far as all recommendations of the window would move it."""
    lowest = highest = wish.desired
    for when, number in history.recommendations:
        if when > wish.now - up_window:
            lowest = min(lowest, number)
        if when > wish.now - down_window:
            highest = max(highest, number)
    return min(max(wish.current, lowest), highest)


def _by_factor(wish: Wish) -> tuple[int, tuple[str, str]]:
    fastest = max(_UP_FACTOR * wish.current, _UP_LEAST)
    most, over = (fastest, _UP_LIMIT) if wish.most > fastest else (wish.most, _TOO_MANY)
    if wish.desired < wish.least:
        return wish.least, _TOO_FEW
    if wish.desired > most:
        return most, over
    return wish.desired, _WITHIN


def _by_policies(
    wish: Wish, history: History, behavior: v2.HorizontalPodAutoscalerBehavior
) -> tuple[int, tuple[str, str]]:
    if wish.desired > wish.current:
        fastest = max(_up_limit(wish, history, behavior.scale_up), wish.current)
        most, over = (fastest, _UP_LIMIT) if wish.most > fastest else (wish.most, _TOO_MANY)
        if wish.desired > most:
            return most, over
    elif wish.desired < wish.current:
        slowest = min(_down_limit(wish, history, behavior.scale_down), wish.current)
        least, under = (slowest, _DOWN_LIMIT) if wish.least < slowest else (wish.least, _TOO_FEW)
        if wish.desired < least:
            return least, under
    return wish.desired, _WITHIN


def _at_start(wish: Wish, history: History, seconds: int) -> int:
    """Return how many replicas there were when a period began."""
    cutoff = wish.now - seconds
    added = sum(change for when, change in history.ups if when > cutoff)
    taken = sum(change for when, change in history.downs if when > cutoff)
    return wish.current - added + taken


def _up_limit(wish: Wish, history: History, rules: v2.HPAScalingRules) -> int:
    if rules.select_policy == "Disabled":
        return wish.current
    limits = [
        before + policy.value if policy.type == "Pods" else math.ceil(before * (1 + policy.value / 100))
        for policy in rules.policies
        for before in (_at_start(wish, history, policy.period_seconds),)
    ]
    chosen = min(limits) if rules.select_policy == "Min" else max(limits)
    return min(chosen, _MAX_INT32)


def _down_limit(wish: Wish, history: History, rules: v2.HPAScalingRules) -> int:
    if rules.select_policy == "Disabled":
        return wish.current
    limits = [
        before - policy.value if policy.type == "Pods" else int(before * (1 - policy.value / 100))
        for policy in rules.policies
        for before in (_at_start(wish, history, policy.period_seconds),)
    ]
    # Of limits downwards the highest is the smallest change.
    return max(limits) if rules.select_policy == "Min" else min(limits)
