"""Resizing in place, as tables: what a node gives, what is done to containers, what is said (KEP-1287)."""

from dataclasses import dataclass, replace

import pytest

from kubelet.decide.actions import (
    ContainerKind,
    KillReason,
    PodPlan,
    ResizeContainer,
    StartContainer,
    TermContainer,
)
from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.observation import Failure, PodObservation, Stopping, resize_key
from kubelet.decide.resize import (
    DEFERRED,
    INFEASIBLE,
    Pending,
    Sizes,
    desired,
    encode_sizes,
    first_allocation,
    judge,
    made_with,
    message,
    needs_restart,
    with_allocated,
)
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.runtime.records import SIZES_ANNOTATION
from tests.unit.kubelet.decide.observations import NOW, exited, pod, running, seen
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp

POLICY = RestartPolicy()
NODE = NodeAddresses("192.0.2.1", "docker")
GI = 2**30


def amounts(text: str) -> tuple[tuple[str, str], ...]:
    """Read cpu/memory."""
    cpu, _, memory = text.partition("/")
    return tuple((name, value) for name, value in (("cpu", cpu), ("memory", memory)) if value)


def sizes(requests: str = "", limits: str = "") -> Sizes:
    return Sizes(amounts(requests), amounts(limits))


def sized(
    requests: str = "", limits: str = "", *, policy: tuple[str, str] = ("", ""), restart: str = "Always"
) -> pod_pb2.Pod:
    """Make a Pod whose container wants this; policy: of cpu, of memory."""
    made = pod("app", restart=restart)
    container = made.spec.containers[0]
    for target, text in ((container.resources.requests, requests), (container.resources.limits, limits)):
        for name, value in amounts(text):
            target[name].string = value
    for name, wanted in zip(("cpu", "memory"), policy, strict=True):
        if wanted:
            container.resize_policy.add(resource_name=name, restart_policy=wanted)
    return made


@dataclass(frozen=True)
class Judged:
    name: str
    wish: str
    others: tuple[str, ...]
    want: Pending | None


