"""client-go against the REST API of a real apiserver over etcd, with certificates and tokens.

The Go program (`tests/interop/clientgo`) does the cases and judges them; this side starts what it needs.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aetcd.rpc import rpc_pb2

from bench.etcd import find_etcd, free_port
from tests.support.identities import ADMIN
from tests.support.interop import TOOLS
from tests.support.secured import Plane
from tests.support.tokens import ISSUER
from vaina.clock import SystemClock
from vaina.pki.kubeconfig import with_files
from vaina.pki.token_keys import make_token_keys
from vaina.testing.builders import make_namespace

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]

PROGRAM = TOOLS / "bin" / "k8s-client-go"
NAMESPACE = "client-go"
CASES = 17


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Plane, Path]]:
    """Give a control plane, and an administrator's kubeconfig of its REST port."""
    if not PROGRAM.exists():
        pytest.skip("no k8s-client-go: run `make test-component`, which builds it")
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    keys, port = tmp_path / "keys", free_port()
    make_token_keys(keys, SystemClock().now(), 1e7)
    plane = Plane(
        tmp_path, f"--rest-listen=127.0.0.1:{port}", f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
        f"--service-account-key-file={keys / 'sa.pub'}",
    )  # fmt: skip
    try:
        await plane.apiserver.start()
        shown = plane.identities.credentials(ADMIN).path
        kubeconfig = tmp_path / "kubeconfig"
        files = [str(shown / name) for name in ("ca.crt", "tls.crt", "tls.key")]
        kubeconfig.write_text(with_files("here", f"https://127.0.0.1:{port}", *files))
        async with plane.client(ADMIN) as client:
            await client.namespaces.create(make_namespace(NAMESPACE))
        yield plane, kubeconfig
    finally:
        plane.close()


async def test_programs_written_with_client_go_work(served: tuple[Plane, Path]) -> None:
    plane, kubeconfig = served
    process = await asyncio.create_subprocess_exec(
        PROGRAM, kubeconfig, NAMESPACE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    told: dict[str, str] = {}
    async for line in process.stdout:
        answer = json.loads(line)
        if "ask" in answer:
            await start_again(plane, compacted=answer["ask"] == "compact")
            process.stdin.write(b"done\n")
        else:
            told[answer["case"]] = answer.get("error", "")
    assert await process.wait() == 0
    assert {case: error for case, error in told.items() if error} == {}
    assert len(told) == CASES


async def start_again(plane: Plane, *, compacted: bool) -> None:
    """End the apiserver and start it; meanwhile compact etcd's history if it is asked for."""
    await asyncio.to_thread(plane.apiserver.terminate)
    if compacted:
        async with plane.etcd.kv() as kv:
            now = (await kv.Range(rpc_pb2.RangeRequest(key=b"/"))).header.revision
            await kv.Compact(rpc_pb2.CompactionRequest(revision=now))
    await plane.apiserver.start()
