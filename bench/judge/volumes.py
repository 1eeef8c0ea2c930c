"""PURE: what a history says of volumes.

Storage as it was at the moment of a binding, and whether the binding was right by it.

Each rule is asked by itself, for Pods that have volumes alone. VolumeBinding is stricter here than in the
reference: a Pod is bound after its claims are (PreBind), so at the moment of its binding each must have its
volume, and the node must reach it.
"""

from collections.abc import Callable, Collection, Iterator
from copy import copy
from dataclasses import fields, replace
from typing import Final

from bench.judge.reference import World
from bench.judge.reference.rule import Refusal, Rule
from bench.judge.reference.storage import (
    Claim,
    Storage,
    StorageObject,
    claim_names,
    is_bound,
    is_given,
    key_in,
    reaches,
    table_of,
)
from bench.judge.reference.volumes import Alone, Binding, Limits, Zone
from bench.judge.reference.world import Placed
from vaina.api.core.v1 import node_pb2, pod_pb2


class Bound(Binding):
    """The claims of a Pod that is being bound are bound, and their volumes in reach."""

    def rejected(self) -> str:
        for name, _, claim in self.claims:
            if claim is not None and not is_bound(claim) and self._may_wait(claim):
                return f'persistentvolumeclaim "{name}" has no volume yet'
        return super().rejected()

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        for _, _, claim in self.claims:
            volume = None if claim is None else self.storage.volumes.get(claim.spec.volume_name)
            if volume is None:
                words = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
                return Refusal((words,), helpless=True)
            if not reaches(node, volume):
                return Refusal(("node(s) didn't match PersistentVolume's node affinity",), helpless=True)
        return None


_RULES: Final[tuple[type[Rule], ...]] = (Alone, Limits, Bound, Zone)
#: plugins that look at storage
OF_VOLUMES: Final = frozenset(rule.name for rule in _RULES)
#: volumes that these rules are about; of all others there is nothing to say
_SOURCES: Final = (
    "persistent_volume_claim", "ephemeral", "gce_persistent_disk", "aws_elastic_block_store", "iscsi", "rbd", "azure_disk",
    "cinder", "portworx_volume",
)  # fmt: skip


def has_volumes(pod: pod_pb2.Pod) -> bool:
    """Say whether the rules of volumes have anything to say of a Pod."""
    return any(item.volume_source.HasField(kind) for item in pod.spec.volumes for kind in _SOURCES)


def refusals(
    plugins: Collection[str] | None, now: World, pod: pod_pb2.Pod, name: str
) -> Iterator[Callable[[World], str | None]]:
    """Yield for each rule what says why a Pod may not be bound to a node in a world; None: it may.

    Args:
        plugins: those that take part; None: all.
        now: the world as it is at the binding.
        pod: that is bound.
        name: of the node.
    """
    for rule in _RULES:
        if plugins is None or rule.name in plugins:
            yield _refusal_of(rule, now, pod, name)


def _refusal_of(made: type[Rule], now: World, pod: pod_pb2.Pod, name: str) -> Callable[[World], str | None]:
    def refuse(world: World) -> str | None:
        node = world.nodes.get(name)
        if node is None:
            # Others say so.
            return None
        if made is Limits:
            # Before its claims were there and bound, a Pod had no volumes to count; nor had its neighbours.
            world = copy(world)
            world.storage = replace(
                world.storage,
                claims=now.storage.claims,
                volumes=now.storage.volumes,
                classes=now.storage.classes,
            )
        rule = made(world, Placed(pod))
        words = rule.rejected()
        if not words:
            said = rule.refuse(node)
            words = "" if said is None else ", ".join(said.words)
        return f"{rule.name}: {words}" if words else None

    return refuse


def is_being_bound(world: World, pod: pod_pb2.Pod) -> bool:
    """Say whether somebody is binding the volumes of a Pod that waits.

    It was given a node, and waits for them.
    """
    claims: list[Claim | None] = [
        world.storage.claims.get(f"{pod.metadata.namespace}/{name}") for name, _ in claim_names(pod)
    ]
    return any(
        claim is not None and not is_bound(claim) and is_given(world.storage, claim) for claim in claims
    )


def take(world: World, made: StorageObject, *, gone: bool) -> Callable[[World], None]:
    """Take in what has become of an object; returns what takes it back."""
    key = key_in(made)
    there = table_of(world.storage, made)
    before = there.get(key)
    if gone:
        there.pop(key, None)
    else:
        there[key] = made

    def undo(other: World) -> None:
        table = table_of(other.storage, made)
        if before is None:
            table.pop(key, None)
        else:
            table[key] = before

    return undo


def own_storage(storage: Storage) -> Storage:
    """Return the same storage, to be changed by itself."""
    return Storage(**{item.name: dict(getattr(storage, item.name)) for item in fields(storage)})
