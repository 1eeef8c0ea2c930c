"""How a Pod comes to its end, pass by pass."""

from dataclasses import dataclass, replace

import pytest

from kubelet.decide.actions import (
    CancelPulls,
    KillContainer,
    KillReason,
    PodPlan,
    RemoveContainer,
    RemoveSandbox,
    RunPreStop,
    StopSandbox,
    TermContainer,
    UnmountVolumes,
)
from kubelet.decide.observation import HookProgress, ImageObservation, ImageProgress, PodObservation, Stopping
from kubelet.decide.termination import Ending, EndReason, compute_termination, next_ending
from tests.unit.kubelet.decide.observations import NOW, exited, pod, running, sandbox, seen
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp

ENDS = KillReason.POD_ENDS
DELETED = Ending(EndReason.DELETED, NOW + 30)
GONE = Ending(EndReason.GONE, NOW + 30)
OVER = Ending(EndReason.DELETED, NOW)
BACK = (sandbox(ready=False, ip=""),)


def hooked() -> pod_pb2.Pod:
    made = pod()
    made.spec.containers[0].lifecycle.pre_stop.sleep.seconds = 5
    return made


def stopping(**more: object) -> dict[str, Stopping]:
    return {"app-0": replace(Stopping(ENDS, NOW + 30), **more)}  # type: ignore[arg-type]  # its fields


@dataclass(frozen=True)
class Case:
    name: str
    pod: pod_pb2.Pod
    known: PodObservation
    ending: Ending
    want: PodPlan


