"""Sandboxes of a Docker node, step 4 (SANDBOXED).

Pause containers, with an address of the node's Pod network. Owned by the docker runtime.

The engine gives a sandbox no network; the Pod network then gives it one (decision 005). Which address it was
given stands in its labels, so that a kubelet that begins anew knows it.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Protocol

import structlog
from docker.errors import APIError

from kubelet.network.commands import NetworkCommandError
from kubelet.network.ipam import AddressesExhausted
from kubelet.network.pod_network import NetworkNotReady
from kubelet.runtime.docker import calls, convert
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.failures import translated
from kubelet.runtime.docker.ports import PortNetwork, SandboxPorts
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, SandboxFailed
from kubelet.runtime.records import DnsConfig, RuntimeStatus, SandboxConfig, SandboxState, Uid

log = structlog.get_logger()


class SandboxNetwork(PortNetwork, Protocol):
    """What sandboxes need of the node's Pod network (`kubelet.network.pod_network`)."""

    @property
    def cidr(self) -> object | None: ...
    async def reserve(self, taken: Sequence[str]) -> IPv4Address: ...
    def release(self, address: IPv4Address) -> None: ...
    async def attach(self, sandbox_id: str, pid: int, address: IPv4Address) -> None: ...
    def is_attached(self, sandbox_id: str) -> bool: ...


