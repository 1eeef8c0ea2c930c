import asyncio
from contextlib import asynccontextmanager

import pytest

from vaina.api.core.v1 import event_pb2, event_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.events import (
    BURST,
    MAX_TRIES,
    MAX_WAITING,
    NORMAL,
    RATE_PER_SECOND,
    WARNING,
    EventRecorder,
    reference,
)
from vaina.client.transport import InProcessTransport
from vaina.errors import AlreadyExists, ApiError, Forbidden, NotFound, TooManyRequests, Unavailable
from vaina.kinds import EVENT
from vaina.metrics import new_registry
from vaina.serving.handlers import RequestContext, typed
from vaina.testing.builders import make_pod, make_replica_set, object_reference
from vaina.testing.clock import FakeClock


class Server:
    """Keeps Events by name; `refuse` is what creations or updates get instead."""

    def __init__(self):
        self.events: dict[str, event_pb2.Event] = {}
        self.calls, self.refuse_create, self.refuse_update = [], None, None
        #: creations happen, and are not answered
        self.loses_answers = False
        #: answers of their own for the next items of batches
        self.refuse_items: list[ApiError | None] = []

    async def create_batch(
        self, request: event_service_pb2.CreateEventBatchRequest, ctx: RequestContext
    ) -> event_service_pb2.EventBatchResponse:
        self.calls.append(len(request.requests))
        if isinstance(self.refuse_create, Unavailable):
            raise self.refuse_create
        answer = event_service_pb2.EventBatchResponse()
        for item in request.requests:
            refusal = self.refuse_items.pop(0) if self.refuse_items else self.refuse_create
            if refusal is not None:
                answer.results.add(error=refusal.to_status())
                continue
            if item.object.metadata.name in self.events:
                answer.results.add(error=AlreadyExists("it exists").to_status())
                continue
            self.events[item.object.metadata.name] = item.object
            answer.results.add(object=item.object)
        if self.loses_answers:
            raise Unavailable("the outcome is unknown")
        return answer

    async def update(
        self, request: event_service_pb2.UpdateEventRequest, ctx: RequestContext
    ) -> event_pb2.Event:
        if self.refuse_update is not None:
            error, self.refuse_update = self.refuse_update, None
            self.events.pop(request.object.metadata.name)
            raise error
        self.events[request.object.metadata.name] = request.object
        return request.object

    def recorder(self, clock: FakeClock, component: str = "kubelet", **options: float) -> EventRecorder:
        handlers = {
            EVENT.method("CreateBatch"): typed(self.create_batch, event_service_pb2.CreateEventBatchRequest),
            EVENT.method("Update"): typed(self.update, event_service_pb2.UpdateEventRequest),
        }
        client = Clientset(InProcessTransport(handlers)).events
        return EventRecorder(client, component, "n1", clock, **options)


@asynccontextmanager
async def running(recorder: EventRecorder):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        yield
        task.cancel()


@pytest.fixture
def clock():
    return FakeClock()


