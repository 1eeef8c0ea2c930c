"""What Services are called by and what their types have. PURE.

For defaulting, the registry, validation and printers. Follows `pkg/api/service/util.go` and
`pkg/registry/core/service/strategy.go` (needsClusterIP, needsNodePort).
"""

from typing import Final

from vaina.api.core.v1 import service_pb2

CLUSTER_IP: Final = "ClusterIP"
NODE_PORT: Final = "NodePort"
LOAD_BALANCER: Final = "LoadBalancer"
EXTERNAL_NAME: Final = "ExternalName"
#: the clusterIP of a headless Service, and the sessionAffinity of most
NONE: Final = "None"

_Spec = service_pb2.ServiceSpec


def has_node_ports(spec: _Spec) -> bool:
    """Say whether ports of nodes belong to a Service of this type."""
    return spec.type in {NODE_PORT, LOAD_BALANCER}


def is_externally_accessible(spec: _Spec) -> bool:
    """Say whether somebody outside of the cluster can reach the Service."""
    return has_node_ports(spec) or (spec.type == CLUSTER_IP and bool(spec.external_ips))


def needs_health_check(spec: _Spec) -> bool:
    """Say whether a load balancer asks nodes whether they have Pods of the Service."""
    return spec.type == LOAD_BALANCER and spec.external_traffic_policy == "Local"
