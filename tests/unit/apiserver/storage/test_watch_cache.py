"""The watch cache is a replay of all events: hypothesis against the simplest model there is."""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apiserver.storage import versions
from apiserver.storage.cached import CacheEvent, judge_of
from apiserver.storage.fanout import Fanout
from apiserver.storage.groups import Subscription
from apiserver.storage.interface import EventType, Key, StorageEvent, Stored, Version
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from apiserver.storage.watch_cache import WatchCache
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.errors import Expired
from vaina.kinds import POD
from vaina.objects.selectors import parse_field_selector, parse_label_selector

PREFIX = Key("/registry/pods/")
KEYS = [Key(f"{PREFIX}{namespace}/{name}") for namespace in ("x", "xx", "y") for name in ("a", "b")]
META = ("v1", "Pod")
POD_RESOURCE = resource_of(POD)
SELECTIONS = {
    "all": Selection(PREFIX),
    "namespace": Selection(Key(f"{PREFIX}x/")),
    "object": Selection(PREFIX, key=KEYS[0]),
    "label": Selection(PREFIX, labels=parse_label_selector("app=web")),
    "node": Selection(PREFIX, fields=parse_field_selector("spec.nodeName=n1"), index=("spec.nodeName", "n1")),
    "unbound": Selection(PREFIX, fields=parse_field_selector("spec.nodeName="), index=("spec.nodeName", "")),
    "bound": Selection(PREFIX, fields=parse_field_selector("spec.nodeName!=")),
    "labelled on others": Selection(
        PREFIX, labels=parse_label_selector("app=web"), fields=parse_field_selector("spec.nodeName!=n1")
    ),
    "bound that did not fail": Selection(
        PREFIX, fields=parse_field_selector("spec.nodeName!=,status.phase!=Failed")
    ),
    "phase in namespace": Selection(Key(f"{PREFIX}y/"), fields=parse_field_selector("status.phase!=Failed")),
}


def pod(key: Key, app: str, node: str, phase: str) -> bytes:
    message = pod_pb2.Pod()
    _, _, _, message.metadata.namespace, message.metadata.name = key.split("/")
    message.metadata.labels["app"] = app
    message.spec.node_name = node
    message.status.phase = phase
    return message.SerializeToString()


def is_selected(selection: Selection, stored: Stored) -> bool:
    message = pod_pb2.Pod.FromString(stored.data)
    if selection.key is not None and stored.key != selection.key:
        return False
    if not stored.key.startswith(selection.prefix):
        return False
    if selection.labels is not None and message.metadata.labels["app"] != "web":
        return False
    if selection.index is not None:
        return message.spec.node_name == selection.index[1]
    if selection.fields is None:
        return True
    text, node = str(selection.fields), message.spec.node_name
    if "spec.nodeName!=" in text and node == ("n1" if "n1" in text else ""):
        return False
    return "status.phase" not in text or message.status.phase != "Failed"


def selected(cache: WatchCache, selection: Selection) -> list[Stored]:
    return [
        entry.stored for entry in cache.candidates(selection) if judge_of(cache.resource, selection)(entry)
    ]


@dataclass
class Watching:
    """A watcher: what it knows from the events it was given, and the live queue."""

    selection: Selection
    subscription: Subscription
    known: dict[Key, Version] = field(default_factory=dict)

    def drain(self) -> None:
        for item in self.subscription.take(10**6, 10**9).items:
            event = item if isinstance(item, CacheEvent) else item.event
            assert event is not None
            self.see(item.type, event)

    def see(self, kind: EventType, event: CacheEvent) -> None:
        key = event.entry.stored.key
        # An informer's view: ADDED of what is unknown, MODIFIED and DELETED of what is known.
        assert (key in self.known) == (kind is not EventType.ADDED)
        if kind is EventType.DELETED:
            del self.known[key]
        else:
            self.known[key] = event.version


