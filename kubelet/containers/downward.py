"""What a container may know of its own Pod: fieldRef and resourceFieldRef, for variables and volumes. PURE.

Follows https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.quantity import parse, value
from vaina.quoting import go_quote

_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")
_NANO = 10**9
#: resources that a Pod may have limits of, besides huge pages, which have no default
_POD_LEVEL = ("cpu", "memory")


class DownwardError(Exception):
    """The field or resource cannot be given; the message is for the user."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a Pod only on its node."""

    pod_ip: str = ""
    host_ip: str = ""
    node_name: str = ""
    #: of the node: cpu in thousandths, everything else in units; stands in for limits that are not set
    allocatable: Mapping[str, int] = field(default_factory=dict[str, int])


def field_value(pod: pod_pb2.Pod, path: str, facts: PodFacts) -> str:
    """Return the value of a fieldRef. Raises DownwardError: there is no such field."""
    match = _SUBSCRIPT.fullmatch(path)
    if match:
        entries = pod.metadata.labels if match[1] == "metadata.labels" else pod.metadata.annotations
        return str(entries.get(match[2], ""))
    meta, spec = pod.metadata, pod.spec
    values = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": spec.node_name or facts.node_name,
        "spec.serviceAccountName": spec.service_account_name,
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
    }
    if path in values:
        return values[path]
    if path in {"metadata.labels", "metadata.annotations"}:
        entries = meta.labels if path == "metadata.labels" else meta.annotations
        return "\n".join(f"{key}={go_quote(entries[key])}" for key in sorted(entries))
    raise DownwardError(f"unsupported fieldPath: {path}")


def resource_value(
    pod: pod_pb2.Pod, container: pod_pb2.Container, resource: str, divisor: str, facts: PodFacts
) -> str:
    """Return the value of a resourceFieldRef: an amount in units of the divisor, rounded up. Raises
    DownwardError.

    A limit of CPU, memory or ephemeral storage that is not set, or 0, is the Pod's own, else the node's
    allocatable (defaultPodLimitsForDownwardAPI in `pkg/kubelet/kubelet_resources.go`,
    MergeContainerResourceLimits in `pkg/api/v1/resource/helpers.go`). Upstream looks at the Pod's limits for
    variables only; here a file says the same. A request that is not set is its limit, else 0.
    """
    kind, _, name = resource.partition(".")
    if kind not in {"limits", "requests"} or not name:
        raise DownwardError(f"unsupported container resource : {resource}")
    resources = container.resources
    if kind == "limits":
        nanos = _nanos(resources.limits, name) or _default_limit(pod, name, facts)
    else:
        nanos = _nanos(resources.requests if name in resources.requests else resources.limits, name)
    unit = parse(divisor).nanos if divisor and value(divisor) else _NANO
    return str(-(-nanos // unit))


def _default_limit(pod: pod_pb2.Pod, name: str, facts: PodFacts) -> int:
    """Return, in billionths, what a container without a limit of its own may use at most."""
    allocatable = facts.allocatable.get(name, 0) * (10**6 if name == "cpu" else _NANO)
    if name in _POD_LEVEL and allocatable:
        return _nanos(pod.spec.resources.limits, name) or allocatable
    return allocatable


def _nanos(amounts: Mapping[str, meta_pb2.Quantity], name: str) -> int:
    return parse(amounts[name].string or "0").nanos if name in amounts else 0
