"""etcd is put back to a snapshot, as an operator does it, under an apiserver and an informer that go on running.

Done as etcd's and Kubernetes' documents ask (`snapshot restore --bump-revision --mark-compacted`): revisions
go on from above all that was ever seen, and what watched before must list anew. So versions never go
backwards (I7), though objects do.
"""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.etcd import ROOT
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()
ETCDCTL = ROOT / ".tools" / "bin" / "etcdctl"
#: more than were written since the snapshot, by far (etcd's advice)
BUMP = 1_000_000_000


def config_map(name: str, value: str) -> config_pb2.ConfigMap:
    made = config_pb2.ConfigMap(data={"value": value})
    made.metadata.namespace, made.metadata.name = "default", name
    return made


def etcdctl(etcd: EtcdServer, *arguments: str) -> None:
    subprocess.run(
        [ETCDCTL, f"--endpoints={etcd.target}", *arguments], check=True, capture_output=True, timeout=60
    )


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await CLOCK.sleep(0.02)


async def test_a_snapshot_is_restored_under_a_running_apiserver(own_etcd: EtcdServer, tmp_path: Path) -> None:
    server = ApiserverProcess(own_etcd.target)
    try:
        await server.start()
        async with Clientset(GrpcTransport(server.target)) as client:
            informer: Informer[config_pb2.ConfigMap] = Informer(
                client.config_maps, CLOCK, namespace="default"
            )

            def seen() -> dict[str, str]:
                return {item.metadata.name: item.data["value"] for item in informer.lister.list()}

            async with running(informer.run()):
                await client.config_maps.create(config_map("kept", "old"))
                snapshot = tmp_path / "snapshot"
                etcdctl(own_etcd, "snapshot", "save", str(snapshot))
                lost = await client.config_maps.create(config_map("lost", "new"))
                changed = await client.config_maps.get("kept", "default")
                changed.data["value"] = "new"
                changed = await client.config_maps.update(changed)
                await until(lambda: seen() == {"kept": "new", "lost": "new"})

                own_etcd.kill()
                own_etcd.restore(snapshot, bump=BUMP)
                await asyncio.to_thread(own_etcd.start)

                # The informer lists anew by itself: what the snapshot does not have is gone, and what it has
                # is as it was.
                await until(lambda: seen() == {"kept": "old"})
                listed = await client.config_maps.list("default")
                assert int(listed.resource_version) > int(lost.metadata.resource_version) + BUMP
                # Who still holds what is no longer true cannot write it back.
                changed.data["value"] = "stale"
                with pytest.raises(ApiError, match="the object has been modified"):
                    await client.config_maps.update(changed)
                again = await client.config_maps.create(config_map("lost", "again"))
                assert int(again.metadata.resource_version) > BUMP
                await until(lambda: seen() == {"kept": "old", "lost": "again"})
    finally:
        server.close()
