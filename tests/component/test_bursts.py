"""Bursts of parallel calls that are answered with errors.

Who keeps to 100 calls a connection is never turned away.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from google.protobuf.message import Message

from apiserver.fast_paths import GRPC_CORE
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from vaina.client.clientset import Clientset
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

ROUNDS, CALLS = 20, 50


@pytest.fixture(params=[GRPC_CORE, "none"])
async def client(etcd: EtcdServer, request: pytest.FixtureRequest) -> AsyncIterator[Clientset]:
    """A client of an apiserver on each gRPC core."""
    process = ApiserverProcess(etcd.target, f"--fast-paths={request.param}")
    try:
        await process.start()
        async with process.client() as made:
            yield made
    finally:
        process.close()


def named(results: list[Message | BaseException]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


async def test_gets_of_what_is_not_there_are_all_told_so(client: Clientset) -> None:
    found: Counter[str] = Counter()
    for _ in range(ROUNDS):
        calls = (client.config_maps.get("missing", "default") for _ in range(CALLS))
        found += named(await asyncio.gather(*calls, return_exceptions=True))
    assert found == {"NotFound": ROUNDS * CALLS}


async def test_creates_of_what_is_there_are_all_told_so_and_others_made(client: Clientset) -> None:
    found: Counter[str] = Counter()
    for number in range(ROUNDS):
        # Each name twice: one of the two is refused.
        calls = (client.config_maps.create(make_config_map(f"a{number}-{n // 2}")) for n in range(CALLS))
        found += named(await asyncio.gather(*calls, return_exceptions=True))
    assert found == {"ConfigMap": ROUNDS * CALLS // 2, "AlreadyExists": ROUNDS * CALLS // 2}
