"""Many hollow kubelets in one process."""

import asyncio
import random
from ipaddress import IPv4Network

from prometheus_client import CollectorRegistry

from apiserver.build import build
from apiserver.storage.memory import MemoryStorage
from kubelet.build import Outlets, build_kubelet
from kubelet.config import KubeletConfig
from kubelet.hollow import HollowNode, HollowNodes, Silent, hollow_machine
from kubelet.metrics import KubeletMetrics
from kubelet.runtimes import hollow_runtime
from kubelet.status.manager import StatusManager
from tests.support.direct import Direct
from vaina.backoff import Backoff
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock


async def test_twenty_nodes_run_forty_pods_with_forty_addresses() -> None:
    clock, config = FakeClock(), KubeletConfig()
    app = build(Direct(MemoryStorage(clock)), clock, rng=random.Random(1))
    await app.bootstrap()
    client = Clientset(InProcessTransport(app.handlers))
    metrics = KubeletMetrics(CollectorRegistry(), clock)
    silent = Silent()
    status = StatusManager(
        client.pods,
        clock,
        steps=silent,
        node_name="",
        metrics=metrics,
        backoff=Backoff(0.5, 10.0),
        rng=random.Random(4),
    )
    networks = IPv4Network("10.128.0.0/9").subnets(new_prefix=24)

    async def make(index: int) -> HollowNode:
        rng = random.Random(index)
        runtime = hollow_runtime(config, clock, rng, cidr=next(networks))
        name = f"hollow-{index:04d}"
        kubelet = await build_kubelet(
            config, client, runtime, clock, rng, name=name, address="127.0.0.1", port=1,
            machine=hollow_machine(name), outlets=Outlets(silent, silent, metrics), status=status,
        )  # fmt: skip
        return HollowNode(name, kubelet, runtime.runtime)

    nodes = HollowNodes(20, make)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(nodes.run()), group.create_task(status.run())]
        await clock.advance(1)
        assert len((await client.nodes.list()).items) == 20
        for index in range(40):
            pod = make_pod(f"web-{index}", node=f"hollow-{index % 20:04d}")
            pod.metadata.uid = ""
            pod.status.Clear()
            await client.pods.create(pod)

        await clock.advance(2)

        pods = (await client.pods.list("default")).items
        assert {pod.status.phase for pod in pods} == {"Running"}
        assert len({pod.status.pod_ip for pod in pods}) == 40
        for task in tasks:
            task.cancel()
