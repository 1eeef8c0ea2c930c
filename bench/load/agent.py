"""A machine that a load comes from, seen from that machine (`vaina load agent`).

Creates Pods, sees what becomes of them, has kubelets.

It speaks over its standard input and output with the run that has started it (through ssh, say), listens
nowhere, and ends with its input: whatever it has started ends with it.
"""

import asyncio
import contextlib
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bench.load import facts, frames
from bench.load.create import Creator, Pace
from bench.load.lag import Lag
from bench.load.observe import Observer
from bench.load.podset import PodSet
from bench.load.scrape import ProcMeter
from bench.processes import ServiceProcess, close_all
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.tasks import first_error

#: for the watch to see what the run's has seen
_WITNESS_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_CONNECT_SECONDS = 15.0
_MAX_KUBELETS = 100


class AgentError(Exception):
    """What cannot be done; the run is told."""


class _Set:
    """Pods that this machine creates, and what becomes of them. Owned by the agent."""

    def __init__(self, client: Clientset, plan: frames.Plan) -> None:
        self.pods = PodSet("", plan.namespace, plan.names)
        self.observer = Observer(client, plan.selector)
        self.observer.follow(self.pods)
        self._creator = Creator(client, Pace(plan.in_flight, plan.batch, plan.offsets), Observer.now)
        self._objects: list[bytes] = []
        self._begun = 0.0
        self.lag = Lag()

    def add(self, pods: list[bytes]) -> None:
        """Take in some of its Pods, in their order."""
        self._objects += pods

    def begin(self) -> None:
        """From now on seconds are counted. Raises AgentError: Pods are missing."""
        if len(self._objects) != len(self.pods):
            raise AgentError(f"{len(self._objects):,} of {len(self.pods):,} Pods have come")
        self._begun, self.lag.seconds = Observer.now(), 0.0

    async def create(self) -> frames.Created:
        """Create them. Raises ApiError: one was refused."""
        objects = self._objects
        await self._creator.create(self.pods, lambda index: pod_pb2.Pod.FromString(objects[index]))
        intended, created = (
            [at - self._begun for at in times] for times in (self.pods.intended, self.pods.created)
        )
        return frames.Created(intended, created, dict(self._creator.retries))

    async def witness(self, asked: frames.Witness) -> frames.Seen:
        """Return what was seen, once it is as much as was asked for."""
        until, pods = time.monotonic() + _WITNESS_SECONDS, self.pods
        while True:
            enough = pods.bound_count >= asked.bound and pods.running_count >= asked.running
            if enough or time.monotonic() > until:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        bound, running = (
            [None if math.isnan(at) else at - self._begun for at in times]
            for times in (pods.bound, pods.running)
        )
        return frames.Seen(bound, running, self.lag.seconds)


