"""The runtime spec over Docker. Runs inside a node, where the engine and the Pod network are.

`test_runtime_spec.py` takes it there.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from ipaddress import IPv4Network

import pytest
from docker import APIClient

from kubelet.network.pod_network import PodNetwork
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.images import DockerImages
from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.records import DnsConfig, Uid
from tests.conformance.runtime_process_spec import ProcessSpec
from tests.conformance.runtime_spec import Harness, RuntimeSpec
from vaina.clock import SystemClock

SOCKET = "/var/run/docker.sock"


class TestDocker(RuntimeSpec, ProcessSpec):
    async def cut_off_start(self, harness: Harness, container_id: str, seconds: float) -> None:
        _, writer = await asyncio.open_unix_connection(SOCKET)
        line = f"POST /v1.41/containers/{container_id}/start HTTP/1.1"
        writer.write(f"{line}\r\nHost: engine\r\nContent-Length: 0\r\n\r\n".encode())
        await asyncio.sleep(seconds)  # noqa: TID251 - the engine has a clock of its own
        writer.close()
        engine = APIClient(f"unix://{SOCKET}", version="1.41")

        async def is_done() -> bool:
            state = (await asyncio.to_thread(engine.inspect_container, container_id))["State"]
            return bool(state["Error"]) or not state["StartedAt"].startswith("0001")

        await harness.until(is_done, "the engine has started it or given up")
        engine.close()

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        engine = Engine(SOCKET, threads=4)
        network = PodNetwork(cluster_cidr=IPv4Network("10.244.0.0/16"))
        await network.configure(IPv4Network(os.environ["SPEC_POD_CIDR"]))  # noqa: TID251
        images = DockerImages(engine)
        if await images.image_status("busybox:latest") is None:
            await images.pull_image("busybox:latest")
        runtime = DockerRuntime(engine, network, SystemClock(), node_dns=DnsConfig(), least_oom_score_adj=0)

        async def wait() -> None:
            await asyncio.sleep(0.05)  # noqa: TID251 - the spec asks an engine that has a clock of its own

        harness = Harness(
            runtime=runtime, images=images, image="busybox:latest", missing_image="nosuch:1", wait=wait,
            uid=Uid(f"spec-{uuid.uuid4()}"),
        )  # fmt: skip
        yield harness
        for sandbox in await runtime.list_pod_sandboxes():
            if sandbox.uid.startswith("spec-"):
                await runtime.remove_pod_sandbox(sandbox.id)
        await runtime.close()
