"""PURE: defaults of Pods, of Pod templates and of their volumes, for the apiserver and for static Pods.

A template gets those that a spec has anywhere; a Pod also those of a Pod that is about to run
(SetDefaults_Pod), and the tolerations that the admission plugin DefaultTolerationSeconds adds. Priority and the
service account's name are admission's business.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2, reference_pb2, volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import quantity

AnyContainer = pod_pb2.Container | pod_pb2.EphemeralContainerCommon
Quantities = MutableMapping[str, meta_pb2.Quantity]

_GRACE_SECONDS: Final = 30
_TOLERATION_SECONDS: Final = 300
_TOLERATED: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_HUGE_PAGES: Final = "hugepages-"
_POD_LEVEL: Final = ("cpu", "memory")
_MODE: Final = 0o644
_TOKEN_SECONDS: Final = 3600
_CERTIFICATE_SECONDS: Final = 86400


def default_pod(pod: pod_pb2.Pod) -> None:
    """Set the defaults of a Pod (SetDefaults_Pod). A grace below zero is a second, but templates keep it."""
    spec = pod.spec
    if spec.termination_grace_period_seconds < 0:
        spec.termination_grace_period_seconds = 1
    default_pod_spec(spec)
    for container in (*spec.containers, *spec.init_containers):
        if container.resources.limits:
            requests_from_limits(container.resources)
    if spec.HasField("resources"):
        default_pod_resources(spec)
    if not spec.HasField("enable_service_links"):
        spec.enable_service_links = True
    if spec.host_network:
        for container in (*spec.containers, *spec.init_containers):
            for port in container.ports:
                port.host_port = port.host_port or port.container_port
    _add_tolerations(spec)


def default_pod_spec(spec: pod_pb2.PodSpec) -> None:
    """Set the defaults of a spec, in a Pod or in a template."""
    spec.dns_policy = spec.dns_policy or "ClusterFirst"
    spec.restart_policy = spec.restart_policy or "Always"
    spec.scheduler_name = spec.scheduler_name or "default-scheduler"
    if not spec.HasField("security_context"):
        spec.security_context.SetInParent()
    if not spec.HasField("termination_grace_period_seconds"):
        spec.termination_grace_period_seconds = _GRACE_SECONDS
    # The old name of the field is kept equal, as conversion does upstream.
    if account := spec.service_account_name or spec.service_account:
        spec.service_account_name = spec.service_account = account
    for volume in spec.volumes:
        default_volume(volume)
    for container in (*spec.containers, *spec.init_containers):
        _default_container(container)
    for ephemeral in spec.ephemeral_containers:
        _default_container(ephemeral.ephemeral_container_common)
    round_up(spec.overhead)


def _default_container(container: AnyContainer) -> None:
    if not container.image_pull_policy:
        container.image_pull_policy = pull_policy(container.image)
    container.termination_message_path = container.termination_message_path or "/dev/termination-log"
    container.termination_message_policy = container.termination_message_policy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    for variable in container.env:
        if variable.value_from.HasField("field_ref") and not variable.value_from.field_ref.api_version:
            variable.value_from.field_ref.api_version = "v1"
    if container.HasField("resources"):
        round_up(container.resources.limits)
        round_up(container.resources.requests)
    _default_probes(container)


def _default_probes(container: AnyContainer) -> None:
    for field in ("liveness_probe", "readiness_probe", "startup_probe"):
        if container.HasField(field):
            _default_probe(getattr(container, field))
    if container.HasField("lifecycle"):
        for field in ("post_start", "pre_stop"):
            if container.lifecycle.HasField(field):
                _default_handler(getattr(container.lifecycle, field))


def _default_probe(probe: pod_pb2.Probe) -> None:
    probe.timeout_seconds = probe.timeout_seconds or 1
    probe.period_seconds = probe.period_seconds or 10
    probe.success_threshold = probe.success_threshold or 1
    probe.failure_threshold = probe.failure_threshold or 3
    if not probe.HasField("handler"):
        return
    _default_handler(probe.handler)
    if probe.handler.HasField("grpc") and not probe.handler.grpc.HasField("service"):
        probe.handler.grpc.service = ""


def _default_handler(handler: pod_pb2.ProbeHandler | pod_pb2.LifecycleHandler) -> None:
    if handler.HasField("http_get"):
        handler.http_get.path = handler.http_get.path or "/"
        handler.http_get.scheme = handler.http_get.scheme or "HTTP"


def _tolerates(tolerations: Iterable[pod_pb2.Toleration], key: str) -> bool:
    return any(
        toleration.key in {"", key} and toleration.effect in {"", "NoExecute"} for toleration in tolerations
    )


def _add_tolerations(spec: pod_pb2.PodSpec) -> None:
    given = list(spec.tolerations)
    for key in _TOLERATED:
        if not _tolerates(given, key):
            spec.tolerations.add(
                key=key, operator="Exists", effect="NoExecute", toleration_seconds=_TOLERATION_SECONDS
            )


def tag_of(image: str) -> str:
    """Return an image's tag: `latest` when it has neither tag nor digest, nothing when it has only a digest."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if colon:
        return tag
    return "" if digest or not name else "latest"


def pull_policy(image: str) -> str:
    """Return Always for `latest`, IfNotPresent for everything else."""
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"


def round_up(amounts: Quantities) -> None:
    """Round amounts up to thousandths; a text that is no quantity is left for validation to refuse."""
    for name in amounts:
        text = amounts[name].string
        if text[-1:] not in {"n", "u"} and "." not in text and "e" not in text and "E" not in text:
            continue  # no finer than thousandths: nearly always
        try:
            rounded = quantity.round_up_milli(text)
        except quantity.QuantityError:
            continue
        amounts[name].string = rounded


