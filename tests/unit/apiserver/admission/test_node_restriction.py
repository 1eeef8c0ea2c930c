"""What a kubelet may not write, however it asks, in upstream's words; and what it writes as it always did."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from apiserver.admission.node_restriction import NodeRestriction, forbidden_labels
from apiserver.context import Context
from apiserver.storage.memory import MemoryStorage
from tests.support.apiserver import Harness, make_apiserver
from tests.support.certificate_requests import NODE_SERVING, SERVING_USAGES, make_csr, node_csr
from tests.support.direct import Direct
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import node_pb2, persistent_volume_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.storage.v1 import csi_node_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import ApiError, Forbidden, NotFound
from vaina.kinds import POD
from vaina.objects.local_path import FINALIZER, MADE_ANNOTATION, NODE_ANNOTATION, PROVISIONED_BY, PROVISIONER
from vaina.objects.pods import MIRROR
from vaina.serving.handlers import User
from vaina.testing.builders import make_node, make_pod

#: a write by a node, and the end of the refusal
Write = Callable[[Harness, Clientset], Awaitable[Any]]
MERGE = "application/merge-patch+json"


def as_node(api: Harness, name: str = "a") -> Clientset:
    return Clientset(
        InProcessTransport(api.app.handlers, user=User(f"system:node:{name}", ("system:nodes",)))
    )


async def cluster() -> Harness:
    """Two nodes with a Pod and a local volume each."""
    api = make_apiserver()
    await api.app.bootstrap()
    for name in "ab":
        await api.pod(f"pod-{name}", node=name)
        await api.client.persistent_volumes.create(_volume(f"volume-{name}", name))
    return api


def _volume(name: str, node: str) -> persistent_volume_pb2.PersistentVolume:
    volume = persistent_volume_pb2.PersistentVolume()
    volume.metadata.name = name
    volume.metadata.annotations.update({PROVISIONED_BY: PROVISIONER, NODE_ANNOTATION: node})
    volume.metadata.finalizers.append(FINALIZER)
    volume.spec.capacity["storage"].string = "1Gi"
    volume.spec.access_modes.append("ReadWriteOnce")
    volume.spec.persistent_volume_source.local.path = "/data"
    term = volume.spec.node_affinity.required.node_selector_terms.add()
    term.match_expressions.add(key="kubernetes.io/hostname", operator="In", values=[node])
    return volume


async def mirror(api: Harness, change: Callable[[Any], None] = lambda _: None) -> pod_pb2.Pod:
    """A mirror Pod as a's kubelet makes it."""
    node = await api.client.nodes.get("a")
    pod = make_pod("static", created=None)
    pod.metadata.ClearField("uid")
    pod.spec.node_name = "a"
    pod.metadata.annotations[MIRROR] = "hash"
    pod.metadata.owner_references.append(
        meta_pb2.OwnerReference(
            api_version="v1", kind="Node", name="a", uid=node.metadata.uid, controller=True
        )
    )
    change(pod)
    return pod


def _create(change: Callable[[Any], None]) -> Write:
    async def write(api: Harness, clients: Clientset) -> Any:
        return await clients.pods.create(await mirror(api, change))

    return write


def _patch_node(patch: str, name: str = "a", subresource: str = "") -> Write:
    return lambda _, clients: clients.nodes.patch(name, patch, patch_type=MERGE, subresource=subresource)


def _update_node(change: Callable[[Any], None], *, status: bool = False, name: str = "a") -> Write:
    async def write(api: Harness, clients: Clientset) -> Any:
        node = await api.client.nodes.get(name)
        change(node)
        return await (clients.nodes.update_status(node) if status else clients.nodes.update(node))

    return write


def _taint(node: Any) -> None:
    node.spec.taints.add(key="dedicated", effect="NoSchedule")


def _label(key: str, value: str = "x") -> Callable[[Any], None]:
    def change(obj: Any) -> None:
        obj.metadata.labels[key] = value

    return change


def _own(node: Any) -> None:
    node.metadata.owner_references.add(api_version="v1", kind="ConfigMap", name="x", uid="y")


def _status_of(pod: str, change: Callable[[Any], None], mask: Sequence[str] = ()) -> Write:
    async def write(api: Harness, clients: Clientset) -> Any:
        found = await api.client.pods.get(pod, "default")
        change(found)
        return await clients.pods.update_status(found, mask=mask)

    return write


