"""PURE: what a StatefulSet does next: which Pods come, which go, and what its status says.

Follows `updateStatefulSet` of `pkg/controller/statefulset/stateful_set_control.go`. Missing Pods are made,
first to last; then those that are too many go, last to first; then Pods of an older revision go, last to
first, and come back new. With podManagementPolicy OrderedReady each waits for the one before to be available.
No Pod is ever made beside one of its name (I18).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.plans import copy_of, sooner
from controller.pods import available_in, is_ending
from controller.statefulset import identity
from controller.statefulset.identity import Claim, StatefulSet
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import is_ready, is_terminal
from vaina.objects.rollouts import REVISION_HASH, amount_of

Status = stateful_set_pb2.StatefulSetStatus

#: between two looks at a claim that is about to go, before a Pod of its name may come
LEFT_OVER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Version:
    """A revision: its name, and the template that it keeps."""

    name: str
    template: pod_pb2.PodTemplateSpec


@dataclass(slots=True)
class Plan:
    """What to write, in this order. Empty: nothing until something changes."""

    claims: list[Claim] = field(default_factory=list[Claim])
    #: claims that get other owners
    retain: list[Claim] = field(default_factory=list[Claim])
    create: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    #: Pods that lost the labels that tell them apart
    repair: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    delete: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    #: of those: Pods that ended by themselves, and come again
    ended: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    status: Status | None = None
    #: when the next Pod counts as available, or what goes may have gone, seconds from now
    wake_seconds: float | None = None

    @property
    def acts(self) -> bool:
        return bool(self.claims or self.retain or self.create or self.repair or self.delete)


def reconcile(
    stateful_set: StatefulSet,
    pods: Sequence[pod_pb2.Pod],
    claims: Mapping[str, Claim],
    current: Version,
    update: Version,
    now: float,
) -> Plan:
    """Decide for one StatefulSet and the Pods that it controls; `claims` are by name."""
    step = _Step(stateful_set, pods, claims, current, update, now)
    if not stateful_set.metadata.HasField("deletion_timestamp"):
        step.run()
    step.wait_for_availability()
    status = compute_status(stateful_set, pods, current, update, now)
    step.plan.status = None if status == stateful_set.status else status
    return step.plan


class _Step:
    def __init__(
        self,
        stateful_set: StatefulSet,
        pods: Sequence[pod_pb2.Pod],
        claims: Mapping[str, Claim],
        current: Version,
        update: Version,
        now: float,
    ) -> None:
        self.set, self.claims, self.now = stateful_set, claims, now
        self.current, self.update = current, update
        self.ordered = stateful_set.spec.pod_management_policy != "Parallel"
        self.plan = Plan()
        self.wanted = identity.wanted_ordinals(stateful_set)
        known = {identity.ordinal_of(stateful_set, pod.metadata.name): pod for pod in pods}
        self.pods = {ordinal: pod for ordinal, pod in known.items() if ordinal is not None}

    def run(self) -> None:
        """Plan; in order, nothing more after a step that must be waited for."""
        if all(self._keep(ordinal) for ordinal in self.wanted) and self._shrink():
            self._roll()

    def _keep(self, ordinal: int) -> bool:
        """Plan for a Pod that there should be; return whether the next may be looked at."""
        pod = self.pods.get(ordinal)
        if pod is None:
            if any(
                identity.is_left_over(self.set, claim)
                for claim in identity.claims_of(self.set, ordinal, self.claims)
            ):
                # The claim goes with the Pod that was one too many; the next Pod gets a new one.
                self._wake_in(LEFT_OVER_SECONDS)
            else:
                self._create(ordinal)
            return not self.ordered
        if is_terminal(pod):
            if not is_ending(pod):
                self.plan.ended.append(pod)
                self.plan.delete.append(pod)
            return not self.ordered
        missing = identity.new_claims(self.set, ordinal, self.claims)
        if pod.status.phase in ("", "Pending") and missing:
            self.plan.claims.extend(missing)
        if self.ordered and not self._is_available(pod):
            return False
        if not identity.is_identified(self.set, pod, ordinal) and not is_ending(pod):
            repaired = copy_of(pod)
            volumes = [*pod.spec.volumes]
            identity.identify(self.set, repaired, ordinal)
            repaired.spec.ClearField("volumes")
            repaired.spec.volumes.extend(volumes)
            self.plan.repair.append(repaired)
        self._retain(ordinal, None)
        return True

    def _create(self, ordinal: int) -> None:
        self._retain(ordinal, None)
        self.plan.claims.extend(identity.new_claims(self.set, ordinal, self.claims))
        version = self._version_for(ordinal)
        self.plan.create.append(identity.new_pod(self.set, version.template, version.name, ordinal))

    def _version_for(self, ordinal: int) -> Version:
        strategy = self.set.spec.update_strategy
        held = (
            strategy.type == "RollingUpdate"
            and ordinal < self.wanted.start + strategy.rolling_update.partition
        )
        return self.current if held else self.update

    def _retain(self, ordinal: int, condemned: pod_pb2.Pod | None) -> None:
        for claim in identity.claims_of(self.set, ordinal, self.claims):
            wanted = identity.owned_as_wished(self.set, claim, condemned)
            if wanted is not None:
                self.plan.retain.append(wanted)

    def _shrink(self) -> bool:
        """Delete Pods that are too many, the last first; return whether nothing is to be waited for.

        In order, all that are to stay are available here. A Pod that is not available goes only if all before
        it are: of a set that is broken twice none goes (`processCondemned`).
        """
        condemned = sorted((ordinal for ordinal in self.pods if ordinal not in self.wanted), reverse=True)
        unavailable = (
            [ordinal for ordinal in condemned if not self._is_healthy(ordinal)] if self.ordered else []
        )
        for ordinal in condemned:
            pod = self.pods[ordinal]
            if is_ending(pod):
                if self.ordered:
                    return False
                continue
            if ordinal in unavailable[:-1]:
                return False
            self._retain(ordinal, pod)
            self.plan.delete.append(pod)
            if self.ordered:
                return False
        return not condemned or not self.ordered

    def _roll(self) -> None:
        """Delete Pods of older revisions, the last first, as many at a time as may be away.

        Whatever is away counts, also below the partition. With Parallel, Pods of older revisions that are away
        already go at once: that costs nobody anything, and else they could hold the others back for ever
        (updateStatefulSetAfterInvariantEstablished).
        """
        strategy = self.set.spec.update_strategy
        if strategy.type == "OnDelete":
            return
        lowest = self.wanted.start + strategy.rolling_update.partition
        old = [ordinal for ordinal in reversed(self.wanted) if ordinal >= lowest and self._is_old(ordinal)]
        if not self.ordered:
            self._delete(ordinal for ordinal in old if not self._is_healthy(ordinal))
            old = [ordinal for ordinal in old if self._is_healthy(ordinal)]
        away = sum(1 for ordinal in self.wanted if not self._is_healthy(ordinal))
        self._delete(old[: max(0, self._most_away() - away)])

    def _most_away(self) -> int:
        """Return how many Pods may be away (getStatefulSetMaxUnavailable). Older sets say nothing: one."""
        rolling = self.set.spec.update_strategy.rolling_update
        if not rolling.HasField("max_unavailable"):
            return 1
        return max(1, amount_of(rolling.max_unavailable, len(self.wanted), round_up=False))

    def _delete(self, ordinals: Iterable[int]) -> None:
        self.plan.delete.extend(self.pods[ordinal] for ordinal in ordinals)

    def _is_old(self, ordinal: int) -> bool:
        pod = self.pods.get(ordinal)
        return (
            pod is not None
            and not is_ending(pod)
            and pod not in self.plan.delete
            and pod.metadata.labels.get(REVISION_HASH) != self.update.name
        )

    def _is_healthy(self, ordinal: int) -> bool:
        pod = self.pods.get(ordinal)
        return pod is not None and self._is_available(pod)

    def wait_for_availability(self) -> None:
        """Look again when the next Pod that the status counts has been ready for long enough.

        Nothing else brings the set back when time alone makes a Pod available
        (FindMinNextPodAvailabilityCheck of `pkg/controller/controller_utils.go`, which `syncStatefulSet` asks
        last).
        """
        for pod in self.pods.values():
            if _is_running_and_ready(pod):
                left = available_in(pod, self.set.spec.min_ready_seconds, self.now)
                if left > 0:
                    self._wake_in(left)

    def _is_available(self, pod: pod_pb2.Pod) -> bool:
        if is_ending(pod) or not _is_running_and_ready(pod):
            return False
        return available_in(pod, self.set.spec.min_ready_seconds, self.now) <= 0

    def _wake_in(self, seconds: float) -> None:
        self.plan.wake_seconds = sooner(self.plan.wake_seconds, seconds)


def _is_running_and_ready(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Running" and is_ready(pod)


def compute_status(
    stateful_set: StatefulSet, pods: Sequence[pod_pb2.Pod], current: Version, update: Version, now: float
) -> Status:
    """Return what the status should say. Follows computeReplicaStatus and completeRollingUpdate."""
    status = copy_of(stateful_set.status)
    created = [pod for pod in pods if identity.ordinal_of(stateful_set, pod.metadata.name) is not None]
    ready = [pod for pod in created if _is_running_and_ready(pod)]
    steady = [pod for pod in created if not is_ending(pod)]
    wait = stateful_set.spec.min_ready_seconds
    status.observed_generation = stateful_set.metadata.generation
    status.replicas, status.ready_replicas = len(created), len(ready)
    status.available_replicas = sum(1 for pod in ready if available_in(pod, wait, now) <= 0)
    status.current_replicas = _count(steady, current.name)
    status.updated_replicas = _count(steady, update.name)
    status.current_revision, status.update_revision = current.name, update.name
    wished = identity.replicas_of(stateful_set)
    rolling = stateful_set.spec.update_strategy.type == "RollingUpdate"
    counts = (status.updated_replicas, status.ready_replicas, status.replicas)
    if rolling and counts == (wished, wished, wished):
        status.current_replicas, status.current_revision = status.updated_replicas, update.name
    return status


def _count(pods: Sequence[pod_pb2.Pod], revision: str) -> int:
    return sum(1 for pod in pods if pod.metadata.labels.get(REVISION_HASH) == revision)