class DockerSandboxes:
    """The sandboxes of one engine, as `kubelet.runtime.interface` tells of them.

    Any task may call it; calls for one Pod come one at a time.
    """

    def __init__(self, engine: Engine, network: SandboxNetwork, node_dns: DnsConfig) -> None:
        """Make it.

        Args:
            engine: its calls.
            network: gives sandboxes their addresses, and leads ports of the node to them.
            node_dns: resolv.conf of sandboxes that bring none.
        """
        self._engine, self._network, self._node_dns = engine, network, node_dns
        self._ports = SandboxPorts(self._list, network)

    async def _list(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        return await calls.list_all(self._engine, filters)

    async def status(self) -> RuntimeStatus:
        """Return whether sandboxes can have networks.

        The engine is taken to answer; what it says instead is not raised but told.
        """
        if self._network.cidr is None:
            return RuntimeStatus(ready=True, network_ready=False, message="the node has no Pod CIDR yet")
        if not self._ports.are_led:
            # A kubelet before this one may have died between a sandbox and its ports, or before it gave them
            # back.
            try:
                await self._ports.lead()
            except RuntimeFailure as error:
                return RuntimeStatus(ready=True, network_ready=False, message=str(error))
        return RuntimeStatus(ready=True, network_ready=True)

    @property
    def have_network(self) -> bool:
        """The node has addresses for them."""
        return self._network.cidr is not None

    async def run(self, config: SandboxConfig) -> SandboxState:
        """Make a sandbox with its network, or find the one that an earlier call made.

        Raises SandboxFailed, RuntimeFailure.
        """
        address = None if config.host_network else await self._reserve()
        sandbox_id = ""
        try:
            with translated(SandboxFailed):
                sandbox_id, address = await self._create(config, address)
                await self._engine.call(lambda client: client.start(sandbox_id))
                inspected = await self._engine.call(lambda client: client.inspect_container(sandbox_id))
            if address is not None:
                await self._attach(inspected, address)
            _write_resolv_conf(inspected, config.dns or self._node_dns)
            if config.port_mappings:
                await self._ports.lead()
        except BaseException:
            # What is half made is taken away, so that its address is free; what cannot be, is listed as not
            # ready.
            if sandbox_id:
                await self._remove_quietly(sandbox_id)
            raise
        finally:
            if address is not None:
                self._network.release(address)
        for state in await self.states(config.uid):
            if state.id == sandbox_id:
                return state
        raise SandboxFailed(
            f"sandbox {sandbox_id} of {config.namespace}/{config.name} ended right after its start"
        )

    async def _reserve(self) -> IPv4Address:
        # In this order: what starts between the two starts in a sandbox that is listed as running.
        sandboxes = await self._list(calls.filters_of(convert.SANDBOX, None))
        running = await self._list({**calls.filters_of(convert.CONTAINER, None), "status": ["running"]})
        try:
            return await self._network.reserve(convert.addresses_held(sandboxes, running))
        except (NetworkNotReady, AddressesExhausted) as error:
            raise SandboxFailed(str(error)) from error

    async def _create(
        self, config: SandboxConfig, address: IPv4Address | None
    ) -> tuple[str, IPv4Address | None]:
        """Create the pause container, or find the one an earlier call made (with the address that one was
        given).
        """
        name = convert.sandbox_name(config)
        body = convert.sandbox_body(config, str(address or ""))
        try:
            return await calls.create(self._engine, body, name), address
        except APIError as error:
            if error.status_code != calls.CONFLICT:
                raise
        found = await self._engine.call(lambda client: client.inspect_container(name))
        if found["State"]["Status"] not in {"created", "running"}:
            # Its address may be another's by now: the next attempt gets a new one.
            raise SandboxFailed(
                f"sandbox attempt {config.attempt} of {config.namespace}/{config.name} has ended"
            )
        if address is not None:
            self._network.release(address)
        given = found["Config"]["Labels"].get(convert.ADDRESS, "")
        return str(found["Id"]), IPv4Address(given) if given else None

    async def _attach(self, inspected: dict[str, Any], address: IPv4Address) -> None:
        sandbox_id, pid = str(inspected["Id"]), int(inspected["State"]["Pid"])
        if pid and self._network.is_attached(sandbox_id):
            return
        try:
            await self._network.attach(sandbox_id, pid, address)
        except (NetworkNotReady, NetworkCommandError) as error:
            raise SandboxFailed(f"the network of the sandbox could not be made: {error}") from error

    async def _remove_quietly(self, sandbox_id: str) -> None:
        try:
            await calls.remove(self._engine, sandbox_id)
        except RuntimeFailure as error:
            log.warning("a half-made sandbox could not be removed", sandbox=sandbox_id, error=str(error))

    async def stop(self, sandbox_id: str) -> None:
        """Kill what runs in a sandbox, then itself, and give its ports back. Raises RuntimeFailure."""
        # What has ended need not be killed; what ends meanwhile bears it.
        for item in await self._list({"label": [f"{convert.SANDBOX_ID}={sandbox_id}"]}):
            if item["State"] not in convert.ENDED:
                await calls.kill(self._engine, item["Id"], "SIGKILL")
        await calls.kill(self._engine, sandbox_id, "SIGKILL")
        await self._ports.give_back(sandbox_id)

    async def remove(self, sandbox_id: str) -> None:
        """Remove a sandbox with its containers. Raises RuntimeFailure."""
        for item in await self._list({"label": [f"{convert.SANDBOX_ID}={sandbox_id}"]}):
            await calls.remove(self._engine, item["Id"])
        await calls.remove(self._engine, sandbox_id)

    async def states(self, pod_uid: Uid | None) -> Sequence[SandboxState]:
        """Return the sandboxes of one Pod, or of all. Raises RuntimeFailure."""
        return [
            convert.sandbox_state(
                item,
                networked=not item["Labels"].get(convert.ADDRESS) or self._network.is_attached(item["Id"]),
            )
            for item in await self._list(calls.filters_of(convert.SANDBOX, pod_uid))
        ]

    async def network_namespace(self, sandbox_id: str) -> str:
        """Return the path of a running sandbox's network namespace. Raises NotFoundInRuntime, RuntimeFailure."""
        with translated():
            inspected = await self._engine.call(lambda client: client.inspect_container(sandbox_id))
        pid = int(inspected["State"]["Pid"])
        if not pid:
            raise NotFoundInRuntime(f"sandbox {sandbox_id} is not running")
        return f"/proc/{pid}/ns/net"


def _write_resolv_conf(inspected: dict[str, Any], dns: DnsConfig) -> None:
    """Write the file that the engine mounts into all containers of the sandbox.

    If there is none of ours, the engine puts public DNS servers into it.
    """
    lines = [f"nameserver {server}" for server in dns.nameservers]
    if dns.searches:
        lines.append(f"search {' '.join(dns.searches)}")
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    path = inspected.get("ResolvConfPath", "")
    if path:
        Path(path).write_text("".join(f"{line}\n" for line in lines))
