"""PURE: what must hold of every commit while a template is brought in or a size changes.

Surge, and what stays available.

Bounds hold for what the controllers do, not for what befalls them: a Pod that was lost otherwise lately
counts as if it served.
"""

from collections.abc import Iterator

from tests.simulation.checks.commits import Seen, acted_on
from tests.simulation.checks.model import Commit, Loss, Model, meant_for, serves
from vaina.kinds import DAEMON_SET, DEPLOYMENT, NODE, POD, REPLICA_SET, STATEFUL_SET
from vaina.objects.meta import controller_of, is_controlled_by
from vaina.objects.nodes import selects
from vaina.objects.rollouts import amount_of, fenceposts, is_rolling, replicas_of

#: for so long a controller may not know of a loss, seconds: its stream is cut, and it finds out by the keepalive
LATELY = 90.0
#: from a decision to its commit: what a call is late by, and one more try, seconds
_DECIDED = 2.0


def within_surge(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """surge: a Deployment never asks for more Pods than its replicas and maxSurge."""
    if (
        commit.kind is not REPLICA_SET
        or commit.new is None
        or not commit.author.task.startswith("deployment")
    ):
        return
    before = replicas_of(commit.old) if commit.old is not None else 0
    owner = controller_of(commit.new.metadata)
    if owner is None or replicas_of(commit.new) <= before or _meddled(commit, model, owner.uid):
        return
    states = acted_on(commit, model, seen, owner.uid)
    most = max((replicas_of(found) + fenceposts(found)[0] for found in states), default=0)
    total = sum(replicas_of(rs) for rs in model.of(REPLICA_SET) if is_controlled_by(rs.metadata, owner.uid))
    if total > most:
        yield f"the ReplicaSets of {owner.name} want {total} Pods since {commit.key} was scaled, and {most} may be"


def enough_available(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """unavailable: a controller takes no Pod that serves where fewer than may be away would be left."""
    if commit.kind is not POD or commit.old is None or not serves(commit.old):
        return
    if commit.new is not None and serves(commit.new):
        return
    task, reference = commit.author.task, controller_of(commit.old.metadata)
    if (
        reference is None
        or commit.author.role != "controller"
        or not _was_known_to_serve(commit, model.losses[-1], seen)
    ):
        return
    if task.startswith("replicaset") and (uid := model.parent_of(reference.uid)):
        yield from _deployment_has_enough(commit, model, seen, uid)
    elif task.startswith("statefulset") and reference.kind == STATEFUL_SET.kind:
        yield from _stateful_set_has_enough(commit, model, seen, reference.uid)
    elif task.startswith("daemonset") and reference.kind == DAEMON_SET.kind:
        yield from _daemon_set_has_enough(commit, model, seen, reference.uid)


def _was_known_to_serve(commit: Commit, loss: Loss, seen: Seen) -> bool:
    """Say whether the author had seen the Pod serve when it decided.

    Upstream, too, deletes without saying which version it means.
    """
    seen_by_author = seen.get((commit.author.part, commit.old.metadata.uid), ())
    return any(commit.at - at > _DECIDED and version >= loss.since for at, version in seen_by_author)


def _deployment_has_enough(commit: Commit, model: Model, seen: Seen, uid: str) -> Iterator[str]:
    found = next((obj for obj in model.of(DEPLOYMENT) if obj.metadata.uid == uid), None)
    if found is None or found.metadata.HasField("deletion_timestamp") or _meddled(commit, model, uid):
        return
    states = [*acted_on(commit, model, seen, uid), *_lately(commit, model, uid)]
    if not all(map(is_rolling, states)):
        return
    least = min(replicas_of(state) - fenceposts(state)[1] for state in states)
    lost = model.lost(
        commit.at - LATELY, lambda loss: uid in loss.owners and not loss.cause.startswith("replicaset")
    )
    yield from _judge(
        commit, f"Deployment {found.metadata.name}", sum(map(serves, model.below(uid))), len(lost), least
    )


def _stateful_set_has_enough(commit: Commit, model: Model, seen: Seen, uid: str) -> Iterator[str]:
    """One at a time (maxUnavailable is a feature gate upstream).

    Of a Parallel one those before do not matter: it goes from the last.
    """
    states = [*acted_on(commit, model, seen, uid), *_lately(commit, model, uid)]
    least, name = min(map(replicas_of, states)), states[0].metadata.name
    mine = int(commit.old.metadata.name.removeprefix(f"{name}-"))
    if mine >= least:
        return
    parallel = any(state.spec.pod_management_policy == "Parallel" for state in states)
    others = {f"{name}-{ordinal}" for ordinal in range(mine + 1 if parallel else 0, least) if ordinal != mine}
    serving = {pod.metadata.name for pod in model.below(uid) if serves(pod)} & others
    lost = model.lost(commit.at - LATELY, lambda loss: _by_others(loss, uid, "statefulset"))
    left = {loss.pod.metadata.name for loss in lost} & others - serving
    yield from _judge(commit, f"StatefulSet {name}", len(serving), len(left), len(others))


def _daemon_set_has_enough(commit: Commit, model: Model, seen: Seen, uid: str) -> Iterator[str]:
    states = [*acted_on(commit, model, seen, uid), *_lately(commit, model, uid)]
    name = states[0].metadata.name
    known = {meant_for(pod) for pod in model.ever.values() if is_controlled_by(pod.metadata, uid)}
    wanted = [
        node.metadata.name
        for node in model.of(NODE)
        # One that has just come has no Pod yet, and is no reason to keep an old one elsewhere.
        if node.metadata.name in known and all(selects(item.spec.template.spec, node) for item in states)
    ]
    if commit.old.spec.node_name not in wanted or any(
        item.spec.update_strategy.type == "OnDelete" for item in states
    ):
        return
    least = min(len(wanted) - _away(item, len(wanted)) for item in states)
    serving = {pod.spec.node_name for pod in model.below(uid) if serves(pod)} & {*wanted}
    if commit.old.spec.node_name in serving:
        # Another one serves there.
        return
    lost = model.lost(
        commit.at - LATELY,
        lambda loss: _by_others(loss, uid, "daemonset") and loss.pod.spec.node_name in wanted,
    )
    yield from _judge(
        commit, f"DaemonSet {name}", len(serving), len({loss.pod.spec.node_name for loss in lost}), least
    )


def _away(daemon_set: object, nodes: int) -> int:
    rolling = daemon_set.spec.update_strategy.rolling_update  # type: ignore[attr-defined]  # a DaemonSet
    away = amount_of(rolling.max_unavailable, nodes, round_up=True)
    surge = amount_of(rolling.max_surge, nodes, round_up=True)
    return away or (0 if surge else 1)


def _judge(commit: Commit, whose: str, serving: int, lost: int, least: int) -> Iterator[str]:
    if serving + lost < least:
        yield f"{whose} has {serving} Pods that serve since {commit.key} was taken, lost {lost} lately otherwise, and needs {least}"


def _by_others(loss: Loss, uid: str, task: str) -> bool:
    return uid in loss.owners and not loss.cause.startswith(task)


def _lately(commit: Commit, model: Model, uid: str) -> list[object]:
    """Return the states that an object had lately: a scale-down may still be going on."""
    states = model.states.get(uid, [])
    return [
        obj
        for index, (_, _, obj) in enumerate(states)
        if index + 1 == len(states) or states[index + 1][0] > commit.at - LATELY
    ]


def _meddled(commit: Commit, model: Model, uid: str) -> bool:
    """Say whether somebody else has lately changed the size of one of a Deployment's ReplicaSets."""
    return commit.at - model.meddled.get(uid, -LATELY) < LATELY
