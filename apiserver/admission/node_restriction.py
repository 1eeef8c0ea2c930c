"""Admission of what nodes write: a kubelet changes its own objects, and nothing that would give it more rights.

Follows `plugin/pkg/admission/noderestriction/admission.go`, in its words. The node authorizer looks at names;
here the object is known. What vaina adds: of a PersistentVolume of the node-local provisioner its node changes
nothing but what its kubelet writes (decision 114).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation
from apiserver.authorization.attributes import Attributes as Question
from apiserver.authorization.authorizer import Authorizer
from apiserver.context import Context
from apiserver.storage import keys
from apiserver.storage.interface import CachedStorage, Version
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.core.v1 import node_pb2, persistent_volume_pb2, pod_pb2
from vaina.errors import Forbidden
from vaina.kinds import (
    CERTIFICATE_SIGNING_REQUEST,
    CSI_NODE,
    LEASE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SERVICE_ACCOUNT,
    Kind,
)
from vaina.objects.identities import NODE_USER_PREFIX, is_node, node_name
from vaina.objects.local_path import FINALIZER, MADE_ANNOTATION
from vaina.objects.meta import remove_finalizer
from vaina.objects.pods import MIRROR, is_mirror
from vaina.objects.references import object_references
from vaina.quoting import go_quote
from vaina.serving.handlers import User

#: the verb by which a node is allowed tokens for an audience that none of its Pod's volumes names
_REQUEST_AUDIENCE: Final = "request-serviceaccounts-token-audience"
_LEASES: Final = "kube-node-lease"
_NODE_SIGNERS: Final = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_RESTRICTED: Final = "node-restriction.kubernetes.io"
#: labels that kubelets set on their own Nodes (`staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go`)
_KUBELET_LABELS: Final = frozenset((
    "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
))  # fmt: skip
_KUBELET_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction:
    """The plugin. Holds no state."""

    #: the names are looked at, but no object of a node is treated as another one was (`create.pipeline`)
    ignores_names = True

    def __init__(self, storage: CachedStorage, authorizer: Authorizer | None = None) -> None:
        """Make it; `authorizer` says which further audiences of tokens nodes may ask for."""
        self._storage, self._authorizer = storage, authorizer

    async def admit(self, attributes: Attributes) -> None:
        """Refuse what a node may not write, or add the check of an update. Raises Forbidden, NotFound."""
        context = attributes.context
        if not is_node(context.user, context.groups):
            return
        node = node_name(context.user)
        if not node:
            raise attributes.forbidden(f"could not determine node from user {go_quote(context.user)}")
        kind = attributes.kind
        if kind is POD:
            await self._admit_pod(node, attributes)
        elif kind is NODE:
            _admit_node(node, attributes)
        elif kind is PERSISTENT_VOLUME_CLAIM:
            raise attributes.forbidden("may only update PVC status")
        elif kind is PERSISTENT_VOLUME:
            attributes.checks.append(_checked(attributes, _problem_of_volume, node))
        elif kind is LEASE or kind is CSI_NODE:
            _admit_named(node, attributes)
        elif kind is CERTIFICATE_SIGNING_REQUEST and attributes.operation is Operation.CREATE:
            _admit_request(node, attributes)

    def check_status(self, context: Context, kind: Kind[Any], new: Any, old: Any) -> None:
        """Refuse a status, or metadata that come with it, that a node may not write. Raises Forbidden."""
        if kind not in (POD, NODE) or not is_node(context.user, context.groups):
            return
        problem = (_problem_of_pod_status if kind is POD else _problem_of_node)(
            node_name(context.user), new, old
        )
        if problem:
            raise refusals.forbidden(kind, old.metadata.name, problem)

    async def check_eviction(self, context: Context, namespace: str, name: str) -> None:
        """Refuse that a node evicts a Pod of another one. Raises Forbidden, NotFound."""
        if not is_node(context.user, context.groups):
            return
        node = node_name(context.user)
        if (await self._pod(namespace, name)).spec.node_name != node:
            why = f"node {node} can only evict pods with spec.nodeName set to itself"
            raise refusals.forbidden(POD, name, why)

    async def check_token(
        self, context: Context, namespace: str, account: str, spec: authentication_pb2.TokenRequestSpec
    ) -> None:
        """Refuse a token for a node that is not bound to a Pod of that node. Raises Forbidden, NotFound.

        Follows admitServiceAccount and validateNodeServiceAccountAudience.
        """
        if not is_node(context.user, context.groups):
            return
        node, ref, why = node_name(context.user), spec.bound_object_ref, ""
        if (ref.api_version, ref.kind) != ("v1", "Pod") or not ref.name:
            why = "node requested token not bound to a pod"
        elif not ref.uid:
            why = "node requested token with a pod binding without a uid"
        else:
            pod = await self._pod(namespace, ref.name)
            if pod.metadata.uid != ref.uid:
                why = (
                    f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. The object "
                    "might have been deleted and then recreated"
                )
            elif not node or pod.spec.node_name != node:
                why = "node requested token bound to a pod scheduled on a different node"
            else:
                why = self._problem_of_audiences(context, namespace, account, spec.audiences, pod)
        if why:
            raise refusals.forbidden(SERVICE_ACCOUNT, account, why)

    def _problem_of_audiences(
        self, context: Context, namespace: str, account: str, audiences: Sequence[str], pod: pod_pb2.Pod
    ) -> str:
        """Say why a node may not have a token for some audience: a volume of the Pod must name it."""
        if len(audiences) > 1:
            return "node may only request 0 or 1 audiences"
        audience = audiences[0] if audiences else ""
        if any(
            source.HasField("service_account_token") and source.service_account_token.audience == audience
            for volume in pod.spec.volumes
            for source in volume.volume_source.projected.sources
        ):
            return ""
        user = User(context.user, context.groups, context.uid, context.extra)
        asked = Question(user, _REQUEST_AUDIENCE, "", audience, "", namespace, account)
        if self._authorizer is not None and self._authorizer.authorize(asked).is_allowed:
            return ""
        return f"audience {go_quote(audience)} not found in pod spec volume"

    async def _admit_pod(self, node: str, attributes: Attributes) -> None:
        if attributes.subresource:
            raise attributes.forbidden(
                f"unexpected pod subresource {go_quote(attributes.subresource)}, only 'status' and 'eviction' are allowed"
            )
        if attributes.operation is Operation.CREATE:
            problem = _problem_of_mirror(node, attributes.object) or await self._problem_of_owner(
                node, attributes.object
            )
        elif attributes.operation is Operation.DELETE:
            pod = await self._pod(attributes.namespace, attributes.name)
            problem = ""
            if pod.spec.node_name != node:
                problem = f"node {go_quote(node)} can only delete pods with spec.nodeName set to itself"
        else:
            problem = (
                f"unexpected operation {go_quote(attributes.operation)}, node {go_quote(node)} can only create and "
                "delete mirror pods"
            )
        if problem:
            raise attributes.forbidden(problem)

    async def _problem_of_owner(self, node: str, pod: Any) -> str:
        """Say whether the owner of a mirror Pod is the Node that is there. Raises NotFound."""
        stored = await self._read(NODE, "", node)
        uid, given = node_pb2.Node.FromString(stored).metadata.uid, pod.metadata.owner_references[0].uid
        return "" if uid == given else f"node {node} UID mismatch: expected {given} got {uid}"

    async def _pod(self, namespace: str, name: str) -> pod_pb2.Pod:
        return pod_pb2.Pod.FromString(await self._read(POD, namespace or "default", name))

    async def _read(self, kind: Kind[Any], namespace: str, name: str) -> bytes:
        key = keys.object_key(kind, namespace, name)
        stored = self._storage.peek(key, Version(0)) or await self._storage.get(key)
        if stored is None:
            raise refusals.not_found(kind, name)
        return stored.data


def _checked(
    attributes: Attributes, problem_of: Callable[[str, Any, Any], str], node: str
) -> Callable[[Any, Any], None]:
    """Return the check of an update."""

    def check(new: Any, old: Any) -> None:
        if problem := problem_of(node, new, old):
            raise attributes.forbidden(problem)

    return check


def _problem_of_mirror(node: str, pod: Any) -> str:
    """Return why a node may not create a Pod; empty when it is a mirror Pod of its own that names no objects."""
    who = f"node {go_quote(node)}"
    if not is_mirror(pod):
        return f"pod does not have {go_quote(MIRROR)} annotation, {who} can only create mirror pods"
    if pod.spec.node_name != node:
        return f"{who} can only create pods with spec.nodeName set to itself"
    owners = pod.metadata.owner_references
    if len(owners) > 1:
        return f"{who} can only create pods with a single owner reference set to itself"
    if not owners or (owners[0].api_version, owners[0].kind, owners[0].name) != ("v1", "Node", node):
        return f"{who} can only create pods with an owner reference set to itself"
    if not owners[0].controller:
        return f"{who} can only create pods with a controller owner reference set to itself"
    if owners[0].block_owner_deletion:
        return f"{who} must not set blockOwnerDeletion on an owner reference"
    return next(
        (f"{who} can not create pods that reference {kind}" for kind in object_references(pod.spec)), ""
    )


def _problem_of_pod_status(node: str, new: pod_pb2.Pod, old: pod_pb2.Pod) -> str:
    who = f"node {go_quote(node)}"
    if old.spec.node_name != node:
        return f"{who} can only update pod status for pods with spec.nodeName set to itself"  # noqa: S608 - no SQL
    if new.metadata.labels != old.metadata.labels:
        return f"{who} cannot update labels through pod status"
    one, other = new.status, old.status
    if list(one.resource_claim_statuses) != list(other.resource_claim_statuses):
        return f"{who} cannot update resource claim statues"
    if one.extended_resource_claim_status != other.extended_resource_claim_status:
        return f"{who} cannot update extended resource claim status"
    if list(one.node_allocatable_resource_claim_statuses) != list(
        other.node_allocatable_resource_claim_statuses
    ):
        return f"{who} cannot update node allocatable resource claim statuses"
    return ""


def _admit_named(node: str, attributes: Attributes) -> None:
    """Refuse a Lease or a CSINode that is not the node's own."""
    what = "CSINode"
    if attributes.kind is LEASE:
        what = "node lease"
        if attributes.namespace != _LEASES:
            raise attributes.forbidden(f"can only access leases in the {go_quote(_LEASES)} system namespace")
    if attributes.name != node:
        raise attributes.forbidden(f"can only access {what} with the same name as the requesting node")


