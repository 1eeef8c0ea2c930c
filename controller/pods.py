"""PURE: what controllers of Pods share: which Pods count, which go first, making one, and the names of new ones.

A name follows from the controller's uid and the smallest free number, not from chance: processes that decide
on the same state give the same names. So a creation whose answer was lost can be asked for again without
making two Pods (I10), and two processes that both think they lead make one set of Pods (I18). Names of Pods
that went lately count as taken, so that a Pod is not followed by another of its name.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Sequence

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.store import Lister
from vaina.clock import seconds_of, timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.integers import parse_int
from vaina.objects.pods import is_ready, is_terminal

#: letters and digits that make no words and are not mistaken for one another; upstream's
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
#: the rest of a generated name is cut to this
MAX_BASE = 58
#: for so long, and of so many, names of Pods that went are remembered
RECENT_SECONDS, MAX_RECENT = 600.0, 20_000
#: annotation of a Pod: lower goes first
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def pod_names(owner: str, uid: str, count: int, taken: Container[str] = frozenset()) -> tuple[str, ...]:
    """Return names for `count` new Pods of an owner; `taken` are names in use in the namespace, or lately so."""
    names: dict[str, None] = {}
    number = 0
    while len(names) < count:
        name = suffixed(owner, f"{uid}/{number}")
        number += 1
        if name not in taken:
            names[name] = None
    return tuple(names)


def suffixed(owner: str, seed: str) -> str:
    """Return the name of a Pod that follows from a seed: always the same."""
    return f"{owner}-"[:MAX_BASE] + hash_letters(seed.encode(), SUFFIX_LENGTH)


def hash_letters(data: bytes, count: int) -> str:
    """Return the hash of some bytes in so many letters."""
    value = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
    letters = []
    for _ in range(count):
        value, index = divmod(value, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)


def is_active(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod counts as a replica: it has neither ended nor begun to end.

    A Pod on a node that does not answer (phase Unknown, reason NodeLost) counts until the node life-cycle
    controller marks it for deletion. Otherwise a control plane that has lost sight of most nodes would
    double every ReplicaSet at once (I13).
    """
    return not is_terminal(pod) and not is_ending(pod)


def is_ending(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod's deletion has begun."""
    return pod.metadata.HasField("deletion_timestamp")


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

    def __init__(self) -> None:
        self._gone: dict[str, float] = {}

    def add(self, key: str, now: float) -> None:
        self._gone.pop(key, None)
        self._gone[key] = now
        while self._gone:
            oldest, when = next(iter(self._gone.items()))
            if len(self._gone) <= MAX_RECENT and now - when <= RECENT_SECONDS:
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


def choose_victims(
    pods: Sequence[pod_pb2.Pod], count: int, *, now: float, related: Iterable[pod_pb2.Pod] = ()
) -> tuple[pod_pb2.Pod, ...]:
    """Return the `count` Pods to delete of a controller's active ones, in the order of ActivePodsWithRanks.

    Unassigned before assigned; Pending before Unknown before Running; not ready before ready; lower deletion
    cost; nodes with more replicas; ready for a shorter time; more restarts; newer. Times count by the power of
    two of their age, so that not only the newest go. The uid breaks ties, so that the choice is always the
    same. `related` are active Pods of controllers with the same owner; they count for how crowded a node is.
    """
    if count >= len(pods):
        return tuple(pods)
    uids = {pod.metadata.uid for pod in pods}
    crowd = Counter(pod.spec.node_name for pod in pods)
    crowd.update(pod.spec.node_name for pod in related if pod.metadata.uid not in uids)
    # The first half of the rank leaves few Pods to compare by the rest, which costs three times as much.
    coarse = [_coarse_rank(pod, crowd) for pod in pods]
    worst = sorted(coarse)[count - 1] if count > 0 else ()
    near = [(rank, pod) for rank, pod in zip(coarse, pods, strict=True) if rank <= worst]
    near.sort(key=lambda one: (one[0], _fine_rank(one[1], now)))
    return tuple(pod for _, pod in near[:count])


def age_ratios(pods: Sequence[pod_pb2.Pod], victims: Sequence[pod_pb2.Pod], now: float) -> list[float]:
    """Return the age of each ready victim by that of the youngest ready Pod, in whole numbers; none when all
    go.
    """
    if len(victims) >= len(pods):
        return []
    youngest = max(
        (seconds_of(pod.metadata.creation_timestamp) for pod in pods if is_ready(pod)), default=now
    )
    least = round((now - youngest) * 1000)
    if least <= 0:
        return []
    ages = (now - seconds_of(pod.metadata.creation_timestamp) for pod in victims if is_ready(pod))
    return [float(round(age * 1000) // least) for age in ages]


def _coarse_rank(pod: pod_pb2.Pod, crowd: Counter[str]) -> tuple[int, ...]:
    node = pod.spec.node_name
    return bool(node), _PHASES.get(pod.status.phase, 2), is_ready(pod), _deletion_cost(pod), -crowd[node]


def _fine_rank(pod: pod_pb2.Pod, now: float) -> tuple[object, ...]:
    restarts = max((status.restart_count for status in pod.status.container_statuses), default=0)
    ready = get_condition(pod.status, "Ready")
    since = ready.last_transition_time if ready is not None and ready.status == "True" else None
    return (
        _age_rank(seconds_of(since), now) if since is not None else 0,
        -restarts,
        _age_rank(seconds_of(pod.metadata.creation_timestamp), now),
        pod.metadata.uid,
    )


def _age_rank(since: float, now: float) -> int:
    """Return the power of two of an age in nanoseconds; -1 for an age of 0 or less."""
    nanoseconds = round((now - since) * 1e9)
    return nanoseconds.bit_length() - 1 if nanoseconds > 0 else -1


def _deletion_cost(pod: pod_pb2.Pod) -> int:
    """Return a Pod's deletion cost; 0 for a text that the apiserver would not take, as upstream."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    cost = parse_int(text, bits=32)
    return cost if cost is not None and str(cost) == text else 0
