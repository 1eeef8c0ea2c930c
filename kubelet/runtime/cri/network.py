"""The Pod network of a CRI node: the CNI plugins' configuration. Called by the node's manager.

Bridge, masquerading and routes are those of docker nodes (`kubelet.network.pod_network`). The runtime has its
plugins attach sandboxes to the bridge: `bridge` with `host-local` addresses, and `portmap`
(https://www.cni.dev/plugins/current/). It watches the directory: its network is ready when the file is there,
which is not before the node has a Pod CIDR.
"""

import asyncio
import json
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from kubelet.network.pod_network import BRIDGE, MTU, PodNetwork
from kubelet.network.rules import CLOSED_TO_PODS

_FILE = "10-vaina.conflist"


def conflist(cidr: IPv4Network, *, pool: str) -> dict[str, Any]:
    """Return the network's configuration for the node's Pod CIDR. PURE.

    host-local remembers the given addresses in the directory `pool`, which has to outlive the sandboxes.
    """
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        # A Pod that reaches itself over the node's port.
        "hairpinMode": True,
        "mtu": MTU,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(cidr)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": pool,
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "0.4.0", "name": "vaina", "plugins": [bridge, ports]}


class CniNetwork(PodNetwork):
    """A Pod network whose sandboxes the runtime attaches. Owned by the kubelet's build."""

    def __init__(
        self,
        *,
        cluster_cidr: IPv4Network,
        closed_to_pods: Iterable[int] = CLOSED_TO_PODS,
        directory: Path,
        pool: Path,
    ) -> None:
        """Make it; nothing is done before `configure`. The runtime reads configurations from `directory`."""
        super().__init__(cluster_cidr=cluster_cidr, closed_to_pods=closed_to_pods)
        self._directory, self._pool = directory, pool
        #: what the runtime was told of
        self._told: IPv4Network | None = None

    async def configure(self, cidr: IPv4Network) -> None:
        """Make the bridge, and tell the runtime of the network. Idempotent. Raises NetworkCommandError."""
        # The rules first: no Pod is there before them.
        await super().configure(cidr)
        if self._told != cidr:
            await asyncio.to_thread(self._write, cidr)
            self._told = cidr

    def _write(self, cidr: IPv4Network) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(conflist(cidr, pool=str(self._pool)), indent=2) + "\n"
        # Moved into place: the runtime never reads half of it.
        made = self._directory / f".{_FILE}"
        made.write_text(text)
        made.replace(self._directory / _FILE)
