"""The controllers over the real apiserver in process, under a fake clock.

What each does, and that they do not get in each other's way.
"""

import pytest

from controller.config import ControllerConfig
from tests.support.controlplane import control_plane
from vaina.errors import NotFound
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.testing.builders import (
    make_namespace,
    make_node,
    make_pod,
    make_replica_set,
    make_replication_controller,
    owner_ref,
)


def active(pods):
    return [pod for pod in pods if not pod.metadata.HasField("deletion_timestamp")]


async def test_a_replica_set_gets_its_pods_status_and_events():
    async with control_plane() as plane:
        made = await plane.client.replica_sets.create(make_replica_set("web", replicas=5))
        await plane.until(lambda: has_replicas(plane, "web", 5))
        pods = await plane.pods()
        assert {controller_of(pod.metadata).uid for pod in pods} == {made.metadata.uid}
        await plane.add_node("n1")
        await plane.start_all("n1")

        async def available():
            status = (await plane.client.replica_sets.get("web", "default")).status
            return (status.replicas, status.ready_replicas, status.available_replicas) == (5, 5, 5)

        await plane.until(available)
        status = (await plane.client.replica_sets.get("web", "default")).status
        assert (status.fully_labeled_replicas, status.observed_generation) == (5, 1)
        await plane.clock.advance(1)
        messages = sorted(
            event.message for event in await plane.events() if event.reason == "SuccessfulCreate"
        )
        assert messages == sorted(f"Created pod: {pod.metadata.name}" for pod in pods)


async def has_replicas(plane, name, count):
    return len(active(await plane.pods(selector=f"app={name}"))) == count


async def test_scaling_up_and_down_follows_and_what_is_deleted_is_replaced():
    async with control_plane() as plane:
        await plane.client.replica_sets.create(make_replica_set("web", replicas=3))
        await plane.until(lambda: has_replicas(plane, "web", 3))
        scale = await plane.client.replica_sets.get_scale("web", "default")
        scale.spec.replicas = 6
        await plane.client.replica_sets.update_scale(scale)
        await plane.until(lambda: has_replicas(plane, "web", 6))
        before = {pod.metadata.name for pod in await plane.pods()}
        victim = (await plane.pods())[0]
        await plane.client.pods.delete(victim.metadata.name, "default")

        async def replaced():
            names = {pod.metadata.name for pod in await plane.pods()}
            return len(names) == 6 and names != before

        await plane.until(replaced)
        assert victim.metadata.name not in {pod.metadata.name for pod in await plane.pods()}
        scale = await plane.client.replica_sets.get_scale("web", "default")
        scale.spec.replicas = 0
        await plane.client.replica_sets.update_scale(scale)
        await plane.until(lambda: has_replicas(plane, "web", 0))


async def test_a_replication_controller_works_the_same():
    async with control_plane() as plane:
        await plane.client.replication_controllers.create(make_replication_controller("rc", replicas=4))
        await plane.until(lambda: has_replicas(plane, "rc", 4))
        references = {controller_of(pod.metadata).kind for pod in await plane.pods()}
        assert references == {"ReplicationController"}


async def test_an_orphan_that_matches_is_adopted_and_one_that_stops_matching_released():
    async with control_plane() as plane:
        orphan = await plane.client.pods.create(make_pod("lone", labels={"app": "web"}))
        made = await plane.client.replica_sets.create(make_replica_set("web", replicas=2))
        await plane.until(lambda: has_replicas(plane, "web", 2))
        adopted = await plane.client.pods.get("lone", "default")
        assert adopted.metadata.uid == orphan.metadata.uid
        assert controller_of(adopted.metadata).uid == made.metadata.uid
        adopted.metadata.labels["app"] = "other"
        await plane.client.pods.update(adopted)
        await plane.until(lambda: has_replicas(plane, "web", 2))
        released = await plane.client.pods.get("lone", "default")
        assert controller_of(released.metadata) is None


async def test_deleting_a_replica_set_deletes_its_pods_and_orphaning_keeps_them():
    async with control_plane() as plane:
        for name in ("gone", "kept"):
            await plane.client.replica_sets.create(make_replica_set(name, replicas=3))
            await plane.until(lambda name=name: has_replicas(plane, name, 3))
        await plane.client.replica_sets.delete("gone", "default")
        await plane.client.replica_sets.delete("kept", "default", propagation_policy="Orphan")
        await plane.until(lambda: has_replicas(plane, "gone", 0))
        await plane.clock.advance(30)
        kept = await plane.pods(selector="app=kept")
        assert len(kept) == 3
        assert [controller_of(pod.metadata) for pod in kept] == [None] * 3
        with pytest.raises(NotFound):
            await plane.client.replica_sets.get("kept", "default")


