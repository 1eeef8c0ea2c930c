"""An informer that hops between apiservers of which each lags as it likes.

It never goes back (I7), and ends with what there is.

The servers are replicas of one history, each at a version of its own. A list comes from one of them while
others write; a watch is resumed at one that may not have the version yet, or no longer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from vaina.api.core.v1 import pod_pb2
from vaina.cache.list_watch import ListWatch, Replace, StaleList, State
from vaina.cache.store import Store
from vaina.objects.watch import ADDED, BOOKMARK, DELETED, INITIAL_EVENTS_END, MODIFIED
from vaina.testing.builders import make_pod

NAMES = "abc"
REPLICAS = 3
Event = tuple[str, pod_pb2.Pod]


@dataclass
class History:
    """What was ever written, and how much of it each replica knows."""

    #: (version, type, object), one a version
    log: list[tuple[int, str, pod_pb2.Pod]] = field(default_factory=list)
    at: list[int] = field(default_factory=lambda: [0] * REPLICAS)
    compacted: int = 0

    @property
    def newest(self) -> int:
        return len(self.log)

    def state(self, version: int) -> dict[str, pod_pb2.Pod]:
        found: dict[str, pod_pb2.Pod] = {}
        for at, kind, pod in self.log:
            if at > version:
                break
            if kind == DELETED:
                del found[pod.metadata.name]
            else:
                found[pod.metadata.name] = pod
        return found

    def write(self, name: str, delete: bool) -> None:
        old = self.state(self.newest).get(name)
        if delete and old is None:
            return
        version = self.newest + 1
        uid = old.metadata.uid if old is not None else f"{name}-{version}"
        pod = make_pod(name, uid=uid, resource_version=str(version))
        self.log.append((version, DELETED if delete else MODIFIED if old is not None else ADDED, pod))

    def listed(self, replica: int) -> Iterator[Event]:
        """What a watch with initial events gives: the state, the mark, and what comes while it goes on."""
        begin = self.at[replica]
        for pod in self.state(begin).values():
            yield ADDED, pod
        yield BOOKMARK, make_pod("", resource_version=str(begin), annotations={INITIAL_EVENTS_END: "true"})
        yield from self.since(replica, begin)

    def since(self, replica: int, version: int) -> Iterator[Event]:
        while version < self.at[replica]:
            at, kind, pod = self.log[version]
            version = at
            yield kind, pod


class Follower:
    """A reflector's machine and an informer's store, and a handler that checks what it is told."""

    def __init__(self) -> None:
        self.machine: ListWatch[pod_pb2.Pod] = ListWatch()
        self.store: Store[pod_pb2.Pod] = Store({"uid": lambda pod: [pod.metadata.uid]})
        self.told: dict[str, pod_pb2.Pod] = {}
        self.newest = 0
        self.refused = 0

    def feed(self, event: Event) -> None:
        for what in self.machine.on_batch([event], ""):
            is_list = isinstance(what, Replace)
            changes = self.store.replace(what) if isinstance(what, Replace) else self.store.apply(what)
            for old, new in changes:
                self.hear(old, new, is_list=is_list)
        assert self.machine.version >= self.newest, "back in time"
        self.newest = self.machine.version

    def hear(self, old: pod_pb2.Pod | None, new: pod_pb2.Pod | None, *, is_list: bool) -> None:
        if old is not None:
            last = self.told.pop(old.metadata.uid)
            if new is None and is_list:
                # Nobody saw it go: the last known state is what was told before.
                assert old is last
        if new is not None:
            assert new.metadata.uid not in self.told
            before = old.metadata.resource_version if old is not None else "0"
            assert int(new.metadata.resource_version) > int(before)
            self.told[new.metadata.uid] = new

    def read(self, history: History, replica: int, cut: int, meanwhile: list[tuple[str, bool]]) -> None:
        """Open the watch that is due at a replica; others write while it is read.

        It breaks after `cut` events.
        """
        call = self.machine.next_call()
        if call.send_initial_events:
            events = history.listed(replica)
        else:
            version = int(call.resource_version)
            if version < history.compacted:
                self.machine.on_expired()
                return
            if version > history.at[replica]:
                # "Too large resource version": nothing was sent.
                return
            events = history.since(replica, version)
        for number, event in enumerate(events):
            if number == cut:
                return
            try:
                self.feed(event)
            except StaleList:
                self.refused += 1
                self.machine.on_expired()
                return
            if meanwhile:
                history.write(*meanwhile.pop())
                history.at[replica] = history.newest


WRITE = st.tuples(st.sampled_from(NAMES), st.booleans())
STEP = st.one_of(
    st.tuples(st.just("write"), WRITE),
    st.tuples(st.just("catch up"), st.integers(0, REPLICAS - 1)),
    st.tuples(st.just("compact"), st.just(0)),
    st.tuples(
        st.just("read"),
        st.tuples(st.integers(0, REPLICAS - 1), st.integers(0, 8), st.lists(WRITE, max_size=3)),
    ),
)


@given(st.lists(STEP, max_size=80))
def test_whatever_replica_it_asks_it_never_goes_back_and_ends_with_what_there_is(steps) -> None:
    history, follower = History(), Follower()
    for what, how in steps:
        match what:
            case "write":
                history.write(*how)
            case "catch up":
                history.at[how] = history.newest
            case "compact":
                history.compacted = history.newest
            case "read":
                replica, cut, meanwhile = how
                follower.read(history, replica, cut, [*meanwhile])
    history.at = [history.newest] * REPLICAS
    for _ in range(3):
        follower.read(history, 0, 1000, [])
    assert follower.machine.state is State.SYNCED
    want = {pod.metadata.uid: pod for pod in history.state(history.newest).values()}
    assert follower.told == want
    assert {pod.metadata.uid: pod for pod in follower.store.objects.values()} == want
    assert sorted(follower.store.index_values("uid")) == sorted(want)


def test_a_list_of_a_replica_that_lags_is_refused() -> None:
    history, follower = History(), Follower()
    history.write("a", False)
    history.at[0] = history.newest
    follower.read(history, 0, 1000, [])
    follower.machine.on_expired()
    follower.read(history, 1, 1000, [])
    assert follower.refused == 1
    assert [*follower.store.objects] == ["default/a"]
