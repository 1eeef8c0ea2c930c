"""Ephemeral containers in plans and statuses: run once, beside everything, deciding nothing (row B12)."""

from dataclasses import dataclass

import pytest

from kubelet.decide.actions import ContainerKind, CreateSandbox, PodPlan, StartContainer, TermContainer
from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.observation import PodObservation
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.decide.termination import Ending, EndReason, natural_ending
from tests.unit.kubelet.decide.observations import NOW, created, exited, pod, running, sandbox, seen
from vaina.api.core.v1 import pod_pb2

POLICY = RestartPolicy()
NODE = NodeAddresses("192.0.2.1", "docker")
MAIN, INIT, DEBUG = ContainerKind.MAIN, ContainerKind.INIT, ContainerKind.EPHEMERAL


def start(name: str = "app", kind: ContainerKind = MAIN, attempt: int = 0, step: int = 0) -> StartContainer:
    return StartContainer(name, kind, attempt, "sha256:app", step)


def debug(target: str | None = None, attempt: int = 0) -> StartContainer:
    return StartContainer("debug", DEBUG, attempt, "sha256:app", 0, target)


@dataclass(frozen=True)
class Case:
    name: str
    pod: pod_pb2.Pod
    known: PodObservation
    want: PodPlan


CASES = [
    Case(
        "it is started beside what runs",
        pod(debug=("debug",)), seen(running()), PodPlan((debug(),)),
    ),
    Case(
        "it is started in a Pod that still initializes",
        pod(init=("one",), debug=("debug",)), seen(running("one")), PodPlan((debug(),)),
    ),
    Case(
        "it does not wait for an init container's turn, which comes in the same pass",
        pod(init=("one",), debug=("debug",)), seen(), PodPlan((debug(), start("one", INIT))),
    ),
    Case(
        "it is started in a Pod whose container waits for its back-off",
        pod(debug=("debug",)), seen(exited(code=1, step=1, ago=3)), PodPlan((debug(),), wake_at=NOW + 7),
    ),
    Case(
        "it needs a sandbox as the others do",
        pod(debug=("debug",)), seen(sandboxes=()), PodPlan((CreateSandbox(0), debug(), start())),
    ),
    Case(
        "while it runs nothing is to be done",
        pod(debug=("debug",)), seen(running(), running("debug")), PodPlan(),
    ),
    Case(
        "it is not started again when it has ended well",
        pod(debug=("debug",)), seen(running(), exited("debug")), PodPlan(),
    ),
    Case(
        "it is not started again when it has failed",
        pod(debug=("debug",)), seen(running(), exited("debug", code=1)), PodPlan(),
    ),
    Case(
        "one that was made and never started is started",
        pod(debug=("debug",)), seen(running(), created("debug")), PodPlan((debug(),)),
    ),
    Case(
        "it is not run again in a new sandbox",
        pod(debug=("debug",)),
        seen(running(in_sandbox="sandbox-1"), exited("debug"), sandboxes=(sandbox(1),)),
        PodPlan(),
    ),
    Case(
        "it names the container whose processes it sees",
        pod(debug=("debug>app",)), seen(running()), PodPlan((debug("app-0"),)),
    ),
    Case(
        "a target that does not run is told apart from none",
        pod(restart="OnFailure", debug=("debug>two",)), seen(exited(code=1, step=1, ago=3)),
        PodPlan((debug(""),), wake_at=NOW + 7),
    ),
    Case(
        "the newest attempt of the target is meant",
        pod(debug=("debug>app",)), seen(exited(), running(attempt=1)), PodPlan((debug("app-1"),)),
    ),
    Case(
        "what it does decides nothing about the main containers",
        pod(restart="OnFailure", debug=("debug",)), seen(running("debug"), exited(code=1)),
        PodPlan((start(attempt=1, step=1),)),
    ),
]  # fmt: skip


@pytest.mark.requirement("B12")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    assert compute_pod_plan(case.pod, case.known, ending=None, now=NOW, policy=POLICY) == case.want


def test_it_holds_no_pod_open_that_is_done() -> None:
    made = pod(restart="Never", debug=("debug",))
    known = seen(exited(), running("debug"))
    assert natural_ending(made, known, NOW) == Ending(EndReason.FINISHED, NOW + 30)
    plan = compute_pod_plan(made, known, ending=None, now=NOW, policy=POLICY)
    assert [type(action) for action in plan.actions] == [TermContainer]


def test_it_ends_together_with_the_main_containers() -> None:
    ending = Ending(EndReason.DELETED, NOW + 30)
    known = seen(running(), running("debug"), running("side"))
    plan = compute_pod_plan(
        pod(sidecars=("side",), debug=("debug",)), known, ending=ending, now=NOW, policy=POLICY
    )
    names = [action.name for action in plan.actions if isinstance(action, TermContainer)]
    assert names == ["app", "debug"]


def test_a_lost_sandbox_fails_no_pod_in_which_only_a_debug_container_has_run() -> None:
    made = pod(restart="Never", debug=("debug",))
    assert natural_ending(made, seen(exited("debug"), sandboxes=()), NOW) is None


def status(made: pod_pb2.Pod, known: PodObservation, ending: Ending | None = None) -> pod_pb2.PodStatus:
    return compute_pod_status(made, known, node=NODE, ending=ending, now=NOW, policy=POLICY)


def test_its_status_stands_apart_and_says_neither_ready_nor_started() -> None:
    shown = status(pod(debug=("debug",)), seen(running(), running("debug")))
    (item,) = shown.ephemeral_container_statuses
    assert (item.name, item.ready, item.HasField("started")) == ("debug", False, False)
    assert item.state.HasField("running")
    assert [other.name for other in shown.container_statuses] == ["app"]


@pytest.mark.parametrize("code", [0, 1])
def test_its_end_leaves_phase_and_readiness_alone(code: int) -> None:
    shown = status(pod(debug=("debug",)), seen(running(), exited("debug", code=code)))
    assert shown.phase == "Running"
    assert {item.type: item.status for item in shown.conditions}["Ready"] == "True"
    assert shown.ephemeral_container_statuses[0].state.terminated.exit_code == code


def test_it_waits_in_words_of_containers() -> None:
    shown = status(pod(debug=("debug",)), seen(running()))
    assert shown.ephemeral_container_statuses[0].state.waiting.reason == "ContainerCreating"


def test_one_whose_record_is_gone_is_remembered_and_not_run_again() -> None:
    made = pod(debug=("debug",))
    before = status(made, seen(running(), exited("debug", code=3)))
    known = seen(running(), previous=before)
    assert compute_pod_plan(made, known, ending=None, now=NOW, policy=POLICY) == PodPlan()
    again = status(made, known)
    assert again.ephemeral_container_statuses[0].state.terminated.exit_code == 3
