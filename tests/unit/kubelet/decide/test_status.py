"""What is said about a Pod."""

from dataclasses import dataclass, replace

import pytest

from kubelet.decide.actions import KillReason
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.observation import (
    Failure,
    HookProgress,
    ImageObservation,
    ImageProgress,
    PodObservation,
    ProbeKind,
    ProbeResult,
    Stopping,
    start_key,
)
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.decide.termination import Ending, EndReason, natural_ending
from tests.unit.kubelet.decide.observations import NOW, exited, pod, running, sandbox, seen
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp

NODE = NodeAddresses("192.0.2.1", "docker")
POLICY = RestartPolicy()


def status_of(made: pod_pb2.Pod, known: PodObservation, *, ending: Ending | None = None) -> pod_pb2.PodStatus:
    return compute_pod_status(
        made, known, node=NODE, ending=ending or natural_ending(made, known, NOW), now=NOW, policy=POLICY
    )


def states(status: pod_pb2.PodStatus) -> dict[str, str]:
    """Return each container's state in a word: running, exited(1), or its waiting reason."""
    words = {}
    for item in (*status.init_container_statuses, *status.container_statuses):
        if item.state.HasField("terminated"):
            words[item.name] = f"exited({item.state.terminated.exit_code})"
        elif item.state.HasField("running"):
            words[item.name] = "running"
        else:
            words[item.name] = item.state.waiting.reason
    return words


def conditions(status: pod_pb2.PodStatus) -> dict[str, str]:
    return {item.type: item.status + (f" {item.reason}" if item.reason else "") for item in status.conditions}


@dataclass(frozen=True)
class Case:
    name: str
    pod: pod_pb2.Pod
    known: PodObservation
    phase: str
    states: dict[str, str]
    ready: str


