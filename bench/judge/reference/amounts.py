"""What a Pod asks of its node (docs: *Resource Management for Pods and Containers*, *Init Containers*,
*Sidecar Containers*, *Pod Overhead*).

All app containers and sidecars run together; an init container runs beside the sidecars that were started
before it. Requests of the whole Pod (KEP-2837) stand instead, overhead comes on top.
"""

from collections.abc import Iterable, Mapping

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.quantity import milli_value, value

#: CPU in thousandths, everything else in units
Amounts = dict[str, int]

_SMALL: Amounts = {"cpu": 100, "memory": 200 * 2**20}


def asked(pod: pod_pb2.Pod) -> Amounts:
    """Return what must be free on a node."""
    return _of_pod(pod, {})


def asked_for_scoring(pod: pod_pb2.Pod) -> Amounts:
    """Return the same, where a container that names no CPU or memory counts as a small one."""
    return _of_pod(pod, _SMALL)


def read(quantities: Mapping[str, meta_pb2.Quantity]) -> Amounts:
    """Return quantities as numbers."""
    return {
        name: milli_value(quantity.string) if name == "cpu" else value(quantity.string)
        for name, quantity in quantities.items()
    }


def _of_pod(pod: pod_pb2.Pod, missing: Amounts) -> Amounts:
    def of(container: pod_pb2.Container) -> Amounts:
        return missing | read(container.resources.requests)

    spec = pod.spec
    sidecars = [item for item in spec.init_containers if item.restart_policy == "Always"]
    phases = [_sum(map(of, [*spec.containers, *sidecars]))]
    started: list[pod_pb2.Container] = []
    for item in spec.init_containers:
        started.append(item)
        phases.append(_sum(map(of, started)))
        if item.restart_policy != "Always":
            started.pop()
    names = {name for phase in phases for name in phase}
    total = {name: max(phase.get(name, 0) for phase in phases) for name in names}
    whole = read(spec.resources.requests)
    total |= {
        name: whole[name] for name in whole if name in ("cpu", "memory") or name.startswith("hugepages-")
    }
    return _sum([total, read(spec.overhead)])


def _sum(many: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for amounts in many:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount
    return total
