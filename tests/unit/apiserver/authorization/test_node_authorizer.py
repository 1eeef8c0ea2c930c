"""What a kubelet may and may not, in upstream's words."""

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Decision
from apiserver.authorization.node.authorizer import NodeAuthorizer
from apiserver.authorization.node.graph import Graph
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.objects.local_path import NODE_ANNOTATION, PROVISIONED_BY, PROVISIONER
from vaina.serving.handlers import User

A, B = (User(f"system:node:{name}", ("system:nodes", "system:authenticated")) for name in "ab")


def _pod(name: str, node: str) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.namespace, pod.metadata.name, pod.metadata.uid = "x", name, f"uid-{name}"
    pod.spec.node_name = node
    pod.spec.image_pull_secrets.add(name=f"secret-{name}")
    pod.spec.service_account_name = f"account-{name}"
    pod.spec.volumes.add(name="v").volume_source.persistent_volume_claim.claim_name = f"claim-{name}"
    pod.spec.volumes.add(name="w").volume_source.config_map.local_object_reference.name = f"config-{name}"
    return pod


def _volume(name: str, node: str, claim: str = "") -> persistent_volume_pb2.PersistentVolume:
    volume = persistent_volume_pb2.PersistentVolume()
    volume.metadata.name = name
    volume.metadata.annotations[PROVISIONED_BY] = PROVISIONER
    volume.metadata.annotations[NODE_ANNOTATION] = node
    if claim:
        volume.spec.claim_ref.namespace, volume.spec.claim_ref.name = "x", claim
    return volume


@pytest.fixture
def authorizer() -> NodeAuthorizer:
    graph = Graph()
    for name in "ab":
        graph.put_pod(_pod(name, name))
        graph.put_volume(_volume(f"volume-{name}", name, f"claim-{name}"))
    return NodeAuthorizer(graph)


def _ask(user: User = A, /, **what: str) -> Attributes:
    return Attributes(user, **what)


