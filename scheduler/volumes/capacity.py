"""PURE: what drivers say that they have left for a claim, node by node.

Follows `pkg/scheduler/framework/plugins/volumebinding/binder.go` (hasEnoughCapacity, nodeHasAccess).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import ABSENT
from scheduler.columns.node_selection import holds
from scheduler.columns.pod_asks import NodeRequirement
from scheduler.columns.snapshot import Snapshot
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.objects import ClaimInfo


def is_counted(catalogue: Catalogue, claim: ClaimInfo) -> bool:
    """Say whether a claim's volume would be made by a driver that says how much it has left."""
    found = catalogue.classes.get(claim.class_name)
    return bool(claim.requested and found is not None and catalogue.says_capacity(found.provisioner))


def left(catalogue: Catalogue, claim: ClaimInfo, nodes: Snapshot) -> NDArray[np.int64]:
    """Return for each row how much the driver has left there (int64[N], bytes); -1: no room for the claim.

    Of several CSIStorageCapacities with room the one with the most counts; upstream takes any of them. Most
    drivers say it of each value of one label, of each node even: these are looked up all at once.
    """
    found = np.full(nodes.size, -1, np.int64)
    #: label -> its values with room, and how much
    by_value: dict[str, dict[str, int]] = {}
    for capacity in catalogue.capacities(claim.class_name):
        if capacity.topology is None or capacity.limit < claim.requested:
            continue
        if len(capacity.topology) == 1 and capacity.topology[0].operator == "In":
            [condition] = capacity.topology
            there = by_value.setdefault(condition.key, {})
            for text in condition.values:
                there[text] = max(capacity.amount, there.get(text, -1))
        else:
            here = all_hold(capacity.topology, nodes)
            found[here] = np.maximum(found[here], capacity.amount)
    for key, values in by_value.items():
        column = nodes.label_codes(key)
        if column is None:
            continue
        # The last place is that of nodes without the label.
        amounts = np.full(column.values.size + 1, -1, np.int64)
        for text, amount in values.items():
            code = column.values.find(text)
            if code != ABSENT:
                amounts[code] = amount
        codes = column.codes[: nodes.size]
        np.maximum(found, amounts[np.where(codes == ABSENT, -1, codes)], out=found)
    return found


def all_hold(conditions: Sequence[NodeRequirement], nodes: Snapshot) -> NDArray[np.bool_]:
    """Say which rows meet all of some conditions (bool[N])."""
    here = np.ones(nodes.size, np.bool_)
    for condition in conditions:
        here &= holds(condition, nodes)
    return here
