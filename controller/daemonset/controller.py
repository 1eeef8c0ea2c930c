"""The shell of DaemonSets. Names of Pods follow from the node, so that a creation can be asked for twice."""

from controller.base import Tools
from controller.daemonset.reconcile import DaemonSet, EndedPods, Plan, new_pod, node_of, reconcile
from controller.ownership import BY_CONTROLLER
from controller.owning import RECHECK_SECONDS, RevisionedController
from controller.pod_control import PodControl
from controller.pods import RecentNames, Taken, suffixed
from controller.revisions import History, look_back
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.kinds import DAEMON_SET, NODE
from vaina.objects.meta import object_key
from vaina.objects.pods import is_terminal
from vaina.objects.rollouts import REVISION_HASH


class DaemonSetController(RevisionedController[DaemonSet]):
    """Keys are `namespace/name` of DaemonSets."""

    name = "daemonset"
    kind = DAEMON_SET

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._nodes = factory.informer(NODE)
        super().__init__(tools, factory, recorder, (self._nodes,))
        self._control = PodControl(factory.clientset.pods, recorder, self._writes, tools.clock)
        self._recent, self._ended = RecentNames(), EndedPods()
        #: by key, name of a Pod -> its node; kept between looks, for creations whose answer was lost
        self._targets: dict[str, dict[str, str]] = {}
        self._dependents.add_handler(
            on_delete=lambda pod: self._recent.add(object_key(pod), self.clock.monotonic())
        )
        self._nodes.add_handler(
            on_add=lambda _: self._look_at_all(),
            on_update=self._on_node,
            on_delete=lambda _: self._look_at_all(),
        )

    async def sync(self, key: str) -> float | None:
        daemon_set = self._owners.lister.get(key)
        if daemon_set is None:
            self._forget(key)
            self._targets.pop(key, None)
            return None
        ending = daemon_set.metadata.HasField("deletion_timestamp")
        history = self._look_back(daemon_set)
        revision_hash, nodes = (
            history.update.metadata.labels[REVISION_HASH],
            self._targets.setdefault(key, {}),
        )

        def make(name: str) -> pod_pb2.Pod:
            return new_pod(daemon_set, revision_hash, nodes[name], name)

        if not ending:
            await self._control.settle_unknown(key, daemon_set, make)
        if not self._is_up_to_date(key, self._own(daemon_set.metadata)):
            return RECHECK_SECONDS
        selector = self._selector_of(daemon_set)
        pods = await self._claim(key, daemon_set, lambda pod: selector.matches(pod.metadata.labels))
        if not ending:
            await self._remember(key, daemon_set, history)
        now, waits = self.clock.now(), self._waits(daemon_set, pods)
        plan = reconcile(daemon_set, self._nodes.lister.list(), pods, revision_hash, now, frozenset(waits))
        if plan.acts:
            await self._confirm(daemon_set)
            await self._control.confirm([pod for pod in plan.unserving if pod not in plan.delete])
        self._tell_of_ended(daemon_set, plan)
        gone = await self._control.delete(key, daemon_set, plan.delete, as_seen=plan.unserving)
        names = self._names(daemon_set, plan, nodes)
        made = await self._control.create(key, daemon_set, make, names)
        if plan.status is not None:
            await self._tell(key, daemon_set, plan.status)
        if error := made or gone:
            raise error
        return min((seconds for seconds in (plan.wake_seconds, *waits.values()) if seconds), default=None)

    def _look_back(self, daemon_set: DaemonSet) -> History:
        meta = daemon_set.metadata
        own = self._revisions.lister.by_index(BY_CONTROLLER, meta.uid)
        hashes = {pod.metadata.labels.get(REVISION_HASH, "") for pod in self._own(meta)}
        live = {item.metadata.name for item in own if item.metadata.labels.get(REVISION_HASH) in hashes}
        return look_back(
            meta, self._reference_to(daemon_set), daemon_set.spec.template, own, live=live,
            limit=daemon_set.spec.revision_history_limit, collisions=daemon_set.status.collision_count,
        )  # fmt: skip

    def _waits(self, daemon_set: DaemonSet, pods: list[pod_pb2.Pod]) -> dict[str, float]:
        """Return the nodes on which an ended Pod may not be replaced yet, with the seconds."""
        now, meta = self.clock.monotonic(), daemon_set.metadata
        nodes = {node_of(pod) for pod in pods if is_terminal(pod)}
        found = {node: self._ended.wait(meta.uid, meta.generation, node, now) for node in nodes}
        return {node: seconds for node, seconds in found.items() if seconds > 0}

    def _tell_of_ended(self, daemon_set: DaemonSet, plan: Plan) -> None:
        meta, now = daemon_set.metadata, self.clock.monotonic()
        for pod in plan.ended:
            word = "failed" if pod.status.phase == "Failed" else "succeeded"
            verb = "kill" if word == "failed" else "delete"
            self._recorder.event(
                daemon_set, WARNING if word == "failed" else NORMAL, f"{word.capitalize()}DaemonPod",
                f"Found {word} daemon pod {object_key(pod)} on node {node_of(pod)}, will try to {verb} it",
            )  # fmt: skip
            self._ended.note(meta.uid, meta.generation, node_of(pod), now)

    def _names(self, daemon_set: DaemonSet, plan: Plan, nodes: dict[str, str]) -> list[str]:
        """Name the Pods to create, and remember which node each is for."""
        meta = daemon_set.metadata
        taken = Taken(self._dependents.lister, self._recent, meta.namespace)
        if plan.create:
            nodes.clear()
        for node in plan.create:
            number = 0
            while (name := suffixed(meta.name, f"{meta.uid}/{node}/{number}")) in taken:
                number += 1
            nodes[name] = node
        return [*nodes] if plan.create else []

    def _on_node(self, old: node_pb2.Node, new: node_pb2.Node) -> None:
        # Heartbeats change neither.
        if old.metadata.labels != new.metadata.labels or list(old.spec.taints) != list(new.spec.taints):
            self._look_at_all()

    def _look_at_all(self) -> None:
        for obj in self._owners.lister.list():
            self.queue.add(object_key(obj))
