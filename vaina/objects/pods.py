"""What a Pod's fields mean together: readiness, end, what it asks of a node, its class of service.

Called by the scheduler, the kubelet, the controllers and the printers. Follows
`k8s.io/component-helpers/resource` (effective requests, KEP-753 for restartable init containers, KEP-2837 for
requests of the whole Pod) and `qos.ComputePodQOS`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.conditions import get_condition
from vaina.objects.quantity import milli_value, value

SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
GUARANTEED: Final = "Guaranteed"
BURSTABLE: Final = "Burstable"
BEST_EFFORT: Final = "BestEffort"

#: annotation of Pods that show a static one, which belongs to its kubelet: the uid of that
MIRROR: Final = "kubernetes.io/config.mirror"

Amounts = dict[str, int]
_Quantities = Mapping[str, meta_pb2.Quantity]


def is_mirror(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod of the API only shows a static one."""
    return MIRROR in pod.metadata.annotations


def is_ready(pod: pod_pb2.Pod) -> bool:
    """Say whether the Pod's Ready condition is True."""
    condition = get_condition(pod.status, "Ready")
    return condition is not None and condition.status == "True"


def is_terminal(pod: pod_pb2.Pod) -> bool:
    """Say whether the Pod has ended: its phase is Succeeded or Failed, and stays so."""
    return pod.status.phase in (SUCCEEDED, FAILED)


def is_restartable_init(container: pod_pb2.Container) -> bool:
    """Say whether an init container is a sidecar: it goes on beside the main containers (KEP-753)."""
    return container.restart_policy == "Always"


def resource_amount(name: str, quantity: str) -> int:
    """Return an amount of a resource: CPU in thousandths, else in units (bytes). Raises QuantityError."""
    return milli_value(quantity) if name == "cpu" else value(quantity)


def _amounts(quantities: _Quantities) -> Amounts:
    return {name: resource_amount(name, quantities[name].string or "0") for name in quantities}


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: Amounts, other: Mapping[str, int]) -> None:
    for name, amount in other.items():
        if amount > total.get(name, 0):
            total[name] = amount
        else:
            total.setdefault(name, amount)


def container_requests(container: pod_pb2.Container) -> Amounts:
    """Return what one container asks for: CPU in thousandths, everything else in units."""
    return _amounts(container.resources.requests)


def container_limits(container: pod_pb2.Container) -> Amounts:
    """Return what one container may use at most: CPU in thousandths, everything else in units."""
    return _amounts(container.resources.limits)


def _effective(spec: pod_pb2.PodSpec, of: Callable[[pod_pb2.Container], Amounts]) -> Amounts:
    """Add up containers and sidecars, and raise the sum to what any init container needs while it runs."""
    total: Amounts = {}
    for container in spec.containers:
        _add(total, of(container))
    if spec.init_containers:
        sidecars: Amounts = {}
        highest: Amounts = {}
        for container in spec.init_containers:
            own = of(container)
            if is_restartable_init(container):
                _add(total, own)
                _add(sidecars, own)
                _raise_to(highest, sidecars)
            else:
                # It runs beside the sidecars that started before it.
                _add(own, sidecars)
                _raise_to(highest, own)
        _raise_to(total, highest)
    return total


