"""Threat: a node's key is stolen. Whoever has it is that node, and no more."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.certificate_requests import make_csr, node_csr, serving_csr
from tests.support.identities import ADMIN, node_profile
from tests.support.secured import Caller, Plane
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import config_pb2, manifest_service_pb2, node_pb2, persistent_volume_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Forbidden, from_status
from vaina.kinds import KINDS
from vaina.objects.pods import MIRROR
from vaina.testing.builders import make_node, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

#: whose key is stolen; the Pods of both tenants are on node-1
THIEF = node_profile("node-2")
MERGE = "application/merge-patch+json"
Attack = Callable[[Clientset], Awaitable[Any]]


async def first_of(stream: Any) -> Any:
    async with aclosing(stream) as batches:
        return await anext(batches)


def mirror(change: Callable[[Any], None], uid: str = "guessed") -> pod_pb2.Pod:
    pod = make_pod("static", "ours", created=None)
    pod.metadata.ClearField("uid")
    pod.spec.node_name = "node-2"
    pod.metadata.annotations[MIRROR] = "hash"
    pod.metadata.owner_references.append(
        meta_pb2.OwnerReference(api_version="v1", kind="Node", name="node-2", uid=uid, controller=True)
    )
    change(pod)
    return pod


def secret_volume(pod: Any) -> None:
    pod.spec.volumes.add(name="v").volume_source.secret.secret_name = "own"


def account(pod: Any) -> None:
    pod.spec.service_account_name = "default"


def claim_volume(pod: Any) -> None:
    pod.spec.volumes.add(name="v").volume_source.persistent_volume_claim.claim_name = "data"


def elsewhere(pod: Any) -> None:
    pod.spec.node_name = "node-1"


def no_mirror(pod: Any) -> None:
    del pod.metadata.annotations[MIRROR]


def status_of(namespace: str, name: str, phase: str) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.namespace, pod.metadata.name, pod.status.phase = namespace, name, phase
    return pod


def lease(name: str, namespace: str = "kube-node-lease") -> lease_pb2.Lease:
    made = lease_pb2.Lease()
    made.metadata.name, made.metadata.namespace = name, namespace
    return made


def volume(name: str) -> persistent_volume_pb2.PersistentVolume:
    made = persistent_volume_pb2.PersistentVolume()
    made.metadata.name = name
    made.metadata.annotations["vaina.dev/local-path-node"] = "node-2"
    made.spec.capacity["storage"].string = "1Gi"
    made.spec.access_modes.append("ReadWriteOnce")
    made.spec.persistent_volume_source.host_path.path = "/"
    return made


def patch_node(name: str, **change: Any) -> Attack:
    return lambda node: node.nodes.patch(name, json.dumps(change), patch_type=MERGE)


def binding_of(node: Clientset) -> Awaitable[Any]:
    return node.pods.bind("db", namespace="theirs", uid="x", node="node-2")


def manifest(text: str) -> Attack:
    return lambda node: _applied(node, text)


async def _applied(node: Clientset, text: str) -> None:
    """Apply a document. Raises Forbidden."""
    answer = await node.manifests.apply(manifest_service_pb2.ApplyRequest(manifest=text))
    for result in answer.results:
        if result.error.code:
            raise from_status(result.error)


def exec_in(node: Clientset) -> Awaitable[Any]:
    return first_of(node.pods.logs("theirs", "db", pod_pb2.PodLogOptions()))


ATTACKS: dict[str, Attack] = {
    # what it does not name
    "read a Secret that no Pod of it names": lambda node: node.secrets.get("password", "theirs"),
    "list the Secrets of a namespace": lambda node: node.secrets.list("theirs"),
    "list all Secrets": lambda node: node.secrets.list(),
    "watch a Secret": lambda node: first_of(
        node.secrets.watch("theirs", field_selector="metadata.name=password", send_initial_events=True)
    ),
    "watch all Secrets": lambda node: first_of(node.secrets.watch("", send_initial_events=True)),
    "read a ConfigMap that no Pod of it names": lambda node: node.config_maps.get("settings", "theirs"),
    "write a ConfigMap": lambda node: node.config_maps.create(
        config_pb2.ConfigMap(metadata=meta_pb2.ObjectMeta(name="x", namespace="ours"))
    ),
    "list all claims": lambda node: node.persistent_volume_claims.list(),
    "list all volumes": lambda node: node.persistent_volumes.list(),
    "list volumes of another node": lambda node: node.persistent_volumes.list(
        label_selector="vaina.dev/local-path-node=node-1"
    ),
    # Pods of others
    "read a Pod of another node": lambda node: node.pods.get("db", "theirs"),
    "list all Pods": lambda node: node.pods.list(),
    "list Pods of another node": lambda node: node.pods.list(field_selector="spec.nodeName=node-1"),
    "watch Pods that have no node": lambda node: first_of(
        node.pods.watch("", field_selector="spec.nodeName=", send_initial_events=True)
    ),
    "report for a Pod of another node": lambda node: node.pods.update_status(
        status_of("theirs", "db", "Failed"), mask=("phase",)
    ),
    "delete a Pod of another node": lambda node: node.pods.delete("db", "theirs", grace_period_seconds=0),
    "evict a Pod of another node": lambda node: node.pods.evict("db", namespace="theirs"),
    "change a Pod": lambda node: node.pods.patch("db", "{}", namespace="theirs", patch_type=MERGE),
    "take a Pod to itself": binding_of,
    "enter a Pod": exec_in,
    "delete all Pods of a namespace": lambda node: node.pods.delete_collection("theirs"),
    "tell steps of a Pod of another node": lambda node: node.pod_traces.report(
        [
            trace_service_pb2.StepReport(
                namespace="theirs", pod_name="db", pod_uid="guessed", node_name="node-2"
            )
        ]
    ),
    # Pods of its own making
    "make a Pod that is no mirror": lambda node: node.pods.create(mirror(no_mirror)),
    "make a Pod on another node": lambda node: node.pods.create(mirror(elsewhere)),
    "name a Secret in a mirror Pod": lambda node: node.pods.create(mirror(secret_volume)),
    "name a service account in a mirror Pod": lambda node: node.pods.create(mirror(account)),
    "name a claim in a mirror Pod": lambda node: node.pods.create(mirror(claim_volume)),
    "make a mirror Pod of an earlier Node": lambda node: node.pods.create(mirror(lambda _: None)),
    "make a Pod by a manifest": manifest(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: ours}\nspec: {containers: [{name: a, image: b}]}\n"
    ),
    "make a Deployment by a manifest": manifest(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x, namespace: ours}\n"
        "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}\n"
    ),
    # itself and other nodes
    "taint itself": patch_node("node-2", spec={"taints": [{"key": "a", "effect": "NoSchedule"}]}),
    "take a role": patch_node("node-2", metadata={"labels": {"node-role.kubernetes.io/control-plane": ""}}),
    "leave its restriction": patch_node(
        "node-2", metadata={"labels": {"node-restriction.kubernetes.io/tenant": "theirs"}}
    ),
    "give itself an owner": patch_node(
        "node-2",
        metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "x"}]},
    ),
    "change another Node": patch_node("node-1", metadata={"labels": {"rack": "1"}}),
    "report for another Node": lambda node: node.nodes.update_status(
        node_pb2.Node(metadata=meta_pb2.ObjectMeta(name="node-1")), mask=("phase",)
    ),
    "make another Node": lambda node: node.nodes.create(make_node("node-9")),
    "delete another Node": lambda node: node.nodes.delete("node-1"),
    "delete itself": lambda node: node.nodes.delete("node-2"),
    "hold another node's Lease": lambda node: node.leases.create(lease("node-9")),
    "lead the scheduler": lambda node: node.leases.create(lease("kube-scheduler-9", "kube-system")),
    "read the Leases of leaders": lambda node: node.leases.list("kube-system"),
    # volumes
    "make a volume": lambda node: node.persistent_volumes.create(volume("mine")),
    "delete a volume of another node": lambda node: node.persistent_volumes.delete("volume-1"),
    "change a volume of another node": lambda node: node.persistent_volumes.update(volume("volume-1")),
    # certificates
    "ask for another node's certificate": lambda node: node.certificate_signing_requests.create(
        node_csr("stolen-1", "node-1")
    ),
    "ask for another node's serving certificate": lambda node: node.certificate_signing_requests.create(
        serving_csr("stolen-2", "node-1", "127.0.0.1")
    ),
    "ask for an administrator's certificate": lambda node: node.certificate_signing_requests.create(
        make_csr("stolen-3", "kubernetes.io/kube-apiserver-client", "kubernetes-admin", ("system:masters",))
    ),
    "approve a request": lambda node: node.certificate_signing_requests.update_approval(
        node_csr("pending", "node-1")
    ),
    "sign a request": lambda node: node.certificate_signing_requests.update_status(
        node_csr("pending", "node-1")
    ),
    "deny a request": lambda node: node.certificate_signing_requests.patch(
        "pending", "{}", subresource="approval", patch_type=MERGE
    ),
}


@pytest.fixture(scope="module", autouse=True)
def arranged(plane: Plane) -> None:
    """What the attacks are about, besides the objects of all tests."""

    async def arrange() -> None:
        async with plane.client(ADMIN) as admin:
            await admin.persistent_volumes.create(_of_node_1())
            await admin.certificate_signing_requests.create(node_csr("pending", "node-1"))

    asyncio.run(arrange())


def _of_node_1() -> persistent_volume_pb2.PersistentVolume:
    made = volume("volume-1")
    made.metadata.annotations["vaina.dev/local-path-node"] = "node-1"
    made.metadata.annotations["pv.kubernetes.io/provisioned-by"] = "vaina.dev/local-path"
    return made


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_a_stolen_node_key_does_not_let_anybody(attack: Attack, plane: Plane, calling: Caller) -> None:
    async with plane.unharmed(THIEF):
        with pytest.raises(Forbidden):
            await attack(calling(THIEF))


#: what a node may list without a word of its own: Nodes (routes), RuntimeClasses, requests
MAY_LIST = {"nodes", "runtimeclasses", "certificatesigningrequests"}


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.plural not in MAY_LIST], ids=lambda kind: kind.kind
)
async def test_a_stolen_node_key_lists_nothing_of_a_kind(kind: Any, plane: Plane, calling: Caller) -> None:
    async with plane.unharmed(THIEF):
        with pytest.raises(Forbidden):
            await calling(THIEF).kind(kind).list()
        with pytest.raises(Forbidden):
            await calling(THIEF).kind(kind).delete_collection("theirs")


async def test_the_node_itself_goes_on(calling: Caller) -> None:
    """What is refused above is not refused because nothing works."""
    node = calling(node_profile("node-1"))
    assert {
        pod.metadata.name for pod in (await node.pods.list(field_selector="spec.nodeName=node-1")).items
    } >= {"db", "web"}
    assert len((await node.nodes.list()).items) >= 2
    await node.pods.update_status(status_of("ours", "web", "Running"), mask=("phase",))
