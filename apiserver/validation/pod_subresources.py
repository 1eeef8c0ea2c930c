"""Rules for the sub-resources of a Pod: ephemeral containers are only added, resources stay within bounds, and
options of logs. PURE.

Follows `pkg/apis/core/validation` of 1.35: ValidatePodEphemeralContainersUpdate, ValidatePodResize (KEP-1287),
ValidatePodLogOptions.
"""

from collections.abc import Sequence
from typing import Final

from apiserver.validation import metadata, pods
from apiserver.validation.place import NEGATIVE, Place
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import is_mirror, is_restartable_init, qos_class
from vaina.quoting import go_quote

_RESIZABLE: Final = ("cpu", "memory")
_OTHER_CONTAINERS: Final = "containers may not be added, removed, renamed or reordered on resize"


def check_ephemeral_containers_update(root: Place, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
    """Check a change of ephemeral containers: they are added, never changed and never taken away."""
    if is_mirror(old):
        root.forbidden("static pods do not support ephemeral containers")
        return
    metadata.check_update(root, new.metadata, old.metadata)
    pods.check_pod(root, new)
    at = root.child("spec", "ephemeralContainers")
    # A patch keeps no order: each is looked for by its name.
    wanted = {item.ephemeral_container_common.name: item for item in new.spec.ephemeral_containers}
    for item in old.spec.ephemeral_containers:
        name = item.ephemeral_container_common.name
        found = wanted.get(name)
        if found is None:
            at.forbidden(f"existing ephemeral containers {go_quote(name)} may not be removed\n")
        elif found != item:
            # The common part stands in line with the rest in text.
            fields = ", ".join(pods.changed_fields(at, found, item)).replace(".ephemeralContainerCommon", "")
            detail = f"existing ephemeral containers {go_quote(name)} may not be changed\nchanged: {fields}"
            at.forbidden(detail)


def check_resize(root: Place, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
    """Check a change of CPU and memory of containers and sidecars, within the Pod's class of service."""
    refusal = _cannot_be_resized(new, old)
    if refusal:
        root.forbidden(refusal)
        return
    metadata.check_update(root, new.metadata, old.metadata)
    pods.check_pod(root, new)
    for field, shown in (("init_containers", "initContainers"), ("containers", "containers")):
        if _names(getattr(new.spec, field)) != _names(getattr(old.spec, field)):
            root.child("spec", shown).forbidden(_OTHER_CONTAINERS)
            return
    if root.errors:
        # Of amounts that are none no class follows.
        return
    before = old.status.qos_class or qos_class(old)
    if before != qos_class(new):
        root.child("spec").invalid(before, "Pod QOS Class may not change as a result of resizing")
    for field, shown in (("init_containers", "initContainers"), ("containers", "containers")):
        pairs = zip(getattr(new.spec, field), getattr(old.spec, field), strict=True)
        for index, (container, was) in enumerate(pairs):
            at = root.child("spec", shown).index(index).child("resources")
            _check_container(root.child("spec"), at, container, was, regular=field == "containers")


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


def _check_container(
    spec: Place, resources: Place, new: pod_pb2.Container, old: pod_pb2.Container, *, regular: bool
) -> None:
    if not regular and not is_restartable_init(old):
        if new != old:
            spec.forbidden("resources for non-sidecar init containers are immutable")
        return
    if old.resources.requests.keys() - new.resources.requests.keys():
        resources.child("requests").forbidden("resource requests cannot be removed")
    if old.resources.limits.keys() - new.resources.limits.keys():
        resources.child("limits").forbidden("resource limits cannot be removed")
    if _rest(new) != _rest(old):
        whose = "" if regular else " for sidecar containers"
        spec.forbidden(f"only cpu and memory resources{whose} are mutable")


def _rest(container: pod_pb2.Container) -> pod_pb2.Container:
    rest = pod_pb2.Container()
    rest.CopyFrom(container)
    rest.ClearField("resize_policy")
    for amounts in (rest.resources.requests, rest.resources.limits):
        for name in _RESIZABLE:
            amounts.pop(name, None)
    if not rest.resources.ByteSize():
        rest.ClearField("resources")
    return rest


_POSITIVE: Final = "must be greater than 0"
_STREAMS: Final = ("All", "Stderr", "Stdout")


def check_log_options(root: Place, options: pod_pb2.PodLogOptions) -> None:
    """Check which part of a container's log is wished."""
    #: how upstream shows a path to the whole
    whole = Place("[]", root.errors)
    if options.HasField("tail_lines") and options.tail_lines < 0:
        root.child("tailLines").invalid(options.tail_lines, NEGATIVE)
    if options.HasField("limit_bytes") and options.limit_bytes < 1:
        root.child("limitBytes").invalid(options.limit_bytes, _POSITIVE)
    if options.HasField("since_seconds"):
        if options.HasField("since_time"):
            whole.forbidden("at most one of `sinceTime` or `sinceSeconds` may be specified")
        elif options.since_seconds < 1:
            root.child("sinceSeconds").invalid(options.since_seconds, _POSITIVE)
    if options.HasField("stream"):
        root.child("stream").check_supported(options.stream, _STREAMS)
        if options.stream != "All" and options.HasField("tail_lines"):
            whole.forbidden("`tailLines` and specific `stream` are mutually exclusive for now")
