"""Gang: the Pods of a PodGroup are bound together, or not at all.

A Pod names its group as upstream's API has it (`spec.schedulingGroup.podGroupName`, k8s.io/api v0.37.2). How
many make a gang is in the annotation `example.com/min-count`, because this apiserver keeps no PodGroup
objects (spec.schedulingPolicy.gang.minCount of scheduling.k8s.io). As upstream's GangScheduling does: a Pod
that has its node waits at Permit until enough others of its group have theirs, for five minutes at most; when
one of those that wait gives up, all go back and free their rooms.
"""

from collections import defaultdict
from dataclasses import dataclass

from scheduler.framework.binding_points import APPROVE, PermitResult
from scheduler.framework.events import ClusterEvent, always
from scheduler.framework.plugin import Plugin

MIN_COUNT = "example.com/min-count"


class Gang(Plugin):
    """Binds all Pods of a group, or none."""

    @dataclass(frozen=True)
    class Args:
        """How long a Pod waits for the others."""

        wait_seconds: int = 300

    def __init__(self, args, *, handle):
        self._wait, self._waiting, self._handle = args.wait_seconds, handle.waiting, handle
        #: group -> uids of its Pods that got a node since this process began
        self._placed = defaultdict(set)

    @property
    def hints(self):
        # Room for one more may be room for the whole gang.
        return dict.fromkeys((ClusterEvent.NODE_ADD, ClusterEvent.ASSIGNED_POD_DELETE), always)

    def reserve(self, state, pod, node_name):
        group, wanted = self._group(pod)
        if group and not wanted:
            return f"pod names a group, and has no annotation {MIN_COUNT}"
        if group:
            there = {uid for uid in self._placed[group] if self._handle.holds(uid)}
            self._placed[group] = there | {pod.uid}
        return ""

    def unreserve(self, state, pod, node_name):
        group, _ = self._group(pod)
        if pod.uid not in self._placed.get(group, ()):
            return
        self._placed[group].discard(pod.uid)
        if not self._placed[group]:
            del self._placed[group]
        for other in self._waiting:
            if self._group(other.pod)[0] == group:
                other.reject(self.name, f"another pod of group {group[1]} gave up its place")

    def permit(self, state, pod, node_name):
        group, wanted = self._group(pod)
        if not group:
            return APPROVE
        if len(self._placed[group]) < wanted:
            return PermitResult(wait_seconds=self._wait)
        for other in self._waiting:
            if self._group(other.pod)[0] == group:
                other.allow(self.name)
        return APPROVE

    @staticmethod
    def _group(pod):
        name = pod.pod.spec.scheduling_group.pod_group_name
        wanted = pod.pod.metadata.annotations.get(MIN_COUNT, "")
        return (pod.namespace, name) if name else None, int(wanted) if wanted.isdigit() else 0
