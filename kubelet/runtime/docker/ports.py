"""Ports of the node that lead to Docker's sandboxes.

Brought in line with those that there are, and that are to stay. Owned by the runtime over Docker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from kubelet.network.commands import NetworkCommandError
from kubelet.network.host_ports import HostPort
from kubelet.network.pod_network import NetworkNotReady
from kubelet.runtime.docker import convert
from kubelet.runtime.interface import RuntimeFailure, SandboxFailed

_List = Callable[[dict[str, Any]], Awaitable[list[dict[str, Any]]]]


class PortNetwork(Protocol):
    """What leads ports (`kubelet.network.pod_network`)."""

    @property
    def leads_ports(self) -> bool: ...
    async def set_host_ports(self, ports: Iterable[HostPort]) -> None: ...


class SandboxPorts:
    """The ports of one node. Any task may call it."""

    def __init__(self, listed: _List, network: PortNetwork) -> None:
        """Make it.

        Args:
            listed: asks the engine for containers, by filters. Raises RuntimeFailure.
            network: leads the ports.
        """
        self._list, self._network = listed, network
        #: they were brought in line with the sandboxes since this kubelet began
        self.are_led = False
        #: held from asking for sandboxes until the ports are theirs: an older answer must not come after a
        #: newer one
        self._setting = asyncio.Lock()
        #: sandboxes that were killed, and may be listed as running for a moment yet; with those that the
        #: engine lists no more forgotten
        self._ending: set[str] = set()

    async def lead(self) -> None:
        """Have the node's ports lead to the sandboxes that there are. Raises SandboxFailed."""
        try:
            await self._set()
        except (NetworkNotReady, NetworkCommandError, OSError) as error:
            raise SandboxFailed(f"the ports of the node could not be led to the Pod: {error}") from error
        self.are_led = True

    async def give_back(self, sandbox_id: str) -> None:
        """Take away the ports of a sandbox that ends. A node on which no Pod has any is not asked.

        Raises RuntimeFailure.
        """
        if not self._network.leads_ports:
            return
        if not await self._list({"label": [convert.HOST_PORTS], "id": [sandbox_id]}):
            return
        try:
            # It may take a moment to end: its ports go now, and do not come back with another Pod's.
            self._ending.add(sandbox_id)
            await self._set()
        except (NetworkNotReady, NetworkCommandError, OSError) as error:
            raise RuntimeFailure(f"the ports of the sandbox could not be given back: {error}") from error

    async def _set(self) -> None:
        """Have the node's ports lead to all sandboxes that are to stay.

        Raises RuntimeFailure, NetworkNotReady, NetworkCommandError, OSError.
        """
        async with self._setting:
            ending = frozenset(self._ending)
            listed = await self._list({"label": [f"{convert.TYPE}={convert.SANDBOX}", convert.HOST_PORTS]})
            self._ending -= ending.difference(item["Id"] for item in listed)
            await self._network.set_host_ports(
                convert.host_ports(item for item in listed if item["Id"] not in self._ending)
            )
