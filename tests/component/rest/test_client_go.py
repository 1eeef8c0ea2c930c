"""client-go against the REST API of a real apiserver over etcd, with certificates and tokens.

The Go program (`tests/interop/clientgo`) does the cases and judges them; this side starts what it needs.
"""

import asyncio
import json
from pathlib import Path

import pytest
from aetcd.rpc import rpc_pb2

from tests.support.identities import ADMIN
from tests.support.interop import TOOLS
from tests.support.secured import Plane
from vaina.testing.builders import make_namespace

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]

PROGRAM = TOOLS / "bin" / "k8s-client-go"
NAMESPACE = "client-go"
CASES = 17


async def test_programs_written_with_client_go_work(over_tls: tuple[Plane, Path]) -> None:
    plane, kubeconfig = over_tls
    if not PROGRAM.exists():
        pytest.skip("no k8s-client-go: run `make test-component`, which builds it")
    async with plane.client(ADMIN) as client:
        await client.namespaces.create(make_namespace(NAMESPACE))
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
