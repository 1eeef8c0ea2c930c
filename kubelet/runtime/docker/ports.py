"""Keeps the node's ports leading to the sandboxes that are there and that are to stay."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kubelet.network.commands import NetworkCommandError
from kubelet.network.pod_network import NetworkNotReady, PodNetwork
from kubelet.runtime.docker import convert
from kubelet.runtime.interface import RuntimeFailure, SandboxFailed

_List = Callable[[dict[str, Any]], Awaitable[list[dict[str, Any]]]]


class SandboxPorts:
    """The ports of one node. Owned by the runtime over Docker; any task may call it."""

    def __init__(self, listed: _List, network: PodNetwork) -> None:
        self._list, self._network = listed, network
        #: they were brought in line with the sandboxes since this kubelet began
        self.are_led = False
        #: held from the list of sandboxes until its ports are set, so that no older list is applied last
        self._setting = asyncio.Lock()
        #: sandboxes that were killed and may still be listed as running; forgotten when they are not listed
        self._ending: set[str] = set()

    async def lead(self) -> None:
        """Make the node's ports lead to the sandboxes that are there. Raises SandboxFailed."""
        try:
            await self._set()
        except (NetworkNotReady, NetworkCommandError, OSError) as error:
            raise SandboxFailed(f"the ports of the node could not be led to the Pod: {error}") from error
        self.are_led = True

    async def give_back(self, sandbox_id: str) -> None:
        """Take away the ports of a sandbox that ends; nothing is asked while no Pod has any. Raises
        RuntimeFailure.
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
        """Raises RuntimeFailure, NetworkNotReady, NetworkCommandError, OSError."""
        async with self._setting:
            ending = frozenset(self._ending)
            listed = await self._list({"label": [f"{convert.TYPE}={convert.SANDBOX}", convert.HOST_PORTS]})
            self._ending -= ending.difference(item["Id"] for item in listed)
            await self._network.set_host_ports(
                convert.host_ports(item for item in listed if item["Id"] not in self._ending)
            )
