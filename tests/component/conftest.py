"""Component tests: one real service, or a part of it, with a real etcd (`make test-component`)."""

from collections.abc import AsyncIterator

import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer, etcd, own_etcd, shared_etcd
from vaina.client.clientset import Clientset

__all__ = ["etcd", "own_etcd", "shared_etcd"]


@pytest.fixture
async def server(etcd: EtcdServer) -> AsyncIterator[ApiserverProcess]:
    """An apiserver as a process, over the test's etcd."""
    process = ApiserverProcess(etcd.target)
    try:
        await process.start()
        yield process
    finally:
        process.close()


@pytest.fixture
async def client(server: ApiserverProcess) -> AsyncIterator[Clientset]:
    """A client of it."""
    made = server.client()
    yield made
    await made.close()
