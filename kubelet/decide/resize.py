"""Resizing a Pod's containers in place (KEP-1287): what is desired, allocated and actuated. PURE.

*Desired* is the spec, *allocated* what this node has granted, which everything else works with, *actuated*
what the cgroup was last told. Nothing is kept on disk: the status has what was allocated, an annotation what a
container was made with. Follows `pkg/kubelet/allocation/allocation_manager.go`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kubelet.runtime.records import SIZES_ANNOTATION, ContainerState
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.pods import pod_requests
from vaina.objects.quantity import QuantityError, canonical

RESIZED: Final = ("cpu", "memory")
PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
DEFERRED, INFEASIBLE = "Deferred", "Infeasible"
#: reason of PodResizeInProgress when a container could not be resized
ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Sizes:
    """CPU and memory of one container: (name, canonical quantity) of those that are set, by name."""

    requests: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a resize is not granted: DEFERRED (the node is full now) or INFEASIBLE (it will never fit)."""

    reason: str
    message: str


def _listed(amounts: Mapping[str, meta_pb2.Quantity]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _canonical(amounts[name].string)) for name in RESIZED if name in amounts)


def _canonical(text: str) -> str:
    try:
        return canonical(text or "0")
    except QuantityError:
        return text


def sizes_of(resources: reference_pb2.ResourceRequirements) -> Sizes:
    """Return what resources say of CPU and memory."""
    return Sizes(_listed(resources.requests), _listed(resources.limits))


def write_sizes(sizes: Sizes, resources: reference_pb2.ResourceRequirements) -> None:
    """Have resources say this of CPU and memory, and leave the rest as it is."""
    for target, listed in ((resources.requests, sizes.requests), (resources.limits, sizes.limits)):
        for name in RESIZED:
            target.pop(name, None)
        for name, text in listed:
            target[name].string = text


def encode_sizes(sizes: Sizes) -> str:
    """Return sizes as the text of an annotation."""
    return json.dumps([sizes.requests, sizes.limits], separators=(",", ":"))


def made_with(state: ContainerState) -> Sizes | None:
    """Return what a container was made with; None: an earlier kubelet did not say."""
    text = state.annotations.get(SIZES_ANNOTATION, "")
    try:
        requests, limits = json.loads(text)
        return Sizes(
            tuple((str(name), str(amount)) for name, amount in requests),
            tuple((str(name), str(amount)) for name, amount in limits),
        )
    except (ValueError, TypeError):
        return None


def containers_of(pod: pod_pb2.Pod) -> tuple[pod_pb2.Container, ...]:
    """Return the containers that have sizes: all but ephemeral ones."""
    return (*pod.spec.init_containers, *pod.spec.containers)


def desired(pod: pod_pb2.Pod) -> dict[str, Sizes]:
    """Return what the Pod asks for, by container."""
    return {container.name: sizes_of(container.resources) for container in containers_of(pod)}


def first_allocation(pod: pod_pb2.Pod) -> dict[str, Sizes]:
    """Return what this node had granted before this kubelet began: the status, else the spec."""
    found = desired(pod)
    for item in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if item.name in found and item.HasField("resources"):
            requests = item.allocated_resources or item.resources.requests
            found[item.name] = Sizes(_listed(requests), _listed(item.resources.limits))
    return found


def reported(pod_status: pod_pb2.PodStatus | None) -> dict[str, Sizes]:
    """Return the sizes that were reported last, by container id without its scheme."""
    found: dict[str, Sizes] = {}
    if pod_status is None:
        return found
    for item in (*pod_status.init_container_statuses, *pod_status.container_statuses):
        _, _, container_id = item.container_id.rpartition("://")
        if container_id and item.HasField("resources"):
            found[container_id] = sizes_of(item.resources)
    return found


def with_allocated(pod: pod_pb2.Pod, allocated: Mapping[str, Sizes]) -> pod_pb2.Pod:
    """Return the Pod with what it was allocated in place of what it asks for; itself where that is the same."""
    if desired(pod) == {name: allocated.get(name, sizes) for name, sizes in desired(pod).items()}:
        return pod
    out = pod_pb2.Pod()
    out.CopyFrom(pod)
    for container in containers_of(out):
        if container.name in allocated:
            write_sizes(allocated[container.name], container.resources)
    return out


def judge(pod: pod_pb2.Pod, others: Iterable[pod_pb2.Pod], allocatable: Mapping[str, int]) -> Pending | None:
    """Return why a Pod may not have what it asks for beside the others' allocated sizes; None: it may.

    `allocatable` counts CPU in thousandths and memory in bytes; a node that does not say takes everything.
    """
    wanted = pod_requests(pod)
    for name in reversed(RESIZED):
        if name in allocatable and wanted.get(name, 0) > allocatable[name]:
            words = f"{name}, requested: {wanted[name]}, capacity: {allocatable[name]}"
            return Pending(INFEASIBLE, f"Node didn't have enough capacity: {words}")
    used: dict[str, int] = dict.fromkeys(RESIZED, 0)
    for other in others:
        for name, amount in pod_requests(other).items():
            if name in used:
                used[name] += amount
    for name in RESIZED:
        if name in allocatable and used[name] + wanted.get(name, 0) > allocatable[name]:
            words = f"{name}, requested: {wanted[name]}, used: {used[name]}, capacity: {allocatable[name]}"
            return Pending(DEFERRED, f"Node didn't have enough resource: {words}")
    return None


def needs_restart(container: pod_pb2.Container, have: Sizes, want: Sizes) -> bool:
    """Say whether the container's resizePolicy asks for a restart for one of the changes."""
    policies = {item.resource_name: item.restart_policy for item in container.resize_policy}
    before, after = (dict(have.requests), dict(have.limits)), (dict(want.requests), dict(want.limits))
    return any(
        policies.get(name) == "RestartContainer"
        and any(old.get(name) != new.get(name) for old, new in zip(before, after, strict=True))
        for name in RESIZED
    )


def message(prefix: str, pod: pod_pb2.Pod, error: str = "") -> str:
    """Return the text of a resize event: the prefix, then containers, generation and error in JSON."""
    containers = [
        {"name": container.name, "resources": _shown(container.resources)} for container in containers_of(pod)
    ]
    shown = {"containers": containers, "generation": pod.metadata.generation}
    if error:
        shown["error"] = error
    return f"{prefix}: {json.dumps(shown, separators=(',', ':'))}"


def _shown(resources: reference_pb2.ResourceRequirements) -> dict[str, dict[str, str]]:
    sides = (("limits", resources.limits), ("requests", resources.requests))
    return {
        side: {name: _canonical(amounts[name].string) for name in sorted(amounts)}
        for side, amounts in sides
        if amounts
    }