def _admit_node(node: str, attributes: Attributes) -> None:
    if attributes.name != node:
        raise attributes.forbidden(
            f"node {go_quote(node)} is not allowed to modify node {go_quote(attributes.name)}"
        )
    if attributes.operation is Operation.UPDATE:
        attributes.checks.append(_checked(attributes, _problem_of_node, node))
    elif attributes.operation is Operation.CREATE:
        made: Any = attributes.object
        if made.spec.HasField("config_source"):
            raise attributes.forbidden(
                f"node {go_quote(node)} is not allowed to create pods with a non-nil configSource"
            )
        if wrong := forbidden_labels(made.metadata.labels, {}):
            raise attributes.forbidden(
                f"node {go_quote(node)} is not allowed to set the following labels: {', '.join(wrong)}"
            )


def _problem_of_node(node: str, new: node_pb2.Node, old: node_pb2.Node) -> str:
    who = f"node {go_quote(node)}"
    if old.metadata.name != node:
        return f"{who} is not allowed to modify node {go_quote(old.metadata.name)}"
    if new.spec.HasField("config_source") and new.spec.config_source != old.spec.config_source:
        return f"{who} is not allowed to update configSource to a new non-nil configSource"
    if list(new.spec.taints) != list(old.spec.taints):
        return f"{who} is not allowed to modify taints"
    if list(new.metadata.owner_references) != list(old.metadata.owner_references):
        return f"{who} is not allowed to modify ownerReferences"
    wrong = forbidden_labels(new.metadata.labels, old.metadata.labels)
    return f"is not allowed to modify labels: {', '.join(wrong)}" if wrong else ""


