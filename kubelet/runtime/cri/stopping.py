"""Ends containers over CRI, which has no verb for a signal, and commands that were cut off (decision 157).

StopContainer sends the stop signal, waits, and kills. No task waits for that here: the call is left under way
with the remaining grace, a shorter grace is a second call in its place, and a kill is a call with no grace.
When the kubelet ends, the runtime kills nothing: the next kubelet asks again.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from math import ceil

import grpc
import structlog

from kubelet.runtime.cri import convert
from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri.connection import Connection, call
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure
from kubelet.runtime.sessions import LOOKS, end_command, find_command
from vaina.clock import Clock
from vaina.tasks import carry_through

log = structlog.stdlib.get_logger(__name__)

#: calls under way, one for each container that is ending: more than a node has containers
_MOST = 4096


async def first_process(connection: Connection, container_id: str) -> int:
    """Return the process id of a container on the node; 0: the runtime does not tell. Raises RuntimeFailure."""
    request = cri.ContainerStatusRequest(container_id=container_id, verbose=True)
    answer = await call(connection.runtime.ContainerStatus, request)
    # Not part of the interface: containerd and CRI-O both tell it here.
    return int(json.loads(answer.info.get("info", "{}")).get("pid", 0))


class Stops:
    """The calls that are under way. Owned by the runtime."""

    def __init__(self, connection: Connection) -> None:
        self._cri = connection
        self._under_way: dict[str, grpc.aio.Call] = {}

    async def stop(self, container_id: str, grace_seconds: float) -> None:
        """Have the stop signal sent, and the container killed after the grace; returns without waiting."""
        try:
            if await self._sent_own_signal(container_id):
                return
        except NotFoundInRuntime:
            return
        before = self._under_way.pop(container_id, None)
        while len(self._under_way) >= _MOST:
            self._under_way.pop(next(iter(self._under_way))).cancel()
        # An aio call is under way from here on, whether anybody awaits it or not.
        call = self._cri.runtime.StopContainer(
            cri.StopContainerRequest(container_id=container_id, timeout=max(ceil(grace_seconds), 1))
        )
        self._under_way[container_id] = call
        call.add_done_callback(lambda ended: self._forget(container_id, ended))
        if before is not None:
            # Its signal was sent; the new call waits with the new grace.
            before.cancel()

    def _forget(self, container_id: str, call: grpc.aio.Call) -> None:
        if self._under_way.get(container_id) is call:
            del self._under_way[container_id]

    async def kill(self, container_id: str) -> None:
        try:
            request = cri.StopContainerRequest(container_id=container_id, timeout=0)
            await call(self._cri.runtime.StopContainer, request)
        except NotFoundInRuntime:
            return

    async def _sent_own_signal(self, container_id: str) -> bool:
        """Send lifecycle.stopSignal where the runtime does not know it (CRI before 1.33).

        The runtime's own stop would send another signal too, so the kubelet kills when the grace is over.
        """
        request = cri.ContainerStatusRequest(container_id=container_id)
        status = (await call(self._cri.runtime.ContainerStatus, request)).status
        name = convert.own_stop_signal(status)
        if not name or status.state != cri.CONTAINER_RUNNING or name not in signal.Signals.__members__:
            return False
        pid = await first_process(self._cri, container_id)
        if not pid:
            log.warning(
                "stop signal not sent: the runtime names no process", container=container_id, signal=name
            )
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.Signals[name])
        return True


class Commands:
    """The commands that run in containers. CRI names no process of theirs: they are found by their words."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._cri, self._clock = connection, clock
        self._open: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def begin(self, container_id: str, argv: Sequence[str]) -> None:
        self._open[container_id, tuple(argv)] += 1

    async def end(self, container_id: str, argv: Sequence[str], cut_off: bool) -> None:
        """Count one less; end its process first where it was cut off, unless other commands look the same."""
        key = container_id, tuple(argv)
        try:
            if cut_off and not await carry_through(self._hang_up(key)):
                log.info("a command that was cut off has ended, or is left alone", container=container_id)
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    async def _hang_up(self, key: tuple[str, tuple[str, ...]]) -> bool:
        container_id, argv = key
        # It is a sibling of the container's first process only once its starter (`runc exec`) is gone.
        for seconds in LOOKS:
            await self._clock.sleep(seconds)
            try:
                pid = await first_process(self._cri, container_id)
            except RuntimeFailure:
                return False
            command = await asyncio.to_thread(find_command, pid, argv) if pid else 0
            # With the same command under way for another caller, what was found may be that.
            if not pid or self._open[key] > 1:
                return False
            if command:
                end_command(command)
                return True
        return False
