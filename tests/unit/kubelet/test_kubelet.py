"""The kubelet as a whole: a bound Pod comes alive, ends, and outlives its kubelet, over the apiserver in process."""

from tests.unit.kubelet.harness import node
from vaina.testing.builders import make_pod


async def test_a_bound_pod_becomes_running_with_an_address() -> None:
    async with node() as on:
        await on.create(make_pod())

        pod = await on.until(lambda pod: pod.status.phase == "Running")

        assert pod.status.pod_ip == "10.244.1.2"
        assert pod.status.host_ip == "192.0.2.1"
        conditions = {item.type: item.status for item in pod.status.conditions}
        assert conditions["Ready"] == "True"
