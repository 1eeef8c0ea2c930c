"""Images behind a password, images of nodes, and what nodes and Pods use."""

import json

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, status_of
from vaina.kinds import NODE

#: deploy/images/registry/htpasswd
LOGIN = {"username": "reader", "password": "words-for-tests"}
REGISTRY = "private-registry:5000"
IMAGE = f"{REGISTRY}/library/busybox:1.37"


def pull_secret(name: str, **login: str) -> dict[str, object]:
    auths = json.dumps({"auths": {f"http://{REGISTRY}/v2/": login}})
    return {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": auths},
    }  # fmt: skip


@pytest.mark.both_runtimes
@pytest.mark.beside_others
@pytest.mark.requirement("B17")
def test_a_registry_that_asks_for_a_password_gets_it_from_the_pods_secrets(space: Workspace) -> None:
    space.cluster.compose("up", "-d", "--no-build", "--wait", "private-registry")
    private = container(image=IMAGE, imagePullPolicy="Always")
    space.apply(
        pull_secret("right", **LOGIN),
        pull_secret("wrong", **{**LOGIN, "password": "guessed"}),
        pod("stranger", private),
        # What does not work, or is not there, does not stand in the way of what does.
        pod(
            "member",
            private,
            imagePullSecrets=[{"name": "wrong"}, {"name": "none"}, {"name": "right"}],
        ),
    )
    space.ready("member")
    assert status_of(space.pod("member")).image_id
    assert "Image size: " in space.event("member", "Pulled").message
    assert "(none)" in space.event("member", "FailedToRetrieveImagePullSecret").message
    refused = space.wait(
        "stranger", lambda one: status_of(one).state.waiting.reason == "ImagePullBackOff", "is refused"
    )
    assert f'Back-off pulling image "{IMAGE}": ErrImagePull: ' in status_of(refused).state.waiting.message
    name = space.pod("member").spec.node_name
    # The image is there now, and still not for who could not pull it; for who could it is, without a pull.
    there = {**private, "imagePullPolicy": "IfNotPresent"}
    space.apply(
        pull_secret("same", **LOGIN),
        pod("intruder", there, nodeName=name),
        pod("heir", there, nodeName=name, imagePullSecrets=[{"name": "same"}]),
    )
    space.ready("heir")
    words = f'Container image "{IMAGE}" already present on machine and can be accessed by the pod'
    assert space.event("heir", "Pulled").message == words
    space.wait(
        "intruder", lambda one: status_of(one).state.waiting.reason == "ImagePullBackOff", "is refused too"
    )
    space.api.wait(
        NODE,
        name,
        lambda one: any(IMAGE in image.names for image in one.status.images),
        f"shows {IMAGE}",
        timeout=60,
    )


@pytest.mark.beside_others
@pytest.mark.requirement("C2")
def test_what_nodes_and_pods_use_is_seen(space: Workspace) -> None:
    [busy] = space.start(
        pod("busy", container(script="while :; do :; done", resources={"limits": {"cpu": "200m"}}))
    )

    def use() -> list[str]:
        """Return the Pod's row, once it was looked at twice."""
        found = space.api.call(space.api.clients.metrics.pods(space.namespace))
        return space.cli("top", "pods", "--no-headers").split() if found else []

    name, cpu, memory = wait_until(use, 40, "the Pod was measured")
    assert (name, cpu[-1], memory[-2:]) == ("busy", "m", "Mi")
    assert int(cpu[:-1]) > 0
    # A node that does not answer at once is left out.
    listed = wait_until(
        lambda: found if busy.spec.node_name in (found := space.cluster.cli("top", "nodes")) else "",
        60,
        "the Pod's node was measured",
        every=1.0,
    )
    assert listed.split()[:5] == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
