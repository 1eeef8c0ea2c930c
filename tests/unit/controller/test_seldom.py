"""What controllers do seldom over a whole control plane: each story needs a rule of a role that no other needs.

`tests/simulation/test_rights.py` runs these with controllers that may do what their own roles allow.
"""

import json
import random
from pathlib import Path

import pytest

from controller.config import ControllerConfig
from controller.trace_collector import KEEP_SECONDS, PERIOD_SECONDS
from tests.support.apiserver import make_apiserver
from tests.support.certificate_requests import make_csr
from tests.support.controlplane import control_plane, controllers
from tests.support.faults import FaultyTransport, StalledTransport
from tests.support.secured import apply
from vaina.client.clientset import Clientset
from vaina.pki.authority import certificate_pem, key_pem, make_authority
from vaina.pki.folder import write_folder
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH

_TEMPLATE = """
  template:
    metadata: {labels: {app: a}}
    spec: {restartPolicy: RESTART, containers: [{name: app, image: IMAGE}]}
"""
_SELECTOR = "selector: {matchLabels: {app: a}}"
#: kind -> what it is like with one Pod
OWNERS = {
    "ReplicationController": f"apiVersion: v1\nkind: ReplicationController\nmetadata: {{name: web}}\nspec:\n  selector: {{app: a}}{_TEMPLATE}",
    "DaemonSet": f"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: web}}\nspec:\n  revisionHistoryLimit: LIMIT\n  {_SELECTOR}{_TEMPLATE}",
    "StatefulSet": f"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: web}}\nspec:\n  revisionHistoryLimit: LIMIT\n  serviceName: web\n  {_SELECTOR}{_TEMPLATE}",
    "ReplicaSet": f"apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: web}}\nspec:\n  {_SELECTOR}{_TEMPLATE}",
    "Job": f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: web}}\nspec:\n  manualSelector: true\n  {_SELECTOR}{_TEMPLATE}",
}


def owner(kind: str, *, image: str = "a", limit: int = 10) -> str:
    restart = "Never" if kind == "Job" else "Always"
    return OWNERS[kind].replace("RESTART", restart).replace("IMAGE", image).replace("LIMIT", str(limit))


@pytest.mark.parametrize("kind", sorted(OWNERS))
async def test_a_pod_that_matches_is_adopted_and_let_go_when_it_no_longer_does(kind: str) -> None:
    async with control_plane() as plane:
        await plane.add_node("n1")
        pods = plane.client.pods
        # A StatefulSet takes those of its names alone.
        await pods.create(make_pod("web-0", labels={"app": "a"}, node="n1"))
        await apply(plane.client, owner(kind), "default")

        async def is_owned() -> bool:
            return bool((await pods.get("web-0", "default")).metadata.owner_references)

        await plane.until(is_owned)
        await pods.patch(
            "web-0", json.dumps({"metadata": {"labels": {"app": "b"}}}).encode(), namespace="default"
        )

        async def is_free() -> bool:
            return not await is_owned()

        await plane.until(is_free)


@pytest.mark.parametrize("kind", ["DaemonSet", "Job", "ReplicaSet", "ReplicationController"])
async def test_a_pod_whose_creation_was_not_answered_is_found_by_its_name(kind: str) -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    losing = FaultyTransport(server.client.transport, random.Random(1), verbs=("CreateBatch",))
    stalled = StalledTransport(losing, "PodService")
    stalled.go.set()
    async with controllers(server, client=Clientset(stalled)) as plane:
        await plane.add_node("n1")
        # Their cache does not show it either.
        stalled.go.clear()
        losing.lose_answer = 1.0
        await apply(plane.client, owner(kind), "default")

        async def was_lost() -> bool:
            return losing.lost > 0

        await plane.until(was_lost)
        [made] = await plane.pods()
        losing.lose_answer = 0.0

        async def is_told() -> bool:
            told = [event.message for event in await plane.events() if event.reason == "SuccessfulCreate"]
            return told == [f"Created pod: {made.metadata.name}"]

        await plane.until(is_told)
        stalled.go.set()
        await plane.clock.advance(5)
        assert [one.metadata.uid for one in await plane.pods()] == [made.metadata.uid]


async def test_a_replication_controller_takes_pods_away() -> None:
    async with control_plane() as plane:
        await apply(plane.client, owner("ReplicationController"), "default")
        await plane.until(plane.pods)
        await apply(
            plane.client,
            owner("ReplicationController").replace("spec:\n  sel", "spec:\n  replicas: 0\n  sel"),
            "default",
        )

        async def is_gone() -> bool:
            return not await plane.pods()

        await plane.until(is_gone)


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
async def test_a_template_of_before_gets_a_new_number_and_those_beyond_the_limit_go(kind: str) -> None:
    async with control_plane() as plane:
        revisions = plane.client.controller_revisions

        async def until(numbers: list[int]) -> None:
            async def holds() -> bool:
                return sorted(one.revision for one in (await revisions.list("default")).items) == numbers

            await plane.until(holds)

        for image, limit, numbers in (("a", 10, [1]), ("b", 10, [1, 2]), ("a", 10, [2, 3]), ("a", 0, [3])):
            await apply(
                plane.client,
                owner(kind, image=image, limit=limit).replace(
                    "spec:\n  rev", "spec:\n  replicas: 0\n  rev" if kind == "StatefulSet" else "spec:\n  rev"
                ),
                "default",
            )
            await until(numbers)


async def test_an_autoscaler_asks_what_pods_use() -> None:
    async with control_plane() as plane:
        await plane.add_node("n1")
        await apply(
            plane.client,
            owner("ReplicationController") + "---\n"
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
            "spec: {scaleTargetRef: {apiVersion: v1, kind: ReplicationController, name: web}, maxReplicas: 3}",
            "default",
        )

        async def was_asked() -> bool:
            found = await plane.client.horizontal_pod_autoscalers.get("web", "default")
            return any(
                one.type == "ScalingActive" and one.status == "False" for one in found.status.conditions
            )

        await plane.until(plane.pods)
        await plane.start_all("n1")
        await plane.until(was_asked, seconds=120)


async def test_a_users_certificate_is_signed_when_somebody_approves(tmp_path: Path) -> None:
    authority = make_authority("vaina", EPOCH)
    pem = certificate_pem(authority.certificate)
    write_folder(tmp_path, pem, key_pem(authority.key), pem)
    async with control_plane(ControllerConfig(cluster_signing_cert_dir=str(tmp_path))) as plane:
        client = plane.client.certificate_signing_requests
        made = await client.create(make_csr("mine", "kubernetes.io/kube-apiserver-client", "jane"))
        made.status.conditions.add(type="Approved", status="True", reason="ByHand")
        await client.update_approval(made)

        async def is_signed() -> bool:
            return bool((await client.get("mine")).status.certificate)

        await plane.until(is_signed)


async def test_a_trace_goes_some_time_after_its_pod() -> None:
    async with control_plane(ControllerConfig(controllers=("trace-collector",))) as plane:
        pod = await plane.client.pods.create(make_pod("web"))
        await plane.server.write_traces()
        traces = plane.client.pod_traces
        assert (await traces.list("default")).items
        await plane.client.pods.delete("web", "default", uid=pod.metadata.uid, grace_period_seconds=0)
        await plane.clock.advance(KEEP_SECONDS + PERIOD_SECONDS)

        async def is_gone() -> bool:
            return not (await traces.list("default")).items

        await plane.until(is_gone, seconds=2 * PERIOD_SECONDS)
