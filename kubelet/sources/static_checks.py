"""What a static Pod may not be: what would keep it from running, or needs an apiserver. PURE.

The apiserver judges the mirror Pod later or never, so these are its rules for what a node acts on. Paths and
words are those of tryDecodeSinglePod (`pkg/kubelet/config/common.go`) and HasAPIObjectReference
(`pkg/api/pod/util.go`); a test compares every word with the apiserver's own rules.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from google.protobuf.message import Message

from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.errors import FieldError
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_found, not_supported, required
from vaina.objects.references import object_references

_POLICIES: Final = ("Always", "OnFailure", "Never")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_SPEC: Final = Path("spec")
_MAX_INT32: Final = 2**31 - 1
_NOT_NEGATIVE: Final = "must be greater than or equal to 0"
_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_IDS: Final = ("run_as_user", "run_as_group")
_PROBES: Final = ("liveness_probe", "readiness_probe", "startup_probe")
_NUMBERS: Final = (
    "initial_delay_seconds", "timeout_seconds", "period_seconds", "success_threshold", "failure_threshold",
)  # fmt: skip


def mistake(pod: pod_pb2.Pod) -> str:
    """Return what is wrong with a Pod that has its defaults; "": nothing."""
    errors = [f"{error.field}: {error.detail}" for error in field_errors(pod)]
    if errors:
        return f"invalid pod: [{' '.join(errors)}]"
    return next((f"static pods may not reference {kind}" for kind in object_references(pod.spec)), "")


def field_errors(pod: pod_pb2.Pod) -> list[FieldError]:
    """Return all that is wrong with a Pod that has its defaults, in the apiserver's words."""
    spec = pod.spec
    return [*chain(_of_names(pod), _of_volumes(spec), _of_containers(spec), _of_spec(spec))]


def _of_names(pod: pod_pb2.Pod) -> Iterator[FieldError]:
    meta, at = pod.metadata, Path("metadata")
    yield from (invalid(at.child("name"), meta.name, words) for words in names.dns_1123_subdomain(meta.name))
    for words in names.dns_1123_label(meta.namespace):
        yield invalid(at.child("namespace"), meta.namespace, words)


def _of_name(at: Path, name: str, seen: set[str]) -> Iterator[FieldError]:
    problems = names.dns_1123_label(name)
    if not name:
        yield required(at)
    elif problems:
        yield from (invalid(at, name, words) for words in problems)
    elif name in seen:
        yield duplicate(at, name)
    seen.add(name)


def _of_volumes(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, volume in enumerate(spec.volumes):
        yield from _of_name(_SPEC.child("volumes").index(index).child("name"), volume.name, seen)


def _of_containers(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    if not spec.containers:
        yield required(_SPEC.child("containers"))
    volumes, seen = {volume.name for volume in spec.volumes}, set[str]()
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers):
            at = _SPEC.child(field).index(index)
            yield from _of_name(at.child("name"), container.name, seen)
            if not container.image:
                yield required(at.child("image"))
            elif container.image != container.image.strip():
                yield invalid(
                    at.child("image"), container.image, "must not have leading or trailing whitespace"
                )
            yield from _of_ports(at.child("ports"), container.ports)
            for place, mount in enumerate(container.volume_mounts):
                if mount.name not in volumes:
                    yield not_found(at.child("volumeMounts").index(place).child("name"), mount.name)


def _of_ports(path: Path, ports: Sequence[pod_pb2.ContainerPort]) -> Iterator[FieldError]:
    """Check ports: one that the kernel does not know would keep all Pods' ports from being led to them."""
    for index, port in enumerate(ports):
        at = path.index(index)
        if not port.container_port:
            yield required(at.child("containerPort"))
        for field, number in (("containerPort", port.container_port), ("hostPort", port.host_port)):
            if number:
                yield from (invalid(at.child(field), number, words) for words in names.port_number(number))
        if port.protocol not in _PROTOCOLS:
            yield not_supported(at.child("protocol"), port.protocol, _PROTOCOLS)


def _of_spec(spec: pod_pb2.PodSpec) -> Iterator[FieldError]:
    if spec.restart_policy not in _POLICIES:
        yield not_supported(_SPEC.child("restartPolicy"), spec.restart_policy, _POLICIES)
    if spec.ephemeral_containers:
        yield forbidden(_SPEC.child("ephemeralContainers"), "cannot be set on create")
    for index, volume in enumerate(spec.volumes):
        yield from _of_volume(_SPEC.child("volumes").index(index), volume)
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers):
            yield from _of_container(_SPEC.child(field).index(index), container)
    if spec.dns_policy not in _DNS_POLICIES:
        yield not_supported(_SPEC.child("dnsPolicy"), spec.dns_policy, _DNS_POLICIES)
    context = spec.security_context
    yield from _of_ids(_SPEC.child("securityContext"), context, (*_IDS, "fs_group"))
    deadline = spec.active_deadline_seconds
    if spec.HasField("active_deadline_seconds") and not 1 <= deadline <= _MAX_INT32:
        words = f"must be between 1 and {_MAX_INT32}, inclusive"
        yield invalid(_SPEC.child("activeDeadlineSeconds"), deadline, words)


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
    for field in _PROBES:
        if container.HasField(field):
            yield from _of_probe(at.child(_shown(container, field)), getattr(container, field))
    if container.image_pull_policy not in _PULL_POLICIES:
        yield not_supported(at.child("imagePullPolicy"), container.image_pull_policy, _PULL_POLICIES)
    yield from _of_ids(at.child("securityContext"), container.security_context, _IDS)


def _of_probe(at: Path, probe: pod_pb2.Probe) -> Iterator[FieldError]:
    if not probe.handler.ListFields():
        yield required(at, "must specify a handler type")
    for field in _NUMBERS:
        if (number := getattr(probe, field)) < 0:
            yield invalid(at.child(_shown(probe, field)), number, _NOT_NEGATIVE)


def _of_ids(at: Path, context: Message, fields: Sequence[str]) -> Iterator[FieldError]:
    for field in fields:
        number = getattr(context, field)
        if context.HasField(field) and not 0 <= number <= _MAX_INT32:
            yield invalid(
                at.child(_shown(context, field)), number, f"must be between 0 and {_MAX_INT32}, inclusive"
            )


def _shown(message: Message, field: str) -> str:
    return str(message.DESCRIPTOR.fields_by_name[field].json_name)