async def _batch_of_both(api: Harness, clients: Clientset) -> Any:
    found = [await api.client.pods.get(f"pod-{name}", "default") for name in "ab"]
    for pod in found:
        pod.status.message = "hi"
    mine, others = await clients.pods.update_status_batch([(pod, ("message",)) for pod in found])
    assert not isinstance(mine, ApiError)
    if isinstance(others, ApiError):
        raise others


def _message(pod: Any) -> None:
    pod.status.message = "hi"


def _lease(name: str, namespace: str = "kube-node-lease") -> Write:
    lease = lease_pb2.Lease(metadata=meta_pb2.ObjectMeta(name=name, namespace=namespace))
    return lambda _, clients: clients.leases.create(lease)


def _update_volume(change: Callable[[Any], None]) -> Write:
    async def write(api: Harness, clients: Clientset) -> Any:
        volume = await api.client.persistent_volumes.get("volume-a")
        change(volume)
        return await clients.persistent_volumes.update(volume)

    return write


def _retain(volume: Any) -> None:
    volume.spec.persistent_volume_reclaim_policy = "Delete"


def _made(volume: Any) -> None:
    volume.metadata.annotations[MADE_ANNOTATION] = "true"
    volume.metadata.finalizers.remove(FINALIZER)


def _drop_mirror(pod: Any) -> None:
    del pod.metadata.annotations[MIRROR]


def _set_owner(**fields: Any) -> Callable[[Any], None]:
    def change(pod: Any) -> None:
        for name, value in fields.items():
            setattr(pod.metadata.owner_references[0], name, value)

    return change


def _named(kind: str) -> Callable[[Any], None]:
    def change(pod: Any) -> None:
        source = pod.spec.volumes.add(name="v").volume_source
        if kind == "secret":
            source.secret.secret_name = "s"
        elif kind == "claim":
            source.persistent_volume_claim.claim_name = "c"
        elif kind == "token":
            source.projected.sources.add().service_account_token.path = "token"

    return change


async def _csi_node(_: Harness, clients: Clientset) -> Any:
    return await clients.csi_nodes.create(csi_node_pb2.CSINode(metadata=meta_pb2.ObjectMeta(name="b")))


async def _resize(api: Harness, clients: Clientset) -> Any:
    return await clients.pods.patch(
        "pod-a", "{}", namespace="default", patch_type=MERGE, subresource="resize"
    )


