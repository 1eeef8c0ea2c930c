"""PURE: which Pods each budget covers, and on whose scale each budget rests, kept beside the caches.

A look at a budget costs what it covers, and an event of a Pod costs its labels. A budget that asks for a
label is found by that pair; those that ask for none (`NotIn`, `Exists` alone) by their namespace.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.objects.disruption_budgets import Budget, selector_of
from vaina.objects.meta import object_key
from vaina.objects.selectors import LabelSelector

_ANY: Final = ""


@dataclass(slots=True)
class _Known:
    """A budget with its present selector."""

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
        self._known[key] = _Known(budget, selector_of(budget), places)
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
        """Forget a Pod that is gone, by its key; returns the keys of the budgets that covered it."""
        before = set(self._of_pod.get(name, ()))
        for key in before:
            self._remove(key, name)
        return before

    def covering(self, name: str) -> frozenset[str]:
        """Return the keys of the budgets that are known to cover a Pod, by its key."""
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
        """Return the keys of the budgets whose number comes from an object."""
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
