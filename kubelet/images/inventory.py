"""Which images a node has, which of them may go, and in which order. PURE.

Follows `pkg/kubelet/images/image_gc_manager.go`: above the high threshold, images that no container uses go,
the one unused for longest first, until the disk is at the low threshold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubelet.runtime.records import ImageState
from vaina.api.core.v1 import node_pb2

#: as upstream (nodeStatusMaxImages, MaxNamesPerImageInNodeStatus)
MAX_IMAGES = 50
MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """When images go. Upstream's numbers; with 100 as the high threshold none does."""

    high_threshold_percent: int = 85
    low_threshold_percent: int = 80
    #: a younger image was perhaps just pulled for a Pod
    min_age_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is remembered of an image."""

    first_detected: float
    #: 0: never seen in use
    last_used: float = 0.0


def detect(
    before: Mapping[str, ImageRecord],
    images: Iterable[ImageState],
    in_use: frozenset[str],
    *,
    now: float,
    first_look: bool,
) -> dict[str, ImageRecord]:
    """Return the records of what is there now; what is there at the `first_look` counts as old."""
    records = {}
    for image in images:
        record = before.get(image.id) or ImageRecord(0.0 if first_look else now)
        records[image.id] = ImageRecord(record.first_detected, now) if image.id in in_use else record
    return records


def bytes_to_free(capacity: int, available: int, policy: ImagePolicy) -> int:
    """Return how many bytes must go; 0 below the high threshold."""
    available = min(available, capacity)
    if policy.high_threshold_percent >= 100:
        return 0
    if capacity <= 0 or 100 - available * 100 // capacity < policy.high_threshold_percent:
        return 0
    return max(capacity * (100 - policy.low_threshold_percent) // 100 - available, 0)


def candidates(
    images: Iterable[ImageState], records: Mapping[str, ImageRecord], policy: ImagePolicy, *, now: float
) -> Sequence[ImageState]:
    """Return the images that may go, first the first: none that is in use, pinned or too young."""
    free = [
        image
        for image in images
        if not image.pinned
        and image.id in records
        and records[image.id].last_used < now
        and now - records[image.id].first_detected >= policy.min_age_seconds
    ]
    return sorted(free, key=lambda image: (records[image.id].last_used, records[image.id].first_detected))


def node_images(images: Iterable[ImageState]) -> list[node_pb2.ContainerImage]:
    """Return `status.images` of a Node: the 50 largest, by at most 5 of their names each."""
    largest = sorted(images, key=lambda image: (-image.size_bytes, image.id))[:MAX_IMAGES]
    return [
        node_pb2.ContainerImage(names=(*image.digests, *image.tags)[:MAX_NAMES], size_bytes=image.size_bytes)
        for image in largest
    ]
