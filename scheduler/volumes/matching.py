"""PURE: which nodes a Pod's claims allow, and which volumes they would have there.

Follows `pkg/scheduler/framework/plugins/volumebinding/binder.go` (FindPodVolumes) and `component-helpers`'
FindMatchingVolume: the smallest volume that will do, the smallest claim first. Over all rows at once; asked
once a Pod that has claims.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import ABSENT
from scheduler.columns.node_selection import any_matches
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import UNRESOLVABLE, Codes, Scores
from scheduler.volumes.capacity import all_hold, is_counted, left
from scheduler.volumes.catalogue import Catalogue, Plan
from scheduler.volumes.objects import ClaimInfo, VolumeInfo
from vaina.objects.quantity import format_bytes
from vaina.quoting import go_quote

BIND_CONFLICT: Final = "node(s) didn't find available persistent volumes to bind"
NODE_CONFLICT: Final = "node(s) didn't match PersistentVolume's node affinity"
NOT_ENOUGH_SPACE: Final = "node(s) did not have enough free storage"
NO_SUCH_VOLUME: Final = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
#: of the Pod itself
UNBOUND_IMMEDIATE: Final = "pod has unbound immediate PersistentVolumeClaims"
CLAIM_NOT_FOUND: Final = 'persistentvolumeclaim "{}" not found'
CLAIM_NOT_MADE: Final = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "{}"'
CLAIM_LOST: Final = 'persistentvolumeclaim "{}" bound to non-existent persistentvolume {}'
CLAIM_DELETED: Final = 'persistentvolumeclaim "{}" is being deleted'
NOT_ITS_CLAIM: Final = "PVC {} was not created for pod {} (pod is not owner)"
#: in the order of their bits
REASONS: Final = (BIND_CONFLICT, NODE_CONFLICT, NO_SUCH_VOLUME, NOT_ENOUGH_SPACE)


@dataclass(slots=True)
class Need:
    """A Pod's claims, by what they need."""

    #: why the Pod can go nowhere; empty: it may
    rejected: str = ""
    #: with their volumes; None: that does not exist
    bound: list[tuple[ClaimInfo, VolumeInfo | None]] = field(default_factory=list)
    #: claims that get their volume now, by size
    waiting: list[ClaimInfo] = field(default_factory=list)


def needs(catalogue: Catalogue, pod: PodClass) -> Need:
    """Say what the claims of a Pod need, or why it can go nowhere (podHasPVCs, GetPodVolumeClaims)."""
    need, immediate = Need(), False
    namespace = pod.group.namespace
    for wanted in pod.claims:
        claim = catalogue.claims.get(f"{namespace}/{wanted.name}")
        if claim is None:
            return Need((CLAIM_NOT_MADE if wanted.ephemeral else CLAIM_NOT_FOUND).format(wanted.name))
        if claim.lost:
            return Need(CLAIM_LOST.format(claim.name, go_quote(claim.volume_name)))
        if claim.deleting:
            return Need(CLAIM_DELETED.format(claim.name))
        if wanted.owner and claim.controller != wanted.owner:
            # Somebody's claim of the same name (KEP-1698): its data are not this Pod's.
            return Need(NOT_ITS_CLAIM.format(claim.key, f"{namespace}/{wanted.pod_name}"))
        found = catalogue.classes.get(claim.class_name)
        if claim.bound:
            need.bound.append((claim, catalogue.volumes.get(claim.volume_name)))
        elif found is not None and found.waits and not claim.volume_name:
            need.waiting.append(claim)
        else:
            immediate = True
    if immediate:
        return Need(UNBOUND_IMMEDIATE)
    need.waiting.sort(key=lambda claim: claim.requested)
    return need


@dataclass(slots=True)
class Found:
    """What nodes allow."""

    need: Need
    #: int64[N]: bits of REASONS
    codes: Codes
    volumes: list[VolumeInfo]
    #: for each waiting claim int32[N]: index into `volumes`; -1: its volume is to be made
    chosen: list[NDArray[np.int32]]
    #: claim (namespace/name) -> how much its driver has left, as `capacity.left` says (int64[N]); of those for
    #: which a volume may be made and whose drivers say it
    left: dict[str, NDArray[np.int64]] = field(default_factory=dict[str, NDArray[np.int64]])
    #: int64[N]: how good rows are by capacity; None: not asked for
    scores: Scores | None = None

    def plan(self, nodes: Snapshot, row: int) -> Plan:
        name = nodes.names[row]
        assert name is not None
        binds: list[tuple[str, str]] = []
        provisions: list[str] = []
        for claim, chosen in zip(self.need.waiting, self.chosen, strict=True):
            index = int(chosen[row])
            if index < 0:
                provisions.append(claim.key)
            else:
                binds.append((claim.key, self.volumes[index].name))
        return Plan(name, tuple(binds), tuple(provisions))


