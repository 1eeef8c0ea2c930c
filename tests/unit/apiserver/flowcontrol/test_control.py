"""The limits around methods: who runs, who waits, who is refused, and what is counted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from apiserver.flowcontrol.control import FlowControl, StreamLimits, client_of
from apiserver.flowcontrol.fair import Client
from apiserver.flowcontrol.levels import Level
from vaina.api.meta.v1 import request_pb2
from vaina.clock import SystemClock
from vaina.errors import TooLarge, TooManyRequests
from vaina.kinds import CONFIG_MAP, EVENT, NODE, POD
from vaina.serving.handlers import BIDI, STREAM, UNARY, Method, RequestContext, User
from vaina.serving.unsent import Unsent
from vaina.testing.clock import FakeClock, settle

LEVELS = (
    Level("node-high", 1, 1, 10),
    Level("workload-high", 1, 1, 10),
    Level("global-default", 1, 1, 12),
    Level("catch-all", 1, 1, 10),
)
CREATE, GET, LIST = (CONFIG_MAP.method(verb) for verb in ("Create", "Get", "List"))
WATCH = CONFIG_MAP.method("Watch")


def caller(name: str, port: int = 1) -> RequestContext:
    return RequestContext(peer=f"ipv4:{name}:{port}")


@dataclass
class Server:
    """Methods that end when the test says so, in the order in which they began."""

    flow: FlowControl
    begun: list[str] = field(default_factory=list)
    _gates: list[asyncio.Event] = field(default_factory=list)
    methods: dict[str, Method] = field(default_factory=dict)

    def method(self, path: str) -> Method:
        if path not in self.methods:
            self.methods[path] = self.flow.limited(path, Method(UNARY, self._serve))
        return self.methods[path]

    async def _serve(self, data: bytes, rpc: RequestContext) -> bytes:
        self.begun.append(client_of(rpc).address.removeprefix("ipv4:"))
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        return data

    def call(
        self, group: asyncio.TaskGroup, name: str, path: str = CREATE, data: bytes = b"x"
    ) -> asyncio.Task[Any]:
        async def run() -> object:
            try:
                return await self.method(path).fn(data, caller(name))
            except TooManyRequests as error:
                return error

        return group.create_task(run())

    async def end_one(self) -> None:
        self._gates.pop(0).set()
        await settle()

    async def end_all(self) -> None:
        while self._gates:
            await self.end_one()


def server(**kwargs: Any) -> Server:
    return Server(FlowControl(FakeClock(), levels=LEVELS, **kwargs))


async def test_a_noisy_clients_calls_wait_and_anothers_goes_in_between() -> None:
    api = server()
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            api.call(group, "noisy")
        await settle()
        api.call(group, "quiet")
        await settle()
        assert api.begun == ["noisy"]
        await api.end_all()
    assert api.begun.index("quiet") <= 2
    assert len(api.begun) == 5


async def test_reads_writes_and_levels_do_not_wait_for_one_another() -> None:
    api = server()
    async with asyncio.TaskGroup() as group:
        for path in (
            CREATE, GET, NODE.method("UpdateStatus"), POD.method("Bind"), EVENT.method("CreateBatch"),
        ):  # fmt: skip
            api.call(group, path, path=path)
        await settle()
        assert len(api.begun) == 5
        await api.end_all()


async def test_who_finds_no_room_is_told_when_to_come_back() -> None:
    api = server()
    async with asyncio.TaskGroup() as group:
        calls = [api.call(group, "noisy") for _ in range(20)]
        await settle()
        refused = [call.result() for call in calls if call.done()]
        assert len(refused) == 15
        assert {(str(error), error.retry_seconds) for error in refused} == {
            ("Too many requests, please try again later.", 1.0)
        }
        other = api.call(group, "quiet")
        await settle()
        await api.end_all()
    assert other.result() == b"x"


async def test_who_waits_too_long_is_told_when_to_come_back_and_leaves_its_place() -> None:
    flow = FlowControl(SystemClock(), levels=LEVELS, wait_seconds=0.01)
    api = Server(flow)
    async with asyncio.TaskGroup() as group:
        first = api.call(group, "a")
        await settle()
        late = await api.call(group, "b")
        assert isinstance(late, TooManyRequests)
        assert late.retry_seconds == 1.0
        # Who comes now has as long as it takes, on a busy machine too.
        flow._wait_seconds = 60.0
        after = api.call(group, "c")
        await api.end_one()
        await api.end_one()
    assert (first.result(), after.result()) == (b"x", b"x")


async def test_who_is_cancelled_while_it_waits_takes_no_seat() -> None:
    api = server()
    async with asyncio.TaskGroup() as group:
        api.call(group, "a")
        waiting = [api.call(group, "b") for _ in range(3)]
        await settle()
        waiting[0].cancel()
        await settle()
        # Its turn comes in the very moment in which it is cancelled.
        api._gates.pop(0).set()
        waiting[1].cancel()
        await settle()
        await api.end_all()
    assert waiting[2].result() == b"x"
    assert api.begun.count("b") in (1, 2)
    async with asyncio.TaskGroup() as group:
        last = api.call(group, "d")
        await settle()
        await api.end_all()
    assert last.result() == b"x"


async def test_when_a_wide_one_gives_up_what_its_client_sent_after_it_takes_the_seats_that_it_waited_beside() -> (
    None
):
    api = Server(FlowControl(FakeClock(), levels=(*LEVELS[:2], Level("global-default", 2, 2, 12), LEVELS[3])))
    async with asyncio.TaskGroup() as group:
        api.call(group, "a")
        await settle()
        wide = api.call(group, "b", data=b"x" * 150_000)
        await settle()
        api.call(group, "b")
        await settle()
        assert api.begun == ["a"]
        wide.cancel()
        await settle()
        assert api.begun == ["a", "b"]
        await api.end_all()


async def test_a_failure_gives_its_seat_back() -> None:
    async def broken(data: bytes, rpc: RequestContext) -> bytes:
        raise KeyError

    flow = FlowControl(FakeClock(), levels=LEVELS)
    method = flow.limited(CREATE, Method(UNARY, broken))
    for _ in range(5):
        with pytest.raises(KeyError):
            await method.fn(b"", caller("a"))


@pytest.mark.parametrize(
    ("path", "data", "count", "want"),
    [
        (CREATE, b"x" * 99_000, 0, 1),
        (CREATE, b"x" * 250_000, 0, 3),
        (CREATE, b"x" * 3_000_000, 0, 10),
        (POD.method("CreateBatch"), b"x" * 100_000, 0, 4),
        (LIST, request_pb2.ListRequest().SerializeToString(), 100, 1),
        (LIST, request_pb2.ListRequest().SerializeToString(), 450, 5),
        (LIST, request_pb2.ListRequest().SerializeToString(), 20_000, 10),
        (LIST, request_pb2.ListRequest(limit=150).SerializeToString(), 20_000, 2),
        (LIST, request_pb2.ListRequest(limit=1, label_selector="a").SerializeToString(), 20_000, 10),
    ],
)
async def test_large_requests_and_lists_take_several_seats(
    path: str, data: bytes, count: int, want: int
) -> None:
    levels = tuple(Level(level.name, 10, 10, 10) for level in LEVELS)
    registry = CollectorRegistry()
    flow = FlowControl(FakeClock(), levels=levels, object_count=lambda service: count)
    registry.register(flow.metrics)
    seen: list[float | None] = []

    async def look(data: bytes, rpc: RequestContext) -> bytes:
        labels = {"priority_level": "global-default", "flow_schema": "global-default"}
        seen.append(registry.get_sample_value("apiserver_flowcontrol_request_concurrency_in_use", labels))
        return b""

    await flow.limited(path, Method(UNARY, look)).fn(data, caller("a"))
    assert seen == [want]


async def test_large_requests_are_refused_before_small_ones() -> None:
    api = server(max_bytes=3200)
    async with asyncio.TaskGroup() as group:
        first = api.call(group, "a", data=b"x" * 200)
        await settle()
        second = api.call(group, "a", data=b"x" * 199)
        third = api.call(group, "a", data=b"x" * 100)
        await settle()
        assert isinstance(second.result(), TooManyRequests)
        await api.end_all()
    assert (first.result(), third.result()) == (b"x" * 200, b"x" * 100)


async def test_a_request_that_is_too_large_is_none_that_should_come_again() -> None:
    with pytest.raises(TooLarge, match=r"^Request entity too large: limit is 3145728$"):
        await server().method(CREATE).fn(b"x" * (3 * 1024 * 1024 + 1), caller("a"))


def watching(flow: FlowControl, go: asyncio.Event, kind: str = "Watch") -> Method:
    async def answers(data: bytes, rpc: RequestContext) -> AsyncIterator[bytes]:
        await go.wait()
        yield b"first"
        await asyncio.Event().wait()

    return flow.limited(CONFIG_MAP.method(kind), Method(STREAM, answers))


async def test_streams_are_counted_by_client_and_together() -> None:
    go = asyncio.Event()
    go.set()
    flow = FlowControl(FakeClock(), levels=LEVELS, streams=StreamLimits(total=3, per_client=2))
    method = watching(flow, go)

    async def watch(name: str, port: int = 1) -> Any:
        stream = method.fn(b"", caller(name, port))
        assert await anext(stream) == b"first"
        return stream

    streams = [await watch("a"), await watch("a", port=2)]
    with pytest.raises(TooManyRequests, match=r"^Too many requests, please try again later\.$") as caught:
        await watch("a", port=3)
    assert caught.value.retry_seconds == 1.0
    streams.append(await watch("b"))
    with pytest.raises(TooManyRequests):
        await watch("c")
    await streams[0].aclose()
    streams[0] = await watch("c")
    for stream in streams:
        await stream.aclose()


async def test_what_a_stream_was_asked_with_counts_as_long_as_it_lasts() -> None:
    go = asyncio.Event()
    go.set()
    flow = FlowControl(FakeClock(), levels=LEVELS, streams=StreamLimits(max_bytes=160_000))
    # A field that nobody knows, of 400 bytes: as good as a long selector.
    method, request = watching(flow, go), b"\x82\x7d\x90\x03" + b"x" * 400
    streams = []

    async def watch_until_refused() -> None:
        while len(streams) < 1000:
            stream = method.fn(request, caller(f"client-{len(streams)}"))
            assert await anext(stream) == b"first"
            streams.append(stream)

    with pytest.raises(TooManyRequests):
        await watch_until_refused()
    assert len(streams) > 100
    for stream in streams:
        await stream.aclose()
    assert await anext(method.fn(request, caller("a"))) == b"first"


async def test_watches_that_begin_with_a_list_begin_one_after_the_other() -> None:
    go = asyncio.Event()
    flow = FlowControl(FakeClock(), levels=LEVELS)
    method = watching(flow, go)
    initial = request_pb2.WatchRequest(send_initial_events=True).SerializeToString()
    async with asyncio.TaskGroup() as group:
        streams = [method.fn(initial, caller("a")) for _ in range(2)]
        firsts = [group.create_task(anext(stream)) for stream in streams]
        resumed = method.fn(b"", caller("a"))
        third = group.create_task(anext(resumed))
        await settle()
        registry = CollectorRegistry()
        registry.register(flow.metrics)
        assert (
            registry.get_sample_value("apiserver_current_inqueue_requests", {"request_kind": "readOnly"}) == 1
        )
        go.set()
    assert [task.result() for task in (*firsts, third)] == [b"first"] * 3
    for stream in (*streams, resumed):
        await stream.aclose()


async def test_exec_takes_no_seat_and_counts_as_a_stream() -> None:
    async def answers(data: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        async for item in data:
            yield item

    async def requests() -> AsyncIterator[bytes]:
        yield b"a"

    flow = FlowControl(FakeClock(), levels=LEVELS, streams=StreamLimits(total=1, per_client=1))
    method = flow.limited(POD.method("Exec"), Method(BIDI, answers))
    for _ in range(2):
        assert [item async for item in method.fn(requests(), caller("a"))] == [b"a"]


async def test_what_happened_is_counted_under_the_references_names() -> None:
    registry = CollectorRegistry()
    api = server()
    registry.register(api.flow.metrics)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    level = {"priority_level": "global-default", "flow_schema": "global-default"}
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            api.call(group, "noisy")
        await settle()
        assert value("apiserver_current_inflight_requests", request_kind="mutating") == 1
        assert value("apiserver_current_inqueue_requests", request_kind="mutating") == 4
        assert value("apiserver_current_inflight_requests", request_kind="readOnly") == 0
        assert value("apiserver_flowcontrol_current_inqueue_requests", **level) == 4
        assert value("apiserver_flowcontrol_current_executing_requests", **level) == 1
        assert value("apiserver_flowcontrol_rejected_requests_total", reason="queue-full", **level) == 15
        await api.end_all()
    assert value("apiserver_flowcontrol_dispatched_requests_total", **level) == 5
    assert value("apiserver_flowcontrol_request_wait_duration_seconds_count", execute="true", **level) == 5
    assert value("apiserver_flowcontrol_nominal_limit_seats", priority_level="node-high") == 2
    assert value("apiserver_current_inflight_requests", request_kind="mutating") == 0


@pytest.mark.parametrize(
    ("peer", "user", "want"),
    [
        ("ipv4:10.1.2.3:4567", "system:anonymous", Client("ipv4:10.1.2.3", "ipv4:10.1.2.3:4567")),
        ("ipv4:10.1.2.3:4567", "system:unsecured", Client("ipv4:10.1.2.3", "ipv4:10.1.2.3:4567")),
        ("ipv6:[::1]:4567", "system:anonymous", Client("ipv6:[::1]", "ipv6:[::1]:4567")),
        ("unix:/run/vaina.sock", "system:anonymous", Client("unix:/run/vaina.sock", "unix:/run/vaina.sock")),
        ("in-process", "system:anonymous", Client("in-process", "in-process")),
        ("ipv4:10.1.2.3:4567", "jane", Client("jane", "ipv4:10.1.2.3:4567")),
    ],
)
def test_a_client_is_its_user_or_else_its_address(peer: str, user: str, want: Client) -> None:
    assert client_of(RequestContext(peer=peer, user=User(user, ()))) == want


async def test_nothing_large_is_made_for_who_reads_nothing() -> None:
    unsent = Unsent(10_000_000)
    unsent.add("ipv4:10.0.0.1", "ipv4:10.0.0.1:1", 5_000_000)
    unsent.add("ipv4:10.0.0.1", "ipv4:10.0.0.1:2", 1_650_000)
    flow, made = FlowControl(FakeClock(), levels=LEVELS), []

    async def answer(data: bytes, rpc: RequestContext) -> bytes:
        made.append(rpc.peer)
        return b""

    async def call(path: str, peer: str) -> None:
        await flow.limited(path, Method(UNARY, answer)).fn(b"", RequestContext(peer=peer, unsent=unsent))

    with pytest.raises(TooManyRequests) as caught:
        await call(LIST, "ipv4:10.0.0.1:2")
    assert caught.value.retry_seconds == 1.0
    await call(GET, "ipv4:10.0.0.1:1")
    await call(LIST, "ipv4:10.0.0.2:1")
    assert made == ["ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1"]


async def test_a_write_is_refused_before_it_is_done_where_its_answer_finds_no_room() -> None:
    unsent = Unsent(100_000)
    unsent.add("ipv4:10.0.0.2", "ipv4:10.0.0.2:1", 90_000)
    flow, done = FlowControl(FakeClock(), levels=LEVELS), []

    async def answer(data: bytes, rpc: RequestContext) -> bytes:
        done.append(len(data))
        return b""

    async def call(path: str, size: int) -> RequestContext:
        context = RequestContext(peer="ipv4:10.0.0.1:1", unsent=unsent)
        await flow.limited(path, Method(UNARY, answer)).fn(bytes(size), context)
        return context

    with pytest.raises(TooManyRequests) as caught:
        await call(CREATE, 20_000)
    assert caught.value.retry_seconds == 1.0
    assert done == []
    # Heartbeats go on, and what only reads may be asked for again.
    assert (await call(CREATE, 1_000)).is_done
    assert not (await call(GET, 20_000)).is_done
    assert done == [1_000, 20_000]
