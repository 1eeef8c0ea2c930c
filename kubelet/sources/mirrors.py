"""Keeps the mirror Pods of a node as `mirror` plans them. Shell.

Level-triggered: a change only wakes it, and a pass over what is right does nothing. Without an apiserver it
waits, and static Pods run all the same.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping

import structlog

from kubelet.metrics import KubeletMetrics
from kubelet.runtime.records import Uid
from kubelet.sources.mirror import MirrorPlan, Outlived, is_mirror_of, plan_mirrors
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.backoff import Backoff
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.objects.meta import key_of

log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(0.5, 20.0, jitter=0.2)


class MirrorPods:
    """The mirrors of one node. Owned by the kubelet."""

    def __init__(  # noqa: PLR0913 - tools, all by keyword
        self,
        client: PodClient,
        clock: Clock,
        *,
        statics: Callable[[], Mapping[Uid, pod_pb2.Pod]],
        mirrors: Callable[[], Iterable[pod_pb2.Pod]],
        outlived: Outlived,
        node: Callable[[], node_pb2.Node],
        metrics: KubeletMetrics,
        rng: random.Random | None = None,
    ) -> None:
        self._client, self._clock, self._rng = client, clock, rng
        self._statics, self._mirrors, self._node, self._metrics = statics, mirrors, node, metrics
        self._outlived = outlived
        self._wake = asyncio.Event()

    def poke(self) -> None:
        """Have a look: a static Pod, a mirror Pod or the Node has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; begin when it is known what the API has."""
        failures = 0
        while True:
            self._wake.clear()
            mirrors = tuple(self._mirrors())
            self._metrics.mirror_pods.set(len(mirrors))
            if await self._carry_out(plan_mirrors(self._statics(), mirrors, self._node(), self._outlived)):
                failures = 0
                await self._wake.wait()
                continue
            await self._clock.sleep(_RETRY.delay(failures, self._rng))
            failures += 1

    async def _carry_out(self, plan: MirrorPlan) -> bool:
        """Do what is due; say whether all of it is done."""
        done = True
        for pod in plan.delete:
            meta = pod.metadata
            try:
                await self._client.delete(meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid)
                log.info("mirror pod deleted", pod=key_of(meta), uid=meta.uid)
            except (NotFound, Conflict):
                # Gone, or another Pod by now: the watch will tell.
                continue
            except ApiError as error:
                log.warning("mirror pod not deleted", pod=key_of(meta), error=error.message)
                done = False
        for pod in plan.create:
            done = await self._create(pod) and done
        return done

    async def _create(self, pod: pod_pb2.Pod) -> bool:
        meta = pod.metadata
        try:
            made = await self._client.create(pod)
            log.info("mirror pod created", pod=key_of(meta), uid=made.metadata.uid)
            return True
        except AlreadyExists:
            return await self._is_there(pod)
        except ApiError as error:
            log.warning("mirror pod not created", pod=key_of(meta), error=error.message)
            return False

    async def _is_there(self, pod: pod_pb2.Pod) -> bool:
        """Say whether the Pod that has the name is our own mirror, created a moment ago."""
        meta = pod.metadata
        try:
            found = await self._client.get(meta.name, meta.namespace)
        except ApiError:
            return False
        if is_mirror_of(found, pod):
            return True
        log.warning(
            "mirror pod not created: another Pod has its name", pod=key_of(meta), uid=found.metadata.uid
        )
        return False
