"""Threat: somebody who reads etcd's disk, its log or a backup of it, or writes etcd past the apiserver."""

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aetcd.rpc import rpc_pb2

from bench.etcd import ROOT, find_etcd
from tests.support.apiserver_process import ApiserverProcess
from tests.support.audit import EVERYTHING, HEAD
from tests.support.etcd import EtcdServer, RawEtcd, own_etcd
from tests.support.identities import ADMIN, ETCD_CLIENT
from tests.support.secured import Plane, SecuredApiserver, apply, audited, refused
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.pki.encryption import make_encryption_config

__all__ = ["own_etcd"]
pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

ETCDCTL: Final = ROOT / ".tools" / "bin" / "etcdctl"
#: what no file may have, by the way it came there
CANARIES: Final = {
    name: f"canary-{name}-4f2a9c" for name in ("created", "updated", "patched", "applied", "deleted", "batch")
}
#: what is not encrypted is found: the search works
OPEN: Final = "canary-in-the-open-4f2a9c"


def secret(name: str, value: str) -> config_pb2.Secret:
    made = config_pb2.Secret(type="Opaque", data={"password": value.encode()})
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


async def write_secrets(admin: Clientset) -> None:
    """Write a Secret in every way there is, and a ConfigMap."""
    secrets = admin.secrets
    await secrets.create(secret("created", CANARIES["created"]))
    made = await secrets.create(secret("updated", "nothing"))
    made.data["password"] = CANARIES["updated"].encode()
    await secrets.update(made)
    await secrets.create(secret("patched", "nothing"))
    await secrets.patch(
        "patched", f'{{"stringData": {{"password": "{CANARIES["patched"]}"}}}}', namespace="default"
    )
    # The annotation of apply has the whole manifest once more.
    head = "apiVersion: v1\nmetadata: {name: applied}\n"
    await apply(admin, f"{head}kind: Secret\nstringData: {{password: {CANARIES['applied']}}}\n")
    await secrets.create(secret("deleted", CANARIES["deleted"]))
    await secrets.delete("deleted", "default")
    await secrets.create_batch([secret(f"batch-{index}", CANARIES["batch"]) for index in range(20)])
    await apply(admin, f"{head}kind: ConfigMap\ndata: {{a: {OPEN}}}\n")
    # Its body is in the audit log.
    await admin.config_maps.get("applied", "default")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "encryption.yaml"
    make_encryption_config(path)
    return path


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Plane]:
    """A plane whose apiserver encrypts Secrets, says all that it can, and audits everything."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    root = tmp_path_factory.mktemp("encrypted")
    plane = Plane(root, f"--encryption-provider-config={keys}", "--log-level=debug")
    (root / "policy.yaml").write_text(HEAD + EVERYTHING)
    try:
        plane.start()

        async def write() -> None:
            async with plane.client(ADMIN) as admin:
                await write_secrets(admin)

        asyncio.run(write())
        yield plane
    finally:
        plane.close()


def files_with(folder: Path, text: str) -> list[str]:
    """Return the files below a folder that have a text, as it is or in base64 at any offset."""
    raw = text.encode()
    wanted = {raw} | {base64.b64encode(b"x" * pad + raw)[4:-4] for pad in range(3)}
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(one in path.read_bytes() for one in wanted)
    ]


@pytest.mark.parametrize("name", CANARIES)
def test_etcds_files_and_its_log_have_no_secret(encrypted: Plane, name: str) -> None:
    folder = encrypted.etcd.data
    assert files_with(folder, CANARIES[name]) == []
    assert {Path(path).suffix for path in files_with(folder, OPEN)} >= {".wal"}


def test_a_backup_has_none_and_opens_nowhere_without_the_key(encrypted: Plane, tmp_path: Path) -> None:
    shown = encrypted.identities.folder(ETCD_CLIENT, signer="etcd", trusts="etcd")
    backup = tmp_path / "backup" / "backup.db"
    backup.parent.mkdir()
    subprocess.run(
        [
            ETCDCTL, f"--endpoints=https://{encrypted.etcd.target}", f"--cacert={shown}/ca.crt", f"--cert={shown}/tls.crt",
            f"--key={shown}/tls.key", "snapshot", "save", str(backup),
        ],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert files_with(backup.parent, OPEN) == ["backup.db"]
    assert [name for name in CANARIES.values() if files_with(backup.parent, name)] == []


async def test_whoever_runs_an_apiserver_of_their_own_over_a_copy_reads_nothing(
    encrypted: Plane, tmp_path: Path, own_etcd: EtcdServer
) -> None:
    async with encrypted.etcd.kv() as kv:
        answer = await kv.Range(rpc_pb2.RangeRequest(key=b"/registry/", range_end=b"/registry0"))
    async with RawEtcd(own_etcd.target) as theirs:
        for pair in answer.kvs:
            await theirs.put(pair.key.decode(), pair.value)
    make_encryption_config(tmp_path / "another.yaml")
    for flags in ((), (f"--encryption-provider-config={tmp_path / 'another.yaml'}",)):
        process = ApiserverProcess(own_etcd.target, *flags)
        try:
            await process.start()
            client = process.client()
            assert (await client.config_maps.get("applied", "default")).data["a"] == OPEN
            assert (await client.secrets.list()).items == []
            with refused(500, "data from the storage is not transformable"):
                await client.secrets.get("created", "default")
            await client.close()
        finally:
            process.close()


async def test_a_secret_that_is_copied_within_etcd_is_read_nowhere_else(encrypted: Plane) -> None:
    async with encrypted.etcd.kv() as kv:
        source = (await kv.Range(rpc_pb2.RangeRequest(key=b"/registry/secrets/default/created"))).kvs[0]
        for key in (b"/registry/secrets/ours/stolen", b"/registry/configmaps/default/stolen"):
            await kv.Put(rpc_pb2.PutRequest(key=key, value=source.value))
        async with encrypted.client(ADMIN) as admin:
            with refused(500, "message authentication failed"):
                await admin.secrets.get("stolen", "ours")
            with refused(500, "identity transformer tried to read encrypted data"):
                await admin.config_maps.get("stolen", "default")
            # Nobody else notices.
            found = await admin.secrets.get("created", "default")
            assert found.data["password"] == CANARIES["created"].encode()
        await kv.DeleteRange(
            rpc_pb2.DeleteRangeRequest(key=b"/registry/secrets/ours/", range_end=b"/registry/secrets/ours0")
        )
        await kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=b"/registry/configmaps/default/stolen"))


async def test_a_secret_that_was_changed_in_etcd_is_refused(encrypted: Plane) -> None:
    key = b"/registry/secrets/default/updated"
    async with encrypted.etcd.kv() as kv, encrypted.client(ADMIN) as admin:
        before = (await kv.Range(rpc_pb2.RangeRequest(key=key))).kvs[0].value
        for changed in (
            before[:-1],
            before[:-1] + bytes([before[-1] ^ 1]),
            b"k8s:enc:aesgcm:v1:key1:",
            b"{}",
        ):
            await kv.Put(rpc_pb2.PutRequest(key=key, value=changed))
            with refused(500, "corrupt object|not transformable"):
                await admin.secrets.get("updated", "default")
        await kv.Put(rpc_pb2.PutRequest(key=key, value=before))
        found = await admin.secrets.get("updated", "default")
        assert found.data["password"] == CANARIES["updated"].encode()


async def test_neither_logs_nor_the_audit_log_have_a_secret_though_it_writes_all_bodies(
    encrypted: Plane,
) -> None:
    # Lines are some milliseconds on their way.
    async with asyncio.timeout(60):
        while files_with(encrypted.identities.root, OPEN) != ["audit.log"]:
            await SystemClock().sleep(0.05)
    told = audited(encrypted.audit_log)
    levels = {event["level"] for event in told if event.get("objectRef", {}).get("resource") == "secrets"}
    assert levels == {"Metadata"}
    for canary in CANARIES.values():
        assert files_with(encrypted.identities.root, canary) == []
        assert canary not in encrypted.apiserver.log(0)


def test_the_keys_are_their_owners_alone_or_the_apiserver_does_not_start(
    encrypted: Plane, keys: Path, tmp_path: Path
) -> None:
    assert keys.stat().st_mode & 0o777 == 0o600
    copy = tmp_path / "copy.yaml"
    copy.write_bytes(keys.read_bytes())
    copy.chmod(0o644)
    process = SecuredApiserver(
        encrypted.identities, encrypted.etcd.target, f"--encryption-provider-config={copy}"
    )
    try:
        process.spawn()
        assert process.wait_ended() != 0
        assert "others may read it: chmod 600" in process.log()
    finally:
        process.close()
