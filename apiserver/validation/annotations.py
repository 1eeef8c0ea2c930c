"""Rules for annotations that Kubernetes gives a meaning on Pods: mirror Pods, deletion cost, seccomp, AppArmor.

Follows `pkg/apis/core/validation`: ValidatePodSpecificAnnotations and its relations.
"""

import re
from collections.abc import Mapping
from typing import Final

from apiserver.validation.place import Place
from apiserver.validation.windows import visit_containers
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.integers import parse_int
from vaina.objects.pods import MIRROR
from vaina.quoting import go_quote

_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_LOCALHOST: Final = "localhost/"
_INTEGER: Final = re.compile("0|-?[1-9][0-9]*", re.ASCII)
#: texts in annotations -> types in fields
_SECCOMP_TYPES: Final = {
    "unconfined": "Unconfined", "runtime/default": "RuntimeDefault", "docker/default": "RuntimeDefault",
}  # fmt: skip
_APP_ARMOR_TYPES: Final = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}

#: the others that Kubernetes gives a meaning have alpha or beta in their names
_TOLD_OF_SPEC: Final = frozenset({MIRROR, _DELETION_COST})

Annotations = Mapping[str, str]
Profile = pod_pb2.SeccompProfile | pod_pb2.AppArmorProfile


def have_meaning(annotations: Annotations) -> bool:
    """Say whether any of the annotations has a meaning for a Pod's spec: both are then checked together."""
    return any(
        key in _TOLD_OF_SPEC or "alpha.kubernetes.io/" in key or "beta.kubernetes.io/" in key
        for key in annotations
    )


def check_annotations(path: Place, annotations: Annotations, spec: pod_pb2.PodSpec) -> None:
    """Check the annotations of a Pod or template that Kubernetes gives a meaning."""
    if MIRROR in annotations and not spec.node_name:
        detail = "must set spec.nodeName if mirror pod annotation is set"
        path.key(MIRROR).invalid(annotations[MIRROR], detail)
    if _DELETION_COST in annotations:
        cost = annotations[_DELETION_COST]
        if not _INTEGER.fullmatch(cost) or parse_int(cost, bits=32) is None:
            path.key(_DELETION_COST).invalid(cost, "must be a 32bit integer")
    for key in sorted(annotations):
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            _check_seccomp(path.child(key), annotations[key])
    armored = [key for key in sorted(annotations) if key.startswith(_APP_ARMOR)]
    containers = {container.name for container, _ in visit_containers(spec, path)} if armored else set()
    for key in armored:
        container, profile = key.removeprefix(_APP_ARMOR), annotations[key]
        if container not in containers:
            path.key(key).invalid(container, "container not found")
        if profile and profile not in _APP_ARMOR_TYPES and not profile.startswith(_LOCALHOST):
            path.key(key).invalid(profile, f"invalid AppArmor profile name: {go_quote(profile)}")


def _check_seccomp(path: Place, profile: str) -> None:
    if profile in _SECCOMP_TYPES:
        return
    if profile.startswith(_LOCALHOST):
        path.check_value(profile.removeprefix(_LOCALHOST), names.local_descending_path)
    else:
        path.invalid(profile, "must be a valid seccomp profile")


def check_profiles_match(path: Place, annotations: Annotations, spec: pod_pb2.PodSpec) -> None:
    """Check that old annotations and the fields that replaced them say the same; `path` is the spec's."""
    if not any(key.startswith((_SECCOMP_POD, _SECCOMP_CONTAINER, _APP_ARMOR)) for key in annotations):
        return
    if _SECCOMP_POD in annotations and spec.security_context.HasField("seccomp_profile"):
        at, profile = path.child("securityContext", "seccompProfile"), spec.security_context.seccomp_profile
        _check_match(at, annotations[_SECCOMP_POD], profile, _SECCOMP_TYPES)
    for container, at in visit_containers(spec, path):
        annotation = annotations.get(_SECCOMP_CONTAINER + container.name)
        if annotation is not None and container.security_context.HasField("seccomp_profile"):
            profile = container.security_context.seccomp_profile
            _check_match(at.child("securityContext", "seccompProfile"), annotation, profile, _SECCOMP_TYPES)
    if spec.os.name != "windows":
        _check_app_armor_match(path, annotations, spec)


def _check_app_armor_match(path: Place, annotations: Annotations, spec: pod_pb2.PodSpec) -> None:
    for container, at in visit_containers(spec, path):
        annotation = annotations.get(_APP_ARMOR + container.name)
        if annotation is None:
            continue
        for context in (container.security_context, spec.security_context):
            if context.HasField("app_armor_profile"):
                where = at.child("securityContext", "appArmorProfile")
                _check_match(where, annotation, context.app_armor_profile, _APP_ARMOR_TYPES)
                break


def _check_match(path: Place, annotation: str, profile: Profile, types: Mapping[str, str]) -> None:
    system = "seccomp" if isinstance(profile, pod_pb2.SeccompProfile) else "apparmor"
    if profile.type in {"Unconfined", "RuntimeDefault"}:
        if types.get(annotation) != profile.type:
            path.child("type").forbidden(f"{system} type in annotation and field must match")
    elif profile.type == "Localhost":
        if not annotation.startswith(_LOCALHOST):
            path.child("type").forbidden(f"{system} type in annotation and field must match")
        elif annotation.removeprefix(_LOCALHOST) != profile.localhost_profile:
            path.child("localhostProfile").forbidden(f"{system} profile in annotation and field must match")


def check_annotation_updates(path: Place, new: Annotations, old: Annotations) -> None:
    """Check that an update leaves the annotations that nobody may change."""
    for key in sorted(set(new) | set(old)):
        if new.get(key) == old.get(key):
            continue
        verb = "remove or update" if key in old else "add"
        if key.startswith(_APP_ARMOR):
            path.key(key).forbidden(f"may not {verb} AppArmor annotations")
        if key == MIRROR:
            path.key(key).forbidden(f"may not {verb} mirror pod annotation")
