"""What a Pod may ask for and this node cannot do; docs/node.md has the whole table. PURE.

Words are upstream's where it has some: `pkg/kubelet/lifecycle/predicate.go`, resolveRecursiveReadOnly and
makeBlockVolumes in `pkg/kubelet/kubelet_pods.go`.
"""

from collections.abc import Iterator

from vaina.api.core.v1 import node_pb2, pod_pb2, volume_pb2
from vaina.quoting import go_quote

_STRICT = "Strict"
_ITEM_SOURCES = frozenset({"secret", "config_map", "downward_api"})
_FILE_SOURCES = _ITEM_SOURCES | {"projected"}


def why_never(pod: pod_pb2.Pod, node: node_pb2.Node) -> tuple[str, str] | None:
    """Return reason and message for which a Pod cannot run on a node at all; None: it may."""
    if pod.spec.os.name not in {"", "linux"}:
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    strict = pod.spec.security_context.supplemental_groups_policy == _STRICT
    if strict and not node.status.features.supplemental_groups_policy:
        # Engines add the groups of the image's /etc/group.
        return (
            "SupplementalGroupsPolicyNotSupported",
            f"SupplementalGroupsPolicy={_STRICT} is not supported in this node",
        )
    return None


def why_no_sandbox(pod: pod_pb2.Pod) -> str:
    """Say why the Pod's sandbox cannot be as it asks; "": it can."""
    spec = pod.spec
    if spec.HasField("host_users") and not spec.host_users and not spec.host_network:
        return "user namespaces are not supported by the runtime"
    if spec.resource_claims:
        names = ", ".join(claim.name for claim in spec.resource_claims)
        return f"resource claims are not supported by this node: {names}"
    return ""


def why_no_container(container: pod_pb2.Container, *, recursive_readonly: bool = False) -> str:
    """Say why a container cannot be as it asks; "": it can."""
    return next(_problems(container, recursive_readonly=recursive_readonly), "")


def _problems(container: pod_pb2.Container, *, recursive_readonly: bool) -> Iterator[str]:
    for mount in container.volume_mounts:
        if mount.recursive_read_only == "Enabled" and not recursive_readonly:
            yield (
                f"failed to resolve recursive read-only mode: volume {go_quote(mount.name)} requested recursive read-only mode, "
                "but it is not supported by the runtime"
            )
        if mount.bind_mount_options:
            yield f"volume {go_quote(mount.name)}: bindMountOptions are not supported by this node"
    for device in container.volume_devices:
        # A claim of volumeMode Block is refused when it is to be mounted: what comes here is a file system.
        yield f"volume {device.name} has volumeMode Filesystem, but is specified in volumeDevices"


def left_aside(pod: pod_pb2.Pod) -> tuple[str, ...]:
    """Return the fields that are set and have no effect on this node: an event names them."""
    return tuple(dict.fromkeys(_left_aside(pod)))


def _left_aside(pod: pod_pb2.Pod) -> Iterator[str]:
    spec = pod.spec
    if spec.HasField("scheduling_group"):
        yield "spec.schedulingGroup"
    if spec.eviction_responders:
        yield "spec.evictionResponders"
    whole = spec.security_context
    yield from _labels("spec.securityContext", whole)
    if whole.HasField("se_linux_change_policy"):
        yield "spec.securityContext.seLinuxChangePolicy"
    for index, volume in enumerate(spec.volumes):
        yield from _left_aside_of_volume(f"spec.volumes[{index}]", volume.volume_source)
    for field, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            yield from _left_aside_of(f"spec.{field}[{index}]", container)


def _left_aside_of_volume(where: str, source: volume_pb2.VolumeSource) -> Iterator[str]:
    if source.empty_dir.medium not in {"", "Memory"}:
        yield f"{where}.emptyDir.medium"
    if source.empty_dir.HasField("mode"):
        yield f"{where}.emptyDir.mode"
    for field, value in source.ListFields():
        if field.name in _FILE_SOURCES and value.HasField("default_user"):
            yield f"{where}.{field.json_name}.defaultUser"
        if field.name == "projected":
            for index, projection in enumerate(value.sources):
                yield from _users(f"{where}.projected.sources[{index}]", projection)
    yield from _users(where, source)


def _users(where: str, source: volume_pb2.VolumeSource | volume_pb2.VolumeProjection) -> Iterator[str]:
    for field, value in source.ListFields():
        for index, item in enumerate(value.items if field.name in _ITEM_SOURCES else ()):
            if item.HasField("user"):
                yield f"{where}.{field.json_name}.items[{index}].user"


def _left_aside_of(where: str, container: pod_pb2.Container) -> Iterator[str]:
    yield from _labels(f"{where}.securityContext", container.security_context)
    for name in ("startup", "liveness", "readiness"):
        handler = getattr(container, f"{name}_probe").handler
        if handler.http_get.HasField("protocol"):
            yield f"{where}.{name}Probe.httpGet.protocol"
        if handler.grpc.HasField("mode"):
            yield f"{where}.{name}Probe.grpc.mode"


def _labels(where: str, context: pod_pb2.PodSecurityContext | pod_pb2.SecurityContext) -> Iterator[str]:
    if context.HasField("se_linux_options"):
        yield f"{where}.seLinuxOptions"
    if context.HasField("windows_options"):
        yield f"{where}.windowsOptions"
