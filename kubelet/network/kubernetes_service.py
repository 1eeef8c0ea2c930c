"""How Pods reach the apiserver: the address of the Service `kubernetes`, and the variables that name it.

Upstream every container gets variables of that Service (`pkg/kubelet/kubelet_pods.go::getServiceEnvVarMap`,
`pkg/kubelet/envvars/envvars.go`), and kube-proxy leads its address to the apiservers. Here the kubelet does
both: it looks up where the apiserver's REST API is, and writes one rule for it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Final

import structlog

from kubelet.network.pod_network import NetworkCommandError, PodNetwork
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: of the Service, as upstream's
PORT: Final = 443
#: an apiserver that came back under another address is found within this time
LOOK_SECONDS: Final = 10.0
#: addresses of a name, at most
_MAX_TARGETS: Final = 16

#: host, port -> addresses; raises OSError
Resolve = Callable[[str, int], Awaitable[Sequence[IPv4Address]]]


@dataclass(frozen=True, slots=True)
class KubernetesService:
    """The Service's own address, and the apiserver's REST API as the node reaches it."""

    address: IPv4Address
    host: str
    port: int


def read_service(target: str, address: str) -> KubernetesService | None:
    """Read host:port of the REST API, and the Service's address; None: there is no such API.

    Raises ValueError: one of them is none.
    """
    if not target:
        return None
    host, colon, port = target.rpartition(":")
    if not host or not colon or not port.isdigit():
        raise ValueError(f"kubernetes_service: {target!r} is not host:port")
    try:
        own = IPv4Address(address)
    except AddressValueError as error:
        raise ValueError(f"kubernetes_service_ip: {error}") from error
    return KubernetesService(own, host, int(port))


def service_variables(address: IPv4Address) -> Mapping[str, str]:
    """Return the variables of the Service `kubernetes`, whose one port is called https."""
    url = f"tcp://{address}:{PORT}"
    port = f"KUBERNETES_PORT_{PORT}_TCP"
    return {
        "KUBERNETES_SERVICE_HOST": str(address),
        "KUBERNETES_SERVICE_PORT": str(PORT),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(PORT),
        "KUBERNETES_PORT": url,
        port: url,
        f"{port}_PROTO": "tcp",
        f"{port}_PORT": str(PORT),
        f"{port}_ADDR": str(address),
    }


async def resolve(host: str, port: int) -> Sequence[IPv4Address]:
    """Return the addresses of a name. Raises OSError: it has none, or nobody knows."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=socket.AF_INET, type=socket.SOCK_STREAM
    )
    return sorted({IPv4Address(item[4][0]) for item in found})[:_MAX_TARGETS]


class ServiceRoute:
    """Keeps the Service's address leading to the apiservers. One task runs it."""

    def __init__(
        self, service: KubernetesService, network: PodNetwork, clock: Clock, resolve: Resolve = resolve
    ) -> None:
        self._service, self._network, self._clock, self._resolve = service, network, clock, resolve

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look up the apiservers, and lead there. While nobody knows them the earlier rule stays."""
        service = self._service
        try:
            targets = await self._resolve(service.host, service.port)
            await self._network.set_service(service.address, PORT, [(one, service.port) for one in targets])
        except (OSError, NetworkCommandError) as error:
            log.warning(
                "the service kubernetes is not led to its apiserver", host=service.host, error=str(error)
            )
