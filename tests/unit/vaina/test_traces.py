"""No gap of more than 50 ms between the steps of a Pod stays without a name."""

from cli.printers.steps import render_trace
from vaina.api.trace.v1 import trace_pb2
from vaina.steps import PodStep
from vaina.traces import Gap, gaps_before, lasting, waits_within

_LOOKED_FOR = "for its images to be looked for, or tried again"


def waiting(start: float, end: float | None, words: str = "image busybox") -> trace_pb2.PodTrace:
    trace = trace_pb2.PodTrace()
    wait = trace.status.waits.add(step="STARTED", component="kubelet", instance="n1", message=words)
    wait.start_time.FromMilliseconds(int(start * 1000))
    if end is not None:
        wait.end_time.FromMilliseconds(int(end * 1000))
    return trace


def test_a_gap_that_nobody_has_named_is_named_after_who_has_to_act() -> None:
    assert gaps_before(trace_pb2.PodTrace(), PodStep.STARTED, 10.0, 12.0) == [
        Gap(_LOOKED_FOR, "", 10.0, 12.0)
    ]


def test_a_short_gap_needs_no_name() -> None:
    assert gaps_before(trace_pb2.PodTrace(), PodStep.STARTED, 10.0, 10.04) == []


def test_what_a_component_said_is_told_and_so_is_the_rest() -> None:
    assert gaps_before(waiting(11.0, 12.0), PodStep.STARTED, 10.0, 12.0) == [
        Gap(_LOOKED_FOR, "", 10.0, 11.0), Gap("for image busybox", "kubelet n1", 11.0, 12.0),
    ]  # fmt: skip


def test_what_lasts_is_told_while_its_step_is_not_done() -> None:
    trace = waiting(11.0, None)
    assert lasting(trace) == "image busybox"
    trace.status.steps.add(step="STARTED")
    assert lasting(trace) == ""


def test_what_a_step_waited_for_while_it_was_under_way_is_told_and_no_more_of_it() -> None:
    trace = waiting(11.0, 13.0, "container app: CrashLoopBackOff")
    words, who = "for container app: CrashLoopBackOff", "kubelet n1"
    assert gaps_before(trace, PodStep.STARTED, 10.0, 12.0)[1:] == [Gap(words, who, 11.0, 12.0)]
    assert waits_within(trace, PodStep.STARTED, 12.0, 14.0) == [Gap(words, who, 12.0, 13.0)]
    assert waits_within(trace, PodStep.STARTED, 13.0, 14.0) == []
    assert waits_within(trace, PodStep.MOUNTED, 12.0, 14.0) == []


def test_both_are_shown_at_their_step() -> None:
    trace = waiting(10.0, 11.0, "image app")
    for step, start, end in (("MOUNTED", 9, 10), ("STARTED", 11, 15), ("REPORTED", 15, 16)):
        record = trace.status.steps.add(step=step, component="kubelet", instance="n1")
        record.start_time.FromSeconds(start)
        record.end_time.FromSeconds(end)
    back_off = trace.status.waits.add(step="STARTED", component="kubelet", message="init container a to end")
    back_off.start_time.FromSeconds(12)
    back_off.end_time.FromSeconds(14)
    words = ("MOUNTED", "for image app", "STARTED", "for init container a to end", "REPORTED")
    shown = render_trace(trace, width=200)
    places = [shown.index(word) for word in words]
    assert places == sorted(places)
