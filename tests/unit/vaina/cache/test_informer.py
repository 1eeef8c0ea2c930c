import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.cache.informer import MAX_CHANGES, CacheMutated, Informer, MutationDetector
from vaina.cache.list_watch import INITIAL_EVENTS_END, ListWatch, StaleList, State
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import (
    VERSION_TOO_LARGE,
    Expired,
    FieldError,
    Forbidden,
    Timeout,
    TooManyRequests,
    Unavailable,
)
from vaina.kinds import POD
from vaina.metrics import WENT_BACK
from vaina.serving.handlers import RequestContext, typed, typed_stream
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock, settle


def pod(name: str, version: int, uid: str = "") -> pod_pb2.Pod:
    return make_pod(name, uid=uid, resource_version=str(version))


def end_mark(version: int) -> pod_pb2.Pod:
    return make_pod("", resource_version=str(version), annotations={INITIAL_EVENTS_END: "true"})


class Script:
    """Plays one script per watch: batches of (type, pod), exceptions, a wait for an event or for ever.

    Records what was asked.
    """

    def __init__(self, *streams):
        self.streams = [*streams]
        self.asked: list[tuple[str, bool]] = []
        #: what a quorum read says
        self.newest = "1000"
        self.lists = 0

    async def list(self, request: request_pb2.ListRequest, ctx: RequestContext) -> pod_pb2.PodList:
        self.lists += 1
        answer = pod_pb2.PodList()
        answer.metadata.resource_version = self.newest
        return answer

    async def watch(
        self, request: request_pb2.WatchRequest, ctx: RequestContext
    ) -> AsyncIterator[pod_service_pb2.PodWatchResponse]:
        self.asked.append((request.resource_version, request.send_initial_events))
        for item in self.streams.pop(0) if self.streams else [None]:
            if item is None:
                await asyncio.Event().wait()
            if isinstance(item, asyncio.Event):
                await item.wait()
                continue
            if isinstance(item, Exception):
                raise item
            events = [pod_service_pb2.PodWatchEvent(type=kind, object=obj) for kind, obj in item]
            yield pod_service_pb2.PodWatchResponse(
                events=events, resource_version=item[-1][1].metadata.resource_version
            )


def transport_of(script: Script) -> InProcessTransport:
    return InProcessTransport(
        {
            POD.method("Watch"): typed_stream(script.watch, request_pb2.WatchRequest),
            POD.method("List"): typed(script.list, request_pb2.ListRequest),
        }
    )


@asynccontextmanager
async def running(
    script: Script, clock: FakeClock, detector: MutationDetector | None = None, *, packed: bool = False
):
    informer = Informer(Clientset(transport_of(script)).pods, clock, detector=detector, packed=packed)
    seen: list[tuple[str, str]] = []
    informer.add_handler(
        on_add=lambda obj: seen.append(("add", obj.metadata.name)),
        on_update=lambda old, new: seen.append(("update", new.metadata.name)),
        on_delete=lambda obj: seen.append(("delete", obj.metadata.name)),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informer.run())
        await settle()
        yield informer, seen
        task.cancel()


def names(informer):
    return sorted(obj.metadata.name for obj in informer.lister.list())


async def test_nothing_is_handed_out_before_the_list_is_whole():
    script = Script([[("ADDED", pod("a", 1))], None])
    async with running(script, FakeClock()) as (informer, seen):
        assert (names(informer), seen, informer.synced) == ([], [], False)