def requests_from_limits(resources: reference_pb2.ResourceRequirements) -> None:
    """Request what is limited, where nothing else is requested."""
    for name in resources.limits:
        if name not in resources.requests:
            resources.requests[name].string = resources.limits[name].string


def default_pod_resources(spec: pod_pb2.PodSpec) -> None:
    """Complete the Pod's own requests and limits (KEP-2837) from those of its containers and from each other."""
    own = spec.resources
    round_up(own.limits)
    round_up(own.requests)
    if not own.limits and not own.requests:
        return
    containers = [*spec.containers, *spec.init_containers]
    for name in sorted({name for container in containers for name in container.resources.limits}):
        if name.startswith(_HUGE_PAGES) and name not in own.requests and name not in own.limits:
            own.limits[name].string = _aggregate(spec, "limits", name)
    if own.limits:
        _default_requests(spec, own)
    else:
        _default_limits(spec, own)


def _default_requests(spec: pod_pb2.PodSpec, own: reference_pb2.ResourceRequirements) -> None:
    containers = [*spec.containers, *spec.init_containers]
    for name in _POD_LEVEL:
        if name not in own.requests and any(name in container.resources.requests for container in containers):
            own.requests[name].string = _aggregate(spec, "requests", name)
    for name in own.limits:
        if name not in own.requests and (name in _POD_LEVEL or name.startswith(_HUGE_PAGES)):
            own.requests[name].string = own.limits[name].string


def _default_limits(spec: pod_pb2.PodSpec, own: reference_pb2.ResourceRequirements) -> None:
    containers = [*spec.containers, *spec.init_containers]
    for name in _POD_LEVEL:
        if containers and all(name in container.resources.limits for container in containers):
            own.limits[name].string = _aggregate(spec, "limits", name)


def _aggregate(spec: pod_pb2.PodSpec, side: str, name: str) -> str:
    """Return what the containers ask for together: sidecars run beside all that come after them."""
    form: quantity.Format = "DecimalSI"

    def nanos(containers: Iterable[pod_pb2.Container]) -> int:
        nonlocal form
        total = 0
        for container in containers:
            amounts = getattr(container.resources, side)
            if name in amounts:
                try:
                    amount = quantity.parse(amounts[name].string)
                except quantity.QuantityError:
                    continue
                total, form = total + amount.nanos, amount.format
        return total

    sidecars = peak = 0
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            sidecars += nanos([container])
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + nanos([container]))
    return str(quantity.Amount(max(peak, nanos(spec.containers) + sidecars), form))


def default_volume(volume: volume_pb2.Volume) -> None:
    """Set the defaults of a volume."""
    source = volume.volume_source
    given = source.ListFields()
    if not given:
        source.empty_dir.SetInParent()
        return
    for field, value in given:
        if fill := _SOURCES.get(field.name):
            fill(value)


def default_persistent_source(source: persistent_volume_pb2.PersistentVolumeSource) -> None:
    """Set the defaults of where a PersistentVolume is: those of a Pod's volume of that kind."""
    for field, value in source.ListFields():
        if fill := _SOURCES.get(field.name):
            fill(value)


def set_defaults(message: Any, **defaults: object) -> None:
    """Set the fields that are unset (or empty, for fields without presence)."""
    for field, value in defaults.items():
        present = message.DESCRIPTOR.fields_by_name[field].has_presence
        if not (message.HasField(field) if present else getattr(message, field)):
            setattr(message, field, value)


def _files(source: Any) -> None:
    set_defaults(source, default_mode=_MODE)


def _downward_items(source: Any) -> None:
    for file in source.items:
        if file.HasField("field_ref"):
            set_defaults(file.field_ref, api_version="v1")


def _downward(source: volume_pb2.DownwardAPIVolumeSource) -> None:
    _files(source)
    _downward_items(source)


def _projected(source: volume_pb2.ProjectedVolumeSource) -> None:
    _files(source)
    for projection in source.sources:
        if projection.HasField("downward_api"):
            _downward_items(projection.downward_api)
        if projection.HasField("service_account_token"):
            set_defaults(projection.service_account_token, expiration_seconds=_TOKEN_SECONDS)
        if projection.HasField("pod_certificate"):
            set_defaults(projection.pod_certificate, max_expiration_seconds=_CERTIFICATE_SECONDS)


def _image(source: volume_pb2.ImageVolumeSource) -> None:
    set_defaults(source, pull_policy=pull_policy(source.reference))


def _claim(source: volume_pb2.EphemeralVolumeSource) -> None:
    if source.HasField("volume_claim_template"):
        set_defaults(source.volume_claim_template.spec, volume_mode="Filesystem")


_SOURCES: Final[Mapping[str, Callable[[Any], None]]] = {
    "secret": _files,
    "config_map": _files,
    "downward_api": _downward,
    "projected": _projected,
    "host_path": lambda source: set_defaults(source, type=""),
    "image": _image,
    "ephemeral": _claim,
    "iscsi": lambda source: set_defaults(source, iscsi_interface="default"),
    "rbd": lambda source: set_defaults(source, pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    "azure_disk": lambda source: set_defaults(
        source, caching_mode="ReadWrite", kind="Shared", fs_type="ext4", read_only=False
    ),
    "scale_io": lambda source: set_defaults(source, storage_mode="ThinProvisioned", fs_type="xfs"),
}