NOT_READY = "False ContainersNotReady"
CASES = [
    Case(
        "a new Pod waits for its containers to be created",
        pod(), seen(sandboxes=()), "Pending", {"app": "ContainerCreating"}, NOT_READY,
    ),
    Case("a Pod whose containers run is ready", pod(), seen(running()), "Running", {"app": "running"}, "True"),
    Case(
        "a Pod runs only when every container has started",
        pod("app", "two"), seen(running()), "Pending", {"app": "running", "two": "ContainerCreating"}, NOT_READY,
    ),
    Case(
        "main containers wait while init containers run",
        pod(init=("one",)), seen(running("one")), "Pending", {"one": "running", "app": "PodInitializing"}, NOT_READY,
    ),
    Case(
        "later init containers wait for the earlier ones",
        pod(init=("one", "two")), seen(running("one")), "Pending",
        {"one": "running", "two": "PodInitializing", "app": "PodInitializing"}, NOT_READY,
    ),
    Case(
        "an init container that failed for good fails the Pod",
        pod(init=("one",), restart="Never"), seen(exited("one", code=2)), "Failed",
        {"one": "exited(2)", "app": "PodInitializing"}, "False PodFailed",
    ),
    Case(
        "an init container that failed and is tried again does not",
        pod(init=("one",)), seen(exited("one", 1, code=2, step=1)), "Pending",
        {"one": "CrashLoopBackOff", "app": "PodInitializing"}, NOT_READY,
    ),
    Case(
        "a container in back-off leaves the Pod Running",
        pod(), seen(exited("app", 1, code=1, step=1)), "Running", {"app": "CrashLoopBackOff"}, NOT_READY,
    ),
    Case(
        "success of all containers is the Pod's",
        pod("app", "two", restart="OnFailure"), seen(exited(), exited("two")), "Succeeded",
        {"app": "exited(0)", "two": "exited(0)"}, "False PodCompleted",
    ),
    Case(
        "with Never, one failure among ends is the Pod's",
        pod("app", "two", restart="Never"), seen(exited(), exited("two", code=1)), "Failed",
        {"app": "exited(0)", "two": "exited(1)"}, "False PodFailed",
    ),
    Case(
        "with Never, a failure beside what runs is not yet",
        pod("app", "two", restart="Never"), seen(running(), exited("two", code=1)), "Running",
        {"app": "running", "two": "exited(1)"}, NOT_READY,
    ),
    Case(
        "a failed pull is told first",
        pod(), seen(images={"app": ImageObservation(ImageProgress.FAILED, "", "ErrImagePull", "no", NOW + 1, NOW + 9)}),
        "Pending", {"app": "ErrImagePull"}, NOT_READY,
    ),
    Case(
        "and its back-off after a moment",
        pod(), seen(images={"app": ImageObservation(ImageProgress.FAILED, "", "ErrImagePull", "no", NOW, NOW + 9)}),
        "Pending", {"app": "ImagePullBackOff"}, NOT_READY,
    ),
    Case(
        "what failed is told while it is tried again",
        pod(), seen(images={"app": ImageObservation(ImageProgress.PULLING, "", "ErrImagePull", "no", NOW - 9, NOW)}),
        "Pending", {"app": "ImagePullBackOff"}, NOT_READY,
    ),
    Case(
        "a container that cannot be made says why",
        pod(), seen(failures={start_key("app"): Failure(1, "CreateContainerConfigError", "no", NOW + 9)}),
        "Pending", {"app": "CreateContainerConfigError"}, NOT_READY,
    ),
    Case(
        "a container that could not be started says so until it is tried again",
        pod(), seen(replace(exited(code=128), reason="StartError")), "Running", {"app": "RunContainerError"}, NOT_READY,
    ),
    Case(
        "a container does not count as running while its postStart hook runs",
        pod(), seen(running(), post_start={"app-0": HookProgress.RUNNING}), "Pending",
        {"app": "ContainerCreating"}, NOT_READY,
    ),
    Case(
        "what ended with its sandbox shows its end until it runs in the next",
        pod(), seen(exited("app", code=137), sandboxes=(sandbox(ready=False),)), "Running",
        {"app": "exited(137)"}, NOT_READY,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_status(case: Case) -> None:
    status = status_of(case.pod, case.known)

    assert (status.phase, states(status), conditions(status)["Ready"]) == (
        case.phase,
        case.states,
        case.ready,
    )


def test_a_probe_decides_on_ready_and_on_started() -> None:
    made = pod()
    made.spec.containers[0].readiness_probe.period_seconds = 1
    made.spec.containers[0].startup_probe.period_seconds = 1
    startup, readiness = ("app-0", ProbeKind.STARTUP), ("app-0", ProbeKind.READINESS)
    yes, no = ProbeResult.SUCCESS, ProbeResult.FAILURE

    def said(known: dict[tuple[str, ProbeKind], ProbeResult]) -> tuple[bool, bool]:
        [item] = status_of(made, seen(running(), probes=known)).container_statuses
        return item.started, item.ready

    assert said({}) == (False, False)
    assert said({startup: yes, readiness: no}) == (True, False)
    assert said({startup: no, readiness: yes}) == (False, False)
    assert said({startup: yes, readiness: yes}) == (True, True)


def test_the_end_before_is_the_last_state() -> None:
    [item] = status_of(pod(), seen(running("app", 1), exited(code=3))).container_statuses

    assert item.restart_count == 1
    assert item.last_state.terminated.exit_code == 3
    assert item.last_state.terminated.container_id == "docker://app-0"


def test_last_words_are_the_message() -> None:
    known = seen(exited(code=3), termination_messages={"app-0": "I am done for"})

    [item] = status_of(pod(restart="Never"), known).container_statuses

    assert item.state.terminated.message == "I am done for"


def test_last_words_follow_what_the_runtime_says() -> None:
    known = seen(replace(exited(code=3), message="oh"), termination_messages={"app-0": "I am done for"})

    [item] = status_of(pod(restart="Never"), known).container_statuses

    assert item.state.terminated.message == "oh: I am done for"


def test_containers_share_what_a_pod_may_say_at_its_end() -> None:
    names = [f"c{number}" for number in range(6)]
    words = {f"{name}-0": "ä" * 2048 for name in names} | {"debug-0": "x" * 4096}
    known = seen(*(exited(name, code=1) for name in names), termination_messages=words)

    status = status_of(pod(*names[1:], init=("c0",), restart="Never"), known)

    said = [item.state.terminated.message.encode() for item in status.container_statuses]
    assert said == ["ä".encode() * 1024] * 5


def test_a_pod_on_the_hosts_network_has_the_hosts_address() -> None:
    made = pod()
    made.spec.host_network = True

    status = status_of(made, seen(running(), sandboxes=(sandbox(ip=""),)))

    assert (status.pod_ip, status.host_ip) == ("192.0.2.1", "192.0.2.1")


def test_what_has_ended_keeps_saying_which_address_it_had() -> None:
    known = seen(
        exited(), sandboxes=(sandbox(ready=False, ip=""),), previous=pod_pb2.PodStatus(pod_ip="10.244.1.9")
    )

    assert status_of(pod(restart="Never"), known).pod_ip == "10.244.1.9"


def test_a_condition_that_stays_keeps_its_time() -> None:
    made = pod()
    made.status.conditions.add(type="Ready", status="True", last_transition_time=timestamp(NOW - 500))
    made.status.conditions.add(type="Initialized", status="False", last_transition_time=timestamp(NOW - 500))

    times = {
        item.type: item.last_transition_time.seconds for item in status_of(made, seen(running())).conditions
    }

    assert times["Ready"] == NOW - 500
    assert times["Initialized"] == NOW


def test_a_readiness_gate_that_nobody_has_set_keeps_the_pod_from_being_ready() -> None:
    made = pod()
    made.spec.readiness_gates.add(condition_type="example.com/ok")

    [ready] = [item for item in status_of(made, seen(running())).conditions if item.type == "Ready"]

    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")
    assert ready.message == ('corresponding condition of pod readiness gate "example.com/ok" does not exist.')


def test_a_final_phase_stays() -> None:
    made = pod()
    made.status.phase, made.status.reason, made.status.message = "Failed", "Evicted", "no room"

    status = status_of(made, seen(running()), ending=Ending(EndReason.FINISHED, NOW + 30))

    assert (status.phase, status.reason, status.message) == ("Failed", "Evicted", "no room")


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (143, "Failed")])
def test_a_deleted_pod_ends_with_a_final_phase(code: int, phase: str) -> None:
    ending = Ending(EndReason.DELETED, NOW + 30)

    assert status_of(pod(), seen(exited(code=code)), ending=ending).phase == phase


