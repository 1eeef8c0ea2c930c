"""The names of users and groups that the system knows. PURE.

As in apiserver `pkg/authentication/user/user.go`, `pkg/auth/nodeidentifier/default.go` and
`staging/src/k8s.io/cluster-bootstrap/token/api/types.go`.
"""

from collections.abc import Collection
from typing import Final

NODES_GROUP: Final = "system:nodes"
NODE_USER_PREFIX: Final = "system:node:"
BOOTSTRAPPERS_GROUP: Final = "system:bootstrappers"
BOOTSTRAP_USER_PREFIX: Final = "system:bootstrap:"


def is_node(user: str, groups: Collection[str]) -> bool:
    """Say whether a user is a node's kubelet."""
    return user.startswith(NODE_USER_PREFIX) and NODES_GROUP in groups


def node_name(user: str) -> str:
    """Return the name of the Node that a kubelet's user is for."""
    return user.removeprefix(NODE_USER_PREFIX)
