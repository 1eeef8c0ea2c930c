"""Groups of watchers: each has its own place in the log of its selection, and nobody's place costs the others
anything.
"""

import pytest

from apiserver.storage.fanout import Fanout
from apiserver.storage.groups import Subscription
from apiserver.storage.interface import EventType, Key, StorageEvent, Stored, Version
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from apiserver.storage.watch_cache import WatchCache
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.kinds import POD
from vaina.objects.selectors import parse_field_selector, parse_label_selector

PREFIX = Key("/registry/pods/")
ALL = Selection(PREFIX)
WEB = Selection(PREFIX, labels=parse_label_selector("app=web"))
MANY = 1 << 30


class World:
    def __init__(self, **limits: int) -> None:
        self.cache = WatchCache(resource_of(POD), capacity=1000)
        self.fanout = Fanout(resource_of(POD), **limits)
        self.last = 0

    def put(self, name: str, app: str = "web", node: str = "") -> tuple[int, int]:
        """Publish a Pod at the next version; return how many got it and how many were cut."""
        self.last += 128
        pod = pod_pb2.Pod()
        pod.metadata.name, pod.metadata.labels["app"], pod.spec.node_name = name, app, node
        key, version = Key(f"{PREFIX}default/{name}"), Version(self.last)
        stored = Stored(key, pod.SerializeToString(deterministic=True), version, ("v1", "Pod"))
        event = StorageEvent(EventType.ADDED, key, version, stored)
        return self.fanout.publish(self.cache.apply_all([event]))

    def puts(self, count: int) -> list[str]:
        names = [f"p{self.last + number}" for number in range(count)]
        for name in names:
            self.put(name)
        return names


def names(subscription: Subscription, count: int = MANY) -> list[str]:
    response = subscription.take(count, MANY).response(Version(1))
    return [
        event.object.metadata.name for event in pod_service_pb2.PodWatchResponse.FromString(response).events
    ]


def test_watchers_of_one_selection_each_get_everything_from_when_they_came() -> None:
    world = World()
    first = world.fanout.attach(ALL, bookmarks=False)
    assert world.put("a") == (1, 0)
    second = world.fanout.attach(ALL, bookmarks=False)
    assert world.put("b") == (2, 0)
    assert names(first, 1) == ["a"]
    assert names(second) == ["b"]
    world.put("c")
    assert names(first) == ["b", "c"]
    assert names(second) == ["c"]
    assert (len(first), len(second)) == (0, 0)


def test_what_goes_out_to_watchers_at_one_place_is_made_once() -> None:
    world = World()
    watchers = [world.fanout.attach(ALL, bookmarks=False) for _ in range(3)]
    world.puts(5)
    responses = [watcher.take(MANY, MANY).response(Version(7)) for watcher in watchers]
    assert responses[0] is responses[1] is responses[2]
    world.put("next")
    assert [names(watcher) for watcher in watchers] == [["next"]] * 3


def test_a_stretch_that_ends_where_a_message_is_full_is_joined_once_for_all_too() -> None:
    world = World()
    watchers = [world.fanout.attach(ALL, bookmarks=False) for _ in range(3)]
    put = world.puts(5)
    taken = [watcher.take(MANY, 100) for watcher in watchers]
    assert 0 < len(taken[0]) < 5
    assert taken[0].response(Version(7)) is taken[1].response(Version(7)) is taken[2].response(Version(7))
    assert [names(watcher) for watcher in watchers] == [put[len(taken[0]) :]] * 3


def test_selections_are_told_apart_though_they_stand_in_one_place() -> None:
    world = World()
    everything, web = world.fanout.attach(ALL, bookmarks=False), world.fanout.attach(WEB, bookmarks=False)
    assert world.put("a", app="db") == (1, 0)
    assert world.put("b", app="web") == (2, 0)
    assert (names(everything), names(web)) == (["a", "b"], ["b"])


def test_of_a_thousand_nodes_an_event_concerns_those_who_watch_its_own() -> None:
    world = World()
    kubelets = [
        world.fanout.attach(
            Selection(
                PREFIX,
                fields=parse_field_selector(f"spec.nodeName=n{number}"),
                index=("spec.nodeName", f"n{number}"),
            ),
            bookmarks=False,
        )
        for number in range(1000)
    ]
    assert world.put("a", node="n7") == (1, 0)
    assert [number for number, kubelet in enumerate(kubelets) if len(kubelet)] == [7]


@pytest.mark.parametrize("others", [0, 1, 5])
def test_only_who_is_behind_is_cut(others: int) -> None:
    world = World(capacity=10)
    slow = world.fanout.attach(ALL, bookmarks=False)
    quick = [world.fanout.attach(ALL, bookmarks=False) for _ in range(others)]
    for _ in range(10):
        name = world.puts(1)
        assert [names(watcher) for watcher in quick] == [name] * others
    assert not slow.is_cut
    assert world.put("one-more") == (others + 1, 1)
    assert slow.is_cut
    assert [names(watcher) for watcher in quick] == [["one-more"]] * others
    assert world.put("afterwards") == (others, 0)


def test_what_nobody_needs_any_more_is_not_kept() -> None:
    world = World()
    watchers = [world.fanout.attach(ALL, bookmarks=False) for _ in range(4)]
    group = watchers[0].group
    for _ in range(20):
        world.puts(100)
        for watcher in watchers:
            names(watcher)
        assert group.kept == 0
    for _ in range(20):
        # One takes half of what comes, so all are behind it by different places.
        world.puts(10)
        for number, watcher in enumerate(watchers):
            names(watcher, 10 - number // 3)
        assert group.kept <= 128


def test_a_mark_is_for_who_has_nothing_else_to_get() -> None:
    world = World()
    wants, has, never = (world.fanout.attach(ALL, bookmarks=bookmarks) for bookmarks in (True, True, False))
    world.put("a")
    names(wants)
    for watcher in (wants, has, never):
        watcher.mark(Version(128))
    assert [item.type for item in wants.take(MANY, MANY).items] == [EventType.BOOKMARK]
    assert names(has) == ["a"]
    assert names(never) == ["a"]
    assert [len(watcher) for watcher in (wants, has, never)] == [0, 0, 0]


def test_a_group_ends_with_its_last_watcher() -> None:
    world = World()
    first, second = (world.fanout.attach(WEB, bookmarks=False) for _ in range(2))
    world.fanout.detach(first)
    assert world.put("a") == (1, 0)
    assert names(second) == ["a"]
    world.fanout.detach(second)
    assert world.put("b") == (0, 0)
    assert list(world.fanout) == []
