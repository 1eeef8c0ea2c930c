"""Follows Nodes and Pods while somebody looks at the cluster, and a while longer. Shell of `state`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dashboard.cluster.state import ClusterState
from vaina.cache.list_watch import Apply, Replace
from vaina.cache.reflector import Reflector
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.errors import ApiError, Forbidden, Unauthorized
from vaina.tasks import first_error, first_of

#: after the last reader has gone: who comes back within it finds everything there
LINGER_SECONDS: Final = 60.0
#: after the apiserver has refused to show Nodes or Pods, until it is asked again
REFUSED_SECONDS: Final = 2.0


class Following:
    """One state for all readers. `run` is its only task."""

    def __init__(self, clients: Clientset, clock: Clock) -> None:
        self._clients, self._clock = clients, clock
        self._state = ClusterState()
        self._users = 0
        self._wanted, self._left, self._complete = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._refused = asyncio.Event()
        self._refusal: ApiError = Forbidden("")

    @asynccontextmanager
    async def use(self) -> AsyncIterator[ClusterState]:
        """Yield the state once it is complete; it is kept true as long as the context lasts, or `wait_refused`.

        Raises Forbidden, Unauthorized: the apiserver does not show it.
        """
        self._users += 1
        self._wanted.set()
        self._left.clear()
        try:
            await first_of(self._complete.wait(), self.wait_refused())
            yield self._state
        finally:
            self._users -= 1
            if not self._users:
                self._wanted.clear()
                self._left.set()

    async def wait_refused(self) -> None:
        """Wait until the apiserver shows it no more. Raises Forbidden, Unauthorized: always."""
        await self._refused.wait()
        raise self._refusal

    async def run(self) -> None:
        """Follow whenever somebody wants it, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await first_of(self._follow(self._state), self._until_nobody_wants_it())
            except* (Forbidden, Unauthorized) as errors:
                await self._refuse(first_error(errors))

    async def _refuse(self, error: BaseException) -> None:
        """Tell all who look, and who comes for a while, that it is not shown."""
        assert isinstance(error, ApiError)
        self._refusal = error
        self._forget()
        self._refused.set()
        await self._clock.sleep(REFUSED_SECONDS)
        self._refused.clear()

    def _forget(self) -> None:
        # At once: who comes while the watches end waits for the next ones.
        self._state = ClusterState()
        self._complete.clear()

    async def _follow(self, state: ClusterState) -> None:
        clock = self._clock

        def on_nodes(what: Replace[Any] | Apply[Any]) -> None:
            state.on_nodes(what)
            self._look(state)

        def on_pods(what: Replace[Any] | Apply[Any]) -> None:
            state.on_pods(what)
            self._look(state)

        async with asyncio.TaskGroup() as group:
            nodes = Reflector(
                self._clients.nodes, clock, on_nodes, new_objects=state.new_nodes, ends_when_refused=True
            )
            pods = Reflector(
                self._clients.pods, clock, on_pods, new_objects=state.new_pods, ends_when_refused=True
            )
            group.create_task(nodes.run(), name="nodes")
            group.create_task(pods.run(), name="pods")

    def _look(self, state: ClusterState) -> None:
        if state is self._state and state.is_complete:
            self._complete.set()

    async def _until_nobody_wants_it(self) -> None:
        while True:
            await self._left.wait()
            await self._clock.sleep(LINGER_SECONDS)
            if not self._users:
                self._forget()
                return