class CacheMachine(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 12))
    def start(self, capacity: int) -> None:
        resource = resource_of(POD)
        self.cache = WatchCache(resource, capacity=capacity)
        self.fanout = Fanout(resource, capacity=10**6)
        self.capacity = capacity
        self.revision = 10
        self.cache.replace([], versions.whole(self.revision))
        self.model: dict[Key, Stored] = {}
        #: everything that ever happened, with the state after it
        self.history: list[tuple[StorageEvent, dict[Key, Stored]]] = []
        self.watchers = {
            name: Watching(selection, self.fanout.attach(selection, bookmarks=False))
            for name, selection in SELECTIONS.items()
        }

    @rule(
        writes=st.lists(
            st.tuples(
                st.sampled_from(KEYS), st.sampled_from(["web", "db", ""]), st.sampled_from(["", "n1", "n2"]),
                st.sampled_from(["Running", "Failed"]), st.booleans(),
            ),
            min_size=1, max_size=6, unique_by=lambda write: write[0],
        )
    )  # fmt: skip
    def commit(self, writes: list[tuple[Key, str, str, str, bool]]) -> None:
        """One revision: puts, and deletions of what is there."""
        self.revision += 1
        position, events = -1, list[StorageEvent]()
        for key, app, node, phase, deletes in writes:
            if deletes and key not in self.model:
                continue
            position += 1
            version = versions.version_of(self.revision, position)
            if deletes:
                del self.model[key]
                event = StorageEvent(EventType.DELETED, key, version, None)
            else:
                stored = Stored(key, pod(key, app, node, phase), version, META)
                kind = EventType.MODIFIED if key in self.model else EventType.ADDED
                self.model[key] = stored
                event = StorageEvent(kind, key, version, stored)
            self.history.append((event, dict(self.model)))
            events.append(event)
        cached = self.cache.apply_all(events)
        assert [item.type for item in cached] == [event.type for event in events]
        self.fanout.publish(cached)
        self.cache.advance(versions.whole(self.revision))

    @rule()
    def nothing(self) -> None:
        """A revision without events of this kind."""
        self.revision += 1
        self.cache.advance(versions.whole(self.revision))

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        """From any version since the ring's oldest the rest of history follows, for every selection."""
        if not self.history:
            return
        index = data.draw(st.integers(0, len(self.history) - 1))
        event, state = self.history[index]
        events = self.cache.events_since(event.version)
        if event.version < self.cache.oldest:
            assert events is None
            return
        assert events is not None
        assert [(e.type, e.version) for e in events] == [
            (e.type, e.version) for e, _ in self.history[index + 1 :]
        ]
        for selection in SELECTIONS.values():
            watcher = Watching(selection, self.fanout.attach(selection, bookmarks=False))
            watcher.known = {
                key: stored.version for key, stored in state.items() if is_selected(selection, stored)
            }
            for later in events:
                kind = later.type_for(judge_of(POD_RESOURCE, selection))
                if kind is not None:
                    watcher.see(kind, later)
            assert watcher.known == self.expected(selection)
            self.fanout.detach(watcher.subscription)

    @invariant()
    def the_current_state_is_the_replay(self) -> None:
        assert len(self.cache) == len(self.model)
        for key in KEYS:
            assert self.cache.get(key) == self.model.get(key)
        for selection in SELECTIONS.values():
            found = selected(self.cache, selection)
            assert {stored.key: stored.version for stored in found} == self.expected(selection)
            assert [stored.key for stored in found] == sorted(stored.key for stored in found)

    @invariant()
    def watchers_know_what_is_selected(self) -> None:
        for watcher in self.watchers.values():
            watcher.drain()
            assert watcher.known == self.expected(watcher.selection)

    @invariant()
    def the_ring_is_bounded(self) -> None:
        kept = self.cache.events_since(self.cache.oldest)
        assert kept is not None
        # A revision, which has up to six events here, goes as a whole.
        assert min(self.capacity, len(self.history)) - 5 <= len(kept) <= self.capacity + 6

    def expected(self, selection: Selection) -> dict[Key, Version]:
        return {key: stored.version for key, stored in self.model.items() if is_selected(selection, stored)}


TestWatchCache = CacheMachine.TestCase


def event(kind: EventType, key: Key, version: int, data: bytes = b"") -> StorageEvent:
    stored = None if kind is EventType.DELETED else Stored(key, data, Version(version), META)
    return StorageEvent(kind, key, Version(version), stored)


def test_a_deletion_of_what_is_not_there_is_nothing() -> None:
    cache = WatchCache(resource_of(POD), capacity=3)
    assert cache.apply_all([event(EventType.DELETED, KEYS[0], 200)]) == []
    assert cache.events_since(Version(0)) == []


def test_an_object_that_cannot_be_parsed_is_kept_and_selected_by_no_label() -> None:
    cache = WatchCache(resource_of(POD), capacity=3)
    cache.apply_all([event(EventType.ADDED, KEYS[0], 200, b"\x0a\xff")])
    stored = cache.get(KEYS[0])
    assert stored is not None
    assert selected(cache, SELECTIONS["all"]) == [stored]
    assert selected(cache, SELECTIONS["label"]) == []


def _sent(event: CacheEvent, kind: EventType) -> pod_pb2.Pod:
    """Return the Pod of an event as it goes out."""
    [sent] = pod_service_pb2.PodWatchResponse.FromString(event.wire_as(kind)).events
    return sent.object