MAY_NOT: list[tuple[str, Write, str]] = [
    ("make a Pod that is no mirror", _create(_drop_mirror),
     'pod does not have "kubernetes.io/config.mirror" annotation, node "a" can only create mirror pods'),
    ("make a mirror Pod of another node", _create(lambda pod: setattr(pod.spec, "node_name", "b")),
     'node "a" can only create pods with spec.nodeName set to itself'),
    ("make a Pod that nobody owns", _create(lambda pod: pod.metadata.ClearField("owner_references")),
     'node "a" can only create pods with an owner reference set to itself'),
    ("make a Pod that others own too", _create(_own), 'node "a" can only create pods with a single owner reference set to itself'),
    ("make a Pod that another node owns", _create(_set_owner(name="b")), 'node "a" can only create pods with an owner reference set to itself'),
    ("make a Pod that it does not control", _create(_set_owner(controller=False)),
     'node "a" can only create pods with a controller owner reference set to itself'),
    ("keep its Node from going", _create(_set_owner(block_owner_deletion=True)),
     'node "a" must not set blockOwnerDeletion on an owner reference'),
    ("name an earlier Node as owner", _create(_set_owner(uid="old")), "node a UID mismatch: expected old got uid-"),
    ("give a mirror Pod a service account", _create(lambda pod: setattr(pod.spec, "service_account_name", "admin")),
     'node "a" can not create pods that reference serviceaccounts'),
    ("give a mirror Pod a Secret", _create(_named("secret")), 'node "a" can not create pods that reference secrets'),
    ("give a mirror Pod a claim", _create(_named("claim")), 'node "a" can not create pods that reference persistentvolumeclaims'),
    ("give a mirror Pod a token", _create(_named("token")),
     'node "a" can not create pods that reference serviceaccounts (via projected volumes)'),
    ("delete a Pod of another node", lambda _, clients: clients.pods.delete("pod-b", "default"),
     'node "a" can only delete pods with spec.nodeName set to itself'),
    ("change a Pod", lambda _, clients: clients.pods.patch("pod-a", '{"metadata": {"labels": {"a": "b"}}}', namespace="default", patch_type=MERGE),
     'unexpected operation "UPDATE", node "a" can only create and delete mirror pods'),
    ("resize a Pod", _resize, "unexpected pod subresource \"resize\", only 'status' and 'eviction' are allowed"),
    ("report for a Pod of another node", _status_of("pod-b", _message),
     'node "a" can only update pod status for pods with spec.nodeName set to itself'),
    ("report a part for a Pod of another node", _status_of("pod-b", _message, ("message",)),
     'node "a" can only update pod status for pods with spec.nodeName set to itself'),
    ("report for a Pod of another node among its own", _batch_of_both,
     'node "a" can only update pod status for pods with spec.nodeName set to itself'),
    ("label a Pod with its status", _status_of("pod-a", _label("app", "db")), 'node "a" cannot update labels through pod status'),
    ("evict a Pod of another node", lambda _, clients: clients.pods.evict("pod-b", namespace="default"),
     "node a can only evict pods with spec.nodeName set to itself"),
    ("change another Node", _update_node(_label("a"), name="b"), 'node "a" is not allowed to modify node "b"'),
    ("make another Node", lambda _, clients: clients.nodes.create(make_node("c")), 'node "a" is not allowed to modify node "c"'),
    ("report for another Node", _update_node(lambda node: setattr(node.status, "phase", "x"), status=True, name="b"),
     'node "a" is not allowed to modify node "b"'),
    ("delete another Node", lambda _, clients: clients.nodes.delete("b"), 'node "a" is not allowed to modify node "b"'),
    ("taint itself", _update_node(_taint), 'node "a" is not allowed to modify taints'),
    ("taint itself by a patch", _patch_node('{"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}'),
     'node "a" is not allowed to modify taints'),
    ("label itself with its status", _update_node(_label("node-role.kubernetes.io/control-plane"), status=True),
     "is not allowed to modify labels: node-role.kubernetes.io/control-plane"),
    ("give itself owners", _update_node(_own), 'node "a" is not allowed to modify ownerReferences'),
    ("take a role", _update_node(_label("node-role.kubernetes.io/control-plane")),
     "is not allowed to modify labels: node-role.kubernetes.io/control-plane"),
    ("leave its restriction", _patch_node('{"metadata": {"labels": {"node-restriction.kubernetes.io/tenant": "x", "k8s.io/x": "y"}}}'),
     "is not allowed to modify labels: k8s.io/x, node-restriction.kubernetes.io/tenant"),
    ("name a ConfigMap as its configuration",
     _patch_node('{"spec": {"configSource": {"configMap": {"name": "a", "namespace": "b", "kubeletConfigKey": "c"}}}}'),
     'node "a" is not allowed to update configSource to a new non-nil configSource'),
    ("take another Lease", _lease("b"), "can only access node lease with the same name as the requesting node"),
    ("take a Lease of the controllers", _lease("a", "kube-system"), 'can only access leases in the "kube-node-lease" system namespace'),
    ("make another CSINode", _csi_node, "can only access CSINode with the same name as the requesting node"),
    ("keep the data of its volume", _update_volume(_retain),
     'node "a" is not allowed to change a PersistentVolume but for what it says of its directory'),
    ("ask for another node's certificate", lambda _, clients: clients.certificate_signing_requests.create(node_csr("csr", "b")),
     "can only create a node CSR with CN=system:node:a"),
    ("ask for another node's serving certificate",
     lambda _, clients: clients.certificate_signing_requests.create(
         make_csr("csr", NODE_SERVING, "system:node:b", ("system:nodes",), ("b",), SERVING_USAGES)),
     "can only create a node CSR with CN=system:node:a"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "why"), [row[1:] for row in MAY_NOT], ids=[row[0] for row in MAY_NOT])
async def test_a_node_may_not(write: Write, why: str) -> None:
    api = await cluster()
    with pytest.raises(Forbidden) as refused:
        await write(api, as_node(api))
    assert why in refused.value.message
    assert " is forbidden: " in refused.value.message


