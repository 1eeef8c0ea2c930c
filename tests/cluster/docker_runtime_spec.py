"""The runtime spec over Docker. Runs inside a node, where the engine and the Pod network are: `test_runtime_spec.py` takes it there."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from ipaddress import IPv4Network

import pytest

from kubelet.network.pod_network import PodNetwork
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.images import DockerImages
from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.records import DnsConfig, Uid
from tests.conformance.runtime_process_spec import ProcessSpec
from tests.conformance.runtime_spec import Harness, RuntimeSpec


class TestDocker(RuntimeSpec, ProcessSpec):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        engine = Engine("/var/run/docker.sock", threads=4)
        network = PodNetwork(cluster_cidr=IPv4Network("10.244.0.0/16"))
        await network.configure(IPv4Network(os.environ["SPEC_POD_CIDR"]))  # noqa: TID251
        images = DockerImages(engine)
        await images.pull_image("busybox:latest")
        runtime = DockerRuntime(engine, network, node_dns=DnsConfig(), least_oom_score_adj=0)

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
