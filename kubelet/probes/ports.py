"""Ports and addresses that probes and hooks name. PURE."""

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2

_STRING = 1


class PortError(Exception):
    """There is no such port; the message is for the user."""


def resolve_port(port: meta_pb2.IntOrString, container: pod_pb2.Container) -> int:
    """Return the number of a port, which may be the name of one of the container's.

    Raises:
        PortError: there is no port of that name, or the number is out of range.
    """
    number = port.int_val
    if port.type == _STRING:
        named = [item.container_port for item in container.ports if item.name == port.str_val]
        if named:
            number = named[0]
        elif port.str_val.isdecimal():
            number = int(port.str_val)
        else:
            raise PortError(f"couldn't find port: {port.str_val}")
    if not 0 < number < 65536:
        raise PortError(f"invalid port number: {number}")
    return number