CASES = [
    Case(
        "all containers are asked at once, and looked at again at the deadline",
        pod("app", "two"), seen(running(), running("two")), DELETED,
        PodPlan(
            (TermContainer("app-0", "app", ENDS, NOW + 30), TermContainer("two-0", "two", ENDS, NOW + 30)), NOW + 30
        ),
    ),
    Case(
        "a container that was asked is left alone until the deadline",
        pod(), seen(running(), stopping=stopping(termed_at=NOW - 1)), DELETED, PodPlan(wake_at=NOW + 30),
    ),
    Case(
        "at the deadline it is killed",
        pod(), seen(running(), stopping=stopping(termed_at=NOW - 30)), OVER,
        PodPlan((KillContainer("app-0", "app", ENDS),), NOW + 1),
    ),
    Case(
        "a kill is not repeated before a second has passed",
        pod(), seen(running(), stopping=stopping(termed_at=NOW - 30, killed_at=NOW - 0.4)), OVER,
        PodPlan(wake_at=NOW + 0.6),
    ),
    Case(
        "without any grace it is killed at once, and not asked",
        pod(), seen(running()), OVER, PodPlan((KillContainer("app-0", "app", ENDS),), NOW + 1),
    ),
    Case(
        "a preStop hook runs first",
        hooked(), seen(running()), DELETED, PodPlan((RunPreStop("app-0", "app", ENDS, NOW + 30),), NOW + 30),
    ),
    Case(
        "while the hook runs nothing is sent",
        hooked(), seen(running(), stopping=stopping(hook=HookProgress.RUNNING)), DELETED, PodPlan(wake_at=NOW + 30),
    ),
    Case(
        "when the hook is done the container is asked",
        hooked(), seen(running(), stopping=stopping(hook=HookProgress.DONE)), DELETED,
        PodPlan((TermContainer("app-0", "app", ENDS, NOW + 30),), NOW + 30),
    ),
    Case(
        "a hook that used up the grace leaves two seconds for the signal",
        hooked(), seen(running(), stopping=stopping(hook=HookProgress.RUNNING)), OVER,
        PodPlan((TermContainer("app-0", "app", ENDS, NOW),), NOW + 2),
    ),
    Case(
        "those two seconds hold before the kill",
        hooked(), seen(running(), stopping=stopping(hook=HookProgress.DONE, termed_at=NOW - 1)), OVER,
        PodPlan(wake_at=NOW + 1),
    ),
    Case(
        "no hook runs without any grace",
        hooked(), seen(running()), OVER, PodPlan((KillContainer("app-0", "app", ENDS),), NOW + 1),
    ),
    Case(
        "sidecars are asked when the main containers have ended, the last one first",
        pod(sidecars=("one", "two")), seen(running("one"), running("two"), exited()), DELETED,
        PodPlan((TermContainer("two-0", "two", ENDS, NOW + 30),), NOW + 30),
    ),
    Case(
        "until then they go on",
        pod(sidecars=("one",)), seen(running("one"), running()), DELETED,
        PodPlan((TermContainer("app-0", "app", ENDS, NOW + 30),), NOW + 30),
    ),
    Case(
        "at the deadline everything is killed, whatever its order",
        pod(sidecars=("one",)), seen(running("one"), running()), OVER,
        PodPlan((KillContainer("one-0", "one", ENDS), KillContainer("app-0", "app", ENDS)), NOW + 1),
    ),
    Case(
        "pulls that are under way are given up",
        pod(), seen(sandboxes=BACK, images={"app": ImageObservation(ImageProgress.PULLING)}), DELETED,
        PodPlan((CancelPulls(),)),
    ),
    Case(
        "volumes go when no container runs, then the sandbox",
        pod(volumes=("data",)), seen(exited(), mounted=frozenset({"data"})), DELETED,
        PodPlan((UnmountVolumes(("data",)), StopSandbox("sandbox-0"))),
    ),
    Case(
        "what is deleted keeps its records until the object is gone",
        pod(), seen(exited(), sandboxes=BACK), DELETED, PodPlan(stopped=True),
    ),
    Case(
        "what is gone is removed",
        pod(), seen(exited(), sandboxes=BACK), GONE, PodPlan((RemoveSandbox("sandbox-0"),), stopped=True),
    ),
    Case(
        "also containers whose sandbox is no more",
        pod(), seen(exited(), sandboxes=()), GONE, PodPlan((RemoveContainer("app-0"),), stopped=True),
    ),
    Case(
        "a worker ends when nothing is left",
        pod(), seen(sandboxes=()), GONE, PodPlan(stopped=True, terminal=True),
    ),
    Case(
        "a runtime that still shows the address of a stopped sandbox is believed to have stopped it",
        pod(), seen(sandboxes=(sandbox(ready=False),), stopped=frozenset({"sandbox-0"})), DELETED,
        PodPlan(stopped=True),
    ),
    Case(
        "a container that nobody specified is ended too",
        pod(), seen(running("stranger")), DELETED,
        PodPlan((TermContainer("stranger-0", "stranger", ENDS, NOW + 30),), NOW + 30),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    assert compute_termination(case.pod, case.known, case.ending, NOW) == case.want


def deleted(made: pod_pb2.Pod, *, at: float, grace: int) -> pod_pb2.Pod:
    made.metadata.deletion_timestamp.CopyFrom(timestamp(at))
    made.metadata.deletion_grace_period_seconds = grace
    return made


def test_a_deletion_gives_what_it_says() -> None:
    ending = next_ending(None, deleted(pod(), at=NOW + 7, grace=7), gone=False, now=NOW)

    assert ending == Ending(EndReason.DELETED, NOW + 7)


def test_a_shorter_grace_given_later_counts_from_then() -> None:
    ending = next_ending(
        Ending(EndReason.DELETED, NOW + 600), deleted(pod(), at=NOW + 2, grace=2), gone=False, now=NOW
    )

    assert ending == Ending(EndReason.DELETED, NOW + 2)


def test_a_deadline_is_never_put_off() -> None:
    made = deleted(pod(), at=NOW, grace=30)

    assert next_ending(Ending(EndReason.DELETED, NOW + 4), made, gone=False, now=NOW) == Ending(
        EndReason.DELETED, NOW + 4
    )


def test_a_restarted_kubelet_goes_on_with_the_grace_that_began_before() -> None:
    made = deleted(pod(), at=NOW + 5, grace=30)

    assert next_ending(None, made, gone=False, now=NOW, adopted=True) == Ending(EndReason.DELETED, NOW + 5)


def test_what_is_gone_keeps_its_deadline() -> None:
    ending = next_ending(Ending(EndReason.DELETED, NOW + 5), pod(), gone=True, now=NOW)

    assert ending == Ending(EndReason.GONE, NOW + 5)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_final_phase_ends_the_pod(phase: str) -> None:
    made = pod()
    made.status.phase = phase

    assert next_ending(None, made, gone=False, now=NOW) == Ending(EndReason.FINISHED, NOW + 30)


def test_an_ending_is_never_taken_back() -> None:
    before = Ending(EndReason.DEADLINE_EXCEEDED, NOW + 3)

    assert next_ending(before, pod(), gone=False, now=NOW) is before


def test_a_pod_that_shall_run_does_not_end() -> None:
    assert next_ending(None, pod(), gone=False, now=NOW) is None
