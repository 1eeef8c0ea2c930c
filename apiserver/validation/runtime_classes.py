"""Rules for RuntimeClasses. Follows `pkg/apis/node/validation`."""

from apiserver.validation import metadata, pod_resources, scheduling
from apiserver.validation.metadata import check_labels
from apiserver.validation.place import Place
from vaina.api.node.v1 import runtime_class_pb2
from vaina.objects import names

RuntimeClass = runtime_class_pb2.RuntimeClass


def check_create(root: Place, found: RuntimeClass) -> None:
    """Check a new RuntimeClass."""
    metadata.check_create(root, found.metadata, names.dns_1123_subdomain, namespaced=False)
    _check(root, found)


def check_update(root: Place, new: RuntimeClass, old: RuntimeClass) -> None:
    """Check a changed RuntimeClass: its handler stays."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check(root, new)
    root.child("handler").check_immutable(new.handler, old.handler)


def _check(root: Place, found: RuntimeClass) -> None:
    root.child("handler").check_required(found.handler, names.dns_1123_label)
    pod_resources.check_overhead(root.child("overhead"), found.overhead.pod_fixed)
    at = root.child("scheduling")
    check_labels(at.child("nodeSelector"), found.scheduling.node_selector)
    tolerations = found.scheduling.tolerations
    scheduling.check_tolerations(at.child("tolerations"), tolerations)
    seen = set()
    for index, one in enumerate(tolerations):
        key = (one.key, one.operator, one.value, one.effect)
        if key in seen:
            at.child("tolerations").index(index).duplicate(one)
        seen.add(key)
