"""Ports of the node that lead to sandboxes.

What the engine was asked first never comes after what it was asked later.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address
from typing import Any

from kubelet.network.plan import HostPort
from kubelet.runtime.docker import convert
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.records import DnsConfig
from vaina.testing.clock import FakeClock


def sandbox(number: int) -> dict[str, Any]:
    labels = {
        convert.ADDRESS: f"10.244.1.{number}",
        convert.HOST_PORTS: json.dumps([[80, 8000 + number, "TCP", ""]]),
    }
    return {"Id": f"s{number}", "State": "running", "Labels": labels}


class SlowEngine(Engine):
    """Answers a first question for its sandboxes late, if another may be asked meanwhile."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.sandboxes = [sandbox(2)]
        self.asked = 0
        self.asked_first, self.answered_second = threading.Event(), threading.Event()

    async def call(self, operation: Callable[[Any], Any], **_: Any) -> Any:
        return await asyncio.to_thread(operation, self)

    def ping(self) -> bool:
        return True

    def kill(self, container_id: str, signal: str) -> None:
        return

    def containers(self, *, filters: dict[str, list[str]], **_: Any) -> list[dict[str, Any]]:
        if convert.HOST_PORTS not in filters["label"]:
            return []
        self.asked += 1
        number, found = self.asked, [*self.sandboxes]
        if number == 1:
            self.asked_first.set()
            self.answered_second.wait(0.3)
        return found


class Network:
    """Of a node; remembers what was asked of it last."""

    cidr = "10.244.1.0/24"
    leads_ports = True

    def __init__(self, engine: SlowEngine) -> None:
        self.engine, self.ports = engine, frozenset[int]()

    async def reserve(self, taken: Sequence[str]) -> IPv4Address:
        raise AssertionError("no sandbox is begun here")

    def release(self, address: IPv4Address) -> None:
        raise AssertionError("no sandbox is begun here")

    async def attach(self, sandbox_id: str, pid: int, address: IPv4Address) -> None:
        raise AssertionError("no sandbox is begun here")

    def is_attached(self, sandbox_id: str) -> bool:
        return True

    async def set_host_ports(self, ports: Iterable[HostPort]) -> None:
        self.ports = frozenset(port.mapping.host_port for port in ports)
        if len(self.ports) == 2:
            self.engine.answered_second.set()


async def test_an_old_list_of_sandboxes_takes_no_ports_away() -> None:
    engine = SlowEngine()
    network = Network(engine)
    runtime = DockerRuntime(engine, network, FakeClock(), node_dns=DnsConfig(), least_oom_score_adj=0)
    async with asyncio.TaskGroup() as group:
        group.create_task(runtime.status())
        await asyncio.to_thread(engine.asked_first.wait)
        # One has begun and another ends meanwhile.
        engine.sandboxes += [sandbox(3), sandbox(4)]
        group.create_task(runtime.stop_pod_sandbox("s4"))
    assert network.ports == {8002, 8003}


async def test_the_ports_of_a_sandbox_that_takes_its_time_to_end_do_not_come_back() -> None:
    engine = SlowEngine()
    engine.answered_second.set()
    network = Network(engine)
    runtime = DockerRuntime(engine, network, FakeClock(), node_dns=DnsConfig(), least_oom_score_adj=0)
    engine.sandboxes = [sandbox(2), sandbox(3), sandbox(4)]
    await runtime.stop_pod_sandbox("s4")
    assert network.ports == {8002, 8003}
    # The engine lists the fourth as running still when the third ends.
    await runtime.stop_pod_sandbox("s3")
    assert network.ports == {8002}
