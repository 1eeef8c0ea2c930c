"""Values that a static Pod may not have. PURE.

Nobody else looks at them before the Pod runs: the apiserver judges its mirror, later or never. So these are
the apiserver's rules for values that a node acts on, with its words and paths (upstream runs all of
`pkg/apis/core/validation` on static Pods, `pkg/kubelet/config/common.go`). A test holds every word against
the apiserver's own rules.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.message import Message

from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.errors import FieldError
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required

_MAX_INT32: Final = 2**31 - 1
_NOT_NEGATIVE: Final = "must be greater than or equal to 0"
_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_IDS: Final[Mapping[str, str]] = {"run_as_user": "runAsUser", "run_as_group": "runAsGroup"}
_PROBES: Final[Mapping[str, str]] = {
    "liveness_probe": "livenessProbe",
    "readiness_probe": "readinessProbe",
    "startup_probe": "startupProbe",
}
_NUMBERS: Final[Mapping[str, str]] = {
    "initial_delay_seconds": "initialDelaySeconds",
    "timeout_seconds": "timeoutSeconds",
    "period_seconds": "periodSeconds",
    "success_threshold": "successThreshold",
    "failure_threshold": "failureThreshold",
}


def bad_values(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    """Yield what is wrong with the values of a spec that has its defaults."""
    at = Path("spec")
    for index, volume in enumerate(spec.volumes):
        yield from _of_volume(at.child("volumes").index(index), volume)
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers):
            yield from _of_container(at.child(field).index(index), container)
    if spec.dns_policy not in _DNS_POLICIES:
        yield not_supported(at.child("dnsPolicy"), spec.dns_policy, _DNS_POLICIES)
    context = spec.security_context
    yield from _of_ids(at.child("securityContext"), context, {**_IDS, "fs_group": "fsGroup"})
    deadline = spec.active_deadline_seconds
    if spec.HasField("active_deadline_seconds") and not 1 <= deadline <= _MAX_INT32:
        words = f"must be between 1 and {_MAX_INT32}, inclusive"
        yield invalid(at.child("activeDeadlineSeconds"), deadline, words)


def _of_volume(at: Path, volume: volume_pb2.Volume) -> Iterator[FieldError]:
    # Upstream asks for an emptyDir before all others.
    sources = sorted(
        (field.json_name for field, _ in volume.volume_source.ListFields()),
        key=lambda name: name != "emptyDir",
    )
    if not sources:
        yield required(at, "must specify a volume type")
    for excess in sources[1:]:
        yield forbidden(at.child(excess), "may not specify more than 1 volume type")
    if "hostPath" in sources and not volume.volume_source.host_path.path:
        yield required(at.child("hostPath", "path"))


def _of_container(at: Path, container: pod_pb2.Container) -> Iterator[FieldError]:
    privileged = container.security_context.privileged
    for index, mount in enumerate(container.volume_mounts):
        path = at.child("volumeMounts")
        if not mount.mount_path:
            yield required(path.index(index).child("mountPath"))
        if mount.HasField("mount_propagation"):
            # Upstream names no index here.
            mode, where = mount.mount_propagation, path.child("mountPropagation")
            if mode not in _PROPAGATIONS:
                yield not_supported(where, mode, _PROPAGATIONS)
            if mode == "Bidirectional" and not privileged:
                words = "Bidirectional mount propagation is available only to privileged containers"
                yield forbidden(where, words)
    for field, shown in _PROBES.items():
        if container.HasField(field):
            yield from _of_probe(at.child(shown), getattr(container, field))
    if container.image_pull_policy not in _PULL_POLICIES:
        yield not_supported(at.child("imagePullPolicy"), container.image_pull_policy, _PULL_POLICIES)
    yield from _of_ids(at.child("securityContext"), container.security_context, _IDS)


def _of_probe(at: Path, probe: pod_pb2.Probe) -> Iterator[FieldError]:
    if not probe.handler.ListFields():
        yield required(at, "must specify a handler type")
    for field, shown in _NUMBERS.items():
        if (number := getattr(probe, field)) < 0:
            yield invalid(at.child(shown), number, _NOT_NEGATIVE)


def _of_ids(at: Path, context: Message, fields: Mapping[str, str]) -> Iterator[FieldError]:
    for field, shown in fields.items():
        number = getattr(context, field)
        if context.HasField(field) and not 0 <= number <= _MAX_INT32:
            yield invalid(at.child(shown), number, f"must be between 0 and {_MAX_INT32}, inclusive")