async def test_an_event_has_all_that_describe_shows(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        recorder.event(
            make_pod("web"), NORMAL, "Started", "Started container app", field_path="spec.containers{app}"
        )
        await clock.advance(1)
    (event,) = server.events.values()
    about = event.involved_object
    assert (about.kind, about.api_version, about.namespace, about.name, about.uid, about.field_path) == (
        "Pod", "v1", "default", "web", "uid-default-web", "spec.containers{app}",
    )  # fmt: skip
    assert (event.type, event.reason, event.message, event.count) == (
        "Normal",
        "Started",
        "Started container app",
        1,
    )
    assert (event.source.component, event.source.host, event.reporting_component) == (
        "kubelet",
        "n1",
        "kubelet",
    )
    assert event.metadata.name.startswith("web.")
    assert event.metadata.namespace == "default"


async def test_the_same_again_counts_and_something_else_is_another_event(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for _ in range(3):
            recorder.event(make_pod("web"), WARNING, "BackOff", "Back-off restarting")
            await clock.advance(1)
        recorder.event(make_pod("other"), WARNING, "BackOff", "Back-off restarting")
        await clock.advance(1)
    assert sorted((event.involved_object.name, event.count) for event in server.events.values()) == [
        ("other", 1), ("web", 3),
    ]  # fmt: skip
    assert server.calls == [1, 1]


async def test_what_comes_together_travels_together(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for number in range(600):
            recorder.event(make_pod(f"p{number}"), NORMAL, "Scheduled", "words")
        await clock.advance(1)
    assert server.calls == [125, 125, 125, 125, 100]
    assert len(server.events) == 600


async def test_what_is_said_too_often_about_one_object_is_held_back_and_counted(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for _ in range(40):
            recorder.event(make_pod("web"), WARNING, "BackOff", "Back-off restarting")
            await clock.advance(1)
        recorder.event(make_pod("other"), WARNING, "BackOff", "Back-off restarting")
        await clock.advance(1)
        counts = {event.involved_object.name: event.count for event in server.events.values()}
        assert counts == {"web": 25, "other": 1}
        await clock.advance(300)
        recorder.event(make_pod("web"), WARNING, "BackOff", "Back-off restarting")
        await clock.advance(1)
        counts = {event.involved_object.name: event.count for event in server.events.values()}
        assert counts == {"web": 41, "other": 1}


async def test_what_differs_by_its_message_only_is_combined(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for number in range(15):
            recorder.event(make_replica_set("web"), NORMAL, "SuccessfulCreate", f"Created pod: web-{number}")
            await clock.advance(1)
    said = [(event.message, event.count) for event in server.events.values()]
    assert said[:9] == [(f"Created pod: web-{number}", 1) for number in range(9)]
    assert said[9:] == [("(combined from similar events): Created pod: web-14", 6)]


async def test_an_event_that_expired_meanwhile_is_said_anew(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
        await clock.advance(1)
        server.refuse_update = NotFound("gone")
        recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
        await clock.advance(1)
    assert [event.count for event in server.events.values()] == [2]
    assert recorder.dropped == 0


async def test_a_server_that_is_away_gets_them_when_it_is_back(clock):
    server = Server()
    server.refuse_create = Unavailable("away")
    recorder = server.recorder(clock)
    async with running(recorder):
        for number in range(3):
            recorder.event(make_pod(f"p{number}"), NORMAL, "Pulled", "words")
            await clock.advance(5)
        server.refuse_create = None
        await clock.advance(15)
    assert sorted(event.involved_object.name for event in server.events.values()) == ["p0", "p1", "p2"]
    assert recorder.dropped == 0


@pytest.mark.parametrize("error", [Unavailable("etcd is away"), TooManyRequests("too many writes wait")])
async def test_what_a_server_could_not_do_of_a_batch_is_sent_again_and_the_rest_is_not(clock, error):
    server = Server()
    server.refuse_items = [None, error, Forbidden("no")]
    recorder = server.recorder(clock)
    async with running(recorder):
        for number in range(3):
            recorder.event(make_pod(f"p{number}"), NORMAL, "Pulled", "words")
        await clock.advance(15)
    assert sorted(event.involved_object.name for event in server.events.values()) == ["p0", "p1"]
    assert (server.calls, recorder.dropped) == ([3, 1], 1)


async def test_a_server_that_stays_away_is_given_up(clock):
    server = Server()
    server.refuse_create = Unavailable("away")
    recorder = server.recorder(clock)
    async with running(recorder):
        recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
        await clock.advance(500)
        assert (recorder.dropped, len(server.calls)) == (1, MAX_TRIES)


async def test_a_server_that_refuses_costs_the_caller_nothing(clock):
    server = Server()
    server.refuse_create = Forbidden("namespace is being terminated")
    recorder = server.recorder(clock)
    async with running(recorder):
        recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
        await clock.advance(1)
        assert recorder.dropped == 1
        server.refuse_create = None
        recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
        await clock.advance(1)
    assert len(server.events) == 1


async def test_an_event_whose_creation_was_not_answered_goes_on_counting(clock):
    server = Server()
    server.loses_answers = True
    recorder = server.recorder(clock)
    async with running(recorder):
        recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
        await clock.advance(1)
        server.loses_answers = False
        for _ in range(2):
            recorder.event(make_pod("web"), NORMAL, "Pulled", "words")
            await clock.advance(1)
    assert [event.count for event in server.events.values()] == [3]


async def test_too_many_at_once_are_dropped_and_counted(clock):
    recorder = Server().recorder(clock)
    for number in range(MAX_WAITING + 7):
        recorder.event(make_pod(f"p{number}"), NORMAL, "Scheduled", "words")
    assert recorder.dropped == 7


@pytest.mark.parametrize("again", [1, 3])
async def test_what_is_said_of_many_is_what_would_be_said_of_each(again):
    told = [(make_pod(f"p{number % 5}"), f"Assigned to n{number // 10}") for number in range(20)]
    found: list[list[bytes]] = []
    for together in (False, True):
        clock, server = FakeClock(), Server()
        recorder = server.recorder(clock)
        async with running(recorder):
            for _ in range(again):
                if together:
                    recorder.events(told, NORMAL, "Scheduled")
                    recorder.events([], NORMAL, "Scheduled")
                else:
                    for about, message in told:
                        recorder.event(about, NORMAL, "Scheduled", message)
                await clock.advance(1)
        found.append([event.SerializeToString(deterministic=True) for event in server.events.values()])
    assert found[0] == found[1]
    assert [event_pb2.Event.FromString(event).count for event in found[0]] == [2 * again] * 10


async def test_of_many_that_do_not_fit_the_last_are_dropped_and_counted(clock):
    server = Server()
    recorder = server.recorder(clock, max_waiting=8)
    recorder.event(make_pod("first"), NORMAL, "Scheduled", "words")
    for _ in range(2):
        recorder.events([(make_pod(f"p{number}"), "words") for number in range(9)], NORMAL, "Scheduled")
    assert (recorder.waiting, recorder.dropped) == (8, 11)
    async with running(recorder):
        await clock.advance(1)
    names = [event.involved_object.name for event in server.events.values()]
    assert names == ["first", *(f"p{number}" for number in range(7))]


def test_references_to_any_kind():
    assert (reference(make_replica_set("web")).kind, reference(make_replica_set("web")).api_version) == (
        "ReplicaSet", "apps/v1",
    )  # fmt: skip
    ready_made = object_reference("Node", "n1", "")
    assert reference(ready_made) == ready_made
    assert reference(ready_made) is not ready_made


async def test_a_burst_of_ten_thousand_is_written_at_a_steady_rate_and_loses_none(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for number in range(10_000):
            recorder.event(make_pod(f"p{number}"), NORMAL, "Scheduled", "words")
        await clock.advance(1)
        # The burst, and a second's worth at most: the rest of the machine belongs to what is being told of.
        assert BURST <= len(server.events) <= BURST + RATE_PER_SECOND
        assert recorder.waiting == 10_000 - len(server.events)
        await clock.advance(9)
    assert (len(server.events), recorder.waiting, recorder.dropped) == (10_000, 0, 0)


async def test_a_few_are_written_at_once_after_any_number_that_were_spread_over_time(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for number in range(20):
            recorder.event(make_pod(f"p{number}"), NORMAL, "Scheduled", "words")
            await clock.advance(0.2)
            assert len(server.events) == number + 1


async def test_a_recorder_may_be_given_another_rate(clock):
    server = Server()
    recorder = server.recorder(clock, rate=10, burst=5, max_waiting=8)
    for number in range(9):
        recorder.event(make_pod(f"p{number}"), NORMAL, "Scheduled", "words")
    async with running(recorder):
        await clock.advance(0.15)
        assert len(server.events) == 5
        await clock.advance(0.4)
    assert (len(server.events), recorder.dropped) == (8, 1)


async def test_what_is_held_back_does_not_wait_for_the_rate(clock):
    server = Server()
    recorder = server.recorder(clock)
    async with running(recorder):
        for _ in range(5000):
            recorder.event(make_pod("noisy"), WARNING, "BackOff", "Back-off restarting")
        recorder.event(make_pod("web"), NORMAL, "Scheduled", "words")
        await clock.advance(0.2)
    assert {event.involved_object.name for event in server.events.values()} == {"noisy", "web"}


async def test_metrics_tell_what_waits_and_what_was_dropped(clock):
    registry = new_registry("scheduler")
    recorder = Server().recorder(clock, "told-of", max_waiting=3)
    for number in range(5):
        recorder.event(make_pod(f"p{number}"), NORMAL, "Scheduled", "words")
    labels = {"component": "told-of"}
    assert registry.get_sample_value("vaina_events_waiting", labels) == 3
    assert registry.get_sample_value("vaina_events_dropped_total", labels) == 2
