"""Values in etcd that cannot be read, under a real apiserver: nobody else notices, and they can be deleted."""

import asyncio

import pytest

from apiserver.storage import codec
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer, RawEtcd
from tests.support.tasks import running
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import InternalError, NotFound
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

PREFIX = "/registry/configmaps/default/"
#: no envelope; an envelope around what is no ConfigMap; one whose text is not UTF-8
BROKEN = {
    "json": b'{"kind": "ConfigMap"}',
    "cut": codec.encode_value(b"\x0a\x05a", ("v1", "ConfigMap"), 0),
    "text": codec.encode_value(b"\x0a\x03\x0a\x01\xff", ("v1", "ConfigMap"), 0),
}


async def test_informers_go_on_and_an_administrator_finds_and_deletes_them(
    client: Clientset, server: ApiserverProcess, etcd: EtcdServer
) -> None:
    informer, warnings = Informer(client.config_maps, SystemClock()), list[str]()
    client_of_warnings = server.client(warnings)
    async with running(informer.run()), RawEtcd(etcd.target) as raw, asyncio.timeout(60):
        await informer.wait_synced()
        await client.config_maps.create(make_config_map("json"))
        for name, value in BROKEN.items():
            await raw.put(PREFIX + name, value)
        last = await client.config_maps.create(make_config_map("last"))
        while informer.resource_version < int(last.metadata.resource_version):
            await SystemClock().sleep(0.01)
        names = [obj.metadata.name for obj in informer.lister.list()]
        assert ("last" in names, set(names) & set(BROKEN)) == (True, set())
        await client_of_warnings.config_maps.list("default")
        assert [all(PREFIX + name in text for name in BROKEN) for text in warnings] == [True]
        for name in BROKEN:
            with pytest.raises(InternalError, match=f"Key: {PREFIX}{name}, "):
                await client.config_maps.get(name, "default")
            with pytest.raises(InternalError, match=f"Key: {PREFIX}{name}, "):
                await client.config_maps.create(make_config_map(name))
            await client.config_maps.delete_unreadable(name, "default")
            with pytest.raises(NotFound):
                await client.config_maps.get(name, "default")
            await client.config_maps.create(make_config_map(name))
    await client_of_warnings.close()


async def test_a_default_role_that_cannot_be_read_keeps_no_apiserver_from_serving(etcd: EtcdServer) -> None:
    broken = [
        f"/registry/{CLUSTER_ROLE.etcd_prefix}/view",
        f"/registry/{CLUSTER_ROLE_BINDING.etcd_prefix}/system:kube-scheduler",
    ]
    async with RawEtcd(etcd.target) as raw:
        for key in broken:
            await raw.put(key, BROKEN["json"])
    server = ApiserverProcess(etcd.target, "--authorization-mode=RBAC")
    try:
        await server.start()
        async with server.client() as client:
            # The others are there, and whoever administers the cluster can take it out.
            roles = client.kind(CLUSTER_ROLE)
            assert await roles.get("edit")
            with pytest.raises(InternalError, match=f"Key: {broken[0]}, "):
                await roles.get("view")
            await roles.delete_unreadable("view")
        assert server.log().count("default role cannot be read") == len(broken)
        assert all(key in server.log() for key in broken)
    finally:
        server.close()
