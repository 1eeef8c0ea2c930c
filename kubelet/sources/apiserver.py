"""What the apiserver has of this node's Pods: a watch on spec.nodeName, and their mirror Pods. Shell.

The kubelet says where a Pod comes from, not the Pod, as in updatePodsFunc (`pkg/kubelet/config/config.go`):
otherwise a Pod that claims to come from a file would never be evicted, and its status never written.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from kubelet.metrics import KubeletMetrics
from kubelet.runtime.records import SOURCE_ANNOTATION, Uid
from kubelet.sources.static_files import MirrorPlan, Outlived, is_mirror_of, plan_mirrors
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.backoff import Backoff
from vaina.cache.informer import Informer
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.objects.meta import key_of

log = structlog.stdlib.get_logger(__name__)


class ApiserverSource:
    """Tells the kubelet of the node's Pods as they come, change and go, in batches."""

    def __init__(
        self,
        client: PodClient,
        clock: Clock,
        *,
        node_name: str,
        on_change: Callable[[Sequence[pod_pb2.Pod], Sequence[Uid]], None],
        rng: random.Random | None = None,
    ) -> None:
        self._on_change = on_change
        self.informer: Informer[pod_pb2.Pod] = Informer(
            client, clock, field_selector=f"spec.nodeName={node_name}", rng=rng,
            indexers={"uid": lambda pod: (pod.metadata.uid,)},
        )  # fmt: skip
        self.informer.add_batch_handler(self._changed)

    def _changed(self, changes: Sequence[tuple[pod_pb2.Pod | None, pod_pb2.Pod | None]]) -> None:
        # Several changes of one Pod may come together: the last one counts.
        wishes: dict[Uid, pod_pb2.Pod] = {}
        gone: dict[Uid, None] = {}
        for old, new in changes:
            if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
                # Also when another Pod got its name while the watch was away.
                uid = Uid(old.metadata.uid)
                wishes.pop(uid, None)
                gone[uid] = None
            if new is not None:
                wishes[Uid(new.metadata.uid)] = _from_here(new)
        self._on_change([*wishes.values()], [*gone])

    def has(self, uid: Uid) -> bool:
        return bool(self.informer.lister.by_index("uid", uid))


def _from_here(pod: pod_pb2.Pod) -> pod_pb2.Pod:
    """Return the Pod with the source that it has; the informer's own is not changed."""
    if pod.metadata.annotations.get(SOURCE_ANNOTATION, "api") == "api":
        return pod
    told = pod_pb2.Pod()
    told.CopyFrom(pod)
    told.metadata.annotations[SOURCE_ANNOTATION] = "api"
    return told


_RETRY = Backoff(0.5, 20.0, jitter=0.2)


class MirrorPods:
    """Keeps the mirrors of one node as `plan_mirrors` says. Owned by the kubelet.

    A change only wakes it, and a pass over what is right does nothing. Without an apiserver it waits, and
    static Pods run all the same.
    """

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
