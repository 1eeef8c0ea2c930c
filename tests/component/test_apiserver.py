"""The real apiserver, over gRPC and a real etcd.

What unit tests show in process, shown once more through every layer.
"""

import asyncio
import urllib.request
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from apiserver.storage import codec
from apiserver.storage.interface import Key
from tests.support.apiserver_process import ApiserverProcess, is_serving
from tests.support.etcd import EtcdServer, RawEtcd
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.api.core.v1 import manifest_service_pb2 as manifests
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.client.verbs import binding
from vaina.errors import AlreadyExists, Conflict, Expired, Invalid, NotFound, TooLarge, Unavailable
from vaina.testing.builders import make_config_map, make_node, make_pod, make_replica_set

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: app, image: "registry.local/app:1", resources: {requests: {memory: 1024Mi}}}]
"""


@pytest.mark.requirement("A1")
@pytest.mark.step(1)
async def test_a_manifest_is_in_etcd_under_its_key(client: Clientset, etcd: EtcdServer) -> None:
    answer = await client.manifests.apply(manifests.ApplyRequest(manifest=POD))
    assert [item.action for item in answer.results] == ["created"]
    key = "/registry/pods/default/web"
    async with RawEtcd(etcd.target) as raw:
        value = await raw.value(key)
    assert value.startswith(b"k8s\0")
    stored = codec.decode_value(Key(key), value, 5)
    assert stored.type_meta == ("v1", "Pod")
    pod = pod_pb2.Pod.FromString(stored.data)
    assert (pod.metadata.name, pod.metadata.resource_version, pod.status.phase) == ("web", "", "Pending")
    assert pod.spec.containers[0].resources.requests["memory"].string == "1Gi"


async def test_the_life_of_a_pod(client: Clientset) -> None:
    await client.nodes.create(make_node())
    pods = client.pods
    # From a version on: a watch that began later would find what is there as one event.
    watch = pods.watch(resource_version=(await pods.list_page()).resource_version, allow_bookmarks=False)
    seen = asyncio.ensure_future(_until_deleted(watch))  # noqa: TID251
    made = await pods.create(make_pod())
    await pods.bind("web", namespace="default", uid=made.metadata.uid, node="node-1")
    with pytest.raises(Conflict, match='pod web is already assigned to node "node-1"'):
        await pods.bind("web", namespace="default", uid=made.metadata.uid, node="node-1")
    made.status.phase = "Running"
    made.status.conditions.add(type="Ready", status="True")
    running = await pods.update_status(made, mask=["phase", "conditions"])
    assert {c.type for c in running.status.conditions} == {"PodScheduled", "Ready"}
    await pods.delete("web", "default")
    await pods.delete("web", "default", grace_period_seconds=0, uid=made.metadata.uid)
    async with asyncio.timeout(60):
        events = await seen
    assert [kind for kind, _ in events] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    versions = [int(version) for _, version in events]
    assert versions == sorted(set(versions))


async def _until_deleted(watch: AsyncIterator[object]) -> list[tuple[str, str]]:
    events: list[tuple[str, str]] = []
    async for batch in watch:
        events += [(e.type, e.object.metadata.resource_version) for e in batch.events]  # type: ignore[attr-defined]
        if events and events[-1][0] == "DELETED":
            break
    return events


async def test_errors_come_out_typed_and_whole(client: Clientset) -> None:
    pod = make_pod("Bad_Name")
    pod.spec.containers[0].image = ""
    with pytest.raises(Invalid) as caught:
        await client.pods.create(pod)
    assert {cause.field for cause in caught.value.causes} == {"metadata.name", "spec.containers[0].image"}
    with pytest.raises(NotFound, match=r'^pods "nobody" not found$'):
        await client.pods.get("nobody", "default")
    await client.pods.create(make_pod())
    with pytest.raises(AlreadyExists):
        await client.pods.create(make_pod())


async def test_warnings_travel_in_trailers(server: ApiserverProcess) -> None:
    warnings: list[str] = []
    client = server.client(warnings)
    await client.pods.create(make_pod())
    await client.close()
    assert any("nothing will replace it" in text for text in warnings)


async def test_of_many_updates_at_once_none_is_lost(client: Clientset) -> None:
    await client.replica_sets.create(make_replica_set(replicas=0))

    async def add_one() -> None:
        while True:
            current = await client.replica_sets.get("web", "default")
            current.spec.replicas += 1
            try:
                await client.replica_sets.update(current)
            except Conflict:
                continue
            return

    await asyncio.gather(*(add_one() for _ in range(20)))
    final = await client.replica_sets.get("web", "default")
    assert (final.spec.replicas, final.metadata.generation) == (20, 21)


async def test_batches_of_hundreds(client: Clientset) -> None:
    await client.nodes.create(make_node())
    made = await client.pods.create_batch([make_pod(f"p{i}") for i in range(300)])
    assert all(isinstance(item, pod_pb2.Pod) for item in made)
    bindings = [binding("default", f"p{i}", "", "node-1") for i in range(300)]
    assert await client.pods.bind_batch(bindings) == [None] * 300
    page = await client.pods.list_page(field_selector="spec.nodeName=node-1", limit=200)
    rest = await client.pods.list_page(
        field_selector="spec.nodeName=node-1", limit=200, continue_token=page.continue_token
    )
    assert (len(page.items), len(rest.items), rest.continue_token) == (200, 100, "")
    assert await client.pods.delete_collection("default", grace_period_seconds=0) == 300


async def test_watches_resume_after_any_event_of_a_batch(client: Clientset) -> None:
    await client.pods.create_batch([make_pod(f"p{i}") for i in range(50)])
    versions = sorted(int(pod.metadata.resource_version) for pod in (await client.pods.list()).items)
    for index in (0, 7, 48):
        names: list[str] = []
        watch = client.pods.watch(resource_version=str(versions[index]), allow_bookmarks=False)
        while len(names) < 49 - index:
            names += [event.object.metadata.name for event in (await anext(watch)).events]
        await watch.aclose()
        assert len(names) == len(set(names)) == 49 - index


async def test_a_watch_that_begins_in_the_deep_past_has_expired(client: Clientset, etcd: EtcdServer) -> None:
    async with RawEtcd(etcd.target) as raw:
        from aetcd.rpc import rpc_pb2

        answer = await raw.kv.Put(rpc_pb2.PutRequest(key=b"/other", value=b"x"))
        await raw.compact(answer.header.revision)
    with pytest.raises(Expired):
        await anext(client.pods.watch(resource_version="1"))


async def test_an_event_gets_a_lease_of_an_hour(client: Clientset, etcd: EtcdServer) -> None:
    event = event_pb2.Event(reason="Started", type="Normal")
    event.metadata.name = "web.1"
    event.involved_object.namespace = "default"
    await client.events.create(event)
    async with RawEtcd(etcd.target) as raw:
        from aetcd.rpc import rpc_pb2

        found = await raw.kv.Range(rpc_pb2.RangeRequest(key=b"/registry/events/default/web.1"))
    assert found.kvs[0].lease & 0xFFFFFF == 3600


async def test_requests_that_are_too_large_are_refused_and_the_connection_lives(client: Clientset) -> None:
    pod = make_pod()
    pod.metadata.annotations["a"] = "x" * (4 * 1024 * 1024)
    with pytest.raises(TooLarge):
        await client.pods.create(pod)
    assert (await client.pods.list()).items == []


async def test_health_reflection_and_metrics(server: ApiserverProcess) -> None:
    async with grpc.aio.insecure_channel(server.target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {
        "vaina.api.core.v1.PodService",
        "vaina.api.core.v1.ManifestService",
        "vaina.api.version.v1.VersionService",
        "grpc.health.v1.Health",
    } <= names
    text = await asyncio.to_thread(_read, f"http://127.0.0.1:{server.metrics_port}/metrics")
    for name in (
        "etcd_request_duration_seconds",
        "apiserver_request_total",
        'apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}',
        "grpc_server_handled_total",
        "process_cpu",
    ):
        assert name in text
    assert await asyncio.to_thread(_read, f"http://127.0.0.1:{server.metrics_port}/healthz") == "ok"


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


async def test_it_ends_gracefully_and_what_was_acknowledged_is_there_again(
    server: ApiserverProcess, client: Clientset
) -> None:
    made = await client.pods.create(make_pod())
    watch = client.pods.watch(allow_bookmarks=False)
    await anext(watch)
    assert await asyncio.to_thread(server.terminate) == 0
    with pytest.raises((StopAsyncIteration, Unavailable)):
        await anext(watch)
    await server.start()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await client.pods.get("web", "default") == made
            except Unavailable:
                continue
            return


async def test_a_killed_apiserver_loses_nothing_it_acknowledged(
    server: ApiserverProcess, client: Clientset
) -> None:
    acknowledged: list[str] = []

    async def create(worker: int) -> None:
        for index in range(200):
            name = f"w{worker}-{index}"
            try:
                await client.pods.create(make_pod(name))
            except (Unavailable, AlreadyExists):
                return
            acknowledged.append(name)

    async def kill() -> None:
        while len(acknowledged) < 100:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)
        server.kill()

    async with asyncio.TaskGroup() as group:
        for worker in range(4):
            group.create_task(create(worker))
        group.create_task(kill())
    await server.start()
    fresh = server.client()
    there = {pod.metadata.name for pod in (await fresh.pods.list()).items}
    await fresh.close()
    assert set(acknowledged) <= there
    assert len(there) <= len(acknowledged) + 4


async def test_without_etcd_it_is_not_serving_and_comes_back_by_itself(own_etcd: EtcdServer) -> None:
    server = ApiserverProcess(own_etcd.target)
    probe = GrpcTransport(server.target)
    try:
        await server.start()
        client = server.client()
        made = await client.pods.create(make_pod())
        watch = client.pods.watch(resource_version=made.metadata.resource_version, allow_bookmarks=False)
        own_etcd.kill()
        async with asyncio.timeout(60):
            while await is_serving(probe):
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)
        with pytest.raises((Unavailable, TimeoutError)):
            async with asyncio.timeout(9):
                await client.pods.create(make_pod("lost"))
        assert (await client.pods.get("web", "default", resource_version="0")).metadata.name == "web"
        own_etcd.start()
        await server.wait_healthy()
        assert await client.pods.get("web", "default") == made
        await client.pods.create(make_pod("later"))
        names: list[str] = []
        async with asyncio.timeout(60):
            while "later" not in names:
                names += [event.object.metadata.name for event in (await anext(watch)).events]
        assert len(names) == len(set(names))
        await watch.aclose()
        await client.close()
    finally:
        await probe.close()
        server.close()


async def test_two_apiservers_over_one_etcd_show_the_same(
    server: ApiserverProcess, client: Clientset, etcd: EtcdServer
) -> None:
    second = ApiserverProcess(etcd.target)
    try:
        await second.start()
        other = second.client()
        for index in range(20):
            here, there = (client, other) if index % 2 else (other, client)
            made: Message = await here.pods.create(make_pod(f"p{index}"))
            assert await there.pods.get(f"p{index}", "default") == made
            assert len((await there.pods.list()).items) == index + 1
        await other.close()
    finally:
        second.close()


async def test_a_list_is_whole_although_the_server_gives_four_mebibytes_at_a_time(client: Clientset) -> None:
    for number in range(8):
        await client.config_maps.create(make_config_map(f"large-{number}", data={"a": "x" * 900_000}))
    page = await client.config_maps.list_page()
    assert page.continue_token
    listed = await client.config_maps.list()
    assert [item.metadata.name for item in listed.items] == [f"large-{number}" for number in range(8)]


async def test_it_tells_how_etcd_is_and_who_watches(client: Clientset) -> None:
    made = await client.pods.create(make_pod("told"))
    watching = asyncio.ensure_future(_until_deleted(client.pods.watch("default")))  # noqa: TID251
    while not (found := await client.machinery()).open:
        pass
    [member] = found.storage
    assert (member.error, member.leader, member.size_bytes > 0) == ("", True, True)
    assert member.size_bytes >= member.size_in_use_bytes > 0
    assert found.revision >= int(made.metadata.resource_version) // 1000
    assert [(row.verb, row.resource, row.namespace) for row in found.streams] == [
        ("watch", "pods", "default")
    ]
    await client.pods.delete("told", "default", grace_period_seconds=0)
    await watching
