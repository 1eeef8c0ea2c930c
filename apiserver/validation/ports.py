"""Rules for the ports of containers, and for names or numbers of ports in probes.

Follows `pkg/apis/core/validation`: validateContainerPorts, AccumulateUniqueHostPorts, ValidatePortNumOrName.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names

_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_INT: Final = 0
_STRING: Final = 1


def check_ports(path: Place, ports: Iterable[pod_pb2.ContainerPort]) -> None:
    """Check the ports of one container."""
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.name and at.child("name").check_value(port.name, names.port_name):
            at.child("name").check_unique(port.name, seen)
        if port.container_port == 0:
            at.child("containerPort").required()
        else:
            check_port_number(at.child("containerPort"), port.container_port)
        if port.host_port:
            check_port_number(at.child("hostPort"), port.host_port)
        at.child("protocol").check_choice(port.protocol, _PROTOCOLS)


def check_host_port_conflicts(path: Place, containers: Iterable[pod_pb2.Container]) -> None:
    """Report host ports that two of the containers ask for."""
    seen: set[str] = set()
    for number, container in enumerate(containers):
        for index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            key = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if key in seen:
                path.index(number).child("ports").index(index).child("hostPort").duplicate(key)
            seen.add(key)


def check_host_network(path: Place, containers: Iterable[pod_pb2.Container], *, is_pod: bool) -> None:
    """Check that ports are those of the host where containers use its network.

    In a template a host port may be left out, because it gets its default when the Pod is made.
    """
    for number, container in enumerate(containers):
        for index, port in enumerate(container.ports):
            if (is_pod or port.host_port) and port.host_port != port.container_port:
                at = path.index(number).child("ports").index(index).child("hostPort")
                at.invalid(port.host_port, "must match `containerPort` when `hostNetwork` is true")


def check_number_or_name(path: Place, port: meta_pb2.IntOrString) -> None:
    """Check the port that a probe goes to: a number, or the name of a port of the container."""
    if port.type == _INT:
        check_port_number(path, port.int_val)
    elif port.type == _STRING:
        path.check_value(port.str_val, names.port_name)
    else:
        path.internal(f"unknown type: {port.type}")


def check_port_number(path: Place, number: int) -> None:
    """Check a port that can only be a number."""
    path.check_value(number, names.port_number)
