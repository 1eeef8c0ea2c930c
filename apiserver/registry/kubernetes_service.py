"""Makes the Service `kubernetes`, under which Pods find the apiserver, when the apiserver starts.

Upstream's is made by `pkg/controlplane/controller/kubernetesservice/controller.go`. Here kubelets lead its
address to the apiservers (`kubelet/network/kubernetes_service.py`), so it has no endpoints.
"""

from typing import Final

from apiserver.context import INTERNAL
from apiserver.registry.table import Stores
from vaina.api.core.v1 import service_pb2
from vaina.errors import AlreadyExists

#: of the Service
_NAMESPACE, _NAME, _PORT = "default", "kubernetes", 443
_LABELS: Final = {"component": "apiserver", "provider": "kubernetes"}


def kubernetes_service(address: str, port: int) -> service_pb2.Service:
    """Return the Service. Args: address: its own; port: of the apiserver's REST API."""
    made = service_pb2.Service()
    made.metadata.namespace, made.metadata.name = _NAMESPACE, _NAME
    made.metadata.labels.update(_LABELS)
    spec = made.spec
    spec.type, spec.session_affinity, spec.cluster_ip = "ClusterIP", "None", address
    spec.cluster_ips.append(address)
    spec.ip_families.append("IPv4")
    spec.ip_family_policy = "SingleStack"
    https = spec.ports.add(name="https", protocol="TCP", port=_PORT)
    https.target_port.int_val = port
    return made


async def make_kubernetes_service(stores: Stores, address: str, port: int) -> None:
    """Store the Service, unless it is there. Raises ApiErrors."""
    try:
        await stores["Service"].create(INTERNAL, kubernetes_service(address, port))
    except AlreadyExists:
        return