def test_a_deleted_pod_goes_on_running_until_its_containers_have_ended() -> None:
    ending = Ending(EndReason.DELETED, NOW + 30)

    assert status_of(pod(), seen(running()), ending=ending).phase == "Running"


def test_a_deleted_pod_that_never_ran_has_failed() -> None:
    ending = Ending(EndReason.DELETED, NOW + 30)

    assert status_of(pod(), seen(sandboxes=()), ending=ending).phase == "Failed"


def test_back_off_is_told_in_upstreams_words() -> None:
    [item] = status_of(pod(), seen(exited("app", 4, code=1, step=4))).container_statuses

    assert item.state.waiting.message == (
        "back-off 1m20s restarting failed container=app pod=web_default(uid-default-web)"
    )


def test_names_of_unready_containers_are_listed() -> None:
    [ready] = [item for item in status_of(pod("app", "two"), seen()).conditions if item.type == "Ready"]

    assert ready.message == "containers with unready status: [app two]"


@pytest.mark.parametrize(("code", "word"), [(0, "ContainerCreating"), (1, "exited(1)")])
def test_what_its_probe_has_ended_shows_no_end_by_which_the_api_would_have_it_done(
    code: int, word: str
) -> None:
    known = seen(exited(code=code), stopping={"app-0": Stopping(KillReason.LIVENESS, NOW - 1)})
    status = status_of(pod(restart="OnFailure"), known)
    assert (status.phase, states(status)) == ("Running", {"app": word})
