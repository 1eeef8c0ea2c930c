"""PURE: is room kept for those it should be kept for? Nominations compared with what the Pods' status says.

What we chose ourselves and the watch has not shown yet is taken for true. Of a nomination that is not there
nothing is said: one that was given back is in the Pod's status until the watch shows that too. Part of `vaina
scheduler verify`.
"""

from collections.abc import Iterator, Mapping, Sequence

from scheduler.cache.cache import HeldPod
from scheduler.cache.nominations import Nomination
from scheduler.columns.node_table import NodeTable
from scheduler.columns.readout import Difference
from vaina.api.core.v1 import pod_pb2


def verify(
    nominations: Mapping[str, Nomination],
    table: NodeTable,
    pods: Sequence[pod_pb2.Pod],
    held: Mapping[str, HeldPod],
) -> Iterator[Difference]:
    """Yield nominations that no Pod has, and rows whose room is kept for others than those nominated there.

    `nominations` and `held` (Pods that take room) are by uid; `pods` are the watch's, at the same moment.
    """
    status = {pod.metadata.uid: pod for pod in pods} if nominations else {}
    kept: dict[int, int] = {}
    for uid, nomination in nominations.items():
        row = table.rows.get(nomination.node_name)
        if row is not None:
            kept[row] = kept.get(row, 0) + 1
        key, pod = nomination.info.key, status.get(uid)
        if uid in held:
            yield Difference(key, "nominatedNodeName", nomination.node_name, f"is on {held[uid].node_name}")
        elif pod is None:
            yield Difference(key, "nominatedNodeName", nomination.node_name, "no such Pod")
        elif not nomination.unconfirmed and pod.status.nominated_node_name != nomination.node_name:
            said = pod.status.nominated_node_name or "none"
            yield Difference(key, "nominatedNodeName", nomination.node_name, said)
    for row in sorted(kept.keys() | table.nominated.keys()):
        have, want = len(table.nominated.get(row, ())), kept.get(row, 0)
        if have != want:
            yield Difference(
                table.snapshot().names[row] or f"row {row}", "nominated Pods", str(have), str(want)
            )
