"""The Pods that the apiserver has for this node: a watch on spec.nodeName. Shell.

The kubelet says where a Pod comes from, not the Pod, as in updatePodsFunc (`pkg/kubelet/config/config.go`):
otherwise a Pod that claims to come from a file would never be evicted, and its status never written.
"""

import random
from collections.abc import Callable, Sequence

from kubelet.labels import SOURCE_ANNOTATION
from kubelet.runtime.records import Uid
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import Informer
from vaina.client.verbs import PodClient
from vaina.clock import Clock

Change = tuple[pod_pb2.Pod | None, pod_pb2.Pod | None]


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
        """Make it. `on_change` gets the Pods that have come or changed, and the uids that are gone."""
        self._on_change = on_change
        self.informer: Informer[pod_pb2.Pod] = Informer(
            client, clock, field_selector=f"spec.nodeName={node_name}", indexers={"uid": _uids}, rng=rng
        )
        self.informer.add_batch_handler(self._changed)

    def _changed(self, changes: Sequence[Change]) -> None:
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
        """Say whether the apiserver has a Pod with this uid for the node."""
        return bool(self.informer.lister.by_index("uid", uid))


def _from_here(pod: pod_pb2.Pod) -> pod_pb2.Pod:
    """Return the Pod with the source that it has; the informer's own is not changed."""
    if pod.metadata.annotations.get(SOURCE_ANNOTATION, "api") == "api":
        return pod
    told = pod_pb2.Pod()
    told.CopyFrom(pod)
    told.metadata.annotations[SOURCE_ANNOTATION] = "api"
    return told


def _uids(pod: pod_pb2.Pod) -> tuple[str, ...]:
    return (pod.metadata.uid,)
