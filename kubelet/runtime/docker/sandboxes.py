"""Sandboxes of a Docker node, step 4 (SANDBOXED): pause containers with an address of the node's Pod network.

The engine gives a sandbox no network; the Pod network gives it one (decision 005), whose address its labels
have.
"""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import structlog
from docker.errors import APIError

from kubelet.network.plan import AddressesExhausted
from kubelet.network.pod_network import NetworkCommandError, NetworkNotReady, PodNetwork
from kubelet.runtime.docker import convert
from kubelet.runtime.docker.engine import CONFLICT, Engine, translated
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, SandboxFailed
from kubelet.runtime.records import DnsConfig, RuntimeStatus, SandboxConfig, SandboxState, Uid

log = structlog.get_logger()


class SandboxPorts:
    """Keeps the node's ports leading to the sandboxes that are to stay. Any task may call it."""

    def __init__(self, engine: Engine, network: PodNetwork) -> None:
        self._engine, self._network = engine, network
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
        """Take away the ports of a sandbox that ends; asks nothing while none has any. Raises RuntimeFailure."""
        if not self._network.leads_ports:
            return
        if not await self._engine.list_containers({"label": [convert.HOST_PORTS], "id": [sandbox_id]}):
            return
        try:
            # It may take a moment to end: its ports go now, and do not come back with another Pod's.
            self._ending.add(sandbox_id)
            await self._set()
        except (NetworkNotReady, NetworkCommandError, OSError) as error:
            raise RuntimeFailure(f"the ports of the sandbox could not be given back: {error}") from error

    async def _set(self) -> None:
        async with self._setting:
            ending = frozenset(self._ending)
            listed = await self._engine.list_containers(
                {"label": [f"{convert.TYPE}={convert.SANDBOX}", convert.HOST_PORTS]}
            )
            self._ending -= ending.difference(item["Id"] for item in listed)
            await self._network.set_host_ports(
                convert.host_ports(item for item in listed if item["Id"] not in self._ending)
            )


class DockerSandboxes:
    """The sandboxes of one engine, for `DockerRuntime`. Any task may call it; calls for one Pod come in turn."""

    def __init__(self, engine: Engine, network: PodNetwork, node_dns: DnsConfig) -> None:
        self._engine, self._network, self._node_dns = engine, network, node_dns
        self._ports = SandboxPorts(engine, network)

    async def _network_status(self) -> RuntimeStatus:
        """Return whether sandboxes can have networks; failures are told, not raised. The engine answers."""
        if self._network.cidr is None:
            return RuntimeStatus(ready=True, network_ready=False, message="the node has no Pod CIDR yet")
        if not self._ports.are_led:
            # An earlier kubelet may have died between a sandbox and its ports.
            try:
                await self._ports.lead()
            except RuntimeFailure as error:
                return RuntimeStatus(ready=True, network_ready=False, message=str(error))
        return RuntimeStatus(ready=True, network_ready=True)

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxState:
        address = None if config.host_network else await self._reserve()
        sandbox_id = ""
        try:
            with translated(SandboxFailed):
                sandbox_id, address = await self._create_sandbox(config, address)
                await self._engine.call(lambda client: client.start(sandbox_id))
                inspected = await self._engine.call(lambda client: client.inspect_container(sandbox_id))
            if address is not None:
                await self._attach(inspected, address)
            _write_resolv_conf(inspected, config.dns or self._node_dns)
            if config.port_mappings:
                await self._ports.lead()
        except BaseException:
            # A half-made sandbox is removed to free its address; if that fails, it is listed as not ready.
            if sandbox_id:
                await self._remove_quietly(sandbox_id)
            raise
        finally:
            if address is not None:
                self._network.release(address)
        for state in await self.list_pod_sandboxes(config.uid):
            if state.id == sandbox_id:
                return state
        raise SandboxFailed(
            f"sandbox {sandbox_id} of {config.namespace}/{config.name} ended right after its start"
        )

    async def _reserve(self) -> IPv4Address:
        # In this order: what starts between the two starts in a sandbox that is listed as running.
        sandboxes = await self._engine.list_containers(convert.filters_of(convert.SANDBOX, None))
        running = await self._engine.list_containers(
            {**convert.filters_of(convert.CONTAINER, None), "status": ["running"]}
        )
        try:
            return await self._network.reserve(convert.addresses_held(sandboxes, running))
        except (NetworkNotReady, AddressesExhausted) as error:
            raise SandboxFailed(str(error)) from error

    async def _create_sandbox(
        self, config: SandboxConfig, address: IPv4Address | None
    ) -> tuple[str, IPv4Address | None]:
        name = convert.sandbox_name(config)
        body = convert.sandbox_body(config, str(address or ""))
        try:
            return await self._engine.create_container(body, name), address
        except APIError as error:
            if error.status_code != CONFLICT:
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
            await self._engine.remove_container(sandbox_id)
        except RuntimeFailure as error:
            log.warning("a half-made sandbox could not be removed", sandbox=sandbox_id, error=str(error))

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        # What has ended need not be killed; what ends meanwhile bears it.
        for item in await self._engine.list_containers({"label": [f"{convert.SANDBOX_ID}={sandbox_id}"]}):
            if item["State"] not in convert.ENDED:
                await self._engine.kill_container(item["Id"], "SIGKILL")
        await self._engine.kill_container(sandbox_id, "SIGKILL")
        await self._ports.give_back(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        for item in await self._engine.list_containers({"label": [f"{convert.SANDBOX_ID}={sandbox_id}"]}):
            await self._engine.remove_container(item["Id"])
        await self._engine.remove_container(sandbox_id)

    async def list_pod_sandboxes(self, pod_uid: Uid | None = None) -> Sequence[SandboxState]:
        return [
            convert.sandbox_state(
                item,
                networked=not item["Labels"].get(convert.ADDRESS) or self._network.is_attached(item["Id"]),
            )
            for item in await self._engine.list_containers(convert.filters_of(convert.SANDBOX, pod_uid))
        ]

    async def network_namespace(self, sandbox_id: str) -> str:
        inspected = await self._engine.ask(lambda client: client.inspect_container(sandbox_id))
        pid = int(inspected["State"]["Pid"])
        if not pid:
            raise NotFoundInRuntime(f"sandbox {sandbox_id} is not running")
        return f"/proc/{pid}/ns/net"


def _write_resolv_conf(inspected: dict[str, Any], dns: DnsConfig) -> None:
    """Write the sandbox's resolv.conf; the engine's own has public DNS servers."""
    lines = [f"nameserver {server}" for server in dns.nameservers]
    if dns.searches:
        lines.append(f"search {' '.join(dns.searches)}")
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    path = inspected.get("ResolvConfPath", "")
    if path:
        Path(path).write_text("".join(f"{line}\n" for line in lines))
