"""What is to be done for a Pod, as a table: a sentence, what is known, what follows."""

from dataclasses import dataclass, replace

import pytest

from kubelet.decide.actions import (
    ContainerKind,
    CreateSandbox,
    KillContainer,
    KillReason,
    MountVolumes,
    PodPlan,
    PrepareVolumes,
    PullImage,
    PullPolicy,
    RemoveContainer,
    RemoveSandbox,
    StartContainer,
    StopSandbox,
    TermContainer,
)
from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.observation import (
    SANDBOX_KEY,
    VOLUMES_KEY,
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
from tests.unit.kubelet.decide.observations import NOW, created, exited, pod, running, sandbox, seen
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp

POLICY = RestartPolicy()
MAIN, INIT, SIDECAR = ContainerKind.MAIN, ContainerKind.INIT, ContainerKind.SIDECAR


def start(name: str = "app", kind: ContainerKind = MAIN, attempt: int = 0, step: int = 0) -> StartContainer:
    return StartContainer(name, kind, attempt, "sha256:app", step)


@dataclass(frozen=True)
class Case:
    name: str
    pod: pod_pb2.Pod
    known: PodObservation
    want: PodPlan


def failing(key: str, seconds: float) -> dict[str, object]:
    return {"failures": {key: Failure(1, "why", "words", NOW + seconds)}}


def with_probe(kind: ProbeKind, result: ProbeResult) -> dict[str, object]:
    return {"probes": {("app-0", kind): result}}


def probed(made: pod_pb2.Pod, seconds: int = 0) -> pod_pb2.Pod:
    for probe in (made.spec.containers[0].liveness_probe, made.spec.containers[0].startup_probe):
        probe.period_seconds = 1
        if seconds:
            probe.termination_grace_period_seconds = seconds
    return made


CASES = [
    Case(
        "a new Pod gets what its volumes need, its sandbox, its volumes and its containers in one pass",
        pod("app", "two", volumes=("data",)), seen(sandboxes=()),
        PodPlan(
            (PrepareVolumes(("data",)), CreateSandbox(0), MountVolumes(("data",)), start("app"), start("two"))
        ),
    ),
    Case(
        "no sandbox is made while something is missing that a volume needs",
        pod(volumes=("data",)), seen(sandboxes=(), **failing(VOLUMES_KEY, 4)), PodPlan(wake_at=NOW + 4),
    ),
    Case(
        "volumes that are mounted wait for nothing when the sandbox is made anew",
        pod(volumes=("data",)), seen(sandboxes=(), mounted=frozenset({"data"})),
        PodPlan((CreateSandbox(0), start())),
    ),
    Case(
        "a kubelet that was killed between the sandbox and the volumes goes on with the volumes",
        pod(volumes=("data",)), seen(), PodPlan((MountVolumes(("data",)), start())),
    ),
    Case(
        "a Pod that runs needs nothing",
        pod("app"), seen(running()), PodPlan(),
    ),
    Case(
        "only the first init container is started",
        pod(init=("one", "two")), seen(sandboxes=()), PodPlan((CreateSandbox(0), start("one", INIT))),
    ),
    Case(
        "while an init container runs nothing else starts",
        pod(init=("one", "two")), seen(running("one")), PodPlan(),
    ),
    Case(
        "the second init container follows the first one's success",
        pod(init=("one", "two")), seen(exited("one")), PodPlan((start("two", INIT),)),
    ),
    Case(
        "main containers follow the last init container's success",
        pod(init=("one", "two")), seen(exited("one"), exited("two")), PodPlan((start(),)),
    ),
    Case(
        "an init container that failed is tried again, the first time at once",
        pod(init=("one",)), seen(exited("one", code=1)), PodPlan((start("one", INIT, 1, 1),)),
    ),
    Case(
        "an init container that failed twice waits ten seconds",
        pod(init=("one",)), seen(exited("one", 1, code=1, step=1, ago=4)), PodPlan(wake_at=NOW + 6),
    ),
    Case(
        "init containers do not run again while a main container is there, even if it has ended",
        pod(init=("one",)), seen(exited("app", code=1)), PodPlan((start("app", attempt=1, step=1),)),
    ),
    Case(
        "the init container after a started sidecar starts, and the sidecar goes on",
        pod(sidecars=("side",), init=()), seen(running("side")), PodPlan((start(),)),
    ),
    Case(
        "a sidecar that ended is started again whatever the Pod's policy",
        pod(sidecars=("side",), restart="Never"), seen(exited("side"), running()),
        PodPlan((start("side", SIDECAR, 1, 1),)),
    ),
    Case(
        "a container whose image is not here waits for it while the others start",
        pod("app", "two"), seen(here=("two",)),
        PodPlan((PullImage("app", 0, "registry.local/app:1", PullPolicy.IF_NOT_PRESENT), start("two"))),
    ),
    Case(
        "a pull that is under way is not begun again",
        pod(), seen(images={"app": ImageObservation(ImageProgress.PULLING)}), PodPlan(),
    ),
    Case(
        "after a failed pull the plan looks again when the state changes its name",
        pod(),
        seen(images={"app": ImageObservation(ImageProgress.FAILED, retry_at=NOW + 10, backoff_from=NOW + 2)}),
        PodPlan(wake_at=NOW + 2),
    ),
    Case(
        "after back-off an image is pulled again",
        pod(), seen(images={"app": ImageObservation(ImageProgress.FAILED, retry_at=NOW, backoff_from=NOW - 8)}),
        PodPlan((PullImage("app", 0, "registry.local/app:1", PullPolicy.IF_NOT_PRESENT),)),
    ),
    Case(
        "a container that was created and not started goes on with the same attempt",
        pod(), seen(created("app", 2)), PodPlan((start("app", attempt=2),)),
    ),
    Case(
        "one that was created in an older sandbox gets a new attempt",
        pod(),
        seen(created(in_sandbox="sandbox-0"), sandboxes=(sandbox(0, ready=False, ip=""), sandbox(1))),
        PodPlan((start("app", attempt=1),)),
    ),
    Case(
        "a container that ended is started again at once, the first time",
        pod(), seen(exited(code=1)), PodPlan((start("app", attempt=1, step=1),)),
    ),
    Case(
        "the second restart waits ten seconds from the end",
        pod(), seen(exited("app", 1, step=1, ago=3)), PodPlan(wake_at=NOW + 7),
    ),
    Case(
        "the sixth and all later restarts wait five minutes",
        pod(), seen(exited("app", 9, step=9, ago=100)), PodPlan(wake_at=NOW + 200),
    ),
    Case(
        "a good run of ten minutes begins the count anew",
        pod(), seen(exited("app", 9, step=9, ran=600)), PodPlan((start("app", attempt=10, step=1),)),
    ),
    Case(
        "OnFailure leaves a success alone",
        pod("app", "two", restart="OnFailure"), seen(exited(), running("two")), PodPlan(),
    ),
    Case(
        "OnFailure restarts a failure",
        pod(restart="OnFailure"), seen(exited(code=1)), PodPlan((start("app", attempt=1, step=1),)),
    ),
    Case(
        "OnFailure restarts what was killed for its liveness, even if it ended well",
        pod(restart="OnFailure"), seen(exited(), stopping={"app-0": Stopping(KillReason.LIVENESS, NOW)}),
        PodPlan((start("app", attempt=1, step=1),)),
    ),
    Case(
        "Never leaves every end alone",
        pod("app", "two", restart="Never"), seen(exited(code=1), running("two")), PodPlan(),
    ),
    Case(
        "what has ended for good gives its sandbox back and keeps its record",
        pod(restart="Never"), seen(exited()), PodPlan((StopSandbox("sandbox-0"),)),
    ),
    Case(
        "what has given everything back is at rest",
        pod(restart="Never"), seen(exited(), sandboxes=(sandbox(ready=False, ip=""),)), PodPlan(stopped=True),
    ),
    Case(
        "a lost sandbox is replaced, its address given back first, and the containers restart",
        pod(), seen(exited(code=137), sandboxes=(sandbox(ready=False),)),
        PodPlan((StopSandbox("sandbox-0"), CreateSandbox(1), start("app", attempt=1, step=1))),
    ),
    Case(
        "what still runs in a lost sandbox ends before there is another",
        pod(), seen(running(), sandboxes=(sandbox(ready=False),)),
        PodPlan((TermContainer("app-0", "app", KillReason.SANDBOX_CHANGED, NOW + 30),), NOW + 30),
    ),
    Case(
        "init containers run again in a new sandbox",
        pod(init=("one",)), seen(exited("one"), exited("app"), sandboxes=(sandbox(ready=False, ip=""),)),
        PodPlan((CreateSandbox(1), start("one", INIT, 1, 1))),
    ),
    Case(
        "a Pod that never restarts gets no second sandbox once something ran",
        pod(restart="Never"), seen(exited(code=137), sandboxes=(sandbox(ready=False),)),
        PodPlan((StopSandbox("sandbox-0"),)),
    ),
    Case(
        "even if only its init containers did",
        pod(init=("one",), restart="Never"), seen(exited("one"), sandboxes=(sandbox(ready=False),)),
        PodPlan((StopSandbox("sandbox-0"),)),
    ),
    Case(
        "an older sandbox that nothing holds is removed",
        pod(), seen(running(in_sandbox="sandbox-1"), sandboxes=(sandbox(0, ready=False, ip=""), sandbox(1))),
        PodPlan((RemoveSandbox("sandbox-0"),)),
    ),
    Case(
        "all but the newest end are removed",
        pod(), seen(running("app", 3), exited("app", 2), exited("app", 1), exited("app", 0)),
        PodPlan((RemoveContainer("app-1"), RemoveContainer("app-0"))),
    ),
    Case(
        "a sandbox that could not be made is tried again after its back-off",
        pod(), seen(sandboxes=(), **failing(SANDBOX_KEY, 5)), PodPlan(wake_at=NOW + 5),
    ),
    Case(
        "no container starts before the volumes are mounted",
        pod(volumes=("data",)), seen(**failing(VOLUMES_KEY, 4)), PodPlan(wake_at=NOW + 4),
    ),
    Case(
        "a container that could not be created waits while the others start",
        pod("app", "two"), seen(**failing(start_key("app"), 3)), PodPlan((start("two"),), NOW + 3),
    ),
    Case(
        "a liveness probe that failed ends the container with the Pod's grace",
        probed(pod()), seen(running(), **with_probe(ProbeKind.LIVENESS, ProbeResult.FAILURE)),
        PodPlan((TermContainer("app-0", "app", KillReason.LIVENESS, NOW + 30),), NOW + 30),
    ),
    Case(
        "a probe's own grace goes before the Pod's",
        probed(pod(), seconds=5), seen(running(), **with_probe(ProbeKind.STARTUP, ProbeResult.FAILURE)),
        PodPlan((TermContainer("app-0", "app", KillReason.STARTUP, NOW + 5),), NOW + 5),
    ),
    Case(
        "a container that was told to end is killed at its deadline",
        pod(), seen(running(), stopping={"app-0": Stopping(KillReason.LIVENESS, NOW - 1, termed_at=NOW - 31)}),
        PodPlan((KillContainer("app-0", "app", KillReason.LIVENESS),), NOW + 1),
    ),
    Case(
        "a postStart hook that failed ends the container",
        pod(), seen(running(), post_start={"app-0": HookProgress.FAILED}),
        PodPlan((TermContainer("app-0", "app", KillReason.POST_START, NOW + 30),), NOW + 30),
    ),
    Case(
        "a container's own restart policy goes before the Pod's",
        (lambda made: (setattr(made.spec.containers[0], "restart_policy", "Never"), made)[1])(pod("app", "two")),
        seen(exited(code=1), running("two")), PodPlan(),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    assert compute_pod_plan(case.pod, case.known, ending=None, now=NOW, policy=POLICY) == case.want


def test_a_pod_with_an_active_deadline_is_looked_at_when_it_is_over() -> None:
    made = pod()
    made.spec.active_deadline_seconds = 60
    made.status.start_time.CopyFrom(timestamp(NOW - 20))

    assert compute_pod_plan(made, seen(running()), ending=None, now=NOW, policy=POLICY) == PodPlan(
        wake_at=NOW + 40
    )


def test_a_success_that_is_only_remembered_is_not_run_again() -> None:
    made = pod(restart="Never")
    previous = pod_pb2.PodStatus()
    status = previous.container_statuses.add(name="app", container_id="docker://app-0")
    status.state.terminated.exit_code = 0
    known = replace(seen(sandboxes=()), previous=previous)

    assert compute_pod_plan(made, known, ending=None, now=NOW, policy=POLICY) == PodPlan(stopped=True)


def test_the_attempt_goes_on_from_what_the_status_remembers() -> None:
    previous = pod_pb2.PodStatus()
    status = previous.container_statuses.add(name="app", container_id="docker://app-4", restart_count=4)
    status.state.running.started_at.CopyFrom(timestamp(NOW - 50))
    known = replace(seen(), previous=previous)

    plan = compute_pod_plan(pod(), known, ending=None, now=NOW, policy=POLICY)

    assert plan == PodPlan((start("app", attempt=5, step=1),))