async def test_a_stream_that_ends_is_resumed_after_the_last_version():
    script = Script(
        [[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(3))], [("ADDED", pod("b", 4))]],
        [[("MODIFIED", pod("b", 5))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (informer, seen):
        await clock.advance(1)
        assert script.asked == [("", True), ("4", False)]
        assert seen == [("add", "a"), ("add", "b"), ("update", "b")]
        assert informer.resource_version == 5


async def test_after_expired_a_new_list_replaces_everything_and_deletions_are_told():
    script = Script(
        [[("ADDED", pod("a", 1)), ("ADDED", pod("b", 2)), ("BOOKMARK", end_mark(3))]],
        [Expired("too old resource version")],
        [[("ADDED", pod("b", 2)), ("ADDED", pod("c", 9)), ("BOOKMARK", end_mark(10))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (informer, seen):
        await clock.advance(30)
        assert script.asked == [("", True), ("3", False), ("", True)]
        assert seen == [("add", "a"), ("add", "b"), ("delete", "a"), ("add", "c")]
        assert names(informer) == ["b", "c"]


async def test_an_object_of_the_same_name_and_another_uid_is_a_deletion_and_an_addition():
    script = Script(
        [[("ADDED", pod("a", 1, "u1")), ("BOOKMARK", end_mark(3))]],
        [Expired("x")],
        [[("ADDED", pod("a", 9, "u2")), ("BOOKMARK", end_mark(10))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (_, seen):
        await clock.advance(30)
        assert seen == [("add", "a"), ("delete", "a"), ("add", "a")]


async def test_one_that_ends_when_refused_ends_with_why_and_no_other_does():
    streams: list[Any] = [
        [[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(3))]],
        [Forbidden("pods is forbidden")],
    ]
    clock = FakeClock()
    async with running(Script(*streams), clock) as (informer, _):
        await clock.advance(30)
        assert names(informer) == ["a"]
    transport = transport_of(Script(*streams))
    informer = Informer(Clientset(transport).pods, clock, ends_when_refused=True)
    async with asyncio.TaskGroup() as group:
        ended = group.create_task(raised(informer.run()))
        await clock.advance(30)
    assert ended.result().message == "pods is forbidden"


async def raised(run: Awaitable[None]) -> Forbidden:
    with pytest.raises(Forbidden) as error:
        await run
    return error.value


async def test_a_server_that_is_away_is_asked_again_with_growing_pauses_and_the_copy_stays():
    away = [Unavailable("etcd is away")]
    script = Script(
        [[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(3))]],
        away,
        away,
        away,
        [[("DELETED", pod("a", 7))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (informer, seen):
        await clock.advance(0.15)
        assert len(script.asked) < 4
        assert names(informer) == ["a"]
        await clock.advance(20)
        assert script.asked == [("", True), *[("3", False)] * 4]
        assert names(informer) == []
        assert seen == [("add", "a"), ("delete", "a")]


async def test_those_whose_streams_an_apiserver_broke_as_it_went_do_not_come_back_together():
    """I17: a stream that lived long is resumed after a jittered pause when it failed, at once when it ended
    in good order.
    """
    clock, breaks, ends = FakeClock(), asyncio.Event(), asyncio.Event()
    script = Script(
        [[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(1))], breaks, Unavailable("going away")],
        [ends],
        [None],
    )
    async with running(script, clock):
        await clock.advance(100)
        breaks.set()
        await settle()
        assert len(script.asked) == 1
        await clock.advance(0.2 * 2)
        assert len(script.asked) == 2
        await clock.advance(100)
        ends.set()
        await settle()
        assert len(script.asked) == 3


async def test_a_list_that_is_older_than_what_was_seen_is_refused():
    script = Script(
        [[("ADDED", pod("a", 8)), ("BOOKMARK", end_mark(9))]],
        [Expired("x")],
        [[("BOOKMARK", end_mark(5))]],
        [[("ADDED", pod("a", 8)), ("BOOKMARK", end_mark(11))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (informer, seen):
        await clock.advance(30)
        assert seen == [("add", "a")]
        assert informer.resource_version == 11


def too_large() -> Timeout:
    cause = FieldError(VERSION_TOO_LARGE, "", "Too large resource version")
    return Timeout("Too large resource version: 9, current: 5", causes=[cause], retry_seconds=1)


def times_went_back() -> float:
    return WENT_BACK.labels("Pod")._value.get()


async def test_a_watch_of_a_server_that_lags_behind_is_opened_again_where_it_was():
    before = times_went_back()
    script = Script(
        [[("ADDED", pod("a", 8)), ("BOOKMARK", end_mark(9))]],
        [too_large()],
        [too_large()],
        [[("ADDED", pod("b", 10))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (_, seen):
        await clock.advance(30)
        assert script.asked == [("", True), ("9", False), ("9", False), ("9", False)]
        assert seen == [("add", "a"), ("add", "b")]
    assert times_went_back() == before


async def test_a_storage_that_went_back_in_time_is_not_followed_and_said_once_a_minute():
    """Its versions grow beyond what was seen, with another past.

    What lies between would be missed in silence.
    """
    before = times_went_back()
    script = Script(
        [[("ADDED", pod("a", 8)), ("BOOKMARK", end_mark(9))]],
        [too_large()],
        [[("ADDED", pod("b", 10)), ("BOOKMARK", end_mark(11))], None],
    )
    script.newest = "5"
    clock = FakeClock()
    with capture_logs() as logs:
        async with running(script, clock) as (informer, seen):
            await clock.advance(170)
            assert script.asked == [("", True), ("9", False)]
            assert script.lists > 10
            assert (names(informer), informer.resource_version) == (["a"], 9)
            script.newest = "11"
            await clock.advance(10)
            # A whole list that is newer than all that was seen replaces it; a watch would have missed the
            # deletion.
            assert script.asked == [("", True), ("9", False), ("", True)]
            assert seen == [("add", "a"), ("delete", "a"), ("add", "b")]
    said = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(said) == 3
    assert "Restart this component" in said[0]["event"]
    assert times_went_back() == before + 1


async def test_a_late_handler_is_told_of_what_is_there():
    script = Script([[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(3))], None])
    async with running(script, FakeClock()) as (informer, _):
        batches = []
        informer.add_batch_handler(batches.append)
        assert [[new.metadata.name for _, new in batch] for batch in batches] == [["a"]]


async def test_the_lister_reads_by_key_selector_namespace_and_index():
    script = Script([[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(3))], None])
    async with running(script, FakeClock()) as (informer, _):
        informer.add_indexer("phase", lambda obj: [obj.status.phase])
        lister = informer.lister
        assert lister.get("default/a").metadata.name == "a"
        assert lister.get("default/z") is None
        assert [len(lister.list(namespace=name)) for name in ("default", "other")] == [1, 0]
        assert len(lister.by_index("phase", "Pending")) == 1


async def test_the_detector_finds_who_changes_a_shared_object():
    script = Script([[("ADDED", pod("a", 1)), ("BOOKMARK", end_mark(3))], None])
    detector = MutationDetector()
    async with running(script, FakeClock(), detector) as (informer, _):
        detector.check()
        informer.lister.get("default/a").status.phase = "Running"
        with pytest.raises(CacheMutated):
            detector.check()


def test_a_list_that_was_cut_off_begins_anew():
    machine = ListWatch()
    machine.next_call()
    machine.on_batch([("ADDED", pod("gone", 1))], "")
    machine.next_call()
    (replace,) = machine.on_batch([("ADDED", pod("a", 2)), ("BOOKMARK", end_mark(2))], "2")
    assert list(replace.items) == ["default/a"]


def test_a_stale_list_changes_nothing():
    machine = ListWatch()
    machine.version = 9
    machine.next_call()
    with pytest.raises(StaleList):
        machine.on_batch([("BOOKMARK", end_mark(5))], "5")
    assert (machine.version, machine.state) == (9, State.EMPTY)


async def test_a_busy_server_is_not_asked_before_the_time_that_it_names():
    script = Script([TooManyRequests("later", retry_seconds=9)], [None])
    clock = FakeClock()
    async with running(script, clock):
        await clock.advance(8.9)
        assert len(script.asked) == 1
        # Spread over as long again, so that all clients do not come back at one moment.
        await clock.advance(9.2)
        assert len(script.asked) == 2


async def test_a_handler_that_raises_costs_nobody_else_anything():
    first = [("ADDED", pod("a", 1)), ("ADDED", pod("b", 2)), ("BOOKMARK", end_mark(3))]
    more = asyncio.Event()
    script = Script([first, more, [("MODIFIED", pod("a", 4))], None])
    transport = InProcessTransport(
        {POD.method("Watch"): typed_stream(script.watch, request_pb2.WatchRequest)}
    )
    informer = Informer(Clientset(transport).pods, FakeClock())
    heard: dict[str, list[str]] = {"bad": [], "good": [], "batches": []}

    def bad(obj: pod_pb2.Pod) -> None:
        if obj.metadata.name == "a":
            raise ZeroDivisionError
        heard["bad"].append(obj.metadata.name)

    def bad_batch(changes):
        heard["batches"].append(len(changes))
        raise ZeroDivisionError

    informer.add_batch_handler(bad_batch)
    informer.add_handler(on_add=bad)
    informer.add_handler(
        on_add=lambda obj: heard["good"].append(obj.metadata.name),
        on_update=lambda old, new: heard["good"].append(new.metadata.name),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informer.run())
        await settle()
        assert heard == {"bad": ["b"], "good": ["a", "b"], "batches": [2]}
        assert informer.synced
        more.set()
        await settle()
        assert heard == {"bad": ["b"], "good": ["a", "b", "a"], "batches": [2, 1]}
        assert informer.handler_failures == 3
        task.cancel()


async def test_what_a_new_list_does_not_have_is_deleted_with_the_state_that_was_seen_last():
    script = Script(
        [
            [
                ("ADDED", pod("a", 1)),
                ("MODIFIED", pod("a", 2)),
                ("ADDED", pod("b", 3)),
                ("BOOKMARK", end_mark(3)),
            ]
        ],
        [Expired("too old resource version")],
        [[("ADDED", pod("c", 8)), ("BOOKMARK", end_mark(9))], None],
    )
    clock = FakeClock()
    async with running(script, clock) as (informer, _):
        batches: list[list[tuple[str, str]]] = []

        def note(changes):
            # The store is what the list says already: no handler sees half of it.
            assert names(informer) == (["a", "b"] if not batches else ["c"])
            batches.append([(version(old), version(new)) for old, new in changes])

        informer.add_batch_handler(note)
        await clock.advance(30)
        assert batches == [[("", "2"), ("", "3")], [("2", ""), ("3", ""), ("", "8")]]


async def test_a_packed_informer_tells_the_same_and_gives_everybody_a_message_of_their_own():
    script = Script(
        [
            [("ADDED", pod("a", 1)), ("ADDED", pod("b", 2)), ("BOOKMARK", end_mark(3))],
            [("MODIFIED", pod("a", 4)), ("DELETED", pod("b", 5)), ("ADDED", pod("c", 6))],
        ],
        [Expired("too old resource version")],
        [[("ADDED", pod("a", 4)), ("ADDED", pod("d", 8)), ("BOOKMARK", end_mark(9))], None],
    )
    clock = FakeClock()
    async with running(script, clock, packed=True) as (informer, seen):
        informer.add_indexer("name", lambda obj: [obj.metadata.name])
        before = informer.lister.captured()
        assert names(informer) == ["a", "c"]
        await clock.advance(30)
        assert seen == [
            ("add", "a"), ("add", "b"), ("update", "a"), ("delete", "b"), ("add", "c"), ("delete", "c"), ("add", "d"),
        ]  # fmt: skip
        assert [obj.metadata.name for obj in before] == ["a", "c"]
        [found] = informer.lister.by_index("name", "a")
        found.status.phase = "Running"
        assert informer.lister.get("default/a").status.phase == pod("a", 4).status.phase
        assert (informer.lister.get("default/c"), names(informer)) == (None, ["a", "d"])


async def test_a_long_list_is_told_piece_by_piece_once_all_of_it_is_in_the_store():
    listed = [("ADDED", pod(f"p{number}", 1 + number)) for number in range(MAX_CHANGES + 10)]
    more = asyncio.Event()
    script = Script([more, [*listed, ("BOOKMARK", end_mark(5000))], None])
    told: list[tuple[int, int]] = []
    async with running(script, FakeClock(), packed=True) as (informer, _):
        informer.add_batch_handler(lambda changes: told.append((len(changes), len(informer.lister))))
        more.set()
        await settle()
        assert told == [(MAX_CHANGES, MAX_CHANGES + 10), (10, MAX_CHANGES + 10)]


def version(obj: pod_pb2.Pod | None) -> str:
    return obj.metadata.resource_version if obj is not None else ""


async def test_an_index_follows_every_change_and_is_made_for_what_is_there_already():
    def moved(name: str, version: int, node: str) -> pod_pb2.Pod:
        return make_pod(name, resource_version=str(version), node=node)

    more = asyncio.Event()
    script = Script(
        [
            [("ADDED", moved("a", 1, "n1")), ("ADDED", moved("b", 2, "n1")), ("BOOKMARK", end_mark(3))],
            more,
            [
                ("MODIFIED", moved("a", 4, "n2")),
                ("DELETED", moved("b", 5, "n1")),
                ("ADDED", moved("c", 6, "")),
            ],
            None,
        ]
    )
    async with running(script, FakeClock()) as (informer, _):
        informer.add_indexer("node", lambda obj: [obj.spec.node_name] if obj.spec.node_name else [])

        def on(node: str) -> list[str]:
            return [obj.metadata.name for obj in informer.lister.by_index("node", node)]

        assert (on("n1"), on("n2"), informer.lister.index_values("node")) == (["a", "b"], [], ["n1"])
        more.set()
        await settle()
        assert (on("n1"), on("n2"), informer.lister.index_values("node")) == ([], ["a"], ["n2"])
        with pytest.raises(ValueError, match="index node exists"):
            informer.add_indexer("node", lambda obj: ())


async def test_a_server_that_was_away_for_a_minute_is_found_within_three_seconds():
    script = Script(*([Unavailable("connection refused")] for _ in range(300)))
    clock = FakeClock()
    async with running(script, clock):
        await clock.advance(60)
        for _ in range(20):
            asked = len(script.asked)
            await clock.advance(3.1)
            assert len(script.asked) > asked