async def _make_node(api: Harness, clients: Clientset) -> Any:
    await api.client.nodes.delete("a")
    node = make_node("a")
    node.metadata.labels.update({"kubernetes.io/hostname": "a", "example.com/rack": "1"})
    await clients.nodes.create(node)


MAY: list[tuple[str, Write]] = [
    ("register", _make_node),
    ("make a mirror Pod", _create(lambda _: None)),
    (
        "delete a Pod of its own",
        lambda _, clients: clients.pods.delete("pod-a", "default", grace_period_seconds=0),
    ),
    ("evict a Pod of its own", lambda _, clients: clients.pods.evict("pod-a", namespace="default")),
    ("report for a Pod of its own", _status_of("pod-a", _message)),
    ("report for itself", _update_node(lambda node: setattr(node.status, "phase", "x"), status=True)),
    ("label itself", _update_node(_label("kubernetes.io/arch", "riscv64"))),
    ("hold its Lease", _lease("a")),
    ("let go of its volume", _update_volume(_made)),
    (
        "ask for its certificate",
        lambda _, clients: clients.certificate_signing_requests.create(node_csr("csr", "a")),
    ),
]


@pytest.mark.parametrize("write", [row[1] for row in MAY], ids=[row[0] for row in MAY])
async def test_a_node_may(write: Write) -> None:
    api = await cluster()
    await write(api, as_node(api))


async def test_a_node_that_has_no_name_writes_nothing() -> None:
    api = await cluster()
    with pytest.raises(Forbidden, match='could not determine node from user "system:node:"'):
        await as_node(api, "").nodes.create(make_node("a"))


async def test_a_pod_that_is_not_there_is_not_found() -> None:
    api = await cluster()
    with pytest.raises(NotFound):
        await as_node(api).pods.delete("nobody", "default")
    with pytest.raises(NotFound):
        await as_node(api).pods.evict("nobody", namespace="default")


async def test_each_of_many_leases_is_looked_at() -> None:
    """What is the same but for its name is usually admitted once."""
    api = await cluster()
    leases = [
        lease_pb2.Lease(metadata=meta_pb2.ObjectMeta(name=name, namespace="kube-node-lease"))
        for name in "abcd"
    ]
    found = await as_node(api).leases.create_batch(leases)
    assert [isinstance(one, ApiError) for one in found] == [False, True, True, True]


@pytest.mark.parametrize(
    ("label", "forbidden"),
    [
        ("rack", False), ("example.com/rack", False), ("node-restriction.kubernetes.io/a", True),
        ("a.node-restriction.kubernetes.io/a", True), ("kubernetes.io/hostname", False), ("kubernetes.io/other", True),
        ("a.kubernetes.io/b", True), ("k8s.io/a", True), ("a.k8s.io/b", True), ("kubelet.kubernetes.io/a", False),
        ("a.node.kubernetes.io/b", False), ("node.kubernetes.io/exclude", False), ("notkubernetes.io/a", False),
        ("node-role.kubernetes.io/control-plane", True),
    ],
)  # fmt: skip
def test_labels(label: str, forbidden: bool) -> None:
    expected = [label] if forbidden else []
    assert forbidden_labels({label: "x"}, {}) == expected
    assert forbidden_labels({}, {label: "x"}) == expected
    assert forbidden_labels({label: "x"}, {label: "y"}) == expected
    assert forbidden_labels({label: "x"}, {label: "x"}) == []


def test_claims_that_a_pod_got_are_the_controllers_to_tell() -> None:
    restriction = NodeRestriction(Direct(MemoryStorage()))
    context = Context(user="system:node:a", groups=("system:nodes",))
    old, new = make_pod("web", node="a"), make_pod("web", node="a")
    new.status.resource_claim_statuses.add(name="c", resource_claim_name="d")
    with pytest.raises(Forbidden, match='node "a" cannot update resource claim statues'):
        restriction.check_status(context, POD, new, old)
    new = make_pod("web", node="a")
    new.status.extended_resource_claim_status.resource_claim_name = "d"
    with pytest.raises(Forbidden, match='node "a" cannot update extended resource claim status'):
        restriction.check_status(context, POD, new, old)


async def test_others_are_not_restricted() -> None:
    api = await cluster()
    await _update_node(_taint)(api, api.client)
    assert (
        node_pb2.Taint(key="dedicated", effect="NoSchedule") in (await api.client.nodes.get("a")).spec.taints
    )
