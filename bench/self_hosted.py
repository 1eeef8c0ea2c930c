"""How long the API is away when a part of a self-hosted control plane is killed (docs/self-hosted.md).

    python -m bench.self_hosted --apiserver HOST:PORT --node CONTAINER [--part etcd ...]
        [--output bench/results/self_hosted.json]

Each part of a cluster that runs (`make up-self-hosted`) is killed once, past its kubelet; then a write and a
read are tried over a new connection every 50 ms until both succeed. Beside that, from the engine's events:
when the engine said that the container ended, and when the kubelet had started the next one; what is left is
the process itself. A part that was killed within the last ten minutes is started again with a delay
(CrashLoopBackOff): kill once, on a fresh cluster. The target is 15 s; nothing is asserted.
"""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import report
from cli.process import own_folder
from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.errors import ApiError, NotFound

PARTS = ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")
TARGET_SECONDS = 15.0
EVERY_SECONDS, TRY_SECONDS, PATIENCE_SECONDS = 0.05, 1.0, 120.0


@dataclass(frozen=True, slots=True)
class Away:
    """One kill; seconds since it."""

    part: str
    ended: float
    started: float
    answers: float


async def inside(node: str, *command: str) -> str:
    """Run a command in a node; return its output."""
    process = await asyncio.create_subprocess_exec(
        "docker", "exec", node, *command, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out.decode()


async def answers(apiserver: str) -> bool:
    """Say whether a write and a read succeed over a new connection."""
    clients = Clientset(GrpcTransport(apiserver, own_folder(os.environ), user_agent="vaina-bench"))
    name = "bench-self-hosted"
    try:
        async with asyncio.timeout(TRY_SECONDS):
            try:
                await clients.config_maps.delete(name, "default")
            except NotFound:
                await clients.config_maps.create(
                    config_pb2.ConfigMap(metadata=meta_pb2.ObjectMeta(name=name, namespace="default"))
                )
            await clients.pods.list("kube-system")
    except (ApiError, TimeoutError):
        return False
    finally:
        await clients.close()
    return True


async def kill(apiserver: str, node: str, part: str) -> Away:
    """Kill one part and wait until the API answers."""
    name = f"name=k8s_{part}_{part}-"
    [container] = (await inside(node, "docker", "ps", "-q", "--no-trunc", "--filter", name)).split()
    begun = time.time()
    await inside(node, "docker", "kill", "--signal", "KILL", container)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await answers(apiserver):
                break
            await asyncio.sleep(EVERY_SECONDS)
        answered = time.time()
        while True:
            fresh = await inside(node, "docker", "ps", "-q", "--no-trunc", "--filter", name)
            if fresh.strip():
                break
            await asyncio.sleep(EVERY_SECONDS)
    shape = "{{.TimeNano}} {{.Action}} {{.ID}}"
    told = await inside(
        node, "docker", "events", "--since", f"{begun:.6f}", "--until", f"{time.time():.6f}", "--format", shape,
        "--filter", f"container={container}", "--filter", f"container={fresh.strip()}",
    )  # fmt: skip
    at = {(action, one): int(nanos) / 1e9 for nanos, action, one in map(str.split, told.splitlines())}
    ended, started = at.get(("die", container), begun), at.get(("start", fresh.strip()), begun)
    return Away(part, ended - begun, started - begun, answered - begun)


async def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="a part of a self-hosted control plane is killed")
    parser.add_argument("--apiserver", default="127.0.0.1:6443")
    parser.add_argument("--node", default="vaina-node-control-plane-1", help="container of its node")
    parser.add_argument("--part", choices=PARTS, action="append", help="may be repeated; all when left out")
    parser.add_argument("--settle-seconds", type=float, default=10.0, help="between two kills")
    parser.add_argument("--output", type=Path, default=Path("bench/results/self_hosted.json"))
    given = parser.parse_args()
    rows = []
    print(f"{'killed':26}{'ended':>8}{'started':>9}{'API answers':>13}  seconds after the kill")
    for part in given.part or PARTS:
        one = await kill(given.apiserver, given.node, part)
        rows.append(one)
        print(f"{one.part:26}{one.ended:8.2f}{one.started:9.2f}{one.answers:13.2f}", flush=True)
        await asyncio.sleep(given.settle_seconds)
    goals = [
        report.Target(f"{one.part} killed: the API answers, s", one.answers, TARGET_SECONDS, at_most=True)
        for one in rows
    ]
    report.show_targets(goals)
    report.write(given.output, "self_hosted", rows, goals)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
