"""When a Pod of a Job ended, which its back-off counts from."""

import pytest

from controller.job.failures import finished_at
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.testing.builders import make_pod


def pod_of(main: float | None, sidecar: float | None, init: float | None = None) -> pod_pb2.Pod:
    """Make a Pod whose containers ended then (None: runs); made at 10, not ready since 20."""
    pod = make_pod("a", phase="Failed", created=10)
    pod.spec.init_containers.add(name="init")
    pod.spec.init_containers.add(name="side", restart_policy="Always")
    del pod.status.container_statuses[:], pod.status.init_container_statuses[:], pod.status.conditions[:]
    pod.status.conditions.add(type="Ready", status="False", last_transition_time=timestamp(20))
    statuses = pod.status.init_container_statuses
    for added, ended in (
        (pod.status.container_statuses.add(name="app"), main),
        (statuses.add(name="init"), init),
        (statuses.add(name="side"), sidecar),
    ):
        if ended is None:
            added.state.running.SetInParent()
        else:
            added.state.terminated.finished_at.CopyFrom(timestamp(ended))
    return pod


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(pod_of(100, 130), 130, id="sidecars end after the others"),
        pytest.param(pod_of(100, 90), 100, id="or before"),
        pytest.param(pod_of(100, 130, init=999), 130, id="an ordinary init container does not count"),
        pytest.param(pod_of(100, None), 20, id="a sidecar has not ended: since it was not ready"),
        # As getFinishTimeFromContainers does: what the others said is forgotten, not what the sidecars say.
        pytest.param(pod_of(None, 130), 130, id="only the sidecar has ended"),
    ],
)
def test_when_a_pod_ended(pod: pod_pb2.Pod, want: float) -> None:
    assert finished_at(pod) == want
