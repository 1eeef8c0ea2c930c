"""What a Pod says when its container cannot be run: the words of Kubernetes, whatever runs the containers."""

import subprocess
from typing import Any

import pytest

from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, status_of
from vaina.api.core.v1 import pod_pb2

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]

ABSENT = "registry:5000/library/busybox:no-such-tag"
#: an image whose user is in no passwd file; made on a docker node
GHOST = "docker.io/vaina/ghost:1"

#: by name of the container: its fields, and where the status says what is wrong (in the runtime's own way
#: where there are two): reason, code, a part of the message
CASES: dict[str, tuple[dict[str, Any], dict[str, tuple[str, int, str]]]] = {
    "bad-name": (
        {"image": "Bad//Name"},
        {"": ("InvalidImageName", 0, "couldn't parse image name \"Bad//Name\": invalid reference format")},
    ),
    "no-image": ({"image": ABSENT}, {"": ("ImagePullBackOff", 0, f'Back-off pulling image "{ABSENT}": ErrImagePull: ')}),
    "no-registry": (
        {"image": "no-such-host.invalid/busybox:1"},
        {"": ("ImagePullBackOff", 0, "lookup no-such-host.invalid")},
    ),
    "never": (
        {"image": ABSENT, "imagePullPolicy": "Never"},
        {"": ("ErrImageNeverPull", 0, f'Container image "{ABSENT}" is not present with pull policy of Never')},
    ),
    "no-command": (
        {"command": ["no-such-program"]},
        {"": ("StartError", 128, 'exec: "no-such-program": executable file not found in $PATH')},
    ),
    "no-program": ({"command": ["/etc/passwd"]}, {"": ("StartError", 128, 'exec: "/etc/passwd": permission denied')}),
    # Docker looks at it when the container is made, containerd when it is started: as on nodes of either sort
    # elsewhere.
    "directory": (
        {"workingDir": "relative/path"},
        {
            "docker": ("CreateContainerError", 0, "needs to be an absolute path"),
            "containerd": ("StartError", 128, "Cwd must be an absolute path"),
        },
    ),
    "user": (
        {"image": GHOST, "imagePullPolicy": "Never"},
        {
            "docker": ("StartError", 128, "unable to find user ghost: no matching entries in passwd file"),
            "containerd": ("CreateContainerError", 0, "no users found"),
        },
    ),
    "nobody-knows": (
        {"image": GHOST, "imagePullPolicy": "Never", "securityContext": {"runAsNonRoot": True}},
        {
            "": (
                "CreateContainerConfigError",
                0,
                "container has runAsNonRoot and image has non-numeric user (ghost), cannot verify user is non-root",
            )
        },
    ),
    "hungry": (
        {"command": ["sh", "-c", "x=a; while :; do x=$x$x; done"], "resources": {"limits": {"memory": "24Mi"}}},
        {"": ("OOMKilled", 137, "")},
    ),
}  # fmt: skip


def bring_ghost(space: Workspace) -> None:
    """Have the image without a user on the workspace's first node."""
    maker, node = space.cluster.nodes[0], space.node(0)
    script = (
        "docker image inspect $0 >/dev/null 2>&1 && exit; "
        "id=$(docker create busybox:1.37) && docker commit --change 'USER ghost' $id $0 && docker rm $id"
    )
    space.cluster.execute(maker, "sh", "-c", script, GHOST)
    if space.runtime == "containerd":
        image = subprocess.run(
            ["docker", "exec", maker, "docker", "save", GHOST], capture_output=True, check=True
        ).stdout
        load = ["docker", "exec", "-i", node, "ctr", "-n", "k8s.io", "images", "import", "-"]
        subprocess.run(load, input=image, capture_output=True, check=True)


def told(found: pod_pb2.Pod, name: str) -> tuple[str, int, str]:
    """Return what the status says of a container: reason, code, message."""
    state = status_of(found, name).state
    ended = state.terminated
    return state.waiting.reason or ended.reason, ended.exit_code, state.waiting.message or ended.message


@pytest.mark.requirement("B17", "B4")
def test_what_cannot_be_run_says_why(space: Workspace) -> None:
    bring_ghost(space)
    containers = [container(name, **fields) for name, (fields, _) in CASES.items()]
    space.apply(pod("doomed", *containers, restartPolicy="Never", nodeName=space.node(0)))
    for name, (_, expected) in CASES.items():
        reason, code, words = expected.get(space.runtime) or expected[""]

        def says(found: pod_pb2.Pod, name: str = name, reason: str = reason) -> bool:
            return told(found, name)[0] == reason

        found = told(space.wait("doomed", says, f"says {reason} of {name}", timeout=60), name)
        assert found[1] == code
        assert words in found[2]
    # It is said in events as well.
    pulled = space.event("doomed", "Failed", f'Failed to pull image "{ABSENT}"').message
    assert pulled.count("ailed to pull image") == 1
    assert space.event("doomed", "InspectFailed", "Failed to apply default image tag")
    assert space.event("doomed", "Failed", "Error: failed to create").message.count("no-such-program") == 1
