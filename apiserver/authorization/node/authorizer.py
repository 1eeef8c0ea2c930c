"""What a kubelet may: read what its Pods name, and write what is its own. Pure.

Follows `plugin/pkg/auth/authorizer/node/node_authorizer.go` and NodeRules
(`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`), narrowed to what vaina's kubelet does. What
depends on the object itself is left to admission (`apiserver.admission.node_restriction`). Differences:

- Nodes may list and watch all Nodes: kubelets make host-gateway routes to each other.
- Claims may be watched one at a time, as Secrets and ConfigMaps may: kubelets wait for them that way.
- Volumes of the node-local provisioner may be listed by the label of the node, and changed and deleted by their
  node: its kubelet deletes their data (decision 114).
- What the kubelet does not use is not allowed: Services, CSI objects, reviews.
"""

from typing import Final

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Decision, Verdict
from apiserver.authorization.node.graph import Graph
from vaina.objects.identities import is_node, node_name
from vaina.objects.local_path import NODE_LABEL, node_label
from vaina.objects.selectors import SelectorError, parse_field_selector

LEASE_NAMESPACE: Final = "kube-node-lease"
_READ: Final = ("get", "list", "watch")
_WRITE: Final = ("create", "update", "patch")
_ALLOWED: Final = Verdict(Decision.ALLOW)
#: what every node may do with every object: (verb, group, resource with its sub-resource)
_STATIC: Final = frozenset({
    *((verb, group, "events") for verb in _WRITE for group in ("", "events.k8s.io")),
    *((verb, "", "nodes") for verb in (*_READ, *_WRITE)),
    *((verb, "", "nodes/status") for verb in ("update", "patch")),
    *((verb, "", "pods") for verb in ("create", "delete")),
    *((verb, "", "pods/status") for verb in ("update", "patch")),
    ("create", "", "pods/eviction"),
    *((verb, "node.k8s.io", "runtimeclasses") for verb in _READ),
    *((verb, "certificates.k8s.io", "certificatesigningrequests") for verb in ("create", *_READ)),
})  # fmt: skip


class NodeAuthorizer:
    """Answers from a graph that others fill."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def authorize(self, attributes: Attributes) -> Verdict:
        """Answer a question about a node; none about anybody else."""
        user = attributes.user
        if not is_node(user.name, user.groups):
            return NO_OPINION
        node = node_name(user.name)
        if not node:
            return _no(f'unknown node for user "{user.name}"')
        if (attributes.verb, attributes.group, attributes.combined) in _STATIC:
            return ALLOWED
        match attributes.group, attributes.resource:
            case "", "secrets" | "configmaps" | "persistentvolumeclaims":
                return self._authorize_read(node, attributes)
            case "", "serviceaccounts":
                return self._authorize_token(node, attributes)
            case "", "persistentvolumes":
                return self._authorize_volume(node, attributes)
            case "", "pods":
                return self._authorize_pod(node, attributes)
            case "coordination.k8s.io", "leases":
                return _authorize_lease(node, attributes)
            case "trace.vaina.dev", "podtraces":
                return self._authorize_report(node, attributes)
        return NO_OPINION

    def _authorize_read(self, node: str, attributes: Attributes) -> Verdict:
        """Allow to read a single object that a Pod of the node names."""
        if attributes.verb not in _READ:
            return _no("can only read resources of this type")
        if attributes.subresource:
            return _no("cannot read subresource")
        if not attributes.namespace:
            return _no("can only read namespaced object of this type")
        return self._authorize_related(node, attributes)

    def _authorize_related(self, node: str, attributes: Attributes) -> Verdict:
        if not attributes.name:
            return _no("No Object name found")
        if self._graph.has_path(node, attributes.resource, attributes.namespace, attributes.name):
            return _ALLOWED
        return _no(f"no relationship found between node '{node}' and this object")

    def _authorize_token(self, node: str, attributes: Attributes) -> Verdict:
        """Allow to ask for tokens of the accounts of the node's Pods; admission looks for which Pod it is."""
        if attributes.verb != "create" or not attributes.name:
            return _no("can only create tokens for individual service accounts")
        if attributes.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._authorize_related(node, attributes)

    def _authorize_volume(self, node: str, attributes: Attributes) -> Verdict:
        if attributes.subresource:
            return _no("cannot get subresource")
        if attributes.verb in ("update", "delete") and self._graph.is_local_volume(node, attributes.name):
            return _ALLOWED
        if attributes.verb in ("list", "watch") and _selects_node(attributes.label_selector, node):
            return _ALLOWED
        if attributes.verb != "get":
            return _no("can only get individual resources of this type")
        return self._authorize_related(node, attributes)

    def _authorize_pod(self, node: str, attributes: Attributes) -> Verdict:
        if attributes.subresource or attributes.verb not in _READ:
            return NO_OPINION
        if attributes.verb != "get" and _of_node(attributes.field_selector, node):
            return _ALLOWED
        if attributes.verb != "get" and not attributes.name:
            return _no("can only list/watch pods with spec.nodeName field selector")
        return self._authorize_related(node, attributes)

    def _authorize_report(self, node: str, attributes: Attributes) -> Verdict:
        """Allow to tell the steps of a Pod of the node; the name is the Pod's uid."""
        if (attributes.verb, attributes.subresource) != ("create", "report"):
            return NO_OPINION
        if self._graph.has_pod(node, attributes.namespace, attributes.name):
            return _ALLOWED
        return _no(f"no relationship found between node '{node}' and this object")


def _authorize_lease(node: str, attributes: Attributes) -> Verdict:
    if attributes.verb not in ("get", "delete", *_WRITE):
        return _no("can only get, create, update, patch, or delete a node lease")
    if attributes.namespace != LEASE_NAMESPACE:
        return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    # The name of a new object is not known here; admission looks at it.
    if attributes.verb != "create" and attributes.name != node:
        return _no("can only access node lease with the same name as the requesting node")
    return _ALLOWED


def _of_node(field_selector: str, node: str) -> bool:
    """Say whether a field selector selects nothing but Pods of a node."""
    try:
        return parse_field_selector(field_selector).exact("spec.nodeName") == node
    except SelectorError:
        return False


def _selects_node(label_selector: str, node: str) -> bool:
    """Say whether a label selector selects nothing but volumes of a node."""
    return label_selector == f"{NODE_LABEL}={node_label(node)}"


def _no(reason: str) -> Verdict:
    return Verdict(Decision.NO_OPINION, reason)