ROOM = {"cpu": 4000, "memory": 4 * GI}
JUDGED = [
    Judged("what fits is given", "2/2Gi", ("1/1Gi",), None),
    Judged("all that is left is given", "3/3Gi", ("1/1Gi",), None),
    Judged("a node of one Pod may be full", "4/4Gi", (), None),
    Judged("less is given on a node that is full", "1/1Gi", ("3/3Gi",), None),
    Judged("a Pod that asks for nothing is given it", "", ("4/4Gi",), None),
    Judged(
        "CPU that others have is waited for", "2/1Gi", ("3/1Gi",),
        Pending(DEFERRED, "Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000"),
    ),
    Judged(
        "memory that others have is waited for", "1/2Gi", ("1/1Gi", "1/2Gi"),
        Pending(
            DEFERRED,
            f"Node didn't have enough resource: memory, requested: {2 * GI}, used: {3 * GI}, capacity: {4 * GI}",
        ),
    ),
    Judged(
        "more CPU than the node has is never given", "5/1Gi", (),
        Pending(INFEASIBLE, "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"),
    ),
    Judged(
        "more memory than the node has is never given, and is said first", "5/5Gi", ("4/4Gi",),
        Pending(INFEASIBLE, f"Node didn't have enough capacity: memory, requested: {5 * GI}, capacity: {4 * GI}"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.name)
def test_what_a_node_gives(case: Judged) -> None:
    assert judge(sized(case.wish), [sized(other) for other in case.others], ROOM) == case.want


def test_a_node_that_does_not_say_what_it_has_gives_everything() -> None:
    assert judge(sized("99/99Gi"), [sized("99/99Gi")], {}) is None


@dataclass(frozen=True)
class Planned:
    name: str
    pod: pod_pb2.Pod
    known: PodObservation
    want: PodPlan


def has(have: Sizes, **more: object) -> PodObservation:
    return seen(running(), sizes={"app-0": have}, **more)


RESIZE = ResizeContainer("app-0", "app")
FAILED = {resize_key("app"): Failure(1, "", "no", NOW + 5)}
BOTH = ("RestartContainer", "RestartContainer")
PLANNED = [
    Planned("a container that has what it should is left alone", sized("1/1Gi"), has(sizes("1/1Gi")), PodPlan()),
    Planned("amounts are compared, not texts", sized("1000m"), has(sizes("1")), PodPlan()),
    Planned("a container of which nothing is known is left alone", sized("1"), seen(running()), PodPlan()),
    Planned("more CPU is told to a running container", sized("2"), has(sizes("1")), PodPlan((RESIZE,))),
    Planned("less CPU is told to it", sized("1"), has(sizes("2")), PodPlan((RESIZE,))),
    Planned("a limit is told to it", sized("1", "2"), has(sizes("1", "1")), PodPlan((RESIZE,))),
    Planned("a new limit is told to it", sized("1", "2"), has(sizes("1")), PodPlan((RESIZE,))),
    Planned("memory is told to it", sized("1/2Gi"), has(sizes("1/1Gi")), PodPlan((RESIZE,))),
    Planned(
        "what could not be told waits", sized("2"), has(sizes("1"), failures=FAILED), PodPlan(wake_at=NOW + 5)
    ),
    Planned(
        "a policy of the other resource does not matter",
        sized("2/1Gi", policy=("NotRequired", "RestartContainer")), has(sizes("1/1Gi")), PodPlan((RESIZE,)),
    ),
    Planned(
        "a policy that wants a new start gets one",
        sized("1/2Gi", policy=("NotRequired", "RestartContainer")), has(sizes("1/1Gi")),
        PodPlan((TermContainer("app-0", "app", KillReason.RESIZE, NOW + 30),), NOW + 30),
    ),
    Planned(
        "one of two changes wants a new start: both come with it",
        sized("2/2Gi", policy=("NotRequired", "RestartContainer")), has(sizes("1/1Gi")),
        PodPlan((TermContainer("app-0", "app", KillReason.RESIZE, NOW + 30),), NOW + 30),
    ),
    Planned(
        "what ended for a resize begins at once, whatever its back-off",
        sized("2", policy=BOTH),
        seen(
            exited(code=143, step=3),
            stopping={"app-0": Stopping(KillReason.RESIZE, NOW + 30, termed_at=NOW - 1)},
        ),
        PodPlan((StartContainer("app", ContainerKind.MAIN, 1, "sha256:app", 0),)),
    ),
    Planned(
        "what ended well for a resize begins again under OnFailure too",
        sized("2", policy=BOTH, restart="OnFailure"),
        seen(exited(), stopping={"app-0": Stopping(KillReason.RESIZE, NOW + 30, termed_at=NOW - 1)}),
        PodPlan((StartContainer("app", ContainerKind.MAIN, 1, "sha256:app", 0),)),
    ),
    Planned(
        "a container that is ending is not resized",
        sized("2"),
        has(sizes("1"), stopping={"app-0": Stopping(KillReason.LIVENESS, NOW + 9, termed_at=NOW)}),
        PodPlan(wake_at=NOW + 9),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", PLANNED, ids=lambda case: case.name)
def test_plan(case: Planned) -> None:
    assert compute_pod_plan(case.pod, case.known, ending=None, now=NOW, policy=POLICY) == case.want


@pytest.mark.parametrize(
    ("policy", "have", "want", "restarts"),
    [
        (("", ""), sizes("1"), sizes("2"), False),
        (("NotRequired", "NotRequired"), sizes("1/1Gi"), sizes("2/2Gi"), False),
        (("RestartContainer", ""), sizes("1"), sizes("2"), True),
        (("RestartContainer", ""), sizes("1", "1"), sizes("1", "2"), True),
        (("RestartContainer", ""), sizes("1/1Gi"), sizes("1/2Gi"), False),
        (("", "RestartContainer"), sizes("1/1Gi"), sizes("2/1Gi"), False),
        (("", "RestartContainer"), sizes("1/1Gi"), sizes("1/2Gi"), True),
        (("", "RestartContainer"), sizes("1"), sizes("1/1Gi"), True),
        (BOTH, sizes("1/1Gi", "2/2Gi"), sizes("1/1Gi", "2/2Gi"), False),
    ],
)
def test_who_is_started_again(policy: tuple[str, str], have: Sizes, want: Sizes, restarts: bool) -> None:
    assert needs_restart(sized(policy=policy).spec.containers[0], have, want) is restarts


def status(
    made: pod_pb2.Pod, known: PodObservation
) -> tuple[pod_pb2.PodStatus, dict[str, pod_pb2.PodCondition]]:
    found = compute_pod_status(made, known, node=NODE, ending=None, now=NOW, policy=POLICY)
    return found, {item.type: item for item in found.conditions}


def test_a_status_tells_what_is_given_and_what_the_container_has() -> None:
    made = sized("2/1Gi", "4/2Gi")
    made.metadata.generation = 7
    found, conditions = status(made, has(sizes("1/1Gi", "2/2Gi")))
    (item,) = found.container_statuses
    assert {name: item.allocated_resources[name].string for name in item.allocated_resources} == {
        "cpu": "2",
        "memory": "1Gi",
    }
    assert (item.resources.requests["cpu"].string, item.resources.limits["cpu"].string) == ("1", "2")
    progress = conditions["PodResizeInProgress"]
    assert (progress.status, progress.reason, progress.observed_generation) == ("True", "", 7)
    assert "PodResizePending" not in conditions


def test_a_container_that_has_what_it_should_says_so() -> None:
    found, conditions = status(sized("2"), has(sizes("2")))
    assert found.container_statuses[0].resources.requests["cpu"].string == "2"
    assert not {"PodResizeInProgress", "PodResizePending"} & conditions.keys()


def test_why_a_wish_is_not_granted_is_a_condition() -> None:
    _, conditions = status(sized("1"), has(sizes("1"), resize=Pending(DEFERRED, "full")))
    pending = conditions["PodResizePending"]
    assert (pending.status, pending.reason, pending.message) == ("True", "Deferred", "full")


def test_what_could_not_be_told_is_an_error() -> None:
    _, conditions = status(sized("2"), has(sizes("1"), failures=FAILED))
    progress = conditions["PodResizeInProgress"]
    assert (progress.reason, progress.message) == ("Error", "no")


def test_a_condition_that_holds_no_longer_is_sent_without_a_status() -> None:
    made = sized("2")
    for name in ("PodResizePending", "PodResizeInProgress"):
        made.status.conditions.add(type=name, status="True")
    _, conditions = status(made, has(sizes("2")))
    assert [conditions[name].status for name in ("PodResizePending", "PodResizeInProgress")] == ["", ""]


def test_a_condition_that_goes_on_keeps_its_time() -> None:
    made = sized("2")
    made.status.conditions.add(
        type="PodResizePending", status="True", reason="Infeasible", last_transition_time=timestamp(NOW - 50)
    )
    _, conditions = status(made, has(sizes("2"), resize=Pending(DEFERRED, "full")))
    assert conditions["PodResizePending"].last_transition_time == timestamp(NOW - 50)


def test_ephemeral_containers_have_no_sizes() -> None:
    made = pod(debug=("debug",))
    found, _ = status(made, seen(running(), running("debug")))
    assert not found.ephemeral_container_statuses[0].HasField("resources")


def test_what_was_allocated_is_read_back_from_the_status() -> None:
    made = sized("2/2Gi", "4/4Gi")
    assert first_allocation(made) == {"app": sizes("2/2Gi", "4/4Gi")}
    item = made.status.container_statuses.add(name="app")
    item.allocated_resources["cpu"].string = "1"
    item.resources.requests["cpu"].string = "500m"
    item.resources.limits["cpu"].string = "2"
    assert first_allocation(made) == {"app": sizes("1", "2")}


def test_a_pod_is_worked_with_as_it_was_allocated() -> None:
    made = sized("2/2Gi", "4")
    assert with_allocated(made, desired(made)) is made
    given = with_allocated(made, {"app": sizes("1/1Gi", "2")})
    assert desired(given) == {"app": sizes("1/1Gi", "2")}
    assert desired(made) == {"app": sizes("2/2Gi", "4")}


def test_what_a_container_was_made_with_stands_in_its_annotation() -> None:
    written = replace(running(), annotations={SIZES_ANNOTATION: encode_sizes(sizes("1/1Gi", "2"))})
    assert made_with(written) == sizes("1/1Gi", "2")


@pytest.mark.parametrize("text", ["", "{", "[1]", '[[["a"]],[]]', "[[], [], []]"])
def test_an_annotation_that_is_none_says_nothing(text: str) -> None:
    assert made_with(replace(running(), annotations={SIZES_ANNOTATION: text})) is None


def test_words_of_an_event() -> None:
    made = sized("300m/128Mi", "500m/256Mi")
    made.metadata.generation = 2
    want = (
        'Pod resize started: {"containers":[{"name":"app","resources":{"limits":{"cpu":"500m","memory":"256Mi"},'
        '"requests":{"cpu":"300m","memory":"128Mi"}}}],"generation":2}'
    )
    assert message("Pod resize started", made) == want
    assert message("Pod resize error", made, "no").endswith('"generation":2,"error":"no"}')
