"""Rules for the environment of containers: variables, where their values come from, whole sources.

Follows `pkg/apis/core/validation`: ValidateEnv, ValidateEnvFrom, validateObjectFieldSelector and what they call.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final

from apiserver.validation.place import Place
from apiserver.validation.windows import visit_containers
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.objects import names

ENV_FIELDS: Final = frozenset({
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
})  # fmt: skip
VOLUME_FIELDS: Final = frozenset({
    "metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid",
})  # fmt: skip
#: fields of a Pod that the downward API knows at all, here or there
_KNOWN_FIELDS: Final = (
    ENV_FIELDS | VOLUME_FIELDS | {"spec.restartPolicy", "spec.schedulerName", "status.phase"}
)
_RESOURCE_FIELDS: Final = frozenset({
    "limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory",
    "requests.ephemeral-storage",
})  # fmt: skip
_HUGE_PAGES_FIELDS: Final = ("requests.hugepages-", "limits.hugepages-")
_SUBSCRIPT: Final = re.compile(r"(.+)\['(.*)'\]")
_CPU_DIVISORS: Final = frozenset({"1m", "1"})
_BYTE_DIVISORS: Final = frozenset({
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
})  # fmt: skip
_BYTE_DIVISORS_SHOWN: Final = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"

_ONE_SOURCE: Final = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
)
_TWO_SOURCES: Final = "may not have more than one field specified at a time"


def check_env(path: Place, variables: Iterable[pod_pb2.EnvVar]) -> None:
    """Check variables and where their values come from."""
    for index, variable in enumerate(variables):
        path.index(index).child("name").check_required(variable.name, names.env_name)
        if variable.HasField("value_from"):
            _check_source(path.index(index).child("valueFrom"), variable)


def _check_source(path: Place, variable: pod_pb2.EnvVar) -> None:
    source = variable.value_from
    given = [field for field in _SOURCES if source.HasField(field)]
    for field in given:
        _SOURCES[field](path.field(source, field), getattr(source, field))
    if not given:
        path.invalid("", _ONE_SOURCE)
    elif variable.value:
        path.invalid("", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        path.invalid("", _TWO_SOURCES)


def check_field_ref(path: Place, ref: reference_pb2.ObjectFieldSelector, allowed: Collection[str]) -> None:
    """Check a field of the Pod that the downward API is to give."""
    if not ref.api_version:
        path.child("apiVersion").required()
        return
    if not ref.field_path:
        path.child("fieldPath").required()
        return
    match = _SUBSCRIPT.fullmatch(ref.field_path)
    field = match[1] if match else ref.field_path
    field = "spec.nodeName" if field == "spec.host" else field  # the name before v1
    problem = _unknown_field(ref, field, subscripted=match is not None)
    if problem:
        path.child("fieldPath").invalid(ref.field_path, f"error converting fieldPath: {problem}")
    elif match:
        subscript = match[2].lower() if field == "metadata.annotations" else match[2]
        path.check_value(subscript, names.qualified_name)
    elif field not in allowed:
        path.child("fieldPath").not_supported(field, sorted(allowed))


def _unknown_field(ref: reference_pb2.ObjectFieldSelector, field: str, *, subscripted: bool) -> str:
    """Return why a field cannot be given, or nothing."""
    if ref.api_version != "v1":
        return f"unsupported pod version: {ref.api_version}"
    if subscripted:
        if field in {"metadata.annotations", "metadata.labels"}:
            return ""
        return f"field label does not support subscript: {ref.field_path}"
    if field in _KNOWN_FIELDS:
        return ""
    return f"field label not supported: {field}"


def check_resource_ref(path: Place, ref: reference_pb2.ResourceFieldSelector, *, in_volume: bool) -> None:
    """Check a container's request or limit that the downward API is to give."""
    if in_volume and not ref.container_name:
        path.child("containerName").required()
    elif not ref.resource:
        path.child("resource").required()
    elif ref.resource not in _RESOURCE_FIELDS and not ref.resource.startswith(_HUGE_PAGES_FIELDS):
        path.child("resource").not_supported(ref.resource, sorted(_RESOURCE_FIELDS))
    _check_divisor(path.child("divisor"), ref)