def forbidden_labels(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """Return the labels that differ, and that a node may not change on itself, by name."""
    changed = {key for key in {*new, *old} if key not in new or key not in old or new[key] != old[key]}
    return sorted(key for key in changed if not _may_label(key))


def _may_label(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    if not slash:
        return True
    if _is_in(domain, _RESTRICTED):
        return False
    of_kubernetes = _is_in(domain, "kubernetes.io") or _is_in(domain, "k8s.io")
    return not of_kubernetes or key in _KUBELET_LABELS or any(_is_in(domain, one) for one in _KUBELET_DOMAINS)


def _is_in(domain: str, other: str) -> bool:
    return domain == other or domain.endswith(f".{other}")


def _problem_of_volume(
    node: str, new: persistent_volume_pb2.PersistentVolume, old: persistent_volume_pb2.PersistentVolume
) -> str:
    """Return why a node may not change a volume so; its kubelet says that it made the directory, and lets go."""
    allowed, made = persistent_volume_pb2.PersistentVolume(), persistent_volume_pb2.PersistentVolume()
    allowed.CopyFrom(old)
    made.CopyFrom(new)
    if new.metadata.annotations.get(MADE_ANNOTATION) == "true":
        allowed.metadata.annotations[MADE_ANNOTATION] = "true"
    if FINALIZER not in new.metadata.finalizers:
        remove_finalizer(allowed.metadata, FINALIZER)
    for one in (allowed, made):
        one.metadata.ClearField("managed_fields")
    if made == allowed:
        return ""
    return f"node {go_quote(node)} is not allowed to change a PersistentVolume but for what it says of its directory"


def _admit_request(node: str, attributes: Attributes) -> None:
    spec: Any = attributes.object.spec  # type: ignore[union-attr]  # a create has an object
    if spec.signer_name not in _NODE_SIGNERS:
        return
    # Here alone: an apiserver without certificates does without the library.
    from vaina.pki.requests import parse_request

    try:
        name = parse_request(spec.request).name
    except ValueError as error:
        raise _unreadable(attributes, error) from error
    if name != f"{NODE_USER_PREFIX}{node}":
        raise attributes.forbidden(f"can only create a node CSR with CN={NODE_USER_PREFIX}{node}")


def _unreadable(attributes: Attributes, error: ValueError) -> Forbidden:
    return attributes.forbidden(f"unable to parse csr: {error}")