def test_leaving_a_selection_sends_the_last_state_that_was_selected_at_the_version_of_the_event() -> None:
    cache = WatchCache(resource_of(POD), capacity=3)
    before, after = pod(KEYS[0], "web", "", ""), pod(KEYS[0], "db", "", "")
    cache.apply_all([event(EventType.ADDED, KEYS[0], 200, before)])
    (cached,) = cache.apply_all([event(EventType.MODIFIED, KEYS[0], 300, after)])
    assert cached.type_for(judge_of(POD_RESOURCE, SELECTIONS["label"])) is EventType.DELETED
    sent = _sent(cached, EventType.DELETED)
    assert (sent.metadata.labels["app"], sent.metadata.resource_version) == ("web", "300")
    assert _sent(cached, EventType.MODIFIED).metadata.labels["app"] == "db"


def test_a_foreign_transaction_that_puts_after_it_deletes_keeps_the_ring_in_order() -> None:
    cache = WatchCache(resource_of(POD), capacity=9)
    cache.apply_all([event(EventType.ADDED, KEYS[0], 200)])
    cache.apply_all([event(EventType.ADDED, KEYS[1], 201)])
    revision = versions.version_of(5, 0)
    cache.apply_all([event(EventType.DELETED, KEYS[0], revision)])
    cache.apply_all([event(EventType.DELETED, KEYS[1], revision + 1)])
    (put,) = cache.apply_all([event(EventType.ADDED, KEYS[2], revision)])
    assert (put.version, put.entry.stored.version) == (revision + 1, revision)
    assert _sent(put, EventType.ADDED).metadata.resource_version == str(revision)
    after = cache.events_since(Version(201))
    assert after is not None
    assert [item.version for item in after] == [revision, revision + 1, revision + 1]


def test_a_version_that_several_events_share_says_not_which_of_them_were_seen() -> None:
    cache = WatchCache(resource_of(POD), capacity=9)
    cache.apply_all([event(EventType.ADDED, key, 200 + place) for place, key in enumerate(KEYS[:4])])
    last, revision = versions.version_of(5, versions.LAST), versions.version_of(5, 0)
    cache.apply_all([
        event(EventType.DELETED, KEYS[0], revision), event(EventType.DELETED, KEYS[1], last),
        event(EventType.DELETED, KEYS[2], last),
        # The object has the version that it is stored with.
        StorageEvent(EventType.MODIFIED, KEYS[3], last, Stored(KEYS[3], b"", revision, META)),
    ])  # fmt: skip
    for shared in (last, revision):
        with pytest.raises(Expired):
            cache.events_since(shared)
    assert cache.events_since(versions.whole(5)) == []
    rest = cache.events_since(Version(203))
    assert rest is not None
    assert [item.version for item in rest] == [revision, last, last, last]


def _large(number: int, size: int = 100) -> StorageEvent:
    version = Version(number * 1000)
    return StorageEvent(
        EventType.MODIFIED, KEYS[0], version, Stored(KEYS[0], pod(KEYS[0], "x" * size, "", ""), version, META)
    )


def test_the_ring_is_bounded_by_bytes_too() -> None:
    cache = WatchCache(resource_of(POD), capacity=1000, max_bytes=1000)
    for number in range(1, 101):
        cache.apply_all([_large(number)])
        kept = cache.events_since(cache.oldest)
        assert kept is not None
        assert sum(event.size for event in kept) <= 1250
    assert cache.events_since(Version(50 * 1000)) is None
    assert cache.events_since(Version(98 * 1000)) == kept[-2:]


def test_an_event_larger_than_the_ring_leaves_it_empty_and_in_order() -> None:
    cache = WatchCache(resource_of(POD), capacity=1000, max_bytes=10)
    cache.apply_all([_large(1)])
    assert cache.oldest == versions.whole(1)
    assert (cache.events_since(cache.oldest), cache.events_since(Version(0))) == ([], None)
    cache.apply_all([_large(2)])
    assert (cache.oldest, len(cache)) == (versions.whole(2), 1)


def test_a_watcher_whose_events_are_too_large_together_is_cut() -> None:
    cache = WatchCache(resource_of(POD), capacity=1000)
    fanout = Fanout(resource_of(POD), max_bytes=300)
    watcher = fanout.attach(SELECTIONS["all"], bookmarks=False)

    def offer(number: int) -> None:
        fanout.publish(cache.apply_all([_large(number)]))

    for number in range(1, 21):
        offer(number)
        assert len(watcher.take(10, 1 << 20)) == 1
    for number in range(21, 24):
        offer(number)
    assert watcher.is_cut
    assert len(watcher) == 0
