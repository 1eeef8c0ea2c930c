"""The engine of a node is killed and comes back.

Containers that run go on, and the end of those that died meanwhile is told, once.
"""

import pytest

from tests.support.manifests import container, on_node, pod
from tests.support.workspace import Workspace, phase, ready, status_of
from vaina.kinds import POD


def first_process(space: Workspace, node: str, container_id: str) -> str:
    """Return the id, on its node, of a container's first process."""
    if space.runtime == "docker":
        return space.cluster.execute(node, "docker", "inspect", "-f", "{{.State.Pid}}", container_id).strip()
    listing = space.cluster.execute(node, "ctr", "-n", "k8s.io", "tasks", "ls")
    return next(line.split()[1] for line in listing.splitlines() if line.startswith(container_id))


@pytest.mark.both_runtimes
@pytest.mark.own_node
@pytest.mark.requirement("C1", "C3")
def test_a_killed_engine_takes_no_container_along_and_what_died_meanwhile_is_told_once(
    space: Workspace,
) -> None:
    node = space.node(0)
    before, mortal, once = space.start(
        pod("survivor", container("one"), container("two"), **on_node(node)),
        pod("mortal", **on_node(node)),
        pod("once", restartPolicy="Never", **on_node(node)),
    )
    dying = [
        first_process(space, node, status_of(one).container_id.partition("://")[2]) for one in (mortal, once)
    ]
    with space.api.history(POD, space.namespace) as history:
        # In one go: the engine cannot see them end.
        script = f"kill -9 $(cat /run/vaina/engine.pid); kill -9 {' '.join(dying)}"
        space.cluster.execute(node, "sh", "-c", script)
        ended = space.wait("once", phase("Failed"), "has failed", timeout=90)
        space.wait("mortal", lambda p: status_of(p).restart_count == 1 and ready(p), "runs again", timeout=90)
    # Nobody saw how it ended: it was not well.
    assert status_of(ended).state.terminated.exit_code != 0
    lives = [status_of(seen.object) for seen in history.of("mortal")]
    assert len({status.container_id for status in lives} - {""}) == 2
    assert [status.restart_count for status in lives] == sorted(status.restart_count for status in lives)
    after = space.pod("survivor")
    assert [(one.container_id, one.restart_count) for one in after.status.container_statuses] == [
        (one.container_id, 0) for one in before.status.container_statuses
    ]
    assert after.status.pod_ip == before.status.pod_ip
    assert space.shell("survivor", "echo still here", "two") == "still here"
    space.cluster.wait_healthy(node)
