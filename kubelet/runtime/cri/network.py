"""The Pod network of a CRI node: the CNI plugins' configuration.

Made by `kubelet.build`, called by the node's manager.

Bridge, masquerading and routes are the same as on docker nodes (`kubelet.network.pod_network`). The runtime
has its plugins hang sandboxes on the bridge: `bridge` with `host-local` addresses and `portmap`
(https://www.cni.dev/plugins/current/). The runtime watches the directory: its network is ready when the file
is there, and not before the node has a Pod CIDR.
"""

import asyncio
import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from kubelet.network.pod_network import BRIDGE, PodNetwork

_FILE = "10-vaina.conflist"


def conflist(cidr: IPv4Network, *, pool: str, mtu: int) -> dict[str, Any]:
    """PURE: return the network's configuration.

    Args:
        cidr: the node's Pod CIDR.
        pool: directory in which host-local remembers the addresses that are given; it has to outlive what
        holds them.
        mtu: of the veth pairs, in bytes.
    """
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        # A Pod that reaches itself over the node's port.
        "hairpinMode": True,
        "mtu": mtu,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(cidr)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": pool,
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "0.4.0", "name": "vaina", "plugins": [bridge, ports]}


class CniNetwork:
    """Owned by the kubelet's build."""

    def __init__(self, network: PodNetwork, *, directory: Path, pool: Path, mtu: int = 1500) -> None:
        """Make it; nothing is done before `configure`.

        Args:
            network: makes the bridge and the routes.
            directory: that the runtime reads configurations from.
            pool: of the addresses that are given.
            mtu: of the veth pairs, in bytes.
        """
        self._network, self._directory, self._pool, self._mtu = network, directory, pool, mtu
        #: what the runtime was told of
        self._told: IPv4Network | None = None

    @property
    def cidr(self) -> IPv4Network | None:
        """The node's Pod CIDR, once it is known."""
        return self._network.cidr

    @property
    def cluster(self) -> IPv4Network:
        """The range of all Pods."""
        return self._network.cluster

    async def interfaces(self) -> tuple[IPv4Interface, ...]:
        """Return the node's addresses with their networks. Raises NetworkCommandError."""
        return await self._network.interfaces()

    async def configure(self, cidr: IPv4Network) -> None:
        """Make the bridge, and tell the runtime of the network. Idempotent. Raises NetworkCommandError."""
        # The rules first: no Pod is there before them.
        await self._network.configure(cidr)
        if self._told != cidr:
            await asyncio.to_thread(self._write, cidr)
            self._told = cidr

    def _write(self, cidr: IPv4Network) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(conflist(cidr, pool=str(self._pool), mtu=self._mtu), indent=2) + "\n"
        # Moved into place: the runtime never reads half of it.
        made = self._directory / f".{_FILE}"
        made.write_text(text)
        made.replace(self._directory / _FILE)

    async def set_routes(self, desired: Mapping[IPv4Network, IPv4Address]) -> None:
        """Make the routes to the other nodes' Pods. Raises NetworkCommandError."""
        await self._network.set_routes(desired)
