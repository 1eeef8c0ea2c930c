"""PURE: which port of which Pod a proxy to a Service leads to.

Upstream's ResourceLocation (`pkg/registry/core/service/storage/storage.go`) reads Endpoints, which nobody makes
here: the Pods that a Service selects are asked instead, and of those the ready ones.
"""

from collections.abc import Sequence

from vaina.api.core.v1 import pod_pb2, service_pb2
from vaina.errors import Unavailable
from vaina.objects.pods import is_ready
from vaina.quoting import go_quote


def find_port(service: service_pb2.Service, wanted: str) -> service_pb2.ServicePort:
    """Return the port of a Service by its number or name; empty: the one without a name. Raises Unavailable."""
    name = service.metadata.name
    if wanted.isascii() and wanted.isdigit():
        for port in service.spec.ports:
            if str(port.port) == wanted:
                return port
        raise Unavailable(f"no service port {wanted} found for service {go_quote(name)}")
    for port in service.spec.ports:
        if port.name == wanted:
            return port
    raise Unavailable(f"no endpoints available for service {go_quote(name)}")


def choose_endpoint(
    service: service_pb2.Service, port: service_pb2.ServicePort, pods: Sequence[pod_pb2.Pod]
) -> tuple[pod_pb2.Pod, int]:
    """Return the first ready Pod that has the port, and its number there. Raises Unavailable."""
    for pod in pods:
        number = _number(port, pod)
        if number and is_ready(pod) and pod.status.pod_ip and not pod.metadata.HasField("deletion_timestamp"):
            return pod, number
    raise Unavailable(f"no endpoints available for service {go_quote(service.metadata.name)}")


def _number(port: service_pb2.ServicePort, pod: pod_pb2.Pod) -> int:
    """Return the port of a Pod; 0: no container of it names it (`pkg/api/v1/pod/util.go`, FindPort)."""
    target = port.target_port
    if target.type != 1:
        return int(target.int_val or port.port)
    for container in pod.spec.containers:
        for each in container.ports:
            if each.name == target.str_val and (each.protocol or "TCP") == (port.protocol or "TCP"):
                return int(each.container_port)
    return 0
