"""What ends a container before it would end itself.

The Pod's deadline, a probe with a grace of its own, a service that says it is not well.
"""

import pytest

from tests.support.cluster import run
from tests.support.manifests import container, exec_probe, pod
from tests.support.workspace import Workspace, phase, ready, status_of

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]

#: hears no TERM: its grace is used up
DEAF = "trap '' TERM; while :; do sleep 0.2; done"
#: of a gRPC server in the clear with health checks, which a test starts on a node
HEALTH_PORT = 18190
HEALTH_SERVER = """
import asyncio
from vaina.clock import SystemClock
from vaina.serving.server import serve

async def main():
    async with serve({}, listen="ADDRESS", clock=SystemClock()):
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.requirement("B6", "B14")
def test_a_pod_that_is_active_too_long_has_failed_and_its_containers_end(space: Workspace) -> None:
    # It was done before.
    space.apply(pod("quick", container(script="exit 0"), restartPolicy="Never", activeDeadlineSeconds=600))
    space.start(
        pod("late", activeDeadlineSeconds=600),
        pod("deaf", container(script=DEAF), terminationGracePeriodSeconds=1),
    )
    # Set when they run: on a busy machine a short one could be over before they begin.
    for name in ("late", "deaf"):
        space.cli("patch", "pod", name, "-p", '{"spec": {"activeDeadlineSeconds": 1}}')
    for name, code in (("late", 0), ("deaf", 137)):
        failed = space.wait(name, phase("Failed"), "has failed")
        assert failed.status.reason == "DeadlineExceeded"
        assert failed.status.message == "Pod was active on the node longer than the specified deadline"
        assert "longer than the specified deadline" in space.event(name, "DeadlineExceeded").message
        ended = space.wait(
            name, lambda p: status_of(p).state.HasField("terminated"), "its container has ended"
        )
        assert (status_of(ended).state.terminated.exit_code, status_of(ended).restart_count) == (code, 0)
    assert space.wait("quick", phase("Succeeded"), "is done").status.reason == ""


@pytest.mark.requirement("B9", "B6")
def test_a_liveness_probe_kills_after_its_own_grace_and_not_the_pods(space: Workspace) -> None:
    # Not before the file is there, however busy the machine is.
    probe = exec_probe(
        "test -e /tmp/alive", initialDelaySeconds=3, periodSeconds=1, timeoutSeconds=10, failureThreshold=1,
        terminationGracePeriodSeconds=1,
    )  # fmt: skip
    mortal = container(script=f"touch /tmp/alive; {DEAF}", livenessProbe=probe)
    # Longer than anybody here waits.
    space.start(pod("probed", mortal, terminationGracePeriodSeconds=600))
    space.shell("probed", "rm /tmp/alive")
    back = space.wait("probed", lambda p: status_of(p).restart_count >= 1 and ready(p), "was restarted")
    assert status_of(back).last_state.terminated.exit_code == 137
    space.delete("probed", grace=1)


@pytest.mark.requirement("B9")
def test_grpc_probes_ask_the_health_of_a_service(space: Workspace) -> None:
    """On the node's own network."""
    cluster, node = space.cluster, space.node(0)
    script = HEALTH_SERVER.replace("ADDRESS", f"{cluster.address(node)}:{HEALTH_PORT}")
    run("docker", "exec", "-d", node, "timeout", "600", "python", "-c", script)

    def asks(service: str, **more: int) -> dict[str, object]:
        grpc = {"port": HEALTH_PORT, "service": service}
        return {"grpc": grpc, "periodSeconds": 1, "timeoutSeconds": 10, **more}

    well = container(livenessProbe=asks(""), readinessProbe=asks(""), startupProbe=asks(""))
    unready = container(readinessProbe=asks("no.such.Service"))
    sick = container(livenessProbe=asks("no.such.Service", failureThreshold=1))
    for name, one in (("well", well), ("unready", unready), ("sick", sick)):
        space.apply(pod(name, one, hostNetwork=True, nodeName=node))
    space.wait("sick", lambda p: status_of(p).restart_count >= 1, "was restarted")
    assert "Liveness probe failed: " in space.event("sick", "Unhealthy").message
    assert "Readiness probe failed: " in space.event("unready", "Unhealthy").message
    assert not ready(space.pod("unready"))
    assert status_of(space.ready("well")).restart_count == 0
    assert status_of(space.pod("unready")).restart_count == 0
