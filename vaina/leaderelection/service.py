"""Election for a service that may run several times.

Guarded clients for its work, warm caches while it stands by.

Used by the scheduler's and the controllers' `build.run`. The order is upstream's
(cmd/kube-scheduler/app/server.go): caches are filled first, then the process stands for election; who loses
the lease ends, and is started anew by its supervisor.
"""

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client import CollectorRegistry

from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.transport import Transport
from vaina.clock import Clock
from vaina.leaderelection.config import LeaderElectionConfig
from vaina.leaderelection.guard import LeaderTransport
from vaina.leaderelection.metrics import LeaderMetrics
from vaina.leaderelection.runner import LeaderElector

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
        """Make it; nothing is asked yet.

        Args:
            config: whether there is an election, and how.
            transport: to the apiserver.
            clock: the time.
            component: the source of the Event that says who became leader.
            instance: host name of this process; the identity is host_uuid.
            registry: where metrics go.

        Raises:
            ValueError: the times would let two lead.
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

        Args:
            follow: keeps the caches; runs all the time.
            filled: returns when they are filled.
            lead: the work.

        Raises:
            LeadershipLost: (in an ExceptionGroup) the process is to end.
        """
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(follow()), group.create_task(self._recorder.run())]
            try:
                await filled()
                await (lead() if self.elector is None else self.elector.run(lead))
            finally:
                for task in others:
                    task.cancel()
