"""Lists in chunks over etcd, and what becomes of them when etcd compacts: the steps of Kubernetes' conformance
tests (`test/e2e/apimachinery/chunking.go`, v1.37.2), over HTTP.

There the second waits for the apiserver's own compaction, some minutes; here etcd is told to compact.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest

from bench.etcd import free_port
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer, RawEtcd

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

TOTAL: Final = 400
TENTH: Final = TOTAL // 10
TEMPLATES: Final = "/api/v1/namespaces/default/podtemplates"
NAMES: Final = [f"template-{number:04}" for number in range(TOTAL)]
#: at once, as there
WIDTH: Final = 20
Json = dict[str, Any]


@pytest.fixture
async def session(etcd: EtcdServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of an apiserver that has the templates."""
    target = f"127.0.0.1:{free_port()}"
    process = ApiserverProcess(etcd.target, f"--rest-listen={target}", "--compaction-seconds=0")
    try:
        await process.start()
        connector = aiohttp.TCPConnector(limit=WIDTH)
        async with aiohttp.ClientSession(f"http://{target}", connector=connector) as made:
            async with asyncio.TaskGroup() as group:
                for name in NAMES:
                    group.create_task(create(made, name))
            yield made
    finally:
        process.close()


async def create(session: aiohttp.ClientSession, name: str) -> None:
    template = {"spec": {"containers": [{"name": "test", "image": "test2"}]}}
    body = {"metadata": {"name": name}, "template": template}
    async with session.post(TEMPLATES, json=body) as answer:
        assert answer.status == 201, await answer.text()


async def listed(session: aiohttp.ClientSession, limit: int, token: str = "", code: int = 200) -> Json:
    query = {"limit": str(limit)} | ({"continue": token} if token else {})
    async with session.get(TEMPLATES, params=query) as answer:
        found: Json = await answer.json()
        assert answer.status == code, found
        return found


async def pages(session: aiohttp.ClientSession, limit: int, token: str = "", found: int = 0) -> list[str]:
    """Return the names of all pages from a token on, where `found` came before; look at what each page says."""
    names, version = list[str](), ""
    while True:
        page = await listed(session, limit, token)
        metadata = page["metadata"]
        names += [item["metadata"]["name"] for item in page["items"]]
        version = version or metadata["resourceVersion"]
        assert (metadata["resourceVersion"], len(page["items"]) <= limit) == (version, True)
        token = metadata.get("continue", "")
        left = TOTAL - found - len(names)
        assert metadata.get("remainingItemCount") == (left if token else None)
        if not token:
            return names


async def test_a_list_comes_in_chunks_as_of_one_version(session: aiohttp.ClientSession) -> None:
    """*should return chunks of results for list calls*."""
    for _ in range(3):
        assert await pages(session, 17) == NAMES
    assert len((await listed(session, TOTAL + 1))["items"]) == TOTAL


async def test_a_list_goes_on_from_its_last_key_when_its_version_is_compacted_away(
    session: aiohttp.ClientSession, etcd: EtcdServer
) -> None:
    """*should support continue listing from the last key if the original version has been compacted away*."""
    first = (await listed(session, TENTH))["metadata"]
    assert first["remainingItemCount"] == TOTAL - TENTH
    await listed(session, TENTH, first["continue"])
    async with RawEtcd(etcd.target) as raw:
        from aetcd.rpc import rpc_pb2

        written = await raw.kv.Put(rpc_pb2.PutRequest(key=b"/other", value=b"x"))
        await raw.compact(written.header.revision)

    expired = await listed(session, TENTH, first["continue"], code=410)
    assert (expired["reason"], expired["status"]) == ("Expired", "Failure")
    second = await listed(session, TENTH, expired["metadata"]["continue"])
    assert second["metadata"]["resourceVersion"] != first["resourceVersion"]
    assert len(second["items"]) == TENTH
    names = [item["metadata"]["name"] for item in second["items"]]
    assert names == NAMES[TENTH : 2 * TENTH]
    assert second["metadata"]["remainingItemCount"] == TOTAL - 2 * TENTH
    rest = await pages(session, TENTH, expired["metadata"]["continue"], TENTH)
    assert rest == NAMES[TENTH:]
