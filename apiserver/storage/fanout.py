"""Hands each event to the watchers that it concerns. Watchers are in groups (`groups`), by selection.

Each group is registered at one place, the narrowest that its selection allows: one object, an indexed field's
value (spec.nodeName), a namespace, or everything. So the cost of an event depends on the watchers that it
concerns, not on all watchers: with 5,000 kubelets it is a lookup. Owned by one event loop; it never waits.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from apiserver.storage.cached import CacheEvent
from apiserver.storage.groups import Group, Subscription
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Selection

#: events that may wait for a watcher before it is cut
QUEUE_CAPACITY = 16_384
#: bytes of the objects that wait for one watcher: a log keeps objects in memory that the ring has dropped
QUEUE_BYTES = 64 * 1024 * 1024
_Place: TypeAlias = tuple[str, ...]
#: the place of groups that watch all objects of a kind, or have a selection without a narrower place
_EVERYWHERE = ("all",)
_NOBODY: dict[Selection, Group] = {}


class Fanout:
    """The watchers of one kind."""

    def __init__(
        self, resource: Resource, *, capacity: int = QUEUE_CAPACITY, max_bytes: int = QUEUE_BYTES
    ) -> None:
        """Make a fan-out without watchers; `capacity` events and `max_bytes` may wait for one watcher."""
        self._resource, self._capacity, self._max_bytes = resource, capacity, max_bytes
        #: place -> groups by selection; a place is ("key", key), ("index", field, value), ("namespace",
        #: prefix) or ("all",)
        self._places: dict[_Place, dict[Selection, Group]] = {}
        #: sort of place -> number of groups
        self._standing: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Subscription]:
        for groups in list(self._places.values()):
            for group in list(groups.values()):
                yield from group

    def attach(self, selection: Selection, *, bookmarks: bool) -> Subscription:
        place = self._place(selection)
        groups = self._places.setdefault(place, {})
        group = groups.get(selection)
        if group is None:
            group = groups[selection] = Group(
                self._resource, selection, capacity=self._capacity, max_bytes=self._max_bytes
            )
            self._standing[place[0]] += 1
        return group.join(bookmarks=bookmarks)

    def detach(self, subscription: Subscription) -> None:
        group = subscription.group
        group.leave(subscription)
        place = self._place(group.selection)
        groups = self._places.get(place, {})
        if len(group) or groups.get(group.selection) is not group:
            return
        del groups[group.selection]
        self._standing[place[0]] -= 1
        if not groups:
            del self._places[place]

    def publish(self, events: Sequence[CacheEvent]) -> tuple[int, int]:
        """Hand events, in order, to the groups that they concern. Return how many, and the watchers cut."""
        handed = cut = 0
        everywhere = self._places.get(_EVERYWHERE, _NOBODY)
        for group in everywhere.values():
            got, lost = group.extend(events)
            handed, cut = handed + got, cut + lost
        if len(self._places) == (1 if everywhere else 0):
            return handed, cut
        for place, concerned in self._concerned(events).items():
            for group in self._places[place].values():
                got, lost = group.extend(concerned)
                handed, cut = handed + got, cut + lost
        return handed, cut

    def _place(self, selection: Selection) -> _Place:
        if selection.key is not None:
            return ("key", selection.key)
        if selection.index is not None and selection.index[0] in self._resource.index_fields:
            return ("index", *selection.index)
        if selection.prefix != self._resource.prefix:
            return ("namespace", selection.prefix)
        return _EVERYWHERE

    def _concerned(self, events: Sequence[CacheEvent]) -> dict[_Place, list[CacheEvent]]:
        """Return the events that may concern groups, by place, without the place of everything."""
        places, standing, fields = self._places, self._standing, self._resource.index_fields
        found: dict[_Place, list[CacheEvent]] = {}
        for event in events:
            entry, previous = event.entry, event.previous
            key = entry.stored.key
            asked: list[_Place] = []
            if standing["namespace"]:
                # The prefix of the key's namespace. For a kind without namespaces it is the kind's own
                # prefix, and no group is there.
                asked.append(("namespace", key[: key.rindex("/") + 1]))
            if standing["key"]:
                asked.append(("key", key))
            if standing["index"]:
                asked += [("index", *pair) for pair in zip(fields, entry.values, strict=True)]
                if previous is not None and previous.values != entry.values:
                    before = zip(fields, previous.values, entry.values, strict=True)
                    asked += [("index", field, old) for field, old, new in before if old != new]
            for place in asked:
                if place in places:
                    found.setdefault(place, []).append(event)
        return found
