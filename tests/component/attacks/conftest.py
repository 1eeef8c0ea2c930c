"""Attack tests: what an attacker of a threat would have is tried, and refused; nothing changes.

One file a threat (docs/security.md). A plane of processes serves all tests: etcd and an apiserver with
certificates, and objects of two tenants. An attack that succeeds would spoil it for the others, and shows.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from bench.etcd import find_etcd
from tests.support.secured import Caller, Plane
from vaina.client.clientset import Clientset
from vaina.pki.authority import Profile

_POD: Final = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  nodeName: {node}
  containers: [{{name: app, image: busybox}}]
---
"""


def _binding(user: str, role: str) -> str:
    return (
        "---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, "
        f"metadata: {{name: {user}-{role.rpartition(':')[2]}, namespace: ours}}, "
        f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: '{role}'}}, "
        f"subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]}}\n"
    )


#: what `admin` and `view` are made of: no controller runs here that would gather it
_ADMIN: Final = [f"system:aggregate-to-{name}" for name in ("admin", "edit", "view")]
OBJECTS: Final = (
    """
apiVersion: v1
kind: Namespace
metadata: {name: ours, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: v1
kind: Namespace
metadata: {name: theirs}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: Node
metadata: {name: node-2}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: theirs}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: ours}
stringData: {password: ours}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: theirs}
data: {a: b}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: theirs}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: app, image: busybox}]}
"""
    + "---"
    + _POD.format(name="db", namespace="theirs", node="node-1")
    + _POD.format(name="web", namespace="ours", node="node-1")
    + "".join(_binding("ana", role) for role in _ADMIN)
    + _binding("ben", _ADMIN[-1]),
)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The processes under attack, with what the administrator has made."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    made = Plane(tmp_path_factory.mktemp("identities"))
    try:
        made.start(*OBJECTS)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def kubelet(plane: Plane) -> str:
    """The address of the kubelet of node-2, with its certificates. It runs nothing."""
    return plane.start_kubelet("node-2")


@pytest.fixture
async def calling(plane: Plane) -> AsyncIterator[Caller]:
    """Makes clients of the apiserver by profile; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(profile: Profile | None, **of: Any) -> Clientset:
            client = plane.client(profile, **of)
            stack.push_async_callback(client.close)
            return client

        yield make