def _check_divisor(path: Place, ref: reference_pb2.ResourceFieldSelector) -> None:
    amount = path.check_quantity(ref.divisor.string) if ref.divisor.string else None
    if amount is None or not amount.nanos:
        return
    kind = ref.resource.partition(".")[2]
    if kind == "cpu":
        allowed, shown, resource = _CPU_DIVISORS, "1m and 1", "cpu"
    elif kind == "memory":
        allowed, shown, resource = _BYTE_DIVISORS, _BYTE_DIVISORS_SHOWN, "memory"
    elif kind == "ephemeral-storage":
        allowed, shown, resource = _BYTE_DIVISORS, _BYTE_DIVISORS_SHOWN, "local ephemeral storage"
    elif kind.startswith("hugepages-"):
        allowed, shown, resource = _BYTE_DIVISORS, _BYTE_DIVISORS_SHOWN, "hugepages"
    else:
        return
    if str(amount) not in allowed:
        detail = f"only divisor's values {shown} are supported with the {resource} resource"
        path.invalid(ref.resource, detail)


def _check_key_ref(
    path: Place, ref: reference_pb2.ConfigMapKeySelector | reference_pb2.SecretKeySelector
) -> None:
    path.child("name").check_value(ref.local_object_reference.name, names.dns_1123_subdomain)
    path.child("key").check_required(ref.key, names.config_key)


def _check_file_key_ref(path: Place, ref: reference_pb2.FileKeySelector) -> None:
    """Check a variable from a file (KEP-3721). Its volume is checked last (`check_file_volumes`)."""
    for shown, value, rule in (
        ("key", ref.key, names.env_name), ("volumeName", ref.volume_name, names.dns_1123_label),
        ("path", ref.path, names.no_backsteps),
    ):  # fmt: skip
        path.child(shown).check_required(value, rule)


#: field -> check, in the order in which upstream looks at them
_SOURCES: Final[Mapping[str, Callable[[Place, Any], None]]] = {
    "field_ref": partial(check_field_ref, allowed=ENV_FIELDS),
    "resource_field_ref": partial(check_resource_ref, in_volume=False),
    "config_map_key_ref": _check_key_ref,
    "secret_key_ref": _check_key_ref,
    "file_key_ref": _check_file_key_ref,
}


def check_file_volumes(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check that variables from files name volumes of the Pod that containers write to: emptyDirs."""
    sources = {volume.name: volume.volume_source for volume in spec.volumes}
    for container, at in visit_containers(spec, path):
        for index, variable in enumerate(container.env):
            if not variable.value_from.HasField("file_key_ref"):
                continue
            where = at.child("env").index(index).child("valueFrom", "fileKeyRef", "volumeName")
            name = variable.value_from.file_key_ref.volume_name
            if name not in sources:
                where.not_found(name)
            elif not sources[name].HasField("empty_dir"):
                where.invalid(name, "referenced volume must be of type emptyDir")


def check_env_from(path: Place, sources: Iterable[pod_pb2.EnvFromSource]) -> None:
    """Check ConfigMaps and Secrets that become variables as a whole."""
    for index, source in enumerate(sources):
        at = path.index(index)
        if source.prefix:
            at.child("prefix").check_value(source.prefix, names.env_name)
        count = 0
        if source.HasField("config_map_ref"):
            count += 1
            _check_object_name(at.child("configMapRef"), source.config_map_ref.local_object_reference)
        if source.HasField("secret_ref"):
            count += 1
            _check_object_name(at.child("secretRef"), source.secret_ref.local_object_reference)
        if count == 0:
            path.invalid("", "must specify one of: `configMapRef` or `secretRef`")
        elif count > 1:
            path.invalid("", _TWO_SOURCES)


def _check_object_name(path: Place, ref: reference_pb2.LocalObjectReference) -> None:
    at = path.child("name")
    if not ref.name:
        at.required()
        return
    # Upstream checks this name as a prefix, so that a trailing dash passes.
    problems = names.dns_1123_subdomain(names.generated(ref.name))
    for problem in problems:
        at.invalid(ref.name, problem)
