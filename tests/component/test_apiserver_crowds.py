"""The real apiserver when many want the same thing, or much at once. Over gRPC and a real etcd."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from vaina.api.core.v1 import config_pb2, namespace_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Forbidden, Invalid, NotFound, TooLarge
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]


@pytest.fixture
async def client(etcd: EtcdServer) -> AsyncIterator[Clientset]:
    process = ApiserverProcess(etcd.target)
    try:
        await process.start()
        client = process.client()
        yield client
        await client.close()
    finally:
        process.close()


async def test_of_many_patches_without_a_version_all_get_through(client: Clientset) -> None:
    await client.config_maps.create(make_config_map("crowd"))
    patches = [json.dumps({"data": {f"k{index}": "1"}}) for index in range(60)]
    await asyncio.gather(
        *[client.config_maps.patch("crowd", patch, namespace="default") for patch in patches]
    )
    assert len((await client.config_maps.get("crowd", "default")).data) == 60


async def test_nothing_stays_in_a_namespace_that_ends_while_others_create(client: Clientset) -> None:
    """What is there when the end begins is whole; whoever comes later is refused, and leaves nothing behind."""
    await client.namespaces.create(namespace_pb2.Namespace(metadata={"name": "shop"}))

    async def create(index: int) -> bool:
        try:
            await client.config_maps.create(make_config_map(f"c{index}", "shop"))
        except (Forbidden, NotFound):
            return False
        return True

    async with asyncio.TaskGroup() as group:
        before = [group.create_task(create(index)) for index in range(40)]
        ending = group.create_task(client.namespaces.delete("shop"))
        after = [group.create_task(create(index)) for index in range(40, 80)]
    mark = ending.result().metadata.resource_version
    assert int(mark) > 0
    made = {f"c{index}" for index, task in enumerate([*before, *after]) if task.result()}
    assert {item.metadata.name for item in (await client.config_maps.list("shop")).items} == made
    assert not await create(99)


async def test_a_small_patch_that_would_make_an_endless_object_ends_nothing(client: Clientset) -> None:
    await client.config_maps.create(make_config_map("bomb", data={"a": "x" * 1000}))
    double = [{"op": "copy", "from": "/metadata", "path": f"/metadata/x{index}"} for index in range(60)]
    with pytest.raises(Invalid, match="rejected our request"):
        await client.config_maps.patch(
            "bomb", json.dumps(double), namespace="default", patch_type="application/json-patch+json"
        )
    assert (await client.config_maps.get("bomb", "default")).data["a"] == "x" * 1000


@pytest.mark.parametrize("size", [3 * 1024 * 1024 + 1, 5 * 1024 * 1024])
async def test_a_request_that_is_too_large_gets_kubernetes_words_whoever_refuses_it(
    client: Clientset, size: int
) -> None:
    large = config_pb2.ConfigMap(metadata={"name": "large"}, binary_data={"k": b"x" * size})
    with pytest.raises(TooLarge, match=r"^Request entity too large: limit is 3145728$"):
        await client.config_maps.create(large)
