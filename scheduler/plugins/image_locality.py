"""ImageLocality: prefers nodes that have the Pod's images already.

An image counts with its size, less the fewer nodes have it, so that Pods do not all go where the first one
went ("node heating"). The sum of 23 MiB scores nothing, 1000 MiB a container (init containers and image
volumes included) scores 100 (`plugins/imagelocality/image_locality.go`). A node's own figure for the size
counts, where upstream takes that of the node that said it first.
"""

from typing import Final

import numpy as np

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import MAX_SCORE, CycleState, Reach, Scores
from scheduler.framework.plugin import Score

MIB: Final = 1024 * 1024
MIN_THRESHOLD: Final = 23 * MIB
MAX_CONTAINER_THRESHOLD: Final = 1000 * MIB


class ImageLocality(Score):
    """Prefers nodes with the images."""

    #: a node whose images change is a node that changed
    reach = Reach.NONE
    reads_requests = False

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return any(name in nodes.images for name in pod.images)

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        sums, total = np.zeros(nodes.size, np.int64), len(nodes.rows)
        for name in pod.images:
            there = nodes.images.get(name)
            if there:
                where = np.fromiter(there.keys(), np.intp, len(there))
                sizes = np.fromiter(there.values(), np.float64, len(there))
                sums[where] += (sizes * (len(there) / total)).astype(np.int64)
        highest = MAX_CONTAINER_THRESHOLD * len(pod.images)
        kept = np.clip(sums[rows], MIN_THRESHOLD, highest)
        return MAX_SCORE * (kept - MIN_THRESHOLD) // (highest - MIN_THRESHOLD)

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        total, found = len(nodes.rows), 0
        for name in pod.images:
            there = nodes.images.get(name, {})
            if row in there:
                found += int(there[row] * (len(there) / total))
        highest = MAX_CONTAINER_THRESHOLD * len(pod.images)
        kept = min(max(found, MIN_THRESHOLD), highest)
        return MAX_SCORE * (kept - MIN_THRESHOLD) // (highest - MIN_THRESHOLD)