#: codes of a node where a claim gets no volume, and where there is no room for one
_BIND: Final = np.int64(UNRESOLVABLE | 1)
_SPACE: Final = np.int64(UNRESOLVABLE | 8)
#: no volume has this rank
_NONE: Final = np.iinfo(np.int32).max


def _place(volume: VolumeInfo) -> tuple[str, Sequence[str]] | None:
    """Return the one label, with its values, by which a volume names its place, as most volumes do."""
    terms = volume.terms
    if terms is not None and len(terms) == 1 and not terms[0].fields and len(terms[0].expressions) == 1:
        [condition] = terms[0].expressions
        if condition.operator == "In":
            return condition.key, condition.values
    return None


def _first_by_place(
    candidates: Sequence[VolumeInfo], taken: Collection[str], nodes: Snapshot
) -> tuple[NDArray[np.int32], list[int]]:
    """Return for each row the rank of the first candidate that one label brings there, and the others' ranks.

    A rank is the place among the candidates, the best first. Volumes that are `taken` count as others.
    """
    ranks = np.full(nodes.size, _NONE, np.int32)
    #: label -> for each of its values' codes the first rank, that of nodes without it last
    first: dict[str, list[int]] = {}
    others: list[int] = []
    for rank, volume in enumerate(candidates):
        place = _place(volume)
        if place is None or volume.name in taken:
            others.append(rank)
            continue
        column = nodes.label_codes(place[0])
        if column is None:
            continue
        here = first.get(place[0])
        if here is None:
            here = first[place[0]] = [_NONE] * (column.values.size + 1)
        for value in place[1]:
            code = column.values.find(value)
            if code != ABSENT and here[code] == _NONE:
                here[code] = rank
    for key, here in first.items():
        column = nodes.label_codes(key)
        assert column is not None
        codes = column.codes[: nodes.size]
        np.minimum(ranks, np.array(here, np.int32)[np.where(codes == ABSENT, -1, codes)], out=ranks)
    return ranks, others


def find(catalogue: Catalogue, need: Need, nodes: Snapshot) -> Found:
    """Find the nodes that the claims allow."""
    codes = np.zeros(nodes.size, np.int64)
    for _, volume in need.bound:
        # The first that will not do is told of a node (checkBoundClaims).
        if volume is None:
            codes[codes == 0] = UNRESOLVABLE | 4
        elif volume.terms is not None:
            codes[(codes == 0) & ~any_matches(volume.terms, nodes)] = UNRESOLVABLE | 2
    found = Found(need, codes, [], [])
    if need.waiting:
        codes |= _give_all(catalogue, nodes, found)
    return found


def _give_all(catalogue: Catalogue, nodes: Snapshot, found: Found) -> Codes:
    """Choose for the claims that wait; return the first reason why one gets nothing (int64[N])."""
    lack, need = np.zeros(nodes.size, np.int64), found.need
    selected = [catalogue.selected_node(claim) for claim in need.waiting]
    for name in selected:
        if name:
            # Somebody is making it there, and nowhere else.
            elsewhere = np.ones(nodes.size, np.bool_)
            row = nodes.rows.get(name)
            if row is not None:
                elsewhere[row] = False
            lack[elsewhere] = _BIND
    later: list[NDArray[np.int64]] = []
    for claim, name in zip(need.waiting, selected, strict=True):
        if name:
            found.chosen.append(np.full(nodes.size, -1, np.int32))
            lack = np.where(lack == 0, provisions(catalogue, claim, nodes, found), lack)
        else:
            later.append(_give(catalogue, claim, nodes, found))
    for other in later:
        lack = np.where(lack == 0, other, lack)
    return lack


