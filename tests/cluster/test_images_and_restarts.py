"""On real engines: volumes that show images, and containers that restart together."""

from typing import Any

import pytest

from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, status_of

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]


def showing(*mounts: dict[str, Any]) -> dict[str, Any]:
    volumes = [{"name": "box", "image": {"reference": "busybox:1.37"}}]
    return pod(
        "shows", container(volumeMounts=[{"name": "box", **mount} for mount in mounts]), volumes=volumes
    )


@pytest.mark.requirement("B5")
def test_a_container_reads_what_another_image_has(space: Workspace) -> None:
    manifest = showing({"mountPath": "/image"}, {"mountPath": "/part", "subPath": "bin"})
    if space.runtime != "docker":
        # containerd 1.7 cannot mount images.
        space.apply(manifest)
        space.wait(
            "shows",
            lambda found: status_of(found).state.waiting.reason == "CreateContainerError",
            "is refused by its runtime",
        )
        return
    space.start(manifest)

    assert space.shell("shows", "/image/bin/busybox echo seen; ls /part/busybox").split() == [
        "seen",
        "/part/busybox",
    ]
    assert space.shell("shows", "touch /image/x 2>/dev/null || echo refused") == "refused"
    assert space.shell("shows", "ls -a /image | grep -c dockerenv || true") == "0"


@pytest.mark.requirement("B8")
def test_all_containers_restart_together_and_keep_what_is_the_pods(space: Workspace) -> None:
    asks = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
    mounts = [{"name": "kept", "mountPath": "/kept"}]
    manifest = pod(
        "together",
        container(
            script="[ $(wc -l </kept/starts) -gt 1 ] || exit 42; sleep infinity", volumeMounts=mounts,
            restartPolicy="Never", restartPolicyRules=[asks],
        ),
        container("peer"),
        initContainers=[container("setup", "echo start >>/kept/starts", volumeMounts=mounts)],
        volumes=[{"name": "kept", "emptyDir": {}}],
        restartPolicy="Never",
    )  # fmt: skip
    space.apply(manifest)

    after = space.wait(
        "together",
        lambda found: all(
            item.restart_count == 1 and item.state.HasField("running")
            for item in found.status.container_statuses
        ) and len(found.status.container_statuses) == 2,
        "has restarted",
    )  # fmt: skip

    assert after.status.init_container_statuses[0].restart_count == 1
    assert status_of(after, "peer").last_state.terminated.reason == "RestartingAllContainers"
    assert space.shell("together", "cat /kept/starts", container="main") == "start\nstart"
