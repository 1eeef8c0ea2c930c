"""The kubelet as a whole: its node's record and lease, statuses that others wrote, bugs of ours, a runtime
that is away.
"""

import asyncio
from collections.abc import Sequence

import pytest

from kubelet.config import KubeletConfig
from kubelet.runtime.interface import RuntimeUnavailable
from kubelet.runtime.records import ContainerConfig, ContainerState, SandboxConfig, Uid
from tests.unit.kubelet.harness import NODE, Node, node
from tests.unit.kubelet.pods import is_running
from vaina.clock import timestamp
from vaina.steps import PodStep
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle


async def test_a_status_that_somebody_else_wrote_is_put_right() -> None:
    async with node() as on:
        await on.create(make_pod())
        pod = await on.until(is_running)
        pod.status.phase, pod.status.reason = "Unknown", "NodeLost"
        await on.client.pods.update_status(pod, mask=["phase", "reason"])

        pod = await on.until(is_running)

        assert pod.status.reason == ""


async def test_the_lease_is_renewed() -> None:
    async with node() as on:
        first = await on.client.leases.get(NODE, "kube-node-lease")
        await on.clock.advance(11)
        second = await on.client.leases.get(NODE, "kube-node-lease")

        assert second.spec.renew_time.seconds - first.spec.renew_time.seconds == 10
        assert second.spec.holder_identity == NODE
        [owner] = second.metadata.owner_references
        assert (owner.kind, owner.name) == ("Node", NODE)


async def test_a_node_that_somebody_deleted_is_registered_again() -> None:
    async with node() as on:
        await on.client.nodes.delete(NODE)
        await on.clock.advance(on.config.node_report_seconds + 20)

        found = await on.client.nodes.get(NODE)
        assert {item.type: item.status for item in found.status.conditions}["Ready"] == "True"


async def test_a_node_that_was_written_off_says_that_it_is_well() -> None:
    async with node() as on:
        written_off = await on.client.nodes.get(NODE)
        for condition in written_off.status.conditions:
            condition.status, condition.reason = "Unknown", "NodeStatusUnknown"
        await on.client.nodes.update_status(written_off)
        await on.clock.advance(11)
        found = await on.client.nodes.get(NODE)
        assert {item.type: item.status for item in found.status.conditions}["Ready"] == "True"


GPU = '{"status": {"capacity": {"example.com/gpu": %s}}}'


async def gpus(on: Node) -> tuple[str, str]:
    """Return how many the Node has, and how many of them are for Pods."""
    status = (await on.client.nodes.get(NODE)).status
    return tuple(  # type: ignore[return-value]  # two
        kind["example.com/gpu"].string if "example.com/gpu" in kind else ""
        for kind in (status.capacity, status.allocatable)
    )


async def test_a_resource_that_somebody_adds_to_the_node_stays_and_is_for_pods() -> None:
    async with node() as on:
        await on.client.nodes.patch(NODE, GPU % '"2"', subresource="status")
        await settle()
        assert await gpus(on) == ("2", "2")
        await on.clock.advance(on.config.node_report_seconds + 20)
        assert await gpus(on) == ("2", "2")
        fits = make_pod(containers=[make_container(limits={"example.com/gpu": "2"})])
        await on.create(fits)
        await on.until(is_running)
        await on.create(make_pod("late", containers=[make_container(limits={"example.com/gpu": "1"})]))
        late = await on.until(lambda pod: pod.status.phase == "Failed", name="late")
        assert late.status.reason == "OutOfexample.com/gpu"

        await on.client.nodes.patch(NODE, GPU % '"1"', subresource="status")
        await settle()
        assert await gpus(on) == ("1", "1")
        await on.client.nodes.patch(NODE, GPU % "null", subresource="status")
        await settle()
        assert await gpus(on) == ("", "")


async def test_a_machine_that_takes_over_a_node_has_none_of_what_was_added_to_it() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        await on.client.nodes.patch(NODE, GPU % '"2"', subresource="status")
        await settle()
        await on.stop_kubelet()
        await on.start_kubelet(group)
        assert await gpus(on) == ("2", "2"), "the same machine has what it had"
        await on.stop_kubelet()
        found = await on.client.nodes.get(NODE)
        found.status.node_info.machine_id = "one that burnt down"
        await on.client.nodes.update_status(found, mask=["node_info"])
        await on.clock.advance(60)
        await on.start_kubelet(group)
        await on.clock.advance(1)

        assert await gpus(on) == ("0", "0")
        await on.stop_kubelet()


async def test_a_name_that_another_live_machine_holds_is_not_taken_over() -> None:
    async with node(config=KubeletConfig(node_name=NODE)) as on, asyncio.TaskGroup() as group:
        await on.stop_kubelet()
        found = await on.client.nodes.get(NODE)
        found.status.node_info.machine_id = "another"
        await on.client.nodes.update_status(found, mask=["node_info"])
        lease = await on.client.leases.get(NODE, "kube-node-lease")
        lease.spec.renew_time.CopyFrom(timestamp(on.clock.now()))
        await on.client.leases.update(lease)
        await on.start_kubelet(group)
        await on.clock.advance(20)
        assert (await on.client.nodes.get(NODE)).status.node_info.machine_id == "another"

        # Its machine dies; the lease runs out.
        await on.clock.advance(25)
        await settle()
        assert (await on.client.nodes.get(NODE)).status.node_info.machine_id == NODE
        await on.stop_kubelet()


async def test_a_bug_that_one_pod_brings_out_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with node() as on:
        await on.create(make_pod("good"))
        await on.until(is_running, name="good")
        create = on.runtime.create_container

        async def broken(sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
            raise ZeroDivisionError

        monkeypatch.setattr(on.runtime, "create_container", broken)
        await on.create(make_pod())
        await on.clock.advance(5)
        assert (await on.get("good")).status.phase == "Running"
        assert (await on.get()).status.phase == "Pending"

        monkeypatch.setattr(on.runtime, "create_container", create)
        await on.until(is_running)


async def test_a_runtime_that_is_away_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with node() as on:
        await on.create(make_pod("before"))
        await on.until(is_running, name="before")
        history = [*on.runtime.history]

        async def away(pod_uid: Uid | None = None) -> Sequence[ContainerState]:
            raise RuntimeUnavailable("no socket")

        monkeypatch.setattr(on.runtime, "list_containers", away)
        await on.create(make_pod())
        await on.clock.advance(60)
        assert on.runtime.history == history
        assert (await on.get("before")).status.phase == "Running"
        assert on.recorder.waits == [(PodStep.SANDBOXED, False, "a look at it: no socket")]

        monkeypatch.undo()
        await on.until(is_running)
        assert on.recorder.waits[1] == (PodStep.SANDBOXED, True, "a look at it: no socket")
        assert [name for verb, name in on.runtime.history if verb == "start_container"].count(
            f"{(await on.get('before')).metadata.uid}_app_0"
        ) == 1
