"""Step 6, STARTED: init containers one after the other, each must end well; then the containers.

Probes are applied.
"""

import pytest

from tests.support.manifests import container, exec_probe, pod
from tests.support.workspace import Workspace, condition, phase, ready, status_of
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.kinds import POD

pytestmark = [pytest.mark.step(6), pytest.mark.beside_others]

WORK = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
VOLUMES = {"volumes": [{"name": "work", "emptyDir": {}}]}


@pytest.mark.requirement("A6", "B10")
def test_init_containers_run_in_order_are_retried_and_gate_the_others(space: Workspace) -> None:
    fails_once = "echo second >>/work/order; test -e /work/tried || { touch /work/tried; exit 3; }"
    staged = pod(
        "staged",
        container("app", "echo app >>/work/order; sleep infinity", **WORK),
        initContainers=[
            container("first", "echo first >>/work/order", **WORK),
            container("second", fails_once, **WORK),
        ],
        **VOLUMES,
    )
    with space.api.history(POD, space.namespace) as history:
        space.apply(staged)
        done = space.ready("staged")
    assert space.shell("staged", "cat /work/order").split() == ["first", "second", "second", "app"]
    first, second, app = (status_of(done, name) for name in ("first", "second", "app"))
    assert (first.restart_count, second.restart_count, app.restart_count) == (0, 1, 0)
    assert (first.state.terminated.exit_code, second.state.terminated.exit_code) == (0, 0)
    assert (first.state.terminated.reason, first.ready, second.ready) == ("Completed", True, True)
    assert (
        seconds_of(first.state.terminated.finished_at)
        <= seconds_of(second.state.terminated.started_at)
        <= seconds_of(second.state.terminated.finished_at)
        <= seconds_of(app.state.running.started_at)
    )
    for seen in history.of("staged"):
        if condition(seen.object, "Initialized") != "True":
            assert not status_of(seen.object, "app").HasField("state") or (
                status_of(seen.object, "app").state.waiting.reason == "PodInitializing"
            )
            assert seen.object.status.phase == "Pending"


@pytest.mark.requirement("A6", "B10")
def test_init_container_that_fails_for_good_fails_a_pod_that_is_never_restarted(space: Workspace) -> None:
    space.apply(
        pod(
            "doomed",
            container("app"),
            initContainers=[container("broken", "echo no luck; exit 7"), container("never", "true")],
            restartPolicy="Never",
        )
    )
    failed = space.wait("doomed", phase("Failed", "Running"), "has failed")
    assert failed.status.phase == "Failed"
    assert status_of(failed, "broken").state.terminated.exit_code == 7
    assert not status_of(failed, "never").state.HasField("terminated")
    assert status_of(failed, "app").state.waiting.reason == "PodInitializing"
    assert space.logs("doomed", container="broken") == "no luck\n"


@pytest.mark.requirement("A6", "B9")
def test_startup_probe_holds_back_the_others_and_readiness_gates_the_pod(space: Workspace) -> None:
    gated = container(
        script="sleep infinity",
        startupProbe=exec_probe("test -e /tmp/started", periodSeconds=1, failureThreshold=60),
        readinessProbe=exec_probe("test -e /tmp/open", periodSeconds=1),
        # Would restart the container at once if the startup probe did not hold it back.
        livenessProbe=exec_probe("test -e /tmp/started", periodSeconds=1, failureThreshold=1),
    )
    space.apply(pod("gated", gated))
    waiting = space.running("gated")
    assert (status_of(waiting).started, ready(waiting)) == (False, False)
    assert space.event("gated", "Unhealthy").message.startswith("Startup probe failed:")
    space.shell("gated", "touch /tmp/started")
    started = space.wait("gated", lambda p: status_of(p).started, "has started")
    assert not ready(started)
    assert not status_of(started).ready
    space.shell("gated", "touch /tmp/open")
    assert status_of(space.ready("gated")).restart_count == 0
    space.shell("gated", "rm /tmp/open")
    closed = space.wait("gated", lambda p: not ready(p), "is not ready any more")
    assert reason(closed, "Ready") == "ContainersNotReady"
    assert status_of(closed).restart_count == 0


def reason(pod: pod_pb2.Pod, name: str) -> str:
    """Return the reason of a condition."""
    return next(one.reason for one in pod.status.conditions if one.type == name)
