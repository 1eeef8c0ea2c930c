"""DaemonSets over a whole control plane: nodes come and go, templates change."""

from controller.daemonset.reconcile import node_of
from tests.support.controlplane import ControlPlane, control_plane
from vaina.api.apps.v1 import daemon_set_pb2


def daemon_set() -> daemon_set_pb2.DaemonSet:
    made = daemon_set_pb2.DaemonSet()
    made.metadata.name, made.metadata.namespace = "log", "default"
    made.spec.selector.match_labels["app"] = "log"
    made.spec.template.metadata.labels["app"] = "log"
    made.spec.template.spec.containers.add(name="app", image="a")
    return made


async def places(plane: ControlPlane) -> list[str]:
    return sorted(
        node_of(pod) for pod in await plane.pods() if not pod.metadata.HasField("deletion_timestamp")
    )


async def until_on(plane: ControlPlane, *nodes: str) -> None:
    async def holds() -> bool:
        return await places(plane) == sorted(nodes)

    await plane.until(holds)


async def start(plane: ControlPlane) -> None:
    """Bind each Pod to the node that it is for, and start it."""
    for pod in await plane.pods():
        if pod.status.phase != "Running":
            await plane.start(pod, node_of(pod))


async def test_every_node_has_one_also_those_that_come_later() -> None:
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.add_node("n2")
        await plane.client.daemon_sets.create(daemon_set())
        await until_on(plane, "n1", "n2")
        await plane.add_node("n3")
        await until_on(plane, "n1", "n2", "n3")
        await start(plane)

        async def counted() -> bool:
            status = (await plane.client.daemon_sets.get("log", "default")).status
            return (
                status.desired_number_scheduled,
                status.number_available,
                status.updated_number_scheduled,
            ) == (3, 3, 3)

        await plane.until(counted)
        await plane.settle()
        assert await places(plane) == ["n1", "n2", "n3"]


async def test_labels_of_nodes_decide_and_a_pod_that_goes_comes_again() -> None:
    async with control_plane() as plane:
        await plane.add_node("n1", labels={"disk": "ssd"})
        await plane.add_node("n2")
        made = daemon_set()
        made.spec.template.spec.node_selector["disk"] = "ssd"
        await plane.client.daemon_sets.create(made)
        await until_on(plane, "n1")
        (pod,) = await plane.pods()
        await plane.client.pods.delete(pod.metadata.name, "default", grace_period_seconds=0)

        async def again() -> bool:
            found = await plane.pods()
            return len(found) == 1 and found[0].metadata.uid != pod.metadata.uid

        await plane.until(again)
        node = await plane.client.nodes.get("n1")
        del node.metadata.labels["disk"]
        await plane.client.nodes.update(node)
        await until_on(plane)


async def test_a_new_template_goes_from_node_to_node() -> None:
    async with control_plane() as plane:
        for name in ("n1", "n2"):
            await plane.add_node(name)
        await plane.client.daemon_sets.create(daemon_set())
        await until_on(plane, "n1", "n2")
        await start(plane)
        changed = await plane.client.daemon_sets.get("log", "default")
        changed.spec.template.spec.containers[0].image = "b"
        await plane.client.daemon_sets.update(changed)
        for _ in range(2):

            async def one_goes() -> bool:
                return len(await places(plane)) == 1

            await plane.until(one_goes)
            await plane.settle()
            assert len(await places(plane)) == 1, "one node at a time"
            for pod in await plane.pods():
                if pod.metadata.HasField("deletion_timestamp"):
                    await plane.client.pods.delete(pod.metadata.name, "default", grace_period_seconds=0)
            await until_on(plane, "n1", "n2")
            await start(plane)
        await plane.settle()
        assert [pod.spec.containers[0].image for pod in await plane.pods()] == ["b", "b"]
        assert len((await plane.client.controller_revisions.list()).items) == 2


async def test_a_pod_that_fails_is_replaced_later_each_time() -> None:
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.daemon_sets.create(daemon_set())
        seen: set[str] = set()
        for _ in range(3):

            async def another() -> bool:
                found = [pod for pod in await plane.pods() if pod.metadata.uid not in seen]
                return len(found) == 1

            await plane.until(another, seconds=10)
            (pod,) = [item for item in await plane.pods() if item.metadata.uid not in seen]
            seen.add(pod.metadata.uid)
            await plane.start(pod, "n1")
            pod = await plane.client.pods.get(pod.metadata.name, "default")
            pod.status.phase = "Failed"
            await plane.client.pods.update_status(pod, mask=("phase",))
        await plane.clock.advance(5)
        assert "FailedDaemonPod" in {event.reason for event in await plane.events()}
