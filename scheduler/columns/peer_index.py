"""Which selectors mean a Pod, without asking each: an index by one label that a selector requires.

A selector that wants `app=web` (or `app in (web, api)`) is looked at for Pods with that label alone; one that wants no value
(`app`, `!app`, `app!=x`, everything) for all. So Pods with labels of their own, and terms with labels of their own, cost what
matches and not what there is.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from scheduler.columns.pod_terms import Peers
from vaina.objects.selectors import LabelSelector

T = TypeVar("T", bound=Hashable)

Label = tuple[str, str]


def required_labels(selector: LabelSelector) -> tuple[Label, ...] | None:
    """Return labels of which a Pod has one if it is selected; None: it may have none of a kind.

    Of several such conditions the one with the fewest values is taken.
    """
    best: tuple[Label, ...] | None = None
    for requirement in selector.requirements:
        if requirement.operator in ("=", "==", "in") and (
            best is None or len(requirement.values) < len(best)
        ):
            best = tuple((requirement.key, value) for value in requirement.values)
    return best


class PeerIndex(Generic[T]):
    """Things that mean Pods, by a label of those Pods. Owned by the scheduling task."""

    def __init__(self) -> None:
        self._by_label: dict[Label, dict[T, None]] = {}
        self._other: dict[T, None] = {}
        #: moves with every change
        self.version = 0

    def add(self, peers: Peers, item: T) -> None:
        """Add a thing that means these Pods."""
        self.version += 1
        if peers.selector.nothing:
            return
        labels = required_labels(peers.selector)
        if labels is None:
            self._other[item] = None
            return
        for label in labels:
            self._by_label.setdefault(label, {})[item] = None

    def discard(self, peers: Peers, item: T) -> None:
        """Take a thing away."""
        self.version += 1
        self._other.pop(item, None)
        for label in required_labels(peers.selector) or ():
            there = self._by_label.get(label)
            if there is not None:
                there.pop(item, None)
                if not there:
                    del self._by_label[label]

    def candidates(self, labels: Mapping[str, str]) -> Iterator[T]:
        """Return the things that may mean a Pod with these labels, each once."""
        yield from self._other
        if not self._by_label:
            return
        for label in labels.items():
            yield from self._by_label.get(label, ())