CSR = {"group": "certificates.k8s.io", "resource": "certificatesigningrequests"}
LEASE = {"group": "coordination.k8s.io", "resource": "leases", "namespace": "kube-node-lease"}
TOKEN = {
    "verb": "create", "resource": "serviceaccounts", "subresource": "token", "namespace": "x", "name": "account-a",
}  # fmt: skip
TRACE = {"verb": "create", "group": "trace.vaina.dev", "resource": "podtraces", "subresource": "report"}
MAY = [
    *(
        {"verb": verb, "resource": "secrets", "namespace": "x", "name": "secret-a"}
        for verb in ("get", "list", "watch")
    ),
    {"verb": "get", "resource": "configmaps", "namespace": "x", "name": "config-a"},
    TOKEN,
    {"verb": "watch", "resource": "persistentvolumeclaims", "namespace": "x", "name": "claim-a"},
    {"verb": "get", "resource": "persistentvolumes", "name": "volume-a"},
    {"verb": "update", "resource": "persistentvolumes", "name": "volume-a"},
    {"verb": "delete", "resource": "persistentvolumes", "name": "volume-a"},
    {"verb": "watch", "resource": "persistentvolumes", "label_selector": "vaina.dev/local-path-node=a"},
    {"verb": "get", "resource": "pods", "namespace": "x", "name": "a"},
    {"verb": "list", "resource": "pods", "field_selector": "spec.nodeName=a"},
    {"verb": "watch", "resource": "pods", "field_selector": "status.phase!=Failed,spec.nodeName=a"},
    {"verb": "create", "resource": "pods", "namespace": "x"},
    {"verb": "delete", "resource": "pods", "namespace": "x", "name": "b"},
    {"verb": "update", "resource": "pods", "subresource": "status", "namespace": "x", "name": "b"},
    {"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "x", "name": "b"},
    {"verb": "list", "resource": "nodes"},
    {"verb": "update", "resource": "nodes", "subresource": "status", "name": "a"},
    {"verb": "create", "resource": "events", "namespace": "x"},
    {"verb": "create", **LEASE},
    {"verb": "update", "name": "a", **LEASE},
    {"verb": "create", **CSR},
    {"verb": "watch", **CSR},
    {"verb": "get", "group": "node.k8s.io", "resource": "runtimeclasses", "name": "runc"},
    {"name": "uid-a", "namespace": "x", **TRACE},
]
_NO_PATH = "no relationship found between node 'a' and this object"
MAY_NOT: list[tuple[dict[str, str], str]] = [
    ({"verb": "get", "resource": "secrets", "namespace": "x", "name": "secret-b"}, _NO_PATH),
    ({"verb": "get", "resource": "secrets", "namespace": "y", "name": "secret-a"}, _NO_PATH),
    ({**TOKEN, "name": "account-b"}, _NO_PATH),
    ({**TOKEN, "namespace": "y"}, _NO_PATH),
    ({**TOKEN, "name": ""}, "can only create tokens for individual service accounts"),
    ({**TOKEN, "verb": "get"}, "can only create tokens for individual service accounts"),
    ({**TOKEN, "subresource": ""}, "can only create token subresource of serviceaccount"),
    ({"verb": "list", "resource": "secrets", "namespace": "x"}, "No Object name found"),
    ({"verb": "list", "resource": "secrets", "name": "secret-a"}, "can only read namespaced object of this type"),
    ({"verb": "update", "resource": "secrets", "namespace": "x", "name": "secret-a"}, "can only read resources of this type"),
    ({"verb": "get", "resource": "configmaps", "namespace": "x", "name": "config-b"}, _NO_PATH),
    ({"verb": "update", "resource": "persistentvolumeclaims", "namespace": "x", "name": "claim-a"},
     "can only read resources of this type"),
    ({"verb": "get", "resource": "persistentvolumes", "name": "volume-b"}, _NO_PATH),
    ({"verb": "update", "resource": "persistentvolumes", "name": "volume-b"}, "can only get individual resources of this type"),
    ({"verb": "list", "resource": "persistentvolumes"}, "can only get individual resources of this type"),
    ({"verb": "list", "resource": "persistentvolumes", "label_selector": "vaina.dev/local-path-node=b"},
     "can only get individual resources of this type"),
    ({"verb": "get", "resource": "pods", "namespace": "x", "name": "b"}, _NO_PATH),
    ({"verb": "list", "resource": "pods"}, "can only list/watch pods with spec.nodeName field selector"),
    ({"verb": "list", "resource": "pods", "field_selector": "spec.nodeName=b"},
     "can only list/watch pods with spec.nodeName field selector"),
    ({"verb": "list", "resource": "pods", "field_selector": "spec.nodeName!=a"},
     "can only list/watch pods with spec.nodeName field selector"),
    ({"verb": "update", "resource": "pods", "namespace": "x", "name": "a"}, ""),
    ({"verb": "create", "resource": "pods", "subresource": "binding", "namespace": "x", "name": "a"}, ""),
    ({"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "x", "name": "a"}, ""),
    ({"verb": "delete", "resource": "nodes", "name": "a"}, ""),
    ({"verb": "update", "name": "b", **LEASE}, "can only access node lease with the same name as the requesting node"),
    ({"verb": "list", **LEASE}, "can only get, create, update, patch, or delete a node lease"),
    ({**LEASE, "verb": "get", "namespace": "kube-system", "name": "a"},
     'can only access leases in the "kube-node-lease" system namespace'),
    ({"verb": "update", "subresource": "approval", **CSR}, ""),
    ({"verb": "approve", "group": "certificates.k8s.io", "resource": "signers", "name": "kubernetes.io/kubelet-serving"}, ""),
    ({"name": "uid-b", "namespace": "x", **TRACE}, _NO_PATH),
    ({"name": "uid-a", "namespace": "y", **TRACE}, _NO_PATH),
    ({"verb": "list", "resource": "namespaces"}, ""),
    ({"verb": "get", "path": "/version"}, ""),
]  # fmt: skip


@pytest.mark.parametrize("what", MAY, ids=str)
def test_a_node_may(authorizer: NodeAuthorizer, what: dict[str, str]) -> None:
    assert authorizer.authorize(_ask(**what)).decision is Decision.ALLOW


@pytest.mark.parametrize(("what", "reason"), MAY_NOT, ids=str)
def test_a_node_may_not(authorizer: NodeAuthorizer, what: dict[str, str], reason: str) -> None:
    verdict = authorizer.authorize(_ask(**what))
    assert (verdict.decision, verdict.reason) == (Decision.NO_OPINION, reason)


@pytest.mark.parametrize(
    "user",
    [
        User("jane", ("system:nodes",)),
        User("system:node:a", ("dev",)),
        User("system:node:", ("system:nodes",)),
    ],
)
def test_nobody_else_is_a_node(authorizer: NodeAuthorizer, user: User) -> None:
    assert all(not authorizer.authorize(Attributes(user, **what)).is_allowed for what in MAY)


def test_one_check_of_a_batch_is_not_for_all_names(authorizer: NodeAuthorizer) -> None:
    """What hangs on names is asked for each of them."""
    secret = authorizer.authorize(_ask(verb="get", resource="secrets", namespace="x", name="secret-a"))
    assert not secret.any_name
    assert authorizer.authorize(_ask(verb="create", resource="events", namespace="x")).any_name


def test_each_node_has_its_own(authorizer: NodeAuthorizer) -> None:
    asked = {"verb": "get", "resource": "secrets", "namespace": "x", "name": "secret-b"}
    assert authorizer.authorize(_ask(B, **asked)).is_allowed
