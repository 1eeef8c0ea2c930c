"""Which selectors mean a Pod, without asking each: an index by one label that a selector requires.

A selector that wants `app=web` (or `app in (web, api)`) is looked at for Pods with that label alone; one that
wants no value (`app`, `!app`, `app!=x`, everything) for all. So Pods with labels of their own, and terms with
labels of their own, cost what matches and not what there is.
"""

from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

from scheduler.columns.pod_terms import Peers, PodGroup

T = TypeVar("T", bound=Hashable)

Label = tuple[str, str]


#: what an owner counts as; no label has such a key
_OWNER: Final = ""


def marks(group: PodGroup) -> Iterator[Label]:
    """Return what Pods of a group are found by: their labels, and their owner."""
    yield from group.labels.items()
    if group.owner:
        yield _OWNER, group.owner


def required_marks(peers: Peers) -> tuple[Label, ...] | None:
    """Return marks of which a Pod has one if it is meant; None: it may have none of a kind.

    Of several such conditions the one with the fewest values is taken.
    """
    if peers.owner:
        return ((_OWNER, peers.owner),)
    best: tuple[Label, ...] | None = None
    for requirement in peers.selector.requirements:
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
        self.version += 1
        if peers.selector.nothing:
            return
        labels = required_marks(peers)
        if labels is None:
            self._other[item] = None
            return
        for label in labels:
            self._by_label.setdefault(label, {})[item] = None

    def discard(self, peers: Peers, item: T) -> None:
        self.version += 1
        self._other.pop(item, None)
        for label in required_marks(peers) or ():
            there = self._by_label.get(label)
            if there is not None:
                there.pop(item, None)
                if not there:
                    del self._by_label[label]

    def candidates(self, group: PodGroup) -> Iterator[T]:
        yield from self._other
        if not self._by_label:
            return
        for label in marks(group):
            yield from self._by_label.get(label, ())
