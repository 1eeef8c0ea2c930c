"""A container's environment, command and arguments, and what it may know of its own Pod. PURE.

The shell fetches what `references` names; a required object that is missing makes a ConfigProblem
(CreateContainerConfigError). Follows makeEnvironmentVariables in `pkg/kubelet/kubelet_pods.go` (row B17), and
https://kubernetes.io/docs/concepts/workloads/pods/downward-api/ for fieldRef and resourceFieldRef.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vaina.api.core.v1 import config_pb2, pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.quantity import parse, value
from vaina.quoting import go_quote

_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")
_NANO = 10**9
#: resources that a Pod may have limits of, besides huge pages, which have no default
_POD_LEVEL = ("cpu", "memory")


class DownwardError(Exception):
    """The field or resource cannot be given; the message is for the user."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a Pod only on its node."""

    pod_ip: str = ""
    host_ip: str = ""
    node_name: str = ""
    #: of the node: cpu in thousandths, everything else in units; stands in for limits that are not set
    allocatable: Mapping[str, int] = field(default_factory=dict[str, int])
    #: variables of Services, which every container has unless it says otherwise
    services: Mapping[str, str] = field(default_factory=dict[str, str])


def field_value(pod: pod_pb2.Pod, path: str, facts: PodFacts) -> str:
    """Return the value of a fieldRef. Raises DownwardError: there is no such field."""
    match = _SUBSCRIPT.fullmatch(path)
    if match:
        entries = pod.metadata.labels if match[1] == "metadata.labels" else pod.metadata.annotations
        return str(entries.get(match[2], ""))
    meta, spec = pod.metadata, pod.spec
    values = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": spec.node_name or facts.node_name,
        "spec.serviceAccountName": spec.service_account_name,
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
    }
    if path in values:
        return values[path]
    if path in {"metadata.labels", "metadata.annotations"}:
        entries = meta.labels if path == "metadata.labels" else meta.annotations
        return "\n".join(f"{key}={go_quote(entries[key])}" for key in sorted(entries))
    raise DownwardError(f"unsupported fieldPath: {path}")


