"""The shell of DaemonSets: informers in, plan out. Names of Pods follow from the node, so that a creation can be asked for twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from controller.base import Controller, Tools
from controller.daemonset.backoff import EndedPods
from controller.daemonset.daemons import DaemonSet, new_pod, node_of, reference
from controller.daemonset.reconcile import Plan, reconcile
from controller.expectations import Expectations
from controller.naming import suffixed
from controller.ownership import BY_CONTROLLER, by_controller, claim, with_controller, without_owner
from controller.pod_control import PodControl
from controller.pods import RecentNames, Taken, candidates
from controller.revisions import History, look_back
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.kinds import CONTROLLER_REVISION, DAEMON_SET, NODE, POD
from vaina.objects.meta import controller_of, is_controlled_by, object_key
from vaina.objects.pods import is_terminal
from vaina.objects.revisions import REVISION_HASH
from vaina.objects.selectors import from_message

log = structlog.stdlib.get_logger(__name__)

BY_UID = "uid"
#: look again after this time when the caches do not show what was written
RECHECK_SECONDS = 15.0


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


class DaemonSetController(Controller):
    """Keys are `namespace/name` of DaemonSets."""

    name = "daemonset"

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._sets, self._pods = factory.informer(DAEMON_SET), factory.informer(POD)
        self._nodes, self._revisions = factory.informer(NODE), factory.informer(CONTROLLER_REVISION)
        super().__init__(tools, (self._sets, self._pods, self._nodes, self._revisions))
        self._client, self._recorder = factory.clientset, recorder
        self._pod_writes, self._set_writes = Expectations(), Expectations()
        self._control = PodControl(factory.clientset.pods, recorder, self._pod_writes, tools.clock)
        self._recent, self._ended = RecentNames(), EndedPods()
        self._targets: dict[str, dict[str, str]] = {}
        self._pods.ensure_indexer(BY_CONTROLLER, by_controller)
        self._revisions.ensure_indexer(BY_CONTROLLER, by_controller)
        self._sets.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))
        self.watch(self._sets)
        self.watch(self._pods, self._concerned)
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
            self._pod_writes.forget(key)
            self._set_writes.forget(key)
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
        pods = await self._claim(key, daemon_set)
        if not ending:
            await self._remember(key, daemon_set, history)
        now, waits = self.clock.now(), self._waits(daemon_set, pods)
        plan = reconcile(
            daemon_set, self._nodes.lister.list(), pods, owner.revision_hash, now, frozenset(waits)
        )
        if plan.acts:
            await self._confirm(daemon_set)
        error = await self._act(key, owner, plan)
        if plan.status is not None:
            changed = DaemonSet()
            changed.CopyFrom(daemon_set)
            changed.status.CopyFrom(plan.status)
            await self._write_status(key, changed)
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

    async def _remember(self, key: str, daemon_set: DaemonSet, history: History) -> None:
        """Write what is new of the revisions."""
        client = self._client.controller_revisions
        if history.create or history.renumber or history.surplus:
            # Of an old template the newest revision would be made: two leaders would number them in turn.
            await self._confirm(daemon_set)
        if history.create:
            wanted = history.update
            try:
                await client.create(wanted)
            except AlreadyExists:
                found = await client.get(wanted.metadata.name, wanted.metadata.namespace)
                if found.data != wanted.data or not is_controlled_by(found.metadata, daemon_set.metadata.uid):
                    changed = DaemonSet()
                    changed.CopyFrom(daemon_set)
                    changed.status.collision_count += 1
                    await self._write_status(key, changed)
                    raise
        elif history.renumber:
            await client.update(history.update)
        for old in history.surplus:
            try:
                await client.delete(old.metadata.name, old.metadata.namespace, uid=old.metadata.uid)
            except (NotFound, Conflict):
                continue

    def _is_up_to_date(self, key: str, daemon_set: DaemonSet) -> bool:
        now, own = self.clock.monotonic(), self._pods.lister.by_index(BY_CONTROLLER, daemon_set.metadata.uid)
        there = {pod.metadata.uid for pod in own if not pod.metadata.HasField("deletion_timestamp")}
        return self._set_writes.fulfilled(
            key, version=self._sets.resource_version, is_ending=lambda _: True, now=now
        ) and self._pod_writes.fulfilled(
            key, version=self._pods.resource_version, is_ending=lambda uid: uid not in there, now=now
        )

    async def _claim(self, key: str, daemon_set: DaemonSet) -> list[pod_pb2.Pod]:
        """Adopt and release Pods; return those that are this set's."""
        selector = from_message(daemon_set.spec.selector)
        found = candidates(self._pods.lister, daemon_set.metadata)
        sorted_out = claim(daemon_set.metadata, found, lambda pod: selector.matches(pod.metadata.labels))
        if sorted_out.adopt or sorted_out.release:
            await self._confirm(daemon_set)
        for pod in sorted_out.adopt:
            await self._update(key, with_controller(pod, reference(daemon_set)))
        for pod in sorted_out.release:
            await self._update(key, without_owner(pod, daemon_set.metadata.uid))
        return [*sorted_out.owned, *sorted_out.adopt]

    async def _update(self, key: str, pod: pod_pb2.Pod) -> None:
        answer = await self._client.pods.update(pod)
        version = int(answer.metadata.resource_version)
        self._pod_writes.created(key, pod.metadata.name, version, self.clock.monotonic())

    def _waits(self, daemon_set: DaemonSet, pods: list[pod_pb2.Pod]) -> dict[str, float]:
        """Return the nodes on which a Pod has ended and must lie a while, with the seconds."""
        now, uid = self.clock.monotonic(), daemon_set.metadata.uid
        found = {node_of(pod): self._ended.wait(uid, node_of(pod), now) for pod in pods if is_terminal(pod)}
        return {node: seconds for node, seconds in found.items() if seconds > 0}

    async def _confirm(self, daemon_set: DaemonSet) -> None:
        """Raise Conflict when the set has changed, is going, or is another one of the same name by now."""
        meta = daemon_set.metadata
        try:
            fresh = (await self._client.daemon_sets.get(meta.name, meta.namespace)).metadata
        except NotFound as error:
            raise Conflict(f"DaemonSet {meta.name} is gone") from error
        if (fresh.uid, fresh.generation) != (meta.uid, meta.generation) or fresh.HasField(
            "deletion_timestamp"
        ):
            raise Conflict(f"DaemonSet {meta.name} has changed meanwhile")

    async def _act(self, key: str, owner: Owner, plan: Plan) -> ApiError | None:
        for pod in plan.ended:
            word = "failed" if pod.status.phase == "Failed" else "succeeded"
            verb = "kill" if word == "failed" else "delete"
            self._recorder.event(
                owner.object, WARNING if word == "failed" else NORMAL, f"{word.capitalize()}DaemonPod",
                f"Found {word} daemon pod {object_key(pod)} on node {node_of(pod)}, will try to {verb} it",
            )  # fmt: skip
            self._ended.note(owner.meta.uid, node_of(pod), self.clock.monotonic())
        gone = await self._control.delete(key, owner, plan.delete) if plan.delete else None
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

    async def _write_status(self, key: str, changed: DaemonSet) -> None:
        answer = await self._client.daemon_sets.update_status(changed)
        self._set_writes.created(key, "", int(answer.metadata.resource_version), self.clock.monotonic())

    def _on_node(self, old: node_pb2.Node, new: node_pb2.Node) -> None:
        # Heartbeats change neither.
        if old.metadata.labels != new.metadata.labels or list(old.spec.taints) != list(new.spec.taints):
            self._look_at_all()

    def _look_at_all(self) -> None:
        for obj in self._sets.lister.list():
            self.queue.add(object_key(obj))

    def _concerned(self, pod: pod_pb2.Pod) -> Iterator[str]:
        """The set of a Pod, or every one that might adopt it."""
        owner = controller_of(pod.metadata)
        if owner is not None:
            if owner.kind == DAEMON_SET.kind:
                yield from map(object_key, self._sets.lister.by_index(BY_UID, owner.uid))
            return
        for obj in self._sets.lister.list(namespace=pod.metadata.namespace):
            if from_message(obj.spec.selector).matches(pod.metadata.labels):
                yield object_key(obj)
