"""One process that plays the kubelets of all of a run's nodes.

A single watch, delays from a table, statuses in batches.

    python -m bench.load.simulated --apiserver HOST:PORT --run RUN [--stages run_sandbox=0.1-0.5,...] [--seed 1]

What a hollow kubelet costs (a watch, a Lease and a task a node; `--nodes hollow`) is too much for thousands
of nodes on a machine that is to be measured. Here the way of a Pod is that of a kubelet as others see it:
bound, after the stages' delays Running with addresses and conditions; deleted, after its stop delay gone.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress

from bench.etcd import ROOT
from bench.load.due import Due
from bench.load.settings import RUN_LABEL, Settings
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import timestamp
from vaina.errors import ApiError, BadRequest, Invalid, NotFound
from vaina.pki.folder import client_folder

#: statuses in a call, and calls of each kind in flight
BATCH, IN_FLIGHT = 100, 4
_BEFORE_RUNNING = ("run_sandbox", "pull_image", "create_container", "start_container")
#: as hollow kubelets name them (`kubelet/runtime/hollow/program.py`)
STAGES = (*_BEFORE_RUNNING, "stop_container")
_RETRY_SECONDS = 0.2
_MASK = ("phase", "conditions", "container_statuses", "pod_ip", "pod_ips", "host_ip", "start_time")


class SimulatedKubelets:
    """The process, seen from the run."""

    def __init__(self, apiserver: str, settings: Settings, cert_dir: str = "") -> None:
        """Start it; it needs nothing of the nodes."""
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "bench.load.simulated", f"--apiserver={apiserver}", f"--run={settings.run}",
                f"--stages={settings.stages}", f"--seed={settings.seed}", f"--cert-dir={cert_dir}",
            ],
            cwd=ROOT,
        )  # fmt: skip

    @property
    def pids(self) -> list[int]:
        """Of the process."""
        return [self._process.pid]

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def parse_delays(text: str) -> dict[str, tuple[float, float]]:
    """Read `run_sandbox=0.1-0.5,start_container=2` as (least, most) seconds by stage.

    Raises:
        ValueError: it cannot be read.
    """
    delays = {}
    for item in filter(None, text.split(",")):
        stage, _, bounds = item.partition("=")
        least, dash, most = bounds.partition("-")
        if stage not in STAGES:
            raise ValueError(f'"{item}": "{stage}" is no stage (there are {", ".join(STAGES)})')
        try:
            delay = float(least), float(most if dash else least)
        except ValueError:
            delay = -1.0, -1.0
        if not 0 <= delay[0] <= delay[1] < float("inf"):
            raise ValueError(f'"{item}": a delay is 0.5 or 0.1-0.5')
        delays[stage] = delay
    return delays


def running_status(pod: pod_pb2.Pod, number: int, now: float) -> pod_pb2.Pod:
    """Return a Pod with what a kubelet says of it when all its containers run.

    Args:
        pod: as it was bound.
        number: makes its address: each has another.
        now: seconds since the epoch.
    """
    said, at = pod_pb2.Pod(), timestamp(now)
    said.metadata.name, said.metadata.namespace = pod.metadata.name, pod.metadata.namespace
    said.metadata.uid = pod.metadata.uid
    status = said.status
    status.phase, status.host_ip = "Running", "127.0.0.1"
    status.pod_ip = f"10.{128 + (number >> 16) % 128}.{number >> 8 & 255}.{number & 255}"
    status.pod_ips.add(ip=status.pod_ip)
    status.start_time.CopyFrom(at)
    for name in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"):
        status.conditions.add(type=name, status="True", last_transition_time=at)
    for container in pod.spec.containers:
        one = status.container_statuses.add(
            name=container.name, image=container.image, image_id=container.image, ready=True, started=True,
            container_id=f"simulated://{pod.metadata.uid}-{container.name}",
        )  # fmt: skip
        one.state.running.started_at.CopyFrom(at)
    return said


class Simulation:
    """The kubelets. Owned by the process."""

    def __init__(
        self, client: Clientset, run: str, delays: dict[str, tuple[float, float]], seed: int
    ) -> None:
        self._client, self._run, self._delays = client, run, delays
        self._rng = random.Random(seed)
        #: number and Pod of those that start, Pods that end: as many as are on their way
        self._starting: Due[tuple[int, pod_pb2.Pod]] = Due(time.monotonic)
        self._ending: Due[pod_pb2.Pod] = Due(time.monotonic)
        #: uid of every Pod that is known, and whether it is ending
        self._known: dict[str, bool] = {}
        self._number = 0

    async def run(self) -> None:
        """Play until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            for _ in range(IN_FLIGHT):
                group.create_task(self._start_due())
                group.create_task(self._end_due())

    async def _watch(self) -> None:
        version = ""
        while True:
            stream = self._client.pods.watch(
                label_selector=f"{RUN_LABEL}={self._run}", field_selector="spec.nodeName!=",
                resource_version=version, send_initial_events=None if version else True,
            )  # fmt: skip
            try:
                async with aclosing(stream) as batches:
                    async for batch in batches:
                        for event in batch.events:
                            self._take(event.type, event.object)
                        version = batch.resource_version or version
            except ApiError:
                version = ""
                await asyncio.sleep(_RETRY_SECONDS)

    def _take(self, kind: str, pod: pod_pb2.Pod) -> None:
        uid = pod.metadata.uid
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._known.pop(uid, None)
            return
        ending = pod.metadata.HasField("deletion_timestamp")
        if ending and not self._known.get(uid):
            self._known[uid] = True
            self._plan(pod, ("stop_container",), ends=True)
        elif uid not in self._known:
            self._known[uid] = False
            if pod.status.phase == "Pending":
                self._plan(pod, _BEFORE_RUNNING, ends=False)

    def _plan(self, pod: pod_pb2.Pod, stages: Sequence[str], *, ends: bool) -> None:
        delay = sum(self._rng.uniform(*self._delays[stage]) for stage in stages if stage in self._delays)
        at = time.monotonic() + delay
        if ends:
            self._ending.put(at, pod)
            return
        self._number += 1
        self._starting.put(at, (self._number, pod))

    async def _start_due(self) -> None:
        while True:
            due = [one for _, one in await self._starting.take(BATCH)]
            await self._start([(number, pod) for number, pod in due if not self._known.get(pod.metadata.uid)])

    async def _end_due(self) -> None:
        while True:
            for _, pod in await self._ending.take(1):
                await self._end(pod)

    async def _start(self, pods: Sequence[tuple[int, pod_pb2.Pod]]) -> None:
        if not pods:
            return
        changes = [(running_status(pod, number, time.time()), _MASK) for number, pod in pods]
        try:
            results = await self._client.pods.update_status_batch(changes)
        except ApiError:
            self._again(pods)
            return
        failed = []
        for pair, result in zip(pods, results, strict=True):
            if isinstance(result, Invalid | BadRequest):
                raise result
            if isinstance(result, ApiError) and not isinstance(result, NotFound):
                failed.append(pair)
        self._again(failed)

    async def _end(self, pod: pod_pb2.Pod) -> None:
        meta = pod.metadata
        try:
            await self._client.pods.delete(meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid)
        except NotFound:
            return
        except ApiError:
            self._ending.put(time.monotonic() + _RETRY_SECONDS, pod)

    def _again(self, pods: Sequence[tuple[int, pod_pb2.Pod]]) -> None:
        for one in pods:
            self._starting.put(time.monotonic() + _RETRY_SECONDS, one)


async def _main(options: argparse.Namespace) -> None:
    folder = client_folder(options.cert_dir)
    transport = GrpcTransport(options.apiserver, folder, user_agent="vaina-simulated-kubelets")
    async with Clientset(transport, timeout=60.0) as client:
        await Simulation(client, options.run, parse_delays(options.stages), options.seed).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apiserver", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--stages", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cert-dir", default="")
    # Ctrl-C goes to all processes of a terminal; the run itself says what there is to say.
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args()))
