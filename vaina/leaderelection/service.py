"""Election for a service that may run several times: its configuration, guarded clients, warm caches in standby.

Used by the scheduler's and the controllers' `build.run`. The order is upstream's
(cmd/kube-scheduler/app/server.go): caches are filled first, then the process stands for election; a process that
loses the lease ends, and its supervisor starts it anew. The configuration has upstream's names: --leader-elect,
--leader-elect-lease-duration and so on (component-base/config/options/leaderelectionconfig.go).
"""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Metadata, Transport
from vaina.clock import Clock
from vaina.errors import Unavailable
from vaina.leaderelection.elector import Times
from vaina.leaderelection.runner import LeaderElector, LeaderMetrics


class LeaderElectionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of a service that may run several times; times in seconds."""

    #: of several processes only an elected one works
    leader_elect: bool = True
    #: how long the others wait after the leader last renewed its Lease
    leader_elect_lease_duration_seconds: float = 15.0
    #: a leader that could not renew its Lease for so long stops
    leader_elect_renew_deadline_seconds: float = 10.0
    #: time between two tries to get or renew the Lease
    leader_elect_retry_period_seconds: float = 2.0
    #: name of the Lease
    leader_elect_resource_name: str = ""
    #: namespace of the Lease
    leader_elect_resource_namespace: str = "kube-system"

    def leader_election_times(self) -> Times:
        """Return the times. Raises ValueError when two could lead with them."""
        return Times(
            self.leader_elect_lease_duration_seconds,
            self.leader_elect_renew_deadline_seconds,
            self.leader_elect_retry_period_seconds,
        )


#: verbs that change nothing
READS = frozenset(("Get", "List", "GetScale"))


class LeaderTransport:
    """Wraps a transport: unary calls other than reads fail as Unavailable when `is_leader` says no."""

    def __init__(self, inner: Transport, is_leader: Callable[[], bool]) -> None:
        self._inner, self._is_leader = inner, is_leader

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        if method.rpartition("/")[2] not in READS and not self._is_leader():
            raise Unavailable("this process does not lead: nothing is written")
        return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.stream(method, request, timeout=timeout, metadata=metadata)

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.bidi(method, requests, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        await self._inner.close()


Work = Callable[[], Coroutine[Any, Any, None]]


class Election:
    """Whether this process works, by its configuration and the Lease."""

    def __init__(
        self,
        config: LeaderElectionConfig,
        transport: Transport,
        clock: Clock,
        *,
        component: str,
        instance: str,
        registry: CollectorRegistry,
    ) -> None:
        """Make it; `component` is the source of the Event that says who became leader. Raises ValueError: the
        times.
        """
        own = Clientset(transport)
        self.elector: LeaderElector | None = None
        #: for the work and its caches: what they write is held back while the process does not lead
        self.clients = own
        self._recorder = EventRecorder(own.events, component, instance, clock)
        if config.leader_elect:
            elector = self.elector = LeaderElector(
                own, clock, name=config.leader_elect_resource_name, identity=f"{instance}_{uuid.uuid4()}",
                namespace=config.leader_elect_resource_namespace, times=config.leader_election_times(),
                metrics=LeaderMetrics(registry), recorder=self._recorder,
                rng=random.Random(),  # noqa: S311 - jitter, no secret
            )  # fmt: skip
            self.clients = Clientset(LeaderTransport(transport, elector.is_leader))

    async def run(self, follow: Work, filled: Work, lead: Work) -> None:
        """Follow until cancelled; lead when the caches are filled and, with an election, it is won.

        `follow` keeps the caches all the time, `filled` returns when they are filled, and `lead` is the work.
        Raises LeadershipLost, in an ExceptionGroup: the process is to end.
        """
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(follow()), group.create_task(self._recorder.run())]
            try:
                await filled()
                await (lead() if self.elector is None else self.elector.run(lead))
            finally:
                for task in others:
                    task.cancel()