def resource_value(
    pod: pod_pb2.Pod, container: pod_pb2.Container, resource: str, divisor: str, facts: PodFacts
) -> str:
    """Return a resourceFieldRef's amount in units of the divisor, rounded up. Raises DownwardError.

    A limit of CPU, memory or ephemeral storage that is not set, or 0, is the Pod's own, else the node's
    allocatable (defaultPodLimitsForDownwardAPI in `pkg/kubelet/kubelet_resources.go`,
    MergeContainerResourceLimits in `pkg/api/v1/resource/helpers.go`); upstream looks at the Pod's limits for
    variables only. A request that is not set is its limit, else 0.
    """
    kind, _, name = resource.partition(".")
    if kind not in {"limits", "requests"} or not name:
        raise DownwardError(f"unsupported container resource : {resource}")
    resources = container.resources
    if kind == "limits":
        nanos = _nanos(resources.limits, name) or _default_limit(pod, name, facts)
    else:
        nanos = _nanos(resources.requests if name in resources.requests else resources.limits, name)
    unit = parse(divisor).nanos if divisor and value(divisor) else _NANO
    return str(-(-nanos // unit))


def _default_limit(pod: pod_pb2.Pod, name: str, facts: PodFacts) -> int:
    allocatable = facts.allocatable.get(name, 0) * (10**6 if name == "cpu" else _NANO)
    if name in _POD_LEVEL and allocatable:
        return _nanos(pod.spec.resources.limits, name) or allocatable
    return allocatable


def _nanos(amounts: Mapping[str, meta_pb2.Quantity], name: str) -> int:
    return parse(amounts[name].string or "0").nanos if name in amounts else 0


#: $$, or $(NAME)
REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")


class ConfigProblem(Exception):
    """A container may not, or cannot, run as specified (CreateContainerConfigError), in upstream's words."""


@dataclass(frozen=True, slots=True)
class References:
    """Names of the objects (in the Pod's namespace) that an environment refers to."""

    config_maps: frozenset[str]
    secrets: frozenset[str]
    #: (volume, path in it)
    files: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Sources:
    """The objects themselves, and the text of files; None, or a name that is absent: it does not exist."""

    config_maps: Mapping[str, config_pb2.ConfigMap | None]
    secrets: Mapping[str, config_pb2.Secret | None]
    files: Mapping[tuple[str, str], str | None]


def references(container: pod_pb2.Container) -> References:
    """Return what has to be fetched before `make_env`."""
    config_maps, secrets, files = set(), set(), set()
    for source in container.env_from:
        if source.HasField("config_map_ref"):
            config_maps.add(source.config_map_ref.local_object_reference.name)
        if source.HasField("secret_ref"):
            secrets.add(source.secret_ref.local_object_reference.name)
    for variable in container.env:
        source_of = variable.value_from
        if source_of.HasField("config_map_key_ref"):
            config_maps.add(source_of.config_map_key_ref.local_object_reference.name)
        if source_of.HasField("secret_key_ref"):
            secrets.add(source_of.secret_key_ref.local_object_reference.name)
        if source_of.HasField("file_key_ref"):
            files.add((source_of.file_key_ref.volume_name, source_of.file_key_ref.path))
    return References(frozenset(config_maps), frozenset(secrets), frozenset(files))


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) by the variable's value; $$ is a dollar sign, and an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return REFERENCE.sub(replace, text)


def expand_all(texts: Iterable[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """Expand each of several texts: a command, its arguments."""
    return tuple(expand(text, variables) for text in texts)


def make_env(
    pod: pod_pb2.Pod, container: pod_pb2.Container, sources: Sources, facts: PodFacts
) -> tuple[tuple[str, str], ...]:
    """Return (name, value) of envFrom, then env, then of Services; the last of a name wins.

    Services give values to $(NAME), and none to a name that has one. Raises ConfigProblem.
    """
    variables: dict[str, str] = {}
    for source in container.env_from:
        variables.update(_env_from(pod, source, sources))
    for item in container.env:
        if not item.HasField("value_from"):
            # A variable of the container counts more than one of a Service (mappingFunc).
            variables[item.name] = expand(item.value, {**facts.services, **variables})
            continue
        found = _value_from(pod, container, item.value_from, sources, facts)
        if found is not None:
            variables[item.name] = found
    return (*variables.items(), *(pair for pair in facts.services.items() if pair[0] not in variables))


def _env_from(pod: pod_pb2.Pod, source: pod_pb2.EnvFromSource, sources: Sources) -> Mapping[str, str]:
    prefix = source.prefix
    if source.HasField("config_map_ref"):
        name = source.config_map_ref.local_object_reference.name
        config_map = sources.config_maps.get(name)
        if config_map is None:
            _missing(source.config_map_ref.optional, f'configmap "{name}" not found')
            return {}
        return {prefix + key: config_map.data[key] for key in sorted(config_map.data)}
    name = source.secret_ref.local_object_reference.name
    secret = sources.secrets.get(name)
    if secret is None:
        _missing(source.secret_ref.optional, f'secret "{name}" not found')
        return {}
    return {prefix + key: _text(secret.data[key]) for key in sorted(secret.data)}


def _value_from(
    pod: pod_pb2.Pod,
    container: pod_pb2.Container,
    source: pod_pb2.EnvVarSource,
    sources: Sources,
    facts: PodFacts,
) -> str | None:
    try:
        if source.HasField("field_ref"):
            return field_value(pod, source.field_ref.field_path, facts)
        if source.HasField("resource_field_ref"):
            return _resource(pod, container, source.resource_field_ref, facts)
    except DownwardError as error:
        raise ConfigProblem(str(error)) from error
    if source.HasField("config_map_key_ref"):
        config_map = source.config_map_key_ref
        found = sources.config_maps.get(config_map.local_object_reference.name)
        return _object_key(pod, config_map, "ConfigMap", found)
    if source.HasField("file_key_ref"):
        return _file_key(source.file_key_ref, sources)
    if source.HasField("secret_key_ref"):
        secret = source.secret_key_ref
        return _object_key(pod, secret, "Secret", sources.secrets.get(secret.local_object_reference.name))
    return None


def _object_key(
    pod: pod_pb2.Pod,
    reference: reference_pb2.ConfigMapKeySelector | reference_pb2.SecretKeySelector,
    kind: str,
    found: config_pb2.ConfigMap | config_pb2.Secret | None,
) -> str | None:
    name = reference.local_object_reference.name
    if found is None:
        return _missing(reference.optional, f'{kind.lower()} "{name}" not found')
    if reference.key in found.data:
        value = found.data[reference.key]
        return value if isinstance(value, str) else _text(value)
    where = f"{kind} {pod.metadata.namespace}/{name}"
    return _missing(reference.optional, f"couldn't find key {reference.key} in {where}")


def _file_key(reference: reference_pb2.FileKeySelector, sources: Sources) -> str | None:
    """Return a variable that another container wrote; an empty value counts as none, as upstream."""
    text = sources.files.get((reference.volume_name, reference.path))
    if text is None:
        return _missing(reference.optional, "couldn't parse env file")
    try:
        value = find_variable(text, reference.key)
    except EnvFileError as error:
        raise ConfigProblem(f"couldn't parse env file: {error}") from error
    where = f"file {go_quote(reference.path)} of volume {go_quote(reference.volume_name)}"
    return value or _missing(
        reference.optional, f"environment variable key {go_quote(reference.key)} not found in {where}"
    )


def _resource(
    pod: pod_pb2.Pod,
    container: pod_pb2.Container,
    reference: reference_pb2.ResourceFieldSelector,
    facts: PodFacts,
) -> str:
    name = reference.container_name or container.name
    named = [item for item in (*pod.spec.containers, *pod.spec.init_containers) if item.name == name]
    if not named:
        raise DownwardError(f"container {name} not found")
    return resource_value(pod, named[0], reference.resource, reference.divisor.string, facts)


def _missing(optional: bool, message: str) -> str | None:
    if not optional:
        raise ConfigProblem(message)
    return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


class EnvFileError(Exception):
    """The file is not of this form; the message says which line is not."""


_WRONG = "invalid environment variable format at line"
_SPACES = " \t"


def find_variable(text: str, name: str) -> str:
    """Return the value of a file's first variable of this name (fileKeyRef, KEP-3721); "": there is none.

    Follows `pkg/kubelet/util/env/env_util.go`, a strict part of what a POSIX shell reads: `NAME='value'`,
    taken as it stands, over several lines too; blank lines and comments are skipped; a space behind `=` ends
    an empty value. Lines behind it are not looked at. Raises EnvFileError: a line before its end is wrong.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    at = 0
    while at < len(lines):
        line, number = lines[at].removesuffix("\r").lstrip(_SPACES), at + 1
        at += 1
        if not line or line.startswith("#"):
            continue
        found, value = _split(line, number)
        if value.startswith(tuple(_SPACES)):
            if found == name:
                return ""
            continue
        if not value.startswith("'"):
            raise EnvFileError(f"{_WRONG} {number}: value must be enclosed in single quotes")
        text_of, at = _quoted(value[1:], lines, at)
        if found == name:
            return text_of
    return ""


def _quoted(first: str, lines: Sequence[str], at: int) -> tuple[str, int]:
    """Return a quoted value, begun in the line before `at`, and how many lines are read then."""
    parts, begun = [first], at
    while "'" not in parts[-1]:
        if at == len(lines):
            raise EnvFileError(
                f"invalid environment variable format starting at line {begun}: unclosed single quote"
            )
        parts.append(lines[at].removesuffix("\r"))
        at += 1
    parts[-1], _, rest = parts[-1].partition("'")
    if (rest := rest.lstrip(_SPACES)) and not rest.startswith("#"):
        raise EnvFileError(f"{_WRONG} {at}: unexpected content after closing quote")
    return "\n".join(parts), at


def _split(line: str, number: int) -> tuple[str, str]:
    name, sign, value = line.partition("=")
    if not sign:
        raise EnvFileError(f"{_WRONG} {number}: missing '='")
    if not name.rstrip(_SPACES):
        raise EnvFileError(f"{_WRONG} {number}: empty variable name")
    if name != name.rstrip(_SPACES):
        raise EnvFileError(f"{_WRONG} {number}: whitespace before '=' is not allowed")
    return name, value
