"""PURE: which Pods a controller adopts, releases, creates and deletes (upstream's manageReplicas)."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from controller.naming import pod_names
from controller.ownership import claim
from controller.pods import is_active
from controller.replicaset.owner import Owner
from controller.victims import choose_victims
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import is_terminal

#: at most so many Pods are created or deleted in one sync
BURST = 500


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """What to do, in this order. All empty: the world is as it should be."""

    adopt: tuple[pod_pb2.Pod, ...] = ()
    release: tuple[pod_pb2.Pod, ...] = ()
    #: names of Pods to create
    create: tuple[str, ...] = ()
    delete: tuple[pod_pb2.Pod, ...] = ()

    @property
    def acts(self) -> bool:
        return bool(self.adopt or self.create or self.delete)


@dataclass(frozen=True, slots=True)
class Observed:
    """The Pods of a controller, by what they count for."""

    #: owned or about to be adopted, and active: they count as replicas
    active: tuple[pod_pb2.Pod, ...]
    #: owned, ending and not yet ended
    terminating: tuple[pod_pb2.Pod, ...]
    #: orphans that match
    adopt: tuple[pod_pb2.Pod, ...]
    #: owned, but matching no longer
    release: tuple[pod_pb2.Pod, ...]


def observe(owner: Owner, pods: Iterable[pod_pb2.Pod]) -> Observed:
    """Sort the Pods that name a controller as theirs, and the orphans of its namespace."""
    claims = claim(owner.meta, pods, owner.matches)
    adopt = tuple(pod for pod in claims.adopt if is_active(pod))
    active: list[pod_pb2.Pod] = []
    terminating: list[pod_pb2.Pod] = []
    for pod in claims.owned:
        if is_active(pod):
            active.append(pod)
        elif not is_terminal(pod):
            terminating.append(pod)
    return Observed(
        active=(*active, *adopt), terminating=tuple(terminating), adopt=adopt, release=claims.release
    )


def reconcile(
    owner: Owner,
    observed: Observed,
    *,
    now: float,
    related: Sequence[pod_pb2.Pod] = (),
    taken: Container[str] = frozenset(),
) -> ReplicaPlan:
    """Decide what to do for a controller, once the cache shows all that was done before.

    `related` are Pods of controllers with the same owner, for the choice of victims; `taken` are names in use
    in the namespace, or lately so.
    """
    create: tuple[str, ...] = ()
    delete: tuple[pod_pb2.Pod, ...] = ()
    if not owner.meta.HasField("deletion_timestamp"):
        missing = owner.replicas - len(observed.active)
        if missing > 0:
            meta = owner.meta
            create = pod_names(meta.name, meta.uid, min(missing, BURST), taken)
        elif missing < 0:
            adopted = {pod.metadata.uid for pod in observed.adopt}
            victims = choose_victims(observed.active, min(-missing, BURST), now=now, related=related)
            # A Pod that is only about to be adopted is left to the next sync.
            delete = tuple(pod for pod in victims if pod.metadata.uid not in adopted)
    return ReplicaPlan(adopt=observed.adopt, release=observed.release, create=create, delete=delete)