async def test_in_the_foreground_the_owner_goes_last():
    async with control_plane() as plane:
        await plane.client.replica_sets.create(make_replica_set("web", replicas=2))
        await plane.until(lambda: has_replicas(plane, "web", 2))
        await plane.add_node("n1")
        await plane.start_all("n1")
        await plane.client.replica_sets.delete("web", "default", propagation_policy="Foreground")

        async def all_ending():
            pods = await plane.pods()
            return len(pods) == 2 and not active(pods)

        await plane.until(all_ending)
        assert (await plane.client.replica_sets.get("web", "default")).metadata.finalizers
        for pod in await plane.pods():
            await plane.end(pod)

        async def gone():
            return not (await plane.client.replica_sets.list("default")).items

        await plane.until(gone)


async def test_every_node_gets_a_range_of_its_own():
    async with control_plane() as plane:
        for number in range(5):
            await plane.add_node(f"n{number}", labels={"vaina.dev/hollow": "true"} if number > 2 else {})

        async def assigned():
            nodes = (await plane.client.nodes.list()).items
            return all(node.spec.pod_cidr for node in nodes) and nodes

        played = make_node("player")
        played.status.node_info.container_runtime_version = "hollow://0.1.0"
        await plane.client.nodes.create(played)
        nodes = await plane.until(assigned)
        assert nodes.pop().spec.pod_cidr == "10.128.2.0/24"
        assert [node.spec.pod_cidr for node in nodes] == [
            "10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.128.0.0/24", "10.128.1.0/24",
        ]  # fmt: skip
        assert [list(node.spec.pod_cidrs) for node in nodes] == [[node.spec.pod_cidr] for node in nodes]
        await plane.client.nodes.delete("n1")
        await plane.add_node("another")
        await plane.add_node("n1")
        nodes = await plane.until(assigned)
        assert {
            node.metadata.name: node.spec.pod_cidr
            for node in nodes
            if node.metadata.name in ("n1", "another")
        } == {
            "another": "10.244.3.0/24",
            "n1": "10.244.1.0/24",
        }


