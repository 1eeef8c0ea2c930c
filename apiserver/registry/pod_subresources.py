"""Sub-resources of a Pod: `ephemeralcontainers` and `resize`. Each changes one thing of a running Pod. Pure.

Follows `pkg/registry/core/pod/strategy.go` (podEphemeralContainersStrategy, podResizeStrategy): what a
request says of anything else is ignored.
"""

from functools import partial
from typing import Final

from apiserver.registry.strategy import Subresource
from apiserver.validation import pod_subresources
from apiserver.validation.place import find_violations
from vaina.api.core.v1 import pod_pb2

EPHEMERAL_CONTAINERS: Final = "ephemeralcontainers"
RESIZE: Final = "resize"


def with_ephemeral_containers(sent: pod_pb2.Pod, old: pod_pb2.Pod) -> pod_pb2.Pod:
    """Return the stored Pod with the ephemeral containers that were sent."""
    new = pod_pb2.Pod()
    new.CopyFrom(old)
    new.spec.ClearField("ephemeral_containers")
    new.spec.ephemeral_containers.MergeFrom(sent.spec.ephemeral_containers)
    return new


def with_resources(sent: pod_pb2.Pod, old: pod_pb2.Pod) -> pod_pb2.Pod:
    """Return the stored Pod with the resources and resize policies that were sent.

    If containers were added, removed, renamed or reordered, it has all that were sent: validation refuses
    those.
    """
    new = pod_pb2.Pod()
    new.CopyFrom(old)
    for field in ("containers", "init_containers"):
        listed, wanted = getattr(new.spec, field), getattr(sent.spec, field)
        if [item.name for item in listed] != [item.name for item in wanted]:
            new.spec.ClearField(field)
            getattr(new.spec, field).MergeFrom(wanted)
            continue
        for container, asked in zip(listed, wanted, strict=True):
            container.resources.CopyFrom(asked.resources)
            container.ClearField("resize_policy")
            container.resize_policy.MergeFrom(asked.resize_policy)
    if sent.spec.HasField("resources"):
        new.spec.resources.CopyFrom(sent.spec.resources)
    return new


POD_EPHEMERAL_CONTAINERS: Final = Subresource(
    with_ephemeral_containers, partial(find_violations, pod_subresources.check_ephemeral_containers_update)
)
POD_RESIZE: Final = Subresource(with_resources, partial(find_violations, pod_subresources.check_resize))
