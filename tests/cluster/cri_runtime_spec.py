"""The runtime spec over CRI. Runs inside a node with containerd: `test_runtime_spec.py` takes it there."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kubelet.network.pod_network import CniNetwork
from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri.connection import Connection
from kubelet.runtime.cri.images import CriImages
from kubelet.runtime.cri.runtime import CriRuntime
from kubelet.runtime.records import DnsConfig, RuntimeEvent, RuntimeEventType, Uid
from tests.conformance.runtime_process_spec import ProcessSpec
from tests.conformance.runtime_spec import Harness, RuntimeSpec
from vaina.clock import SystemClock

SOCKET = "/run/containerd/containerd.sock"


class TestCri(RuntimeSpec, ProcessSpec):
    async def cut_off_start(self, harness: Harness, container_id: str, seconds: float) -> None:
        connection, asked = Connection(SOCKET), cri.ContainerStatusRequest(container_id=container_id)
        call = connection.runtime.StartContainer(cri.StartContainerRequest(container_id=container_id))
        await asyncio.sleep(seconds)  # noqa: TID251 - containerd has a clock of its own
        call.cancel()
        # One that is cut off early may never have reached containerd, and nobody tells.
        for _ in range(20):
            status = (await connection.runtime.ContainerStatus(asked)).status
            if status.state != cri.CONTAINER_CREATED:
                break
            await harness.wait()
        await connection.close()

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        # The kubelet's own: addresses are then given out of one pool.
        root = Path(os.environ["VAINA_ROOT_DIR"])  # noqa: TID251
        network = CniNetwork(
            cluster_cidr=IPv4Network("10.244.0.0/16"),
            directory=Path("/run/vaina/cni"),
            pool=root / "cni",
        )
        await network.configure(IPv4Network(os.environ["SPEC_POD_CIDR"]))  # noqa: TID251
        connection = Connection(SOCKET)
        images = CriImages(connection)
        if await images.image_status("busybox:latest") is None:
            await images.pull_image("busybox:latest")
        clock = SystemClock()
        runtime = CriRuntime(connection, clock, node_dns=DnsConfig(), log_root=root / "logs")

        async def wait() -> None:
            await asyncio.sleep(0.05)  # noqa: TID251 - the spec asks an engine that has a clock of its own

        async def is_ready() -> bool:
            return (await runtime.status()).network_ready

        harness = Harness(
            runtime=runtime, images=images, image="busybox:latest", missing_image="nosuch:1", wait=wait,
            uid=Uid(f"spec-{uuid.uuid4()}"),
        )  # fmt: skip
        await harness.until(is_ready, "the network is ready")
        yield harness
        for sandbox in await runtime.list_pod_sandboxes():
            if sandbox.uid.startswith("spec-"):
                await runtime.remove_pod_sandbox(sandbox.id)
        await runtime.close()

    async def test_an_end_is_hinted_at(self, harness: Harness) -> None:
        """Of several: the node's kubelet holds still, and takes every other event all the same (decision
        112).
        """
        hinted = asyncio.Event()

        async def listen() -> None:
            async with aclosing(harness.runtime.events()) as events:  # type: ignore[type-var]
                async for event in events:
                    if event == RuntimeEvent(RuntimeEventType.STOPPED, harness.uid):
                        hinted.set()

        async with asyncio.TaskGroup() as group:
            listening = group.create_task(listen())
            for attempt in range(20):
                await harness.ended(await harness.start("sh", "-c", "exit 0", attempt=attempt))
                await harness.wait()
                if hinted.is_set():
                    break
            listening.cancel()
        assert hinted.is_set()
