"""Step 7, REPORTED: the kubelet reports continuously.

The status follows the containers within a second or so.
"""

from collections.abc import Sequence

import pytest

from tests.support.api import History
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, phase, ready, status_of
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD

pytestmark = [pytest.mark.step(7), pytest.mark.beside_others]

#: generous for a machine that is busy with other things; it is usually below one second
SOON = 5.0


def phases(history: History[pod_pb2.Pod], name: str) -> Sequence[str]:
    """Return the phases that a Pod went through."""
    values: list[str] = []
    for seen in history.of(name):
        if seen.type != "DELETED" and (not values or values[-1] != seen.object.status.phase):
            values.append(seen.object.status.phase)
    return values


@pytest.mark.requirement("A7", "B14", "C4")
@pytest.mark.parametrize(("code", "final"), [(0, "Succeeded"), (3, "Failed")])
def test_status_follows_the_containers_to_the_end(space: Workspace, code: int, final: str) -> None:
    script = f"until test -e /tmp/end; do sleep 0.1; done; exit {code}"
    with space.api.history(POD, space.namespace) as history:
        space.start(pod("short", container(script=script), restartPolicy="Never"))
        space.shell("short", "touch /tmp/end")
        ended_at = space.api.clock.monotonic()
        ended = space.wait("short", phase("Succeeded", "Failed"), "has ended")
        took = space.api.clock.monotonic() - ended_at
    assert phases(history, "short") == ["Pending", "Running", final]
    assert took < SOON
    terminated = status_of(ended).state.terminated
    assert (ended.status.phase, terminated.exit_code) == (final, code)
    assert terminated.reason == ("Completed" if code == 0 else "Error")
    assert not ready(ended)
    assert terminated.finished_at.seconds >= terminated.started_at.seconds > 0


@pytest.mark.requirement("A7", "C1")
def test_container_that_dies_is_reported_and_started_again(space: Workspace) -> None:
    [before] = space.start(
        pod("sturdy", container(script="until test -e /tmp/die; do sleep 0.1; done; exit 9"))
    )
    space.shell("sturdy", "touch /tmp/die")
    after = space.wait("sturdy", lambda p: status_of(p).restart_count == 1 and ready(p), "runs again")
    assert status_of(after).last_state.terminated.exit_code == 9
    assert status_of(after).container_id != status_of(before).container_id
    assert (after.metadata.uid, after.status.phase) == (before.metadata.uid, "Running")


@pytest.mark.requirement("C4")
def test_every_field_of_a_running_pods_status_is_filled(space: Workspace) -> None:
    [one] = space.start(pod("whole", container()))
    status = one.status
    assert status.host_ip == space.cluster.address(one.spec.node_name)
    assert status.start_time.seconds >= one.metadata.creation_timestamp.seconds
    assert status.qos_class == "BestEffort"
    wanted = {"PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"}
    assert {c.type for c in status.conditions if c.status == "True"} == wanted
    main = status_of(one)
    assert main.container_id.startswith("docker://")
    assert "sha256:" in main.image_id
    assert (main.image, main.started, main.ready) == ("busybox:1.37", True, True)
    assert main.state.running.started_at.seconds > 0