def _give(catalogue: Catalogue, claim: ClaimInfo, nodes: Snapshot, found: Found) -> NDArray[np.int64]:
    """Choose a volume for a claim on each row; return why it neither gets one nor has one made (int64[N])."""
    #: volume -> its numbers: earlier claims may have taken it on some rows
    taken: dict[str, list[int]] = {}
    for number, volume in enumerate(found.volumes):
        taken.setdefault(volume.name, []).append(number)
    candidates = _candidates(catalogue, claim)
    ranks, others = _first_by_place(candidates, taken.keys(), nodes)
    for rank in others:
        volume = candidates[rank]
        free = ranks > rank
        if volume.terms is not None:
            free &= any_matches(volume.terms, nodes)
        for number in taken.get(volume.name, ()):
            for other in found.chosen:
                free &= other != number
        ranks[free] = rank
        if volume.terms is None and volume.name not in taken:
            # Whoever comes later is for no node.
            break
    used, numbers = np.unique(ranks, return_inverse=True)
    chosen = (numbers + len(found.volumes)).astype(np.int32)
    chosen[ranks == _NONE] = -1
    found.volumes += [candidates[rank] for rank in used.tolist() if rank != _NONE]
    found.chosen.append(chosen)
    if (chosen >= 0).all():
        return np.zeros(nodes.size, np.int64)
    return np.where(chosen >= 0, np.int64(0), provisions(catalogue, claim, nodes, found))


def _candidates(catalogue: Catalogue, claim: ClaimInfo) -> Sequence[VolumeInfo]:
    """Return the volumes that a claim could have, the best first: its own, then the smaller ones."""
    own: list[VolumeInfo] = []
    others: list[VolumeInfo] = []
    for volume in catalogue.of_class(claim.class_name).values():
        owner = catalogue.owner(volume)
        if (
            volume.capacity < claim.requested
            or volume.deleting
            or volume.volume_mode != claim.volume_mode
            or volume.attributes_class != claim.attributes_class
        ):
            continue
        if owner is not None:
            if owner[0] == claim.key and owner[1] in ("", claim.uid):
                own.append(volume)
        elif (
            volume.phase == "Available"
            and claim.access_modes <= volume.access_modes
            and (claim.selector is None or claim.selector.matches(volume.labels))
        ):
            others.append(volume)
    if own:
        # A volume that is meant for the claim is taken or nothing.
        return own[:1]
    return sorted(others, key=lambda volume: (volume.capacity, volume.name))


def provisions(catalogue: Catalogue, claim: ClaimInfo, nodes: Snapshot, found: Found) -> NDArray[np.int64]:
    """Say for each row why no volume can be made there (checkVolumeProvisions); int64[N], 0: one can."""
    storage = catalogue.classes.get(claim.class_name)
    if storage is None or not storage.provisioner:
        return np.full(nodes.size, _BIND)
    codes = np.zeros(nodes.size, np.int64)
    if storage.topologies:
        allowed = np.zeros(nodes.size, np.bool_)
        for term in storage.topologies:
            allowed |= all_hold(term, nodes)
        codes[~allowed] = _BIND
    if is_counted(catalogue, claim):
        has = found.left.get(claim.key)
        if has is None:
            has = found.left[claim.key] = left(catalogue, claim, nodes)
        codes[(codes == 0) & (has < 0)] = _SPACE
    return codes


def lacks(catalogue: Catalogue, found: Found, nodes: Snapshot) -> list[tuple[NDArray[np.bool_], str]]:
    """Return what keeps the claims from having their volumes, in words, each with the rows (bool[N])."""
    lacking: list[tuple[NDArray[np.bool_], str]] = []
    for claim, volume in found.need.bound:
        if volume is None:
            words = f"claim {claim.key} is bound to volume {claim.volume_name}, which does not exist"
            lacking.append((np.ones(nodes.size, np.bool_), words))
        elif volume.terms is not None:
            places = " or ".join(map(str, volume.terms)) or "no node"
            words = f"volume {volume.name} of claim {claim.key} is reached from {places}"
            lacking.append((~any_matches(volume.terms, nodes), words))
    for claim, chosen in zip(found.need.waiting, found.chosen, strict=True):
        node_name, elsewhere = catalogue.selected_node(claim), np.zeros(nodes.size, np.bool_)
        if node_name:
            elsewhere |= np.arange(nodes.size) != nodes.rows.get(node_name, -1)
            lacking.append((elsewhere, f"the volume of claim {claim.key} is made for node {node_name}"))
        codes = np.where((chosen >= 0) | elsewhere, np.int64(0), provisions(catalogue, claim, nodes, found))
        asks = f"claim {claim.key} asks {format_bytes(claim.requested)} of class {claim.class_name}"
        lacking.append((codes == _BIND, f"{asks}: no free volume will do, and none is made there"))
        lacking.append((codes == _SPACE, f"{asks}: its driver has less left there"))
    return lacking
