"""The seven steps in one go, as a newcomer sees them: apply a manifest, watch it become running containers."""

from itertools import pairwise

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import EXAMPLES, replica_set
from tests.support.workspace import Workspace
from vaina.clock import seconds_of
from vaina.steps import PodStep

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
