"""Deployments on a real cluster: rolled while they serve, undone, made from the command line and applied
again and again.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.manifests import container, on_node, pod, replica_set, web_server
from tests.support.workspace import Workspace, ready
from vaina.kinds import DEPLOYMENT, REPLICA_SET

REPLICAS = 12


def deployment(name: str, replicas: int, answer: str) -> dict[str, Any]:
    """Make a Deployment of web servers that serve on for a while after they were asked to end."""
    server = web_server(answer=answer)
    server["readinessProbe"] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    server["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "8"]}}}
    made = replica_set(name, replicas, server, terminationGracePeriodSeconds=15)
    strategy = {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 0}}
    return {**made, "kind": "Deployment", "spec": {**made["spec"], "strategy": strategy}}


def serving(space: Workspace, app: str) -> list[str]:
    """Return the addresses of the Pods that are ready and stay."""
    pods = space.pods(f"app={app}")
    return [p.status.pod_ip for p in pods if ready(p) and not p.metadata.HasField("deletion_timestamp")]


@contextmanager
def requests(space: Workspace, app: str) -> Iterator[list[str]]:
    """Ask all ready Pods of an app from the jump Pod, round after round; yields the answers."""
    answers: list[str] = []
    ending = threading.Event()

    def ask() -> None:
        while not ending.is_set():
            places = " ".join(serving(space, app))
            script = f"for a in {places}; do wget -q -T 5 -O - http://$a:8080/ || echo failed $a; done"
            answers.extend(space.shell("jump", script).splitlines())

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        ending.set()
        thread.join()


@pytest.mark.beside_others
@pytest.mark.requirement("D2")
def test_a_rolling_update_loses_no_request_and_is_undone(space: Workspace) -> None:
    space.start(pod("jump", container(), **on_node(space.node(0))))
    space.apply(deployment("web", REPLICAS, "first"))
    space.cli("rollout", "status", "deployment/web", "--timeout=240s", timeout=250)
    with requests(space, "web") as answers:
        space.apply(deployment("web", REPLICAS, "second"))
        told = space.cli("rollout", "status", "deployment/web", "--timeout=240s", timeout=250)
    assert told.endswith('deployment "web" successfully rolled out\n')
    assert not [line for line in answers if line.startswith("failed")]
    assert {"first", "second"} <= set(answers)
    history = space.cli("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]

    assert space.cli("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    space.cli("rollout", "status", "deployment/web", "--timeout=240s", timeout=250)
    assert space.shell("jump", f"wget -q -O - http://{serving(space, 'web')[0]}:8080/") == "first"
    sets = space.cli("get", "rs", "--no-headers").splitlines()
    assert sorted(line.split()[1] for line in sets) == ["0", str(REPLICAS)]


@pytest.mark.beside_others
@pytest.mark.requirement("D5")
def test_deployments_are_made_imperatively_and_declaratively(space: Workspace) -> None:
    made = space.cli(
        "create", "deployment", "shop", "--image", "busybox:1.37", "--replicas", "2", "--", "sleep", "3600"
    )
    assert made == "deployment.apps/shop created\n"
    space.cli("rollout", "status", "deployment/shop", "--timeout=240s", timeout=250)
    assert space.cli("scale", "deployment/shop", "--replicas=3") == "deployment.apps/shop scaled\n"
    space.cli("rollout", "status", "deployment/shop", "--timeout=240s", timeout=250)
    tree = space.cli("tree", "deployment/shop").splitlines()
    assert [line.split()[0].lstrip("└├─│ ").partition("/")[0] for line in tree[1:]] == [
        "deployment.apps",
        "replicaset.apps",
        *["pod"] * 3,
    ]

    manifest = json.dumps(deployment("page", 1, "one"))
    assert space.cli("apply", "-f", "-", "--wait", "--timeout=240s", stdin=manifest, timeout=250).endswith(
        'deployment "page" successfully rolled out\n'
    )
    before = space.api.find(
        REPLICA_SET, space.pods("app=page")[0].metadata.owner_references[0].name, space.namespace
    )
    assert before is not None
    for _ in range(3):
        assert space.cli("apply", "-f", "-", stdin=manifest) == "deployment.apps/page unchanged\n"
    wrong = json.dumps(deployment("page", 1, "two")).replace("busybox:1.37", "nowhere.invalid/none:1")
    answer = space.cli("get", "deployment", "page")
    assert answer.splitlines()[1].split()[:4] == ["page", "1/1", "1", "1"]
    space.cli("apply", "-f", "-", stdin=wrong)
    found = space.api.wait(
        DEPLOYMENT, "page", lambda it: it.status.updated_replicas == 1 and it.status.replicas == 2, "has begun",
        namespace=space.namespace,
    )  # fmt: skip
    assert found.status.available_replicas == 1
    assert space.cli("rollout", "undo", "deployment/page") == "deployment.apps/page rolled back\n"
    space.cli("rollout", "status", "deployment/page", "--timeout=240s", timeout=250)
    after = space.api.find(REPLICA_SET, before.metadata.name, space.namespace)
    assert after is not None
    assert (after.metadata.uid, after.spec.replicas) == (before.metadata.uid, 1)
