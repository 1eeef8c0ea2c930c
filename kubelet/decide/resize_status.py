"""What to say of a Pod that is resized in place.

Two conditions, and what each container was allocated and has (KEP-1287). PURE.

Called by `kubelet.decide.status`.
"""

from kubelet.decide.containers import ContainerView, view_containers
from kubelet.decide.observation import PodObservation, resize_key
from kubelet.decide.resize import ERROR, IN_PROGRESS, PENDING, sizes_of, write_sizes
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp


def is_resizing(view: ContainerView, observed: PodObservation) -> bool:
    """Say whether a running container has not got yet what it was allocated."""
    if view.current is None or not view.running:
        return False
    have = observed.sizes.get(view.current.id)
    return have is not None and have != sizes_of(view.spec.resources)


def write_resources(item: pod_pb2.ContainerStatus, view: ContainerView, observed: PodObservation) -> None:
    """Say what the container was allocated, and what it has."""
    item.resources.CopyFrom(view.spec.resources)
    for name in view.spec.resources.requests:
        item.allocated_resources[name].CopyFrom(view.spec.resources.requests[name])
    if is_resizing(view, observed):
        assert view.current is not None
        write_sizes(observed.sizes[view.current.id], item.resources)


def resize_conditions(
    pod: pod_pb2.Pod, observed: PodObservation, *, now: float
) -> list[pod_pb2.PodCondition]:
    """Return the conditions of a resize.

    One that no longer holds, without a status: the apiserver takes it away (decision 122).

    Args:
        pod: with what it was allocated, and the conditions that were there before.
        observed: what its containers have, and why the wish is not granted.
        now: seconds since the epoch.
    """
    there = {condition.type for condition in pod.status.conditions}
    # What was said may be on its way still: its times go on, and what was taken back once is taken back with
    # every status.
    said = pod.status if observed.said is None else observed.said
    before = {condition.type: condition for condition in said.conditions}
    wanted: dict[str, pod_pb2.PodCondition] = {}
    if observed.resize is not None:
        wanted[PENDING] = pod_pb2.PodCondition(
            type=PENDING, reason=observed.resize.reason, message=observed.resize.message
        )
    views = view_containers(pod, observed)
    resized = [view for view in views if is_resizing(view, observed)]
    if resized:
        failure = next(
            (found for view in resized if (found := observed.failures.get(resize_key(view.name)))), None
        )
        wanted[IN_PROGRESS] = pod_pb2.PodCondition(
            type=IN_PROGRESS, reason=ERROR if failure else "", message=failure.message if failure else ""
        )
    for name in (PENDING, IN_PROGRESS):
        old = before.get(name)
        condition = wanted.get(name)
        if condition is None:
            if old is not None or name in there:
                wanted[name] = pod_pb2.PodCondition(type=name)
            continue
        condition.status, condition.observed_generation = "True", pod.metadata.generation
        kept = old is not None and old.status == "True" and old.HasField("last_transition_time")
        condition.last_transition_time.CopyFrom(
            old.last_transition_time if kept and old is not None else timestamp(now)
        )
    return [*wanted.values()]
