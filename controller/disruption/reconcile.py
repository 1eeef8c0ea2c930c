"""PURE: what a PodDisruptionBudget's status should say, which Pods it covers, and which conditions are stale.

Follows `pkg/controller/disruption/disruption.go` and
https://kubernetes.io/docs/tasks/run-application/configure-pdb/. Which Pods a budget covers, and on whose
scale it rests, is kept beside the caches: a look at a budget costs what it covers, and an event of a Pod
costs its labels. A budget that asks for a label is found by that pair; those that ask for none (`NotIn`,
`Exists` alone) by their namespace.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.plans import copy_of
from controller.pods import with_target_condition
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import seconds_of
from vaina.objects import disruption_budgets
from vaina.objects.conditions import get_condition
from vaina.objects.disruption_budgets import Budget
from vaina.objects.meta import controller_of, object_key
from vaina.objects.pods import is_ready, is_terminal
from vaina.objects.rollouts import amount_of
from vaina.objects.selectors import LabelSelector

#: the kubelet's own reason: a Pod that the kubelet ends may take any time
_BY_KUBELET: Final = "TerminationByKubelet"


class NoScale(Exception):
    """What controls a Pod cannot say how many Pods there should be; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many Pods a controller wishes for."""

    uid: str
    replicas: int


#: finds the scale of a Pod's controller; None: there is no such object. Raises NoScale.
ScaleOf = Callable[[meta_pb2.OwnerReference], Scale | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a look at a budget."""

    #: with the status that it should have; None: it has it
    wanted: Budget | None
    #: seconds after which an eviction that was granted counts as not done; None: there is none
    recheck: float | None = None
    #: names of Pods without a controller, where one is needed to know how many there should be
    unmanaged: tuple[str, ...] = ()
    #: Pods whose eviction was granted, and that are still there
    not_deleted: tuple[pod_pb2.Pod, ...] = ()


def reconcile(budget: Budget, pods: Iterable[pod_pb2.Pod], scale_of: ScaleOf, now: float) -> Verdict:
    """Return what a budget's status should say, from the Pods that it covers. Raises NoScale."""
    found = list(pods)
    expected, desired, unmanaged = _expectation(budget, found, scale_of)
    disrupted, recheck, late = _disrupted(budget, found, now)
    healthy = sum(
        1
        for pod in found
        if not pod.metadata.HasField("deletion_timestamp")
        and pod.metadata.name not in disrupted
        and is_ready(pod)
    )
    wanted = copy_of(budget)
    status = wanted.status
    # A budget without Pods allows nothing: the first of them may come before they are counted.
    status.disruptions_allowed = max(0, healthy - desired) if expected > 0 else 0
    status.current_healthy, status.desired_healthy, status.expected_pods = healthy, desired, expected
    status.observed_generation = budget.metadata.generation
    for name in set(status.disrupted_pods) - set(disrupted):
        del status.disrupted_pods[name]
    disruption_budgets.set_disruption_allowed(wanted, now)
    return Verdict(None if wanted == budget else wanted, recheck, unmanaged, late)


def failed(budget: Budget, message: str, now: float) -> Budget | None:
    """Return the budget that allows nothing, because nobody knows; None when it says so already."""
    wanted = copy_of(budget)
    disruption_budgets.set_sync_failed(wanted, message, now)
    return None if wanted == budget else wanted


def _expectation(
    budget: Budget, pods: list[pod_pb2.Pod], scale_of: ScaleOf
) -> tuple[int, int, tuple[str, ...]]:
    """Return how many Pods there should be, how many of them healthy, and which Pods have no controller."""
    spec = budget.spec
    if spec.HasField("max_unavailable"):
        expected, unmanaged = _scales(pods, scale_of)
        return (
            expected,
            max(0, expected - amount_of(spec.max_unavailable, expected, round_up=True)),
            unmanaged,
        )
    if spec.HasField("min_available") and spec.min_available.type == 0:
        return len(pods), spec.min_available.int_val, ()
    if spec.HasField("min_available"):
        expected, unmanaged = _scales(pods, scale_of)
        return expected, amount_of(spec.min_available, expected, round_up=True), unmanaged
    return 0, 0, ()


def _scales(pods: list[pod_pb2.Pod], scale_of: ScaleOf) -> tuple[int, tuple[str, ...]]:
    known: dict[str, Scale] = {}
    unmanaged: list[str] = []
    for pod in pods:
        reference = controller_of(pod.metadata)
        if reference is None:
            unmanaged.append(pod.metadata.name)
        elif reference.uid not in known:
            scale = scale_of(reference)
            if scale is None:
                raise NoScale(f'found no controllers for pod "{pod.metadata.name}"')
            known[reference.uid] = scale
    # Several ReplicaSets of one Deployment are one controller.
    return sum({scale.uid: scale.replicas for scale in known.values()}.values()), tuple(unmanaged)


def _disrupted(
    budget: Budget, pods: list[pod_pb2.Pod], now: float
) -> tuple[Mapping[str, float], float | None, tuple[pod_pb2.Pod, ...]]:
    """Return the seconds left by Pod with a granted eviction, when to look again, and the late Pods."""
    granted = budget.status.disrupted_pods
    kept: dict[str, float] = {}
    late: list[pod_pb2.Pod] = []
    for pod in pods:
        if pod.metadata.HasField("deletion_timestamp") or pod.metadata.name not in granted:
            continue
        left = seconds_of(granted[pod.metadata.name]) + disruption_budgets.DELETION_TIMEOUT_SECONDS - now
        if left <= 0:
            late.append(pod)
        else:
            kept[pod.metadata.name] = left
    return kept, min(kept.values(), default=None), tuple(late)