class Agent:
    """Does what it is asked for. Owned by its process."""

    def __init__(self, connect: Callable[[str], Clientset], group: asyncio.TaskGroup) -> None:
        """Make it. Args: connect: makes a client of the apiserver at an address; group: of its tasks."""
        self._connect, self._group = connect, group
        self._client: Clientset | None = None
        self._kubelets: list[ServiceProcess] = []
        self._set: _Set | None = None
        #: of the set: its watch, its lag
        self._tasks: list[asyncio.Task[Any]] = []
        #: of the set, once it has begun
        self._creation: asyncio.Task[frames.Created | Exception] | None = None

    async def answer(self, request: frames.Request) -> object:
        """Do it and return the value.

        Raises:
            AgentError, ApiError, OSError: it cannot be done.
        """
        match request:
            case frames.Connect():
                await self._connected(request.apiserver)
            case frames.StartKubelet():
                return self._start_kubelet(request.flags)
            case frames.KubeletLog():
                return self._kubelets[request.number].log()
            case frames.Plan():
                await self._plan(request)
            case frames.More():
                self._planned().add(request.pods)
            case frames.Begin():
                self._begin()
            case frames.Finish():
                return await self._created()
            case frames.Witness():
                found = await self._planned().witness(request)
                self._end_set()
                return found
            case frames.ReadUsage():
                return await asyncio.to_thread(self._uses)
        return None

    async def _connected(self, apiserver: str) -> None:
        self._client = self._connect(apiserver)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._client.namespaces.list_page(limit=1)
        except (ApiError, TimeoutError) as error:
            raise AgentError(
                f"the apiserver at {apiserver} cannot be reached from there: {str(error) or 'no answer'}"
            ) from None

    def _start_kubelet(self, flags: list[str]) -> int:
        if len(self._kubelets) >= _MAX_KUBELETS:
            raise AgentError(f"{_MAX_KUBELETS} processes of kubelets are the most here")
        self._kubelets.append(ServiceProcess("kubelet", *flags))
        return len(self._kubelets) - 1

    async def _plan(self, plan: frames.Plan) -> None:
        if self._client is None:
            raise AgentError("no apiserver was named")
        self._end_set()
        found = self._set = _Set(self._client, plan)
        self._tasks = [
            self._group.create_task(found.observer.run()),
            self._group.create_task(found.lag.watch()),
        ]
        await found.observer.ready.wait()

    def _planned(self) -> _Set:
        if self._set is None:
            raise AgentError("no Pods were planned")
        return self._set

    def _begin(self) -> None:
        planned = self._planned()
        if self._creation is not None:
            raise AgentError("its Pods are being created already")
        planned.begin()

        async def create() -> frames.Created | Exception:
            # An error is an answer; raised in a task it would end the agent.
            try:
                return await planned.create()
            except (ApiError, ExceptionGroup) as error:
                return error

        self._creation = self._group.create_task(create())

    async def _created(self) -> frames.Created | Exception:
        if self._creation is None:
            raise AgentError("no Pods are being created")
        return await self._creation

    def _end_set(self) -> None:
        for task in (*self._tasks, *([self._creation] if self._creation is not None else [])):
            task.cancel()
        self._tasks, self._creation, self._set = [], None, None

    def _uses(self) -> frames.Uses:
        pids = {"load": os.getpid()} | {
            f"kubelets-{number}": one.pid for number, one in enumerate(self._kubelets)
        }
        found = {}
        for name, pid in pids.items():
            with contextlib.suppress(OSError):
                usage = ProcMeter(pid).read()
                found[name] = (usage.cpu_seconds, usage.memory_bytes, usage.peak_bytes)
        return frames.Uses(found)

    async def close(self) -> None:
        """End everything."""
        self._end_set()
        close_all(self._kubelets)
        if self._client is not None:
            await self._client.close()


async def serve(
    name: str,
    connect: Callable[[str], Clientset],
    reader: asyncio.StreamReader,
    write: Callable[[bytes], None],
) -> None:
    """Answer until the input ends.

    Args:
        name: of this machine, in the report.
        connect: makes a client of the apiserver at an address.
        reader: of what the run asks.
        write: sends a frame, whole.

    Raises:
        FrameError: what comes is no question of a run's.
    """
    write(frames.encode(frames.Hello(frames.PROTOCOL, facts.commit(), name, facts.machine(with_etcd=False))))
    try:
        await _serve(connect, reader, write)
    except BaseExceptionGroup as group:
        raise first_error(group) from None


async def _serve(
    connect: Callable[[str], Clientset], reader: asyncio.StreamReader, write: Callable[[bytes], None]
) -> None:
    async with asyncio.TaskGroup() as group:
        agent = Agent(connect, group)

        async def do(call: frames.Call) -> None:
            write(frames.encode(await _answered(call, agent.answer)))

        tasks: set[asyncio.Task[None]] = set()
        try:
            with contextlib.suppress(EOFError):
                while True:
                    task = group.create_task(do(await frames.read(reader, frames.Call)))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()
            await agent.close()


async def _answered(
    call: frames.Call, answer: Callable[[frames.Request], Awaitable[object]]
) -> frames.Answer:
    try:
        value = await answer(call.request)
    except (AgentError, ApiError, OSError, IndexError) as error:
        return frames.Answer(call.number, error=str(error) or type(error).__name__)
    if isinstance(value, BaseException):
        value = first_error(value) if isinstance(value, BaseExceptionGroup) else value
        return frames.Answer(call.number, error=str(value) or type(value).__name__)
    return frames.Answer(call.number, msgspec.Raw(msgspec.msgpack.encode(value)))


async def serve_pipes(name: str, connect: Callable[[str], Clientset]) -> None:
    """Answer over standard input and output, which is no longer written to by anything else."""
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with open(out, "wb", buffering=0) as stream:  # noqa: ASYNC230 - a descriptor

        def write(data: bytes) -> None:
            # Answers are short, or come when nothing is measured any more.
            view = memoryview(data)
            while view:
                view = view[stream.write(view) or 0 :]

        await serve(name, connect, reader, write)
