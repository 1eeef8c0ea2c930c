"""StatefulSets whose controller has an old cache: what was rolled out last is not forgotten."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import controllers
from tests.unit.controller.statefulset.test_controller import end, grow, pod, stateful_set, until_names
from vaina.client.clientset import Clientset
from vaina.client.transport import Transport


class Stalled:
    """A way to the apiserver on which the watches of one service bring nothing until `go` is set."""

    def __init__(self, inner: Transport, service: str) -> None:
        self._inner, self._service, self.go = inner, service, asyncio.Event()

    async def unary(self, method: str, request: bytes, **options: Any) -> bytes:
        return await self._inner.unary(method, request, **options)

    async def stream(self, method: str, request: bytes, **options: Any) -> AsyncGenerator[bytes]:
        async with aclosing(self._inner.stream(method, request, **options)) as items:
            async for item in items:
                if self._service in method:
                    await self.go.wait()
                yield item

    async def close(self) -> None:
        pass


async def test_a_cache_without_the_revision_that_was_rolled_out_last_does_not_make_it_the_new_one() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    stalled = Stalled(server.client.transport, "ControllerRevisionService")
    stalled.go.set()
    mine = ControllerConfig(controllers=("statefulset", "node-lifecycle"))
    async with controllers(server, mine, client=Clientset(stalled)) as plane:
        await plane.add_node("node-1")
        stalled.go.clear()
        made = stateful_set(2)
        made.spec.update_strategy.rolling_update.partition = 2
        sets = plane.client.stateful_sets
        await sets.create(made)
        await grow(plane, "db-0", "db-1")
        await plane.clock.advance(20)
        before = await sets.get("db", "default")
        assert before.status.current_revision
        before.spec.template.spec.containers[0].image = "b"
        await sets.update(before)
        await plane.clock.advance(20)
        found = await sets.get("db", "default")
        assert found.status.current_revision == before.status.current_revision
        stalled.go.set()
        await end(plane, "db-0")
        await until_names(plane, "db-0", "db-1")
        assert (await pod(plane, "db-0")).spec.containers[0].image == "a"
        found = await sets.get("db", "default")
        assert found.status.update_revision != found.status.current_revision == before.status.current_revision
