"""Rules for RuntimeClasses. Follows `pkg/apis/node/validation`."""

from apiserver.validation import metadata, pod_resources, scheduling
from apiserver.validation.metadata import Errors, check_immutable, check_labels
from vaina.api.node.v1 import runtime_class_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, invalid, required

RuntimeClass = runtime_class_pb2.RuntimeClass


def check_create(found: RuntimeClass) -> Errors:
    """Check a new RuntimeClass."""
    errors = metadata.check_create(found.metadata, names.dns_1123_subdomain, namespaced=False)
    return errors + _check(found)


def check_update(new: RuntimeClass, old: RuntimeClass) -> Errors:
    """Check a changed RuntimeClass: its handler stays."""
    errors = metadata.check_update(new.metadata, old.metadata) + _check(new)
    check_immutable(errors, Path("handler"), new.handler, old.handler)
    return errors


def _check(found: RuntimeClass) -> Errors:
    errors: Errors = []
    if not found.handler:
        errors.append(required(Path("handler")))
    else:
        problems = names.dns_1123_label(found.handler)
        errors += [invalid(Path("handler"), found.handler, problem) for problem in problems]
    pod_resources.check_overhead(errors, Path("overhead"), found.overhead.pod_fixed)
    at = Path("scheduling")
    check_labels(errors, at.child("nodeSelector"), found.scheduling.node_selector)
    tolerations = found.scheduling.tolerations
    scheduling.check_tolerations(errors, at.child("tolerations"), tolerations)
    seen = set()
    for index, one in enumerate(tolerations):
        key = (one.key, one.operator, one.value, one.effect)
        if key in seen:
            errors.append(duplicate(at.child("tolerations").index(index), one))
        seen.add(key)
    return errors
