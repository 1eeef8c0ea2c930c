"""The node's Pod network: a bridge with its Pod CIDR, a veth pair a sandbox, routes to the other nodes. Shell.

What is true is in the kernel: the kubelet remembers nothing that a restarted one would miss. A sandbox's
network is complete when its end on the host is attached to the bridge, which is done last.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import structlog

from kubelet.network.plan import (
    CLOSED_TO_PODS,
    HostPort,
    gateway_of,
    link_address,
    next_address,
    plan_routes,
    port_rules,
    ruleset,
    service_rules,
)

log = structlog.stdlib.get_logger(__name__)

#: longer than any batch of ours takes; a hanging netlink call must not hold a Pod's worker for ever
_LIMIT_SECONDS = 10.0


class NetworkCommandError(Exception):
    """iproute2 or nft refused; the message has what it said."""


async def run(argv: Sequence[str], stdin: str = "") -> str:
    """Run a command to its end; return its output. Raises NetworkCommandError: it failed, or took too long."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        await _end(process)
        raise NetworkCommandError(f"{' '.join(argv)}: no answer in {_LIMIT_SECONDS:.0f} s") from None
    except asyncio.CancelledError:
        await _end(process)
        raise
    if process.returncode:
        raise NetworkCommandError(f"{' '.join(argv)}: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    # It may have ended while we were on our way; its last output may still be unread then.
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    # A child that holds its outputs must not keep our ends open; asyncio has no other way to close them.
    process._transport.close()  # type: ignore[attr-defined]  # the stubs do not know it


async def ip_batch(lines: Sequence[str], *, pid: int | None = None) -> None:
    """Run lines of `ip` commands, here or in the namespace of process `pid`; the first failure ends it."""
    argv = ["ip", "-batch", "-"] if pid is None else ["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"]
    await run(argv, "".join(f"{line}\n" for line in lines))


BRIDGE = "cni0"
MTU = 1500
_LINKS = Path("/sys/class/net")
_SETTINGS = Path("/proc/sys/net/ipv4/conf")
#: marks our routes among the kernel's (`ip route show proto 86`): no other is ever touched
ROUTE_PROTOCOL = "86"


class NetworkNotReady(Exception):
    """The node has no Pod CIDR yet, so no Pod can have an address."""


def host_interface(sandbox_id: str) -> str:
    """Return the name of the sandbox's end on the host: veth and 11 characters (the kernel allows 15)."""
    return "veth" + hashlib.sha256(sandbox_id.encode()).hexdigest()[:11]


class PodNetwork:
    """Owned by the kubelet's build; any task may call it (a lock guards the giving of addresses)."""

    def __init__(self, *, cluster_cidr: IPv4Network, closed_to_pods: Iterable[int] = CLOSED_TO_PODS) -> None:
        """Make it; nothing is done before `configure`. What goes to `cluster_cidr` is not translated."""
        self.cluster = cluster_cidr
        self._closed = tuple(closed_to_pods)
        self.cidr: IPv4Network | None = None
        self._last: IPv4Address | None = None
        #: addresses given to sandboxes that the runtime does not list yet
        self._reserved: set[IPv4Address] = set()
        self._lock = asyncio.Lock()
        #: what was applied last; None: not known, after an earlier kubelet or a failed command
        self._rules: str | None = None
        self._host_ports: str | None = None
        self._service: str | None = None

    async def interfaces(self) -> tuple[IPv4Interface, ...]:
        """Return the node's own addresses, not loopback or bridge. Raises NetworkCommandError."""
        links = await self._links()
        return tuple(
            IPv4Interface(address)
            for name, addresses in sorted(links.items())
            for address in sorted(addresses)
            if name != BRIDGE and not IPv4Interface(address).is_loopback
        )

    @staticmethod
    async def _links() -> dict[str, set[str]]:
        return {
            link["ifname"]: {
                f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet"
            }
            for link in json.loads(await run(["ip", "-json", "address", "show"]))
        }

    async def configure(self, cidr: IPv4Network) -> None:
        if self.cidr != cidr:
            await self._make_bridge(cidr)
        # The node's networks may change, and what is closed in them with them.
        wanted = ruleset(
            bridge=BRIDGE, cidr=cidr, cluster=self.cluster, closed=self._closed,
            interfaces=await self.interfaces(),
        )  # fmt: skip
        if wanted != self._rules:
            self._rules = None
            await run(["nft", "-f", "-"], wanted)
            self._rules = wanted
        if self.cidr != cidr:
            self.cidr = cidr
            log.info("pod network configured", cidr=str(cidr), bridge=BRIDGE)

    async def _make_bridge(self, cidr: IPv4Network) -> None:
        gateway = f"{gateway_of(cidr)}/{cidr.prefixlen}"
        links = await self._links()
        present = links.get(BRIDGE, set())
        lines = [] if BRIDGE in links else [f"link add {BRIDGE} mtu {MTU} type bridge"]
        lines += [f"address del {address} dev {BRIDGE}" for address in sorted(present - {gateway})]
        if gateway not in present:
            lines.append(f"address add {gateway} brd + dev {BRIDGE}")
        # Without one of its own, a bridge takes the lowest address of its ports, which come and go.
        lines.append(f"link set {BRIDGE} address {link_address(gateway_of(cidr))} up")
        await ip_batch(lines)

    async def reserve(self, taken: Iterable[str]) -> IPv4Address:
        """Choose an address for a new sandbox and keep it until `release`; `taken` has those of all sandboxes.

        Raises NetworkNotReady, AddressesExhausted.
        """
        async with self._lock:
            if self.cidr is None:
                raise NetworkNotReady("the node has no Pod CIDR yet")
            used = {IPv4Address(address) for address in taken if address} | self._reserved
            self._last = next_address(self.cidr, used, self._last)
            self._reserved.add(self._last)
            return self._last

    def release(self, address: IPv4Address) -> None:
        """Forget a reservation: the runtime lists the sandbox now, or it was not made."""
        self._reserved.discard(address)

    async def attach(self, sandbox_id: str, pid: int, address: IPv4Address) -> None:
        """Give process `pid`'s namespace the address. Raises NetworkNotReady, NetworkCommandError."""
        if self.cidr is None:
            raise NetworkNotReady("the node has no Pod CIDR yet")
        host = host_interface(sandbox_id)
        if (_LINKS / host).exists():
            await ip_batch([f"link del {host}"])
        # A link address that follows from the address: whoever knows an earlier Pod of the address, the node
        # itself above all, would send to that one's for up to a minute.
        peer = f"peer name eth0 mtu {MTU} address {link_address(address)} netns {pid}"
        await ip_batch([f"link add {host} mtu {MTU} type veth {peer}"])
        await ip_batch(
            [
                f"address add {address}/{self.cidr.prefixlen} brd + dev eth0",
                "link set lo up",
                "link set eth0 up",
                f"route add default via {gateway_of(self.cidr)}",
            ],
            pid=pid,
        )
        await ip_batch(
            [
                f"link set {host} up",
                f"link set {host} master {BRIDGE}",
                # For a Pod that reaches itself over a port of the node.
                f"link set {host} type bridge_slave hairpin on",
            ]
        )

    def is_attached(self, sandbox_id: str) -> bool:
        """Say whether the sandbox's network is complete: its last step is done. Reads one link of sysfs."""
        return (_LINKS / host_interface(sandbox_id) / "master").exists()

    @property
    def leads_ports(self) -> bool:
        """Whether ports of the node may lead to Pods: False only when it is known that none does."""
        return self._host_ports is None or " dnat to " in self._host_ports

    async def set_host_ports(self, ports: Iterable[HostPort]) -> None:
        if self.cidr is None:
            raise NetworkNotReady("the node has no Pod CIDR yet")
        rules = port_rules(ports, bridge=BRIDGE, cidr=self.cidr)
        async with self._lock:
            if rules == self._host_ports:
                return
            # Connections to the node's own loopback are to be led away too.
            (_SETTINGS / BRIDGE / "route_localnet").write_text("1")
            self._host_ports = None
            await run(["nft", "-f", "-"], rules)
            self._host_ports = rules
            log.info("host ports set", rules=rules.count(" dnat to "))

    async def set_service(
        self, address: IPv4Address, port: int, targets: Sequence[tuple[IPv4Address, int]]
    ) -> None:
        """Make a Service's port lead to its endpoints. Raises NetworkCommandError."""
        rules = service_rules(address, port, targets)
        async with self._lock:
            if rules != self._service:
                self._service = None
                await run(["nft", "-f", "-"], rules)
                self._service = rules
                log.info("service set", address=str(address), port=port, endpoints=len(targets))

    async def set_routes(self, desired: Mapping[IPv4Network, IPv4Address]) -> None:
        """Make the routes to the other nodes' Pods, and touch no other route. Raises NetworkCommandError."""
        listed = json.loads(
            await run(["ip", "-json", "-4", "route", "show", "proto", ROUTE_PROTOCOL]) or "[]"
        )
        present = {
            IPv4Network(route["dst"]): IPv4Address(route["gateway"]) for route in listed if "gateway" in route
        }
        replace, remove = plan_routes(desired, present)
        for network in remove:
            await self._try(f"route del {network} proto {ROUTE_PROTOCOL}", network)
        for network, gateway in replace:
            await self._try(f"route replace {network} via {gateway} proto {ROUTE_PROTOCOL}", network)

    async def _try(self, line: str, network: IPv4Network) -> None:
        # One node with a wrong address must not keep the others from being reached.
        try:
            await ip_batch([line])
        except NetworkCommandError as error:
            log.warning("route refused", network=str(network), error=str(error))
        else:
            log.info("route set", command=line)


_CNI_FILE = "10-vaina.conflist"


def conflist(cidr: IPv4Network, *, pool: str) -> dict[str, Any]:
    """Return the CNI configuration; host-local remembers addresses in `pool`, which outlives sandboxes. PURE."""
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
    """A Pod network whose sandboxes the CRI runtime attaches with its CNI plugins: `bridge`, `portmap`.

    The runtime watches the directory of configurations: its network is ready when the file is there, which is
    not before the node has a Pod CIDR (https://www.cni.dev/plugins/current/). Owned by the kubelet's build.
    """

    def __init__(
        self,
        *,
        cluster_cidr: IPv4Network,
        closed_to_pods: Iterable[int] = CLOSED_TO_PODS,
        directory: Path,
        pool: Path,
    ) -> None:
        super().__init__(cluster_cidr=cluster_cidr, closed_to_pods=closed_to_pods)
        self._directory, self._pool = directory, pool
        #: what the runtime was told of
        self._told: IPv4Network | None = None

    async def configure(self, cidr: IPv4Network) -> None:
        # The rules first: no Pod is there before them.
        await super().configure(cidr)
        if self._told != cidr:
            await asyncio.to_thread(self._write, cidr)
            self._told = cidr

    def _write(self, cidr: IPv4Network) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(conflist(cidr, pool=str(self._pool)), indent=2) + "\n"
        # Moved into place: the runtime never reads half of it.
        made = self._directory / f".{_CNI_FILE}"
        made.write_text(text)
        made.replace(self._directory / _CNI_FILE)
