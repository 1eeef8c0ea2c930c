"""Rules for Roles, ClusterRoles and their bindings.

Follows `pkg/apis/rbac/validation`. Whether the author may grant what a role says is admission's question.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from vaina.api.rbac.v1 import rbac_pb2
from vaina.objects import names

GROUP: Final = "rbac.authorization.k8s.io"
_SUBJECTS: Final = ("ServiceAccount", "User", "Group")
Binding = rbac_pb2.ClusterRoleBinding | rbac_pb2.RoleBinding


def check_role(root: Place, role: rbac_pb2.Role) -> None:
    """Check a Role."""
    _check_rules(root.child("rules"), role.rules, namespaced=True)


def check_cluster_role(root: Place, role: rbac_pb2.ClusterRole) -> None:
    """Check a ClusterRole."""
    _check_rules(root.child("rules"), role.rules, namespaced=False)
    if not role.HasField("aggregation_rule"):
        return
    selectors = role.aggregation_rule.cluster_role_selectors
    at = root.child("aggregationRule", "clusterRoleSelectors")
    if not selectors:
        at.required("at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors):
        check_label_selector(at.index(index), selector)


def _check_rules(at: Place, rules: Iterable[rbac_pb2.PolicyRule], *, namespaced: bool) -> None:
    for index, rule in enumerate(rules):
        _check_rule(at.index(index), rule, namespaced=namespaced)


def _check_rule(at: Place, rule: rbac_pb2.PolicyRule, *, namespaced: bool) -> None:
    if not rule.verbs:
        at.child("verbs").required("verbs must contain at least one value")
    if rule.non_resource_urls:
        urls = at.child("nonResourceURLs")
        if namespaced:
            urls.invalid(rule.non_resource_urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.api_groups or rule.resources or rule.resource_names:
            words = "rules cannot apply to both regular resources and non-resource URLs"
            urls.invalid(rule.non_resource_urls, words)
        return
    if not rule.api_groups:
        at.child("apiGroups").required("resource rules must supply at least one api group")
    if not rule.resources:
        at.child("resources").required("resource rules must supply at least one resource")


def check_cluster_binding(root: Place, binding: rbac_pb2.ClusterRoleBinding) -> None:
    """Check a ClusterRoleBinding."""
    _check_binding(root, binding, ("ClusterRole",), namespaced=False)


def check_binding(root: Place, binding: rbac_pb2.RoleBinding) -> None:
    """Check a RoleBinding."""
    _check_binding(root, binding, ("Role", "ClusterRole"), namespaced=True)


def check_role_stays(root: Place, new: Binding, old: Binding) -> None:
    """Check that a binding still refers to its role."""
    if new.role_ref != old.role_ref:
        ref = new.role_ref
        shown = {"APIGroup": ref.api_group, "Kind": ref.kind, "Name": ref.name}
        root.child("roleRef").invalid(shown, "cannot change roleRef")


def _check_binding(root: Place, binding: Binding, kinds: tuple[str, ...], *, namespaced: bool) -> None:
    ref, at = binding.role_ref, root.child("roleRef")
    at.child("apiGroup").check_supported(ref.api_group, (GROUP,))
    at.child("kind").check_supported(ref.kind, kinds)
    at.child("name").check_required(ref.name, names.path_segment)
    for index, subject in enumerate(binding.subjects):
        _check_subject(root.child("subjects").index(index), subject, namespaced=namespaced)


def _check_subject(at: Place, subject: rbac_pb2.Subject, *, namespaced: bool) -> None:
    if not subject.name:
        at.child("name").required()
    match subject.kind:
        case "ServiceAccount":
            if subject.name:
                at.child("name").check_value(subject.name, names.dns_1123_subdomain)
            at.child("apiGroup").check_supported(subject.api_group, ("",))
            if not namespaced and not subject.namespace:
                at.child("namespace").required()
        case "User" | "Group":
            if not subject.name:
                at.child("name").invalid(subject.name, f"{subject.kind.lower()} name cannot be empty")
            at.child("apiGroup").check_supported(subject.api_group, (GROUP,))
        case _:
            at.child("kind").not_supported(subject.kind, _SUBJECTS)
