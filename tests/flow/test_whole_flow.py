"""The seven steps in one go, as a newcomer sees them: apply a manifest, watch it become running containers."""

import re
from itertools import pairwise

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import EXAMPLES, config_map, container, pod, replica_set
from tests.support.static_pods import files, put
from tests.support.workspace import Workspace
from vaina.clock import seconds_of
from vaina.steps import PodStep

#: 50 ms, and what is lost where times are shown with three digits
NAMED_SECONDS = 0.07
TIMES = re.compile(r"\+([\d.]+) (µs|ms|s) +([\d.]+) (µs|ms|s)\b")
UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
COMPONENTS = {PodStep.ADMITTED: "apiserver", PodStep.SCHEDULED: "scheduler"}


def traced(space: Workspace, uid: str, steps: int = len(PodStep)) -> list[tuple[str, str, float, float]]:
    """Return (step, component, start, end) of a Pod's trace, as soon as it has so many steps."""
    trace = wait_until(
        lambda: (
            (found := space.api.trace(space.namespace, uid)) and len(found.status.steps) >= steps and found
        ),
        20,
        f"{steps} steps are in the trace",
    )
    return [
        (one.step, one.component, seconds_of(one.start_time), seconds_of(one.end_time))
        for one in trace.status.steps
    ]


@pytest.mark.beside_others
@pytest.mark.requirement("A8")
def test_seven_steps_of_the_documents_jumpod_are_shown_live_and_afterwards(space: Workspace) -> None:
    applied = space.cli("apply", "-f", str(EXAMPLES / "jumpod.yaml"))
    assert applied == "pod/jumpod created\n"
    live = space.cli("trace", "pod/jumpod", "--watch", timeout=90)
    places = [live.index(step) for step in PodStep]
    assert places == sorted(places)
    jumpod = space.running("jumpod")
    assert jumpod.spec.node_name in live
    assert jumpod.status.pod_ip in live

    steps = traced(space, jumpod.metadata.uid)
    assert [(step, component) for step, component, _, _ in steps] == [
        (step, COMPONENTS.get(step, "kubelet")) for step in PodStep
    ]
    assert all(start <= end for _, _, start, end in steps)
    # By their starts: the kubelet may see a bind over its watch before the scheduler has the answer to it.
    assert all(start <= next_start for (_, _, start, _), (_, _, next_start, _) in pairwise(steps))
    assert steps[-1][3] - steps[0][2] < 60

    space.delete("jumpod", grace=1)
    space.gone("jumpod")
    afterwards = space.cli("trace", "pod/jumpod")
    assert [step for step in PodStep if step in afterwards] == list(PodStep)
    assert jumpod.metadata.uid in afterwards


def unnamed(shown: str) -> list[str]:
    """Return between which lines of a shown trace more than 50 ms lie of which nothing is said."""
    lines = [
        (float(at) * UNITS[at_unit], float(took) * UNITS[took_unit], line.strip())
        for line in shown.splitlines()
        for at, at_unit, took, took_unit in TIMES.findall(line)
    ]
    assert len(lines) >= len(PodStep), shown
    found, reached = list[str](), 0.0
    for at, took, line in sorted(lines):
        if at - reached > NAMED_SECONDS:
            found.append(f"{at - reached:.2f} s before {line}")
        reached = max(reached, at + took)
    return found


@pytest.mark.both_runtimes
@pytest.mark.beside_others
@pytest.mark.requirement("A8")
def test_what_lies_between_the_steps_is_named(space: Workspace) -> None:
    hook = {"postStart": {"exec": {"command": ["sleep", "1"]}}}
    slow = pod("slow", container(imagePullPolicy="Always", lifecycle=hook))
    slow["spec"]["initContainers"] = [container("first", "sleep 2")]
    slow["spec"]["volumes"] = [{"name": "late", "configMap": {"name": "late"}}]
    space.apply(slow)
    space.event("slow", "FailedMount")
    space.apply(config_map("late", word="now"))
    uid = space.running("slow").metadata.uid
    traced(space, uid)

    waits = [(one.step, one.message) for one in space.api.trace(space.namespace, uid).status.waits]
    assert (PodStep.STARTED, "init container first to end") in waits
    assert (PodStep.REPORTED, "the postStart hook of container main") in waits
    assert any(step == PodStep.SANDBOXED and "late" in message for step, message in waits)
    shown = space.cli("trace", "pod/slow")
    assert unnamed(shown) == [], shown
    assert "for init container first to end" in shown


@pytest.mark.both_runtimes
@pytest.mark.beside_others
@pytest.mark.requirement("A8", "A2")
def test_who_bound_a_pod_by_hand_is_told(space: Workspace) -> None:
    space.apply(pod("by-hand", schedulerName="nobody"))
    uid, node = space.pod("by-hand").metadata.uid, space.node(0)
    bind = space.api.clients.pods.bind("by-hand", namespace=space.namespace, uid=uid, node=node)
    space.api.call(bind)
    space.running("by-hand")

    steps = traced(space, uid)
    assert [step for step, *_ in steps] == list(PodStep)
    [scheduled] = [
        one for one in space.api.trace(space.namespace, uid).status.steps if one.step == "SCHEDULED"
    ]
    assert scheduled.component == "apiserver"
    assert scheduled.message.startswith(f"{node}, by hand")
    assert "by hand" in space.cli("trace", "pod/by-hand")


@pytest.mark.both_runtimes
@pytest.mark.beside_others
@pytest.mark.requirement("A8", "C5")
def test_a_static_pod_has_all_steps(space: Workspace) -> None:
    node = space.node(0)
    static = pod("traced")
    static["metadata"]["namespace"] = space.namespace
    with files(space.cluster, node, "traced.yaml"):
        put(space.cluster, node, static, "traced.yaml")
        mirror = space.ready(f"traced-{node}")
        steps = traced(space, mirror.metadata.uid)

        assert [(step, component) for step, component, _, _ in steps] == [
            (step, "apiserver" if step in (PodStep.ADMITTED, PodStep.SCHEDULED) else "kubelet")
            for step in PodStep
        ]
        assert "from a manifest of its own" in space.cli("trace", f"pod/traced-{node}")


@pytest.mark.requirement("E4")
def test_services_meet_over_watch_streams_alone_and_pick_them_up_again(space: Workspace) -> None:
    """A Pod that is half way when the apiserver dies goes on: every watch is resumed against the new process."""
    before = {service: space.cluster.process(space.cluster.container(service), service)
              for service in ("scheduler", "controller")}  # fmt: skip
    space.cluster.kill_service("apiserver")
    space.cluster.wait_healthy()
    space.apply(replica_set("after", 3))
    wait_until(
        lambda: sum(p.status.phase == "Running" for p in space.pods("app=after")) == 3,
        40,
        "three replicas run",
    )
    after = {service: space.cluster.process(space.cluster.container(service), service) for service in before}
    assert after == before