@pytest.mark.requirement("D4")
async def test_a_silent_node_loses_its_pods_and_they_are_replaced_elsewhere():
    config = ControllerConfig(pod_eviction_seconds=60.0)
    async with control_plane(config) as plane:
        for name in ("n1", "n2", "n3"):
            await plane.add_node(name)
        await plane.client.replica_sets.create(make_replica_set("web", replicas=3))
        await plane.until(lambda: has_replicas(plane, "web", 3))
        await plane.start_all("n1", "n2", "n3")

        async def beat_and(check):
            for name in ("n2", "n3"):
                await plane.beat(name)
            return await check()

        async def unknown():
            pods = await plane.pods()
            return [pod for pod in pods if pod.status.phase == "Unknown"]

        began = plane.clock.now()
        (lost,) = await plane.until(lambda: beat_and(unknown), seconds=60)
        assert 40 <= plane.clock.now() - began <= 50
        assert (lost.spec.node_name, lost.status.reason) == ("n1", "NodeLost")
        assert lost.status.message == f"Node n1 which was running pod {lost.metadata.name} is unresponsive"
        assert get_condition(lost.status, "Ready").status == "False"
        node = await plane.client.nodes.get("n1")
        ready = next(condition for condition in node.status.conditions if condition.type == "Ready")
        assert (ready.status, ready.reason, ready.message) == (
            "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.",
        )  # fmt: skip
        assert {(taint.key, taint.effect) for taint in node.spec.taints} == {
            ("node.kubernetes.io/unreachable", "NoSchedule"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
        }
        assert len(await plane.pods()) == 3, "nothing is replaced before its time"

        async def replaced():
            pods = await plane.pods()
            return len(pods) == 4 and len(active(pods)) == 3

        await plane.until(lambda: beat_and(replaced), seconds=80)
        again = await plane.client.pods.get(lost.metadata.name, "default")
        assert (again.status.phase, again.metadata.HasField("deletion_timestamp")) == ("Unknown", True)

        await plane.report("n1")

        async def recovered():
            return not (await plane.client.nodes.get("n1")).spec.taints

        await plane.until(lambda: beat_and(recovered), seconds=10)


@pytest.mark.requirement("D4")
async def test_when_most_nodes_fall_silent_nothing_is_evicted():
    config = ControllerConfig(pod_eviction_seconds=5.0)
    async with control_plane(config) as plane:
        for name in ("n1", "n2", "n3"):
            await plane.add_node(name)
        await plane.client.replica_sets.create(make_replica_set("web", replicas=6))
        await plane.until(lambda: has_replicas(plane, "web", 6))
        await plane.start_all("n1", "n2", "n3")
        for _ in range(120):
            await plane.beat("n3")
            await plane.clock.advance(2)
        pods = await plane.pods()
        assert (len(pods), len(active(pods))) == (6, 6)
        assert [pod.status.phase for pod in pods].count("Unknown") == 4
        effects = [t.effect for node in (await plane.client.nodes.list()).items for t in node.spec.taints]
        assert effects == ["NoSchedule", "NoSchedule"]


async def test_between_two_looks_of_the_monitor_nothing_is_driven_from_nodes_that_fell_silent_together():
    """I13: whether a node or the control plane is at fault is judged for all nodes together, before anything
    is done about one.
    """
    async with control_plane(ControllerConfig(node_monitor_period_seconds=60.0)) as plane:
        for name in ("n1", "n2"):
            await plane.add_node(name)
        await plane.clock.advance(50)
        node = await plane.client.nodes.get("n1")
        node.metadata.labels["look"] = "here"
        await plane.client.nodes.update(node)
        await plane.settle()
        assert [taint.key for taint in (await plane.client.nodes.get("n1")).spec.taints] == []
        await plane.clock.advance(20)
        taints = [taint.effect for taint in (await plane.client.nodes.get("n1")).spec.taints]
        assert taints == ["NoSchedule"]


async def test_an_object_without_namespace_cannot_be_owned_by_one_in_a_namespace():
    """Upstream's collector leaves such references alone.

    The owner cannot be looked up, so nobody knows that it is gone.
    """
    async with control_plane() as plane:
        owner = owner_ref("Pod", "web", "uid-1", api_version="v1", controller=False)
        node = make_node("n1", heartbeat=plane.clock.now())
        node.metadata.owner_references.append(owner)
        await plane.client.nodes.create(node)
        await plane.clock.advance(10)
        assert (await plane.client.nodes.get("n1")).metadata.name == "n1"
        collector = next(c for c in plane.manager.controllers if c.name == "garbage-collector")
        assert collector.record.errors == 0


async def test_a_namespace_goes_with_all_that_is_in_it():
    async with control_plane() as plane:
        await plane.client.namespaces.create(make_namespace("team"))
        await plane.client.replica_sets.create(make_replica_set("web", "team", replicas=2))

        async def there():
            return len(await plane.pods("team")) == 2

        await plane.until(there)
        await plane.add_node("n1")
        await plane.start_all("n1")
        await plane.client.namespaces.delete("team")

        async def ending():
            pods = await plane.pods("team")
            return len(pods) == 2 and not active(pods)

        await plane.until(ending)

        async def told():
            namespace = await plane.client.namespaces.get("team")
            return [
                c.message
                for c in namespace.status.conditions
                if c.type == "NamespaceContentRemaining" and c.status == "True"
            ]

        messages = await plane.until(told)
        assert messages == ["Some resources are remaining: pods. has 2 resource instances"]
        for pod in await plane.pods("team"):
            await plane.end(pod)

        async def gone():
            return "team" not in {item.metadata.name for item in (await plane.client.namespaces.list()).items}

        await plane.until(gone)
        assert (await plane.client.replica_sets.list("team")).items == []


async def test_pods_of_a_node_that_is_no_more_are_removed():
    async with control_plane() as plane:
        await plane.add_node("n1")
        pod = await plane.client.pods.create(make_pod("lone"))
        await plane.start(pod, "n1")
        await plane.client.nodes.delete("n1")

        async def gone():
            return not await plane.pods()

        began = plane.clock.now()
        await plane.until(gone, seconds=90)
        assert plane.clock.now() - began >= 40


async def test_each_controller_says_what_it_is_doing():
    async with control_plane() as plane:
        await plane.client.replica_sets.create(make_replica_set("web", replicas=1))
        await plane.until(lambda: has_replicas(plane, "web", 1))
        states = {controller.name: controller.state() for controller in plane.manager.controllers}
        assert set(states) >= {
            "replicaset", "replicationcontroller", "node-ipam", "garbage-collector", "node-lifecycle", "pod-gc", "namespace", "resourcequota", "trace-collector",
            "disruption",
        }  # fmt: skip
        assert states["replicaset"].last_sync_key == "default/web"
        assert states["replicaset"].syncs > 0
        assert all(state.synced and not state.last_error for state in states.values())
