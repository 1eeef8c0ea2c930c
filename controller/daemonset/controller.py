"""The shell of DaemonSets: informers in, plan out.

Names of Pods follow from the node, so that a creation can be asked for twice.
"""

from dataclasses import dataclass, field

import structlog

from controller.base import Tools
from controller.daemonset.backoff import EndedPods
from controller.daemonset.daemons import DaemonSet, new_pod, node_of, reference
from controller.daemonset.reconcile import Plan, reconcile
from controller.naming import suffixed
from controller.ownership import BY_CONTROLLER
from controller.pod_control import PodControl
from controller.pods import RecentNames, Taken
from controller.revisioned import RECHECK_SECONDS, RevisionedController
from controller.revisions import History, look_back
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import ApiError
from vaina.kinds import DAEMON_SET, NODE
from vaina.objects.meta import object_key
from vaina.objects.pods import is_terminal
from vaina.objects.revisions import REVISION_HASH
from vaina.objects.selectors import from_message

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Owner:
    """A DaemonSet whose Pods are being made."""

    object: DaemonSet
    revision_hash: str
    #: name of a Pod -> its node; outlives a look, for creations whose answer was lost
    nodes: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def meta(self) -> meta_pb2.ObjectMeta:
        """Its metadata."""
        return self.object.metadata

    def new_pod(self, name: str) -> pod_pb2.Pod:
        """Return the Pod of a name."""
        return new_pod(self.object, self.revision_hash, self.nodes[name], name)


class DaemonSetController(RevisionedController[DaemonSet]):
    """Keys are `namespace/name` of DaemonSets."""

    name = "daemonset"
    kind = DAEMON_SET

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._nodes = factory.informer(NODE)
        super().__init__(tools, factory, recorder, (self._nodes,))
        self._control = PodControl(factory.clientset.pods, recorder, self._pod_writes, tools.clock)
        self._recent, self._ended = RecentNames(), EndedPods()
        self._targets: dict[str, dict[str, str]] = {}
        self._pods.add_handler(
            on_delete=lambda pod: self._recent.add(object_key(pod), self.clock.monotonic())
        )
        self._nodes.add_handler(
            on_add=lambda _: self._look_at_all(),
            on_update=self._on_node,
            on_delete=lambda _: self._look_at_all(),
        )

    async def sync(self, key: str) -> float | None:
        daemon_set = self._sets.lister.get(key)
        if daemon_set is None:
            self._forget(key)
            self._targets.pop(key, None)
            return None
        ending = daemon_set.metadata.HasField("deletion_timestamp")
        history = self._look_back(daemon_set)
        owner = Owner(
            daemon_set, history.update.metadata.labels[REVISION_HASH], self._targets.setdefault(key, {})
        )
        if not ending:
            await self._control.settle_unknown(key, owner)
        if not self._is_up_to_date(key, daemon_set):
            return RECHECK_SECONDS
        selector = from_message(daemon_set.spec.selector)
        pods = await self._claim(key, daemon_set, lambda pod: selector.matches(pod.metadata.labels))
        if not ending:
            await self._remember(key, daemon_set, history)
        now, waits = self.clock.now(), self._waits(daemon_set, pods)
        plan = reconcile(
            daemon_set, self._nodes.lister.list(), pods, owner.revision_hash, now, frozenset(waits)
        )
        if plan.acts:
            await self._confirm(daemon_set)
            await self._control.confirm([pod for pod in plan.unserving if pod not in plan.delete])
        error = await self._act(key, owner, plan)
        if plan.status is not None:
            await self._write_status(key, daemon_set, plan.status)
        if error is not None:
            raise error
        return min((seconds for seconds in (plan.wake_seconds, *waits.values()) if seconds), default=None)

    def _look_back(self, daemon_set: DaemonSet) -> History:
        meta = daemon_set.metadata
        own = self._revisions.lister.by_index(BY_CONTROLLER, meta.uid)
        hashes = {
            pod.metadata.labels.get(REVISION_HASH, "")
            for pod in self._pods.lister.by_index(BY_CONTROLLER, meta.uid)
        }
        live = {item.metadata.name for item in own if item.metadata.labels.get(REVISION_HASH) in hashes}
        return look_back(
            meta, reference(daemon_set), daemon_set.spec.template, own, live=live,
            limit=daemon_set.spec.revision_history_limit, collisions=daemon_set.status.collision_count,
        )  # fmt: skip

    def _waits(self, daemon_set: DaemonSet, pods: list[pod_pb2.Pod]) -> dict[str, float]:
        """Return the nodes on which a Pod has ended and must lie a while, with the seconds."""
        now, meta = self.clock.monotonic(), daemon_set.metadata
        nodes = {node_of(pod) for pod in pods if is_terminal(pod)}
        found = {node: self._ended.wait(meta.uid, meta.generation, node, now) for node in nodes}
        return {node: seconds for node, seconds in found.items() if seconds > 0}

    async def _act(self, key: str, owner: Owner, plan: Plan) -> ApiError | None:
        for pod in plan.ended:
            word = "failed" if pod.status.phase == "Failed" else "succeeded"
            verb = "kill" if word == "failed" else "delete"
            self._recorder.event(
                owner.object, WARNING if word == "failed" else NORMAL, f"{word.capitalize()}DaemonPod",
                f"Found {word} daemon pod {object_key(pod)} on node {node_of(pod)}, will try to {verb} it",
            )  # fmt: skip
            meta, now = owner.meta, self.clock.monotonic()
            self._ended.note(meta.uid, meta.generation, node_of(pod), now)
        gone = (
            await self._control.delete(key, owner, plan.delete, as_seen=plan.unserving)
            if plan.delete
            else None
        )
        made = await self._control.create(key, owner, self._names(owner, plan)) if plan.create else None
        return made or gone

    def _names(self, owner: Owner, plan: Plan) -> list[str]:
        """Name the Pods to create, and remember which node each is for."""
        taken = Taken(self._pods.lister, self._recent, owner.meta.namespace)
        owner.nodes.clear()
        for node in plan.create:
            number = 0
            while (name := suffixed(owner.meta.name, f"{owner.meta.uid}/{node}/{number}")) in taken:
                number += 1
            owner.nodes[name] = node
        return [*owner.nodes]

    def _on_node(self, old: node_pb2.Node, new: node_pb2.Node) -> None:
        # Heartbeats change neither.
        if old.metadata.labels != new.metadata.labels or list(old.spec.taints) != list(new.spec.taints):
            self._look_at_all()

    def _look_at_all(self) -> None:
        for obj in self._sets.lister.list():
            self.queue.add(object_key(obj))
