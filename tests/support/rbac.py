"""Roles and bindings for tests."""

from typing import Any

from apiserver.authorization.rbac.roles import DEFAULTS, Roles
from vaina.api.rbac.v1 import rbac_pb2
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING

GROUP = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> rbac_pb2.PolicyRule:
    """Make a rule; words are separated by spaces."""
    return rbac_pb2.PolicyRule(
        verbs=verbs.split(), api_groups=[group], resources=resources.split(), resource_names=names.split()
    )


def make_role(name: str, *rules: rbac_pb2.PolicyRule, namespace: str = "") -> Any:
    """Make a Role, or a ClusterRole where no namespace is given."""
    role: Any = (rbac_pb2.Role if namespace else rbac_pb2.ClusterRole)(rules=rules)
    role.metadata.name, role.metadata.namespace = name, namespace
    return role


def make_binding(role: str, *users: str, namespace: str = "", kind: str = "") -> Any:
    """Make a binding of users to a role, which is named after it; `kind` is the role's."""
    binding: Any = (rbac_pb2.RoleBinding if namespace else rbac_pb2.ClusterRoleBinding)()
    binding.metadata.name, binding.metadata.namespace = role, namespace
    binding.role_ref.api_group, binding.role_ref.name = GROUP, role
    binding.role_ref.kind = kind or ("Role" if namespace else "ClusterRole")
    for user in users:
        binding.subjects.add(kind="User", api_group=GROUP, name=user)
    return binding


def empty_roles() -> Roles:
    """Make roles that have been read, and are none."""
    made = Roles()
    for kind in (ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING):
        made.filled(kind.kind)
    made.filled(DEFAULTS)
    return made
