"""PURE: what controllers of Pods share: which Pods count, making one from a template, and names in use."""

from collections.abc import Container

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.lister import Lister
from vaina.clock import seconds_of, timestamp
from vaina.objects.pods import get_condition, is_terminal


def is_active(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod counts as a replica: it has neither ended nor begun to end.

    A Pod on a node that does not answer (phase Unknown, reason NodeLost) counts until the node life-cycle
    controller marks it for deletion. Otherwise a control plane that has lost sight of most nodes would
    double every ReplicaSet at once (I13).
    """
    return not is_terminal(pod) and not pod.metadata.HasField("deletion_timestamp")


def available_in(pod: pod_pb2.Pod, min_ready_seconds: int, now: float) -> float:
    """Return the seconds until a ready Pod counts as available; 0 or less: it does."""
    if min_ready_seconds == 0:
        return 0.0
    condition = get_condition(pod.status, "Ready")
    since = seconds_of(condition.last_transition_time) if condition is not None else now
    return since + min_ready_seconds - now


def pod_from_template(
    template: pod_pb2.PodTemplateSpec,
    owner: meta_pb2.ObjectMeta,
    reference: meta_pb2.OwnerReference,
    name: str,
) -> pod_pb2.Pod:
    """Return the Pod to create under a name: the template, and its controller."""
    pod = pod_pb2.Pod()
    pod.spec.CopyFrom(template.spec)
    pod.metadata.name = name
    pod.metadata.generate_name = f"{owner.name}-"
    pod.metadata.namespace = owner.namespace
    pod.metadata.labels.update(template.metadata.labels)
    pod.metadata.annotations.update(template.metadata.annotations)
    pod.metadata.finalizers.extend(template.metadata.finalizers)
    pod.metadata.owner_references.append(reference)
    return pod


def with_target_condition(
    pod: pod_pb2.Pod, status: str, now: float, *, reason: str = "", message: str = ""
) -> pod_pb2.Pod:
    """Return what to write of a Pod's status so that its DisruptionTarget condition says this; no more."""
    made = status_of(pod)
    made.status.conditions.add(
        type="DisruptionTarget", status=status, reason=reason, message=message, last_transition_time=timestamp(now)
    )  # fmt: skip
    return made


def status_of(pod: pod_pb2.Pod) -> pod_pb2.Pod:
    """Return a Pod of the same name and uid with an empty status, which is filled in and written by a mask."""
    made, meta = pod_pb2.Pod(), pod.metadata
    made.metadata.name, made.metadata.namespace, made.metadata.uid = meta.name, meta.namespace, meta.uid
    return made


class RecentNames:
    """Keys of Pods that went lately. Owned by one controller; the oldest are forgotten."""

    def __init__(self, *, seconds: float = 600.0, limit: int = 20_000) -> None:
        self._seconds, self._limit = seconds, limit
        self._gone: dict[str, float] = {}

    def add(self, key: str, now: float) -> None:
        self._gone.pop(key, None)
        self._gone[key] = now
        while self._gone:
            oldest, when = next(iter(self._gone.items()))
            if len(self._gone) <= self._limit and now - when <= self._seconds:
                return
            del self._gone[oldest]

    def __contains__(self, key: object) -> bool:
        return key in self._gone


class Taken:
    """The names of the Pods of a namespace that are there, or were lately; without gathering them."""

    def __init__(self, lister: Lister[pod_pb2.Pod], recent: Container[str], namespace: str) -> None:
        self._lister, self._recent, self._namespace = lister, recent, namespace

    def __contains__(self, name: object) -> bool:
        key = f"{self._namespace}/{name}"
        return self._lister.get(key) is not None or key in self._recent
