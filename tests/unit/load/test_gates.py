"""Lifting scheduling gates at a pace, over an apiserver in memory."""

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.gates import Gates
from bench.load.podset import PodSet
from tests.support.direct import build_handlers
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.testing.builders import make_pod


async def lifted(asked: list[float], *, now: float) -> list[float]:
    """Lift the gates of Pods that were asked for at these times, 10 a second from 100 s on.

    Return when each was due.

    It is `now` when the first one's turn comes.
    """
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    pods = PodSet("step", "default", [f"p{index}" for index in range(len(asked))])
    times = [100.0]
    gates = Gates(client, pods, range(len(asked)), 10, lambda: times.pop() if times else now)
    for index, at in enumerate(asked):
        pod = make_pod(pods.names[index], namespace="default")
        pod.spec.scheduling_gates.add(name="example.com/wait")
        await client.pods.create(pod)
        pods.intended[index] = at
        pods.see_created(index, now)
    await gates.run()
    assert not any(len(pod.spec.scheduling_gates) for pod in (await client.pods.list("default")).items)
    return pods.intended


async def test_what_is_late_keeps_the_time_at_which_it_was_due() -> None:
    assert await lifted([100.0, 100.0, 100.0], now=105.0) == pytest.approx([100.1, 100.2, 100.3])


async def test_a_gate_is_not_due_before_its_pod_was() -> None:
    assert await lifted([100.0, 103.0, 103.0], now=105.0) == pytest.approx([100.1, 103.0, 103.1])
