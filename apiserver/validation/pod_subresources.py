"""Rules for what changes a running Pod by a sub-resource.

Ephemeral containers are only added, resources stay within bounds. PURE.

Follows `pkg/apis/core/validation` of 1.35: ValidatePodEphemeralContainersUpdate, ValidatePodResize (KEP-1287).
"""

from collections.abc import Sequence
from typing import Final

from apiserver.validation import metadata, pods
from apiserver.validation.metadata import Errors
from apiserver.validation.pod_updates import changed_fields
from vaina.api.core.v1 import pod_pb2
from vaina.objects.field_path import Path, forbidden, invalid
from vaina.objects.pods import is_mirror, is_restartable_init, qos_class
from vaina.quoting import go_quote

_SPEC: Final = Path("spec")
#: upstream's path of what concerns the whole object
_WHOLE: Final = Path()
_RESIZABLE: Final = ("cpu", "memory")
_OTHER_CONTAINERS: Final = "containers may not be added, removed, renamed or reordered on resize"


def check_ephemeral_containers_update(new: pod_pb2.Pod, old: pod_pb2.Pod) -> Errors:
    """Check a change of ephemeral containers: they are added, never changed and never taken away."""
    if is_mirror(old):
        return [forbidden(_WHOLE, "static pods do not support ephemeral containers")]
    errors = metadata.check_update(new.metadata, old.metadata)
    errors.extend(pods.check_pod(new))
    at = _SPEC.child("ephemeralContainers")
    # A patch keeps no order: each is looked for by its name.
    wanted = {item.ephemeral_container_common.name: item for item in new.spec.ephemeral_containers}
    for item in old.spec.ephemeral_containers:
        name = item.ephemeral_container_common.name
        found = wanted.get(name)
        if found is None:
            errors.append(
                forbidden(at, f"existing ephemeral containers {go_quote(name)} may not be removed\n")
            )
        elif found != item:
            # The common part stands in line with the rest in text.
            fields = ", ".join(changed_fields(at, found, item)).replace(".ephemeralContainerCommon", "")
            detail = f"existing ephemeral containers {go_quote(name)} may not be changed\nchanged: {fields}"
            errors.append(forbidden(at, detail))
    return errors


def check_resize(new: pod_pb2.Pod, old: pod_pb2.Pod) -> Errors:
    """Check a change of resources: CPU and memory of containers and sidecars, within the Pod's class of
    service.
    """
    refusal = _cannot_be_resized(new, old)
    if refusal:
        return [forbidden(_WHOLE, refusal)]
    errors = metadata.check_update(new.metadata, old.metadata)
    errors.extend(pods.check_pod(new))
    for field, shown in (("init_containers", "initContainers"), ("containers", "containers")):
        if _names(getattr(new.spec, field)) != _names(getattr(old.spec, field)):
            errors.append(forbidden(_SPEC.child(shown), _OTHER_CONTAINERS))
            return errors
    if errors:
        # Of amounts that are none no class follows.
        return errors
    before = old.status.qos_class or qos_class(old)
    if before != qos_class(new):
        errors.append(invalid(_SPEC, before, "Pod QOS Class may not change as a result of resizing"))
    for field, shown in (("init_containers", "initContainers"), ("containers", "containers")):
        _check_containers(errors, _SPEC.child(shown), getattr(new.spec, field), getattr(old.spec, field))
    return errors


def _names(containers: Sequence[pod_pb2.Container]) -> list[str]:
    return [container.name for container in containers]


def _cannot_be_resized(new: pod_pb2.Pod, old: pod_pb2.Pod) -> str:
    for pod in (old, new):
        if pod.spec.resources.requests or pod.spec.resources.limits:
            return "pods with pod-level resources cannot be resized"
    if is_mirror(old):
        return "static pods cannot be resized"
    if old.spec.os.name == "windows":
        return "windows pods cannot be resized"
    return ""


def _check_containers(
    errors: Errors, path: Path, new: Sequence[pod_pb2.Container], old: Sequence[pod_pb2.Container]
) -> None:
    regular = path == _SPEC.child("containers")
    for index, (container, was) in enumerate(zip(new, old, strict=True)):
        if not regular and not is_restartable_init(was):
            if container != was:
                errors.append(forbidden(_SPEC, "resources for non-sidecar init containers are immutable"))
            continue
        at = path.index(index).child("resources")
        if was.resources.requests.keys() - container.resources.requests.keys():
            errors.append(forbidden(at.child("requests"), "resource requests cannot be removed"))
        if was.resources.limits.keys() - container.resources.limits.keys():
            errors.append(forbidden(at.child("limits"), "resource limits cannot be removed"))
        if _rest(container) != _rest(was):
            whose = "" if regular else " for sidecar containers"
            errors.append(forbidden(_SPEC, f"only cpu and memory resources{whose} are mutable"))


def _rest(container: pod_pb2.Container) -> pod_pb2.Container:
    """Return all of a container that a resize leaves as it is."""
    rest = pod_pb2.Container()
    rest.CopyFrom(container)
    rest.ClearField("resize_policy")
    for amounts in (rest.resources.requests, rest.resources.limits):
        for name in _RESIZABLE:
            amounts.pop(name, None)
    if not rest.resources.ByteSize():
        rest.ClearField("resources")
    return rest
