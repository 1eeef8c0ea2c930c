import asyncio
from contextlib import asynccontextmanager

import pytest

from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.steps import MAX_WAITING, StepReporter
from vaina.client.transport import InProcessTransport
from vaina.clock import micro_timestamp
from vaina.errors import Unavailable
from vaina.kinds import POD_TRACE
from vaina.serving.handlers import RequestContext, typed
from vaina.steps import PodStep, without_trace
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH, FakeClock


class Server:
    def __init__(self):
        self.batches, self.failures = [], 0

    async def report(
        self, request: trace_service_pb2.ReportRequest, ctx: RequestContext
    ) -> trace_service_pb2.ReportResponse:
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.batches.append(list(request.reports))
        return trace_service_pb2.ReportResponse(recorded=len(request.reports))

    def reporter(self, clock: FakeClock) -> StepReporter:
        handlers = {POD_TRACE.method("Report"): typed(self.report, trace_service_pb2.ReportRequest)}
        return StepReporter(Clientset(InProcessTransport(handlers)).pod_traces, "kubelet", "n1", clock)


@asynccontextmanager
async def running(reporter: StepReporter):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reporter.run())
        yield
        task.cancel()


def report(reporter: StepReporter, name: str = "web") -> None:
    meta = make_pod(name).metadata
    reporter.report(meta, PodStep.STARTED, EPOCH + 1.25, EPOCH + 2.000001, "1 container", "n1")


@pytest.fixture
def clock():
    return FakeClock()


async def test_a_report_says_who_did_what_for_which_pod_and_when(clock):
    server = Server()
    reporter = server.reporter(clock)
    async with running(reporter):
        report(reporter)
        await clock.advance(1)
    ((got,),) = server.batches
    assert (got.namespace, got.pod_name, got.pod_uid, got.node_name) == (
        "default",
        "web",
        "uid-default-web",
        "n1",
    )
    record = got.record
    assert (record.step, record.component, record.instance, record.message) == (
        "STARTED",
        "kubelet",
        "n1",
        "1 container",
    )
    assert (record.start_time, record.end_time) == (
        micro_timestamp(EPOCH + 1.25),
        micro_timestamp(EPOCH + 2.000001),
    )


async def test_what_comes_together_travels_together(clock):
    server = Server()
    reporter = server.reporter(clock)
    async with running(reporter):
        for number in range(750):
            report(reporter, f"p{number}")
        await clock.advance(1)
    assert [len(batch) for batch in server.batches] == [500, 250]


async def test_under_load_a_few_calls_a_second_carry_all_and_alone_a_report_goes_soon(clock):
    server = Server()
    reporter = server.reporter(clock)
    async with running(reporter):
        for number in range(1000):
            report(reporter, f"p{number}")
            await clock.advance(0.001)
        await clock.advance(0.3)
        assert len(server.batches) <= 6
        assert sum(len(batch) for batch in server.batches) == 1000
        # One quiet call, and then it is as quick as before.
        report(reporter, "calm")
        await clock.advance(0.3)
        report(reporter, "alone")
        await clock.advance(0.03)
    assert [item.pod_name for item in server.batches[-1]] == ["alone"]


@pytest.mark.parametrize(("failures", "sent", "dropped"), [(1, 1, 0), (2, 0, 1)])
async def test_a_report_is_tried_twice(clock, failures, sent, dropped):
    server = Server()
    server.failures = failures
    reporter = server.reporter(clock)
    async with running(reporter):
        report(reporter)
        await clock.advance(5)
    assert (len(server.batches), reporter.dropped) == (sent, dropped)


async def test_too_many_push_out_the_oldest(clock):
    server = Server()
    reporter = server.reporter(clock)
    for number in range(MAX_WAITING + 3):
        report(reporter, f"p{number}")
    assert reporter.dropped == 3
    async with running(reporter):
        await clock.advance(1)
    assert server.batches[0][0].pod_name == "p3"


async def test_of_a_pod_without_a_trace_nothing_is_said(clock):
    server = Server()
    reporter = server.reporter(clock)
    with_one, without = make_pod("with").metadata, make_pod("without").metadata
    with_one.uid = "0b9a4f5e-5c0b-4c55-9f0a-3b1f3c6e7d10"
    without.uid = without_trace(with_one.uid)
    async with running(reporter):
        for meta in (with_one, without):
            reporter.report(meta, PodStep.STARTED, EPOCH, EPOCH + 1)
        await clock.advance(1)
    assert [report.pod_name for batch in server.batches for report in batch] == ["with"]


async def test_where_no_traces_are_kept_nothing_is_reported_any_more(clock):
    handlers = {}
    reporter = StepReporter(Clientset(InProcessTransport(handlers)).pod_traces, "scheduler", "s", clock)
    async with running(reporter):
        report(reporter)
        await clock.advance(1)
        server = Server()
        handlers[POD_TRACE.method("Report")] = typed(server.report, trace_service_pb2.ReportRequest)
        report(reporter)
        await clock.advance(5)
    assert (server.batches, reporter.dropped) == ([], 0)
