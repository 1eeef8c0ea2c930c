"""PURE: how large each ReplicaSet of a Deployment should be next.

Follows rolling.go, recreate.go and `scale` of sync.go in upstream's `pkg/controller/deployment`. Upstream
trusts that a status is as new as its spec; here a ReplicaSet counts for no more available replicas than it is
to have, so that a status that lags behind a scale-down is not the reason of the next one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaina.objects.rollouts import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    Deployment,
    ReplicaSet,
    age_key,
    fenceposts,
    int_annotation,
    is_rolling,
    replicas_of,
)

#: sizes that should change, by the name of the ReplicaSet
Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Size:
    """What of a ReplicaSet the arithmetic needs."""

    name: str
    replicas: int
    available: int

    @property
    def unavailable(self) -> int:
        return self.replicas - self.available


def size_of(rs: ReplicaSet) -> Size:
    """Return the size of a ReplicaSet."""
    replicas = replicas_of(rs)
    return Size(rs.metadata.name, replicas, min(replicas, rs.status.available_replicas))


def new_size(deployment: Deployment, replicas: int, total: int) -> int:
    """Return the next size of the new ReplicaSet, which has `replicas` now, while all together have `total`."""
    wished = replicas_of(deployment)
    if replicas > wished or not is_rolling(deployment):
        return wished
    surge, _ = fenceposts(deployment)
    room = wished + surge - total
    return replicas + min(room, wished - replicas) if room > 0 else replicas


def roll(deployment: Deployment, new: Size, old: Sequence[Size]) -> Sizes:
    """Return the next step of a rolling update: the new one grows, or else old ones (oldest first) shrink."""
    total = new.replicas + sum(item.replicas for item in old)
    wanted = new_size(deployment, new.replicas, total)
    if wanted != new.replicas:
        return {new.name: wanted}
    wished = replicas_of(deployment)
    at_least = wished - fenceposts(deployment)[1]
    # Each unavailable new replica keeps an old one.
    budget = total - at_least - new.unavailable
    if budget <= 0:
        return {}
    sizes = _drop_unhealthy(old, budget)
    available = new.available + sum(min(sizes.get(item.name, item.replicas), item.available) for item in old)
    spare = available - at_least
    for item in old:
        if spare <= 0:
            break
        size = sizes.get(item.name, item.replicas)
        cut = min(size, spare)
        if cut:
            sizes[item.name] = size - cut
            spare -= cut
    return sizes


def _drop_unhealthy(old: Sequence[Size], budget: int) -> dict[str, int]:
    """Return the sizes without old replicas that are not available: they would hold up the rest."""
    sizes: dict[str, int] = {}
    for item in old:
        cut = min(budget, item.unavailable)
        if cut > 0:
            sizes[item.name] = item.replicas - cut
            budget -= cut
    return sizes


def may_recreate(old: Sequence[ReplicaSet]) -> bool:
    """Say whether no Pod of an older template is left, ending ones included."""
    return all(
        rs.status.observed_generation >= rs.metadata.generation
        and replicas_of(rs) == rs.status.replicas == rs.status.terminating_replicas == 0
        for rs in old
    )


def is_scaling(deployment: Deployment, sets: Sequence[ReplicaSet]) -> bool:
    """Say whether the number of replicas was changed since the ReplicaSets were last scaled."""
    wished = replicas_of(deployment)
    noted = (int_annotation(rs.metadata, DESIRED_REPLICAS) for rs in sets if replicas_of(rs))
    return any(number is not None and number != wished for number in noted)


def scale(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """Return the sizes after a change of the number of replicas, without going on with a rollout.

    Several ReplicaSets with Pods share the change in proportion to their sizes, so that a bad new template
    does not get the larger part. The caller marks all that are returned as scaled, also where the size stays.
    """
    wished = replicas_of(deployment)
    every = [*old, *([new] if new is not None else [])]
    active = [rs for rs in every if replicas_of(rs)]
    if len(active) <= 1:
        chosen = active[0] if active else new or (old[-1] if old else None)
        return {} if chosen is None else {chosen.metadata.name: wished}
    if new is not None and _is_saturated(new, wished):
        return {rs.metadata.name: 0 for rs in active if rs is not new}
    if not is_rolling(deployment):
        return {rs.metadata.name: replicas_of(rs) for rs in active}
    return _in_proportion(deployment, active)


def _is_saturated(new: ReplicaSet, wished: int) -> bool:
    noted = int_annotation(new.metadata, DESIRED_REPLICAS)
    return noted == replicas_of(new) == new.status.available_replicas == wished


def _in_proportion(deployment: Deployment, active: list[ReplicaSet]) -> Sizes:
    wished, (surge, _) = replicas_of(deployment), fenceposts(deployment)
    allowed = wished + surge if wished > 0 else 0
    to_add = allowed - sum(replicas_of(rs) for rs in active)
    # Larger ones first; of equal ones the newer are scaled up, the older down.
    active.sort(key=age_key, reverse=to_add > 0)
    active.sort(key=replicas_of, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for rs in active:
        part = _part(rs, deployment, wished, surge)
        left = to_add - added
        part = min(part, left) if to_add > 0 else max(part, left)
        part = 0 if to_add == 0 else part
        sizes[rs.metadata.name] = replicas_of(rs) + part
        added += part
    first = active[0].metadata.name
    sizes[first] = max(sizes[first] + to_add - added, 0)
    return sizes


def _part(rs: ReplicaSet, deployment: Deployment, wished: int, surge: int) -> int:
    """Return by how much a ReplicaSet would change in proportion; all that it has when all go."""
    replicas = replicas_of(rs)
    if wished == 0:
        return -replicas
    before = int_annotation(rs.metadata, MAX_REPLICAS) or deployment.status.replicas
    if before == 0:
        return 0
    # Rounded half up; integers, so that every platform rounds alike.
    return (2 * replicas * (wished + surge) + before) // (2 * before) - replicas
