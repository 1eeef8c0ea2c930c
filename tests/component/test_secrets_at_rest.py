"""Keys for Secrets come, change and go, as docs/secrets-at-rest.md says, with two apiservers over one etcd."""

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aetcd.rpc import rpc_pb2

from bench.etcd import ROOT
from cli.commands.secrets import rewrite
from tests.support.apiserver_process import ApiserverProcess
from tests.support.command import CommandLine
from tests.support.etcd import EtcdServer, RawEtcd
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

ETCDCTL = ROOT / ".tools" / "bin" / "etcdctl"
IDENTITY: dict[str, object] = {"identity": {}}


def key(number: int) -> dict[str, str]:
    return {"name": f"key{number}", "secret": base64.b64encode(bytes([number]) * 32).decode()}


def aesgcm(*numbers: int) -> dict[str, object]:
    return {"aesgcm": {"keys": [key(number) for number in numbers]}}


def write(path: Path, *providers: dict[str, object]) -> None:
    tree = {
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": list(providers)}],
    }  # fmt: skip
    path.touch(0o600)
    path.write_text(json.dumps(tree))


def secret(name: str) -> config_pb2.Secret:
    made = config_pb2.Secret(type="Opaque", data={"a": name.encode()})
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


@asynccontextmanager
async def apiserver(etcd: EtcdServer, keys: Path) -> AsyncIterator[Clientset]:
    process = ApiserverProcess(etcd.target, f"--encryption-provider-config={keys}")
    try:
        await process.start()
        async with process.client() as client:
            yield client
    finally:
        process.close()


async def prefixes(etcd: EtcdServer) -> set[bytes]:
    """Return what the stored Secrets begin with."""
    async with RawEtcd(etcd.target) as raw:
        answer = await raw.kv.Range(
            rpc_pb2.RangeRequest(key=b"/registry/secrets/", range_end=b"/registry/secrets0")
        )
    return {
        b":".join(pair.value.split(b":", 5)[:5]) if pair.value.startswith(b"k8s:enc:") else b"plain"
        for pair in answer.kvs
    }


def save(etcd: EtcdServer, snapshot: Path) -> None:
    subprocess.run(
        [ETCDCTL, f"--endpoints={etcd.target}", "snapshot", "save", str(snapshot)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


NAMES = [f"s-{index}" for index in range(30)]


async def check(client: Clientset) -> None:
    """All Secrets are there, in lists and one by one."""
    found = {item.metadata.name: item.data["a"] for item in (await client.secrets.list("default")).items}
    assert found == {name: name.encode() for name in NAMES}
    assert (await client.secrets.get("s-1", "default")).data["a"] == b"s-1"


async def test_secrets_are_readable_at_every_step_of_a_change_of_keys(
    own_etcd: EtcdServer, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    # Before there were keys.
    write(one, IDENTITY)
    async with apiserver(own_etcd, one) as client:
        await client.secrets.create_batch([secret(name) for name in NAMES])
    assert await prefixes(own_etcd) == {b"plain"}
    steps: list[tuple[tuple[dict[str, object], ...], tuple[dict[str, object], ...], bytes]] = [
        # What one apiserver writes the other reads, whichever has its new file already.
        ((IDENTITY, aesgcm(1)), (aesgcm(1), IDENTITY), b"k8s:enc:aesgcm:v1:key1"),
        ((aesgcm(1), IDENTITY), (aesgcm(1, 2), IDENTITY), b"k8s:enc:aesgcm:v1:key1"),
        ((aesgcm(1, 2),), (aesgcm(2, 1),), b"k8s:enc:aesgcm:v1:key2"),
        ((aesgcm(2, 1),), (aesgcm(2),), b"k8s:enc:aesgcm:v1:key2"),
        ((aesgcm(2), IDENTITY), (IDENTITY, aesgcm(2)), b"plain"),
    ]
    for older, newer, wanted in steps:
        write(one, *older)
        write(two, *newer)
        async with apiserver(own_etcd, one) as first, apiserver(own_etcd, two) as second:
            await check(first)
            await check(second)
            shell = CommandLine().shell()
            await rewrite(shell, second)
            assert await prefixes(own_etcd) == {wanted}
            await check(first)
            # A second time nothing is written.
            version = (await second.secrets.get("s-1", "default")).metadata.resource_version
            await rewrite(shell, second)
            assert (await second.secrets.get("s-1", "default")).metadata.resource_version == version


async def test_a_snapshot_is_restored_with_its_keys_and_is_nothing_without_them(
    own_etcd: EtcdServer, tmp_path: Path
) -> None:
    keys, others = tmp_path / "keys.yaml", tmp_path / "others.yaml"
    write(keys, aesgcm(1))
    write(others, aesgcm(2))
    async with apiserver(own_etcd, keys) as client:
        await client.secrets.create_batch([secret(name) for name in NAMES])
    snapshot = tmp_path / "snapshot"
    save(own_etcd, snapshot)
    own_etcd.kill()
    own_etcd.restore(snapshot, bump=1_000_000_000)
    await asyncio.to_thread(own_etcd.start)
    async with apiserver(own_etcd, others) as client:
        assert (await client.secrets.list("default")).items == []
    async with apiserver(own_etcd, keys) as client:
        await check(client)
