"""Looks up bindings that were acknowledged long ago and that the watch has not shown.

They would take room for ever.

A task of its own, so that an apiserver that does not answer holds up nobody's back-off. Called by
`scheduler.scheduler`.
"""

from collections.abc import Callable
from typing import Final

import structlog

from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodInfo
from vaina.api.core.v1 import pod_pb2
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import ApiError, NotFound

log = structlog.stdlib.get_logger(__name__)

#: between two looks
TICK_SECONDS: Final = 1.0
#: Pods that are looked up in one
LOOK_UPS: Final = 10

#: told of a Pod that is not bound after all: what was assumed, where, and the Pod as it is (None: it is gone)
Lost = Callable[[PodInfo, str, pod_pb2.Pod | None], None]


class OverdueBindings:
    """Owned by the scheduling task; `run` is its own task on the same loop."""

    def __init__(self, client: PodClient, clock: Clock, cache: Cache, lost: Lost) -> None:
        self._client, self._clock, self._cache, self._lost = client, clock, cache, lost

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(TICK_SECONDS)
            for info in self._cache.overdue(now=self._clock.monotonic())[:LOOK_UPS]:
                await self._look_up(info)

    async def _look_up(self, info: PodInfo) -> None:
        pod: pod_pb2.Pod | None
        try:
            pod = await self._client.get(info.name, info.namespace)
        except NotFound:
            pod = None
        except ApiError as error:
            log.debug("assumed pod not looked up", pod=info.key, uid=info.uid, error=error.message)
            return
        held = self._cache.get(info.uid)
        if held is None or not held.assumed:
            return
        log.warning("the watch has not shown a binding", pod=info.key, uid=info.uid, node=held.node_name)
        if pod is not None and pod.metadata.uid != info.uid:
            pod = None
        if pod is not None and pod.spec.node_name:
            self._cache.acknowledged(info.uid, now=self._clock.monotonic())
            return
        self._cache.forget(info.uid)
        self._lost(info, held.node_name, pod)