def _is_pod_level(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def pod_requests(pod: pod_pb2.Pod) -> Amounts:
    """Return what the Pod asks of its node: CPU in thousandths, everything else in units (bytes of memory).

    The containers together, or the init container that needs most, with the sidecars that run beside it;
    requests of the whole Pod stand instead of those; the overhead comes on top.
    """
    return spec_requests(pod.spec)


def spec_requests(spec: pod_pb2.PodSpec) -> Amounts:
    """Return what `pod_requests` does, of a spec."""
    total = _effective(spec, container_requests)
    if spec.HasField("resources"):
        total.update(
            (name, amount)
            for name, amount in _amounts(spec.resources.requests).items()
            if _is_pod_level(name)
        )
    if spec.overhead:
        _add(total, _amounts(spec.overhead))
    return total


def is_resized(pod: pod_pb2.Pod) -> bool:
    """Say whether the status tells of amounts that containers have, apart from what the spec asks (KEP-1287).

    Kubelets say of every container what it has; that is nearly always what is asked, letter for letter.
    """
    status, spec = pod.status, pod.spec
    if not (status.container_statuses or status.init_container_statuses):
        # Not started yet: asked of each Pod that gets a node.
        return False
    for statuses, containers in (
        (status.container_statuses, spec.containers),
        (status.init_container_statuses, spec.init_containers),
    ):
        for item in statuses:
            if not item.allocated_resources and not item.resources.requests:
                continue
            asked = next((one.resources.requests for one in containers if one.name == item.name), None)
            if asked is None or asked != item.allocated_resources or asked != item.resources.requests:
                return True
    return False


def counted_spec(pod: pod_pb2.Pod) -> pod_pb2.PodSpec:
    """Return the spec with what containers take while resized in place: the most of asked, given, allocated.

    What is asked does not count when the node has said that it can never be given.
    """
    if not is_resized(pod):
        return pod.spec
    pending = get_condition(pod.status, "PodResizePending")
    infeasible = pending is not None and pending.reason == "Infeasible"
    reported = {
        item.name: item for item in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    }
    spec = pod_pb2.PodSpec()
    spec.CopyFrom(pod.spec)
    for containers in (spec.containers, spec.init_containers):
        for container in containers:
            item = reported.get(container.name)
            if item is None:
                continue
            requests = container.resources.requests
            if infeasible and (item.allocated_resources or item.resources.requests):
                requests.clear()
            for amounts in (item.resources.requests, item.allocated_resources):
                for name in amounts:
                    more = amounts[name].string or "0"
                    if name not in requests or _amount(name, requests[name].string) < _amount(name, more):
                        requests[name].string = more
    return spec


def _amount(name: str, text: str) -> int:
    return resource_amount(name, text or "0")


def pod_level_limits(pod: pod_pb2.Pod) -> Amounts:
    """Return what the Pod says that it may use at most as a whole, whatever its containers say."""
    limits = pod.spec.resources.limits
    return {name: amount for name, amount in _amounts(limits).items() if _is_pod_level(name)}


def pod_limits(pod: pod_pb2.Pod) -> Amounts:
    """Return what the Pod may use at most, as `pod_requests`; the overhead counts for limits that there are."""
    spec = pod.spec
    total = _effective(spec, container_limits)
    total.update(pod_level_limits(pod))
    for name, amount in _amounts(spec.overhead).items():
        if name in total:
            total[name] += amount
    return total


def _qos_amounts(quantities: _Quantities) -> Amounts:
    return {
        name: amount
        for name, amount in _amounts(quantities).items()
        if name in ("cpu", "memory") and amount > 0
    }


def _qos_parts(spec: pod_pb2.PodSpec) -> Iterator[tuple[Amounts, Amounts]]:
    """Give (requests, limits) of all that count for the class: the whole Pod's, or each container's."""
    if spec.HasField("resources") and (spec.resources.requests or spec.resources.limits):
        yield _qos_amounts(spec.resources.requests), _qos_amounts(spec.resources.limits)
        return
    for container in (*spec.containers, *spec.init_containers):
        yield _qos_amounts(container.resources.requests), _qos_amounts(container.resources.limits)


def qos_class(pod: pod_pb2.Pod) -> str:
    """Return Guaranteed, Burstable or BestEffort."""
    requests: Amounts = {}
    limits: Amounts = {}
    all_limited = True
    for part_requests, part_limits in _qos_parts(pod.spec):
        _add(requests, part_requests)
        _add(limits, part_limits)
        all_limited = all_limited and len(part_limits) == 2
    if not requests and not limits:
        return BEST_EFFORT
    return GUARANTEED if all_limited and requests == limits else BURSTABLE
