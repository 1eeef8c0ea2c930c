"""Hollow nodes: a process of real kubelets whose runtime runs nothing (`python -m kubelet --hollow-nodes`)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec

from bench.load.frames import KubeletLog, StartKubelet
from bench.load.machines import Remote
from bench.load.settings import RUN_LABEL, Settings
from bench.load.templates import Template
from bench.processes import ServiceProcess, close_all
from vaina.client.clientset import Clientset

#: each has a watch, and a client ten connections of a hundred calls
NODES_A_PROCESS = 900
#: where the addresses of hollow Pods are, a /24 a node
_FIRST, _NODES = int(IPv4Address("10.128.0.0")), 32_768
_LABELLERS = 16
_LOOK_SECONDS = 0.3


class HollowError(Exception):
    """Hollow nodes cannot be as the template wants them, or do not come."""


class Addresses:
    """Who has which addresses: no two processes of a run have the same. Owned by the run."""

    def __init__(self) -> None:
        #: nodes whose addresses are given away
        self._given = 0

    def take(self, processes: int, nodes: int) -> list[str]:
        """Return a range for each of so many processes of so many nodes.

        Raises:
            HollowError: so many are not left.
        """
        bits = (nodes - 1).bit_length()
        # A range begins at a multiple of its size.
        first = -(-self._given >> bits)
        if (first + processes) << bits > _NODES:
            raise HollowError(
                f"--nodes hollow: {processes} further processes of kubelets with up to {nodes:,} nodes each have no addresses "
                f"for their Pods: a run has them for {_NODES:,} nodes, those of a process rounded up to a power of two"
            )
        self._given = (first + processes) << bits
        return [
            str(IPv4Network((_FIRST + (number << bits + 8), 24 - bits)))
            for number in range(first, first + processes)
        ]


class HollowKubelets:
    """The nodes of one step. Owned by the run."""

    def __init__(
        self,
        client: Clientset,
        apiserver: str,
        settings: Settings,
        number: int,
        *,
        heartbeats: bool,
        cert_dir: str = "",
        hosts: Sequence[Remote] = (),
    ) -> None:
        """Make it.

        Args:
            client: of the cluster.
            apiserver: host:port of it.
            settings: of the run.
            number: of the step, among those that make nodes.
            hosts: the machines that run the kubelets, in turn; none: this one.
            cert_dir: what the processes show to the apiserver: each is thousands of nodes, and is known by the
                certificate of the run; empty: they call in the clear.
            heartbeats: whether somebody looks at them; otherwise thousands of nodes need not make that load.
        """
        self._client, self._apiserver, self._settings = client, apiserver, settings
        self._number, self._heartbeats, self._cert_dir = number, heartbeats, cert_dir
        self._processes: list[ServiceProcess] = []
        self._hosts = hosts
        #: says the last words of the processes that were started last
        self._last_words: Callable[[], Awaitable[str]] | None = None

    @property
    def pids(self) -> list[int]:
        """Of the processes."""
        return [process.pid for process in self._processes]

    async def start(
        self,
        count: int,
        template: Template,
        labels: Callable[[int], dict[str, str]],
        patience_seconds: float,
        addresses: Addresses,
    ) -> None:
        """Start them and return when all are registered, with their labels and taints.

        Raises:
            HollowError: the template names its node, there are no addresses for so many, or they do not come.
        """
        tree: Any = template.tree
        if template.name:
            raise HollowError(f"{template.source}: a node with a name of its own needs --nodes objects")
        names: list[str] = []
        size = min(NODES_A_PROCESS, max(1, -(-count // max(1, len(self._hosts)))))
        ranges = addresses.take(-(-count // size), size)
        for part, first in enumerate(range(0, count, size)):
            nodes = min(size, count - first)
            prefix = f"{self._settings.run}-hollow{self._number}-{part}"
            await self._spawn(nodes, prefix, part, ranges[part], tree.get("status", {}).get("capacity", {}))
            part_names = [f"{prefix}-{index:04d}" for index in range(nodes)]
            await self._registered(set(part_names), patience_seconds)
            names += part_names
        taints = tree.get("spec", {}).get("taints", [])
        order = iter(enumerate(names))

        async def labeller() -> None:
            for index, name in order:
                own = {
                    RUN_LABEL: self._settings.run,
                    **tree.get("metadata", {}).get("labels", {}),
                    **labels(index),
                }
                patch: dict[str, Any] = {"metadata": {"labels": own}}
                if taints:
                    patch["spec"] = {"taints": taints}
                await self._client.nodes.patch(name, msgspec.json.encode(patch).decode())

        async with asyncio.TaskGroup() as group:
            for _ in range(_LABELLERS):
                group.create_task(labeller())

    async def _spawn(
        self, nodes: int, prefix: str, part: int, cidr: str, capacity: Mapping[str, Any]
    ) -> None:
        flags = [
            f"--hollow-nodes={nodes}", f"--hollow-prefix={prefix}", f"--apiserver={self._apiserver}",
            "--log-level=warning", f"--hollow-seed={self._settings.seed + part}", f"--hollow-cidr={cidr}",
        ]  # fmt: skip
        if not self._heartbeats:
            flags += ["--lease-seconds=400", "--lease-renew-seconds=100", "--node-status-seconds=100"]
        flags += [
            f"--capacity-{name}={capacity[name]}" for name in ("cpu", "memory", "pods") if name in capacity
        ]
        if self._settings.stages:
            flags.append(f"--hollow-stages={self._settings.stages}")
        if self._hosts:
            host = self._hosts[part % len(self._hosts)]
            number = await host.ask(StartKubelet(flags), int)
            host.saw(kubelets=1)
            self._last_words = lambda: host.ask(KubeletLog(number), str)
            return
        # Elsewhere it is the agent's environment that names the folder.
        process = ServiceProcess("kubelet", f"--cert-dir={self._cert_dir}", *flags)
        self._processes.append(process)
        self._last_words = lambda: asyncio.to_thread(process.log)

    async def _registered(self, names: set[str], patience_seconds: float) -> None:
        count, clock = -1, asyncio.get_running_loop().time
        since = clock()
        while True:
            found = await self._client.nodes.list()
            here = sum(
                node.metadata.name in names
                and any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
                for node in found.items
            )
            if here == len(names):
                return
            if here != count:
                count, since = here, clock()
            if clock() - since > patience_seconds:
                log = await self._last_words() if self._last_words is not None else ""
                raise HollowError(f"{here} of {len(names)} hollow nodes are Ready\n{log}")
            await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """End the processes."""
        close_all(self._processes)
        self._processes.clear()
