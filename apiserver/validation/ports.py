"""Rules for the ports of containers, and for names or numbers of ports in probes.

Follows `pkg/apis/core/validation`: validateContainerPorts, AccumulateUniqueHostPorts, ValidatePortNumOrName.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, internal, invalid, not_supported, required

_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_INT: Final = 0
_STRING: Final = 1


def check_ports(errors: Errors, path: Path, ports: Iterable[pod_pb2.ContainerPort]) -> None:
    """Check the ports of one container."""
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.name:
            _check_name(errors, at.child("name"), port.name, seen)
        if port.container_port == 0:
            errors.append(required(at.child("containerPort")))
        else:
            _check_number(errors, at.child("containerPort"), port.container_port)
        if port.host_port:
            _check_number(errors, at.child("hostPort"), port.host_port)
        if not port.protocol:
            errors.append(required(at.child("protocol")))
        elif port.protocol not in _PROTOCOLS:
            errors.append(not_supported(at.child("protocol"), port.protocol, _PROTOCOLS))


def _check_name(errors: Errors, path: Path, name: str, seen: set[str]) -> None:
    before = len(errors)
    check_text(errors, path, name, names.port_name)
    if len(errors) > before:
        return
    if name in seen:
        errors.append(duplicate(path, name))
    seen.add(name)


def _check_number(errors: Errors, path: Path, number: int) -> None:
    errors.extend(invalid(path, number, problem) for problem in names.port_number(number))


def check_host_port_conflicts(
    errors: Errors, path: Path, containers: Sequence[pod_pb2.Container], *, first: int = 0
) -> None:
    """Report host ports that two of the containers ask for.

    `first` is the index that the first one is shown with.
    """
    seen: set[str] = set()
    for number, container in enumerate(containers, start=first):
        for index, port in enumerate(container.ports):
            if not port.host_port:
                continue
            key = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if key in seen:
                at = path.index(number).child("ports").index(index).child("hostPort")
                errors.append(duplicate(at, key))
            seen.add(key)


def check_host_network(
    errors: Errors, path: Path, containers: Iterable[pod_pb2.Container], *, is_pod: bool
) -> None:
    """Check that ports are those of the host where containers use its network.

    In a template a host port may be left out, because it gets its default when the Pod is made.
    """
    for number, container in enumerate(containers):
        for index, port in enumerate(container.ports):
            if (is_pod or port.host_port) and port.host_port != port.container_port:
                at = path.index(number).child("ports").index(index).child("hostPort")
                errors.append(
                    invalid(at, port.host_port, "must match `containerPort` when `hostNetwork` is true")
                )


def check_number_or_name(errors: Errors, path: Path, port: meta_pb2.IntOrString) -> None:
    """Check the port that a probe goes to: a number, or the name of a port of the container."""
    if port.type == _INT:
        _check_number(errors, path, port.int_val)
    elif port.type == _STRING:
        check_text(errors, path, port.str_val, names.port_name)
    else:
        errors.append(internal(path, f"unknown type: {port.type}"))


def check_port_number(errors: Errors, path: Path, number: int) -> None:
    """Check a port that can only be a number."""
    _check_number(errors, path, number)