def stale_in(pod: pod_pb2.Pod, now: float) -> float | None:
    """Return the seconds until a Pod's DisruptionTarget condition is stale; None: it has none that could be."""
    condition = get_condition(pod.status, disruption_budgets.DISRUPTION_TARGET)
    if pod.metadata.HasField("deletion_timestamp") or is_terminal(pod):
        return None
    if condition is None or condition.status != "True" or condition.reason == _BY_KUBELET:
        return None
    return max(
        0.0, seconds_of(condition.last_transition_time) + disruption_budgets.DELETION_TIMEOUT_SECONDS - now
    )


def no_longer_target(pod: pod_pb2.Pod, now: float) -> pod_pb2.Pod:
    """Return what to write of a Pod's status so that it is no longer said to be about to end."""
    return with_target_condition(pod, "False", now)


_ANY: Final = ""


@dataclass(slots=True)
class _Known:
    budget: Budget
    selector: LabelSelector
    #: where it is found: pairs of its namespace
    places: tuple[str, ...]
    #: keys of Pods; None: not looked for yet
    pods: set[str] | None = None
    #: uids of what was asked how many Pods there should be
    rests_on: frozenset[str] = field(default_factory=frozenset)


class Coverage:
    """By key of budgets. Owned by the disruption controller; holds as much as the budgets cover."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._at: dict[str, set[str]] = {}
        #: of Pods that are covered
        self._of_pod: dict[str, set[str]] = {}
        self._resting: dict[str, set[str]] = {}

    def put(self, budget: Budget) -> None:
        key = object_key(budget)
        known = self._known.get(key)
        if known is not None and known.budget.spec.selector == budget.spec.selector:
            return
        self.drop(key)
        places = tuple(_places(budget))
        self._known[key] = _Known(budget, disruption_budgets.selector_of(budget), places)
        for place in places:
            self._at.setdefault(place, set()).add(key)

    def drop(self, key: str) -> None:
        known = self._known.pop(key, None)
        if known is None:
            return
        for place in known.places:
            _take(self._at, place, key)
        for name in known.pods or ():
            _take(self._of_pod, name, key)
        for uid in known.rests_on:
            _take(self._resting, uid, key)

    def put_pod(self, pod: pod_pb2.Pod) -> set[str]:
        """Note a Pod as it is now; returns the keys of the budgets that cover it, or did."""
        name, labels = object_key(pod), pod.metadata.labels
        before = set(self._of_pod.get(name, ()))
        found = {key for key in self._candidates(pod) if self._known[key].selector.matches(labels)}
        for key in found - before:
            self._add(key, name)
        for key in before - found:
            self._remove(key, name)
        return before | found

    def drop_pod(self, name: str) -> set[str]:
        """Return the keys of the budgets that covered a Pod that is gone."""
        before = set(self._of_pod.get(name, ()))
        for key in before:
            self._remove(key, name)
        return before

    def covering(self, name: str) -> frozenset[str]:
        return frozenset(self._of_pod.get(name, ()))

    def pods(self, key: str, all_pods: Callable[[], Iterable[pod_pb2.Pod]]) -> Collection[str]:
        """Return the keys of the Pods that a budget covers; `all_pods` is asked once a selector."""
        known = self._known.get(key)
        if known is None:
            return ()
        if known.pods is None:
            known.pods = set()
            for pod in all_pods():
                if known.selector.matches(pod.metadata.labels):
                    self._add(key, object_key(pod))
        return known.pods

    def rests_on(self, key: str, uids: Iterable[str]) -> None:
        """Note the objects that a budget's number came from, or would have come from."""
        known = self._known.get(key)
        if known is None:
            return
        wanted = frozenset(uids)
        for uid in known.rests_on - wanted:
            _take(self._resting, uid, key)
        for uid in wanted - known.rests_on:
            self._resting.setdefault(uid, set()).add(key)
        known.rests_on = wanted

    def resting_on(self, uid: str) -> Collection[str]:
        return self._resting.get(uid, ())

    def _add(self, key: str, name: str) -> None:
        pods = self._known[key].pods
        # A budget whose Pods were not asked for yet finds this one then.
        if pods is not None:
            pods.add(name)
            self._of_pod.setdefault(name, set()).add(key)

    def _remove(self, key: str, name: str) -> None:
        pods = self._known[key].pods
        if pods is not None:
            pods.discard(name)
            _take(self._of_pod, name, key)

    def _candidates(self, pod: pod_pb2.Pod) -> set[str]:
        namespace = pod.metadata.namespace
        found = set(self._at.get(_place(namespace, _ANY), ()))
        for label, value in pod.metadata.labels.items():
            found |= self._at.get(_place(namespace, f"{label}={value}"), set())
        return found


def _places(budget: Budget) -> Iterable[str]:
    namespace, selector = budget.metadata.namespace, budget.spec.selector
    # One pair that every covered Pod has; any of them will do.
    pairs = [f"{key}={selector.match_labels[key]}" for key in sorted(selector.match_labels)[:1]]
    if not pairs:
        listed = (item for item in selector.match_expressions if item.operator == "In" and item.values)
        found = next(listed, None)
        pairs = [] if found is None else [f"{found.key}={value}" for value in found.values]
    return [_place(namespace, pair) for pair in dict.fromkeys(pairs)] or [_place(namespace, _ANY)]


def _place(namespace: str, pair: str) -> str:
    return f"{namespace}/{pair}"


def _take(index: dict[str, set[str]], value: str, key: str) -> None:
    keys = index[value]
    keys.discard(key)
    if not keys:
        del index[value]
