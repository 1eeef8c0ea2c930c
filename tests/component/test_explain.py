"""The real scheduler is asked why, by the real command.

Of the leader and of a standby, with a real apiserver and etcd.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench.processes import ServiceProcess
from tests.support.apiserver_process import ApiserverProcess
from tests.support.columns import check_columns_at
from tests.unit.scheduler.objects import node, pod
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()
PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: new}
spec: {containers: [{name: main, image: busybox, resources: {requests: {cpu: "1"}}}]}
"""


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds."""
    end = CLOCK.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if await holds():
                return
        except ApiError:
            pass
        assert CLOCK.monotonic() < end
        await CLOCK.sleep(0.05)


async def test_the_command_asks_the_leader_and_the_standby(
    server: ApiserverProcess, client: Clientset
) -> None:
    for made in (node("n1", cpu="4"), node("n2", cpu="1", taints=[("key", "value", "NoSchedule")])):
        await client.nodes.create(made)
    for name, cpu in (("fits", "1"), ("large", "8")):
        asks = pod(name, {"cpu": cpu})
        asks.metadata.uid = ""
        await client.pods.create(asks)
    leader = ServiceProcess("scheduler", f"--apiserver={server.target}")
    standby = ServiceProcess("scheduler", f"--apiserver={server.target}")

    async def vaina(*arguments: str, scheduler: str, stdin: str = "") -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", "--server", server.target, *arguments, "--scheduler", scheduler, cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def decided() -> bool:
        return bool((await client.pods.get("fits", "default")).spec.node_name) and bool(
            (await client.pods.get("large", "default")).status.conditions
        )

    try:
        leader.wait_healthy()
        standby.wait_healthy()
        await until(decided)
        if leader.metric("leader_election_master_status", 'name="kube-scheduler"') != 1:
            leader, standby = standby, leader
        code, out, err = await vaina("explain", "large", scheduler=leader.target)
        assert (code, err) == (0, "")
        assert "0 of 2 nodes would take it now." in out
        assert "  n1: lacks 5 cpu (asks 8, 3 free, 4 in all)\n" in out
        assert "Decision " in out
        code, out, _ = await vaina("explain", "fits", "-o", "json", scheduler=leader.target)
        answer = json.loads(out)
        assert (answer["state"], answer["node"], answer["decisions"][0]["outcome"]) == (
            "Bound",
            "n1",
            "Scheduled",
        )
        code, out, _ = await vaina("explain", "fits", scheduler=standby.target)
        assert code == 0
        assert "this scheduler stands by and records no decisions (the leader is " in out
        code, out, _ = await vaina("explain", "-f", "-", scheduler=standby.target, stdin=MANIFEST)
        assert "1 of 2 nodes would take it now:" in out
        code, out, _ = await vaina("fit", "-f", "-", scheduler=leader.target, stdin=MANIFEST)
        assert out.startswith("3 copies of default/new would fit now\n")
        for target in (leader.target, standby.target):
            code, out, err = await vaina("scheduler", "verify", "--against-apiserver", scheduler=target)
            assert (code, err) == (0, ""), out
            await check_columns_at(target, against_apiserver=True)
        code, out, _ = await vaina("scheduler", "decisions", "fits", scheduler=leader.target)
        assert [line.split()[2] for line in out.splitlines()] == ["POD", "default/fits"]
        code, out, err = await vaina("explain", "large", scheduler="127.0.0.1:1")
        assert code == 1
        assert err.startswith("error: the scheduler at 127.0.0.1:1 did not answer: ")
    finally:
        leader.close()
        standby.close()
