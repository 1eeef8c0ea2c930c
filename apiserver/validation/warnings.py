"""Warnings: what is accepted, but likely not meant, deprecated, or not acted on by vaina yet.

The tables name the fields that a manifest may set and that vaina does nothing with: each gives a warning, so
that nothing is silently ignored. The other texts follow `pkg/api/pod/warnings.go` and
`pkg/api/job/warnings.go`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from apiserver.validation.place import Place
from apiserver.validation.resources import Quantities
from apiserver.validation.volume_legacy import LEGACY
from apiserver.validation.windows import AnyContainer, visit_containers
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names, quantity
from vaina.objects.jobs import is_indexed
from vaina.objects.service_accounts import ENFORCE_MOUNTABLE_SECRETS
from vaina.quoting import go_quote

_NOT_YET: Final = "accepted, but vaina does not act on it yet"

#: (field path in manifests, does a spec use it)
_POD_FEATURES: Final[tuple[tuple[str, Callable[[pod_pb2.PodSpec], bool]], ...]] = (
    ("resourceClaims", lambda spec: bool(spec.resource_claims)),
    ("hostUsers", lambda spec: spec.HasField("host_users") and not spec.host_users),
    ("schedulingGroup", lambda spec: spec.HasField("scheduling_group")),
    ("evictionResponders", lambda spec: bool(spec.eviction_responders)),
    ("os", lambda spec: spec.os.name == "windows"),
    (
        "securityContext.supplementalGroupsPolicy",
        lambda spec: spec.security_context.supplemental_groups_policy == "Strict",
    ),
)
#: fields of a Pod's security context
_POD_SECURITY: Final = (
    ("se_linux_options", "seLinuxOptions"), ("windows_options", "windowsOptions"),
    ("se_linux_change_policy", "seLinuxChangePolicy"),
)  # fmt: skip
_CONTAINER_FEATURES: Final[tuple[tuple[str, Callable[[AnyContainer], bool]], ...]] = (
    ("volumeDevices", lambda container: bool(container.volume_devices)),
    ("resources.claims", lambda container: bool(container.resources.claims)),
    (
        "securityContext.seLinuxOptions",
        lambda container: container.security_context.HasField("se_linux_options"),
    ),
    (
        "securityContext.windowsOptions",
        lambda container: container.security_context.HasField("windows_options"),
    ),
)
#: resources whose limits nothing enforces yet
_UNLIMITED: Final = ("hugepages-",)
#: sources that stand for a volume of their own
_CLAIMED: Final = frozenset({"persistent_volume_claim", "ephemeral"})
_FILE_SOURCES: Final = frozenset({"secret", "config_map", "downward_api", "projected"})
#: sources of volumes that nothing mounts: upstream's words where it has some
VOLUME_WORDS: Final = {
    "photon_persistent_disk": "deprecated in v1.11, non-functional in v1.16+",
    "git_repo": "deprecated in v1.11",
    "scale_io": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
NODE_LABELS: Final = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_ANNOTATIONS: Final = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "seccomp.security.alpha.kubernetes.io/pod": 'non-functional in v1.27+; use the "seccompProfile" field instead',
}
_BYTES: Final = ("memory", "ephemeral-storage")
_MANY_COMPLETIONS: Final = 100_000
_MANY_AT_A_TIME: Final = 10_000


def warnings_for_pod(path: Place, meta: meta_pb2.ObjectMeta, spec: pod_pb2.PodSpec) -> list[str]:
    """Return the warnings for a Pod or template; `path` is empty, or spec.template."""
    at = path.child("spec")
    warnings = [f"{at.child(*field.split('.'))}: {_NOT_YET}" for field, used in _POD_FEATURES if used(spec)]
    if spec.security_context.ByteSize():
        security = at.child("securityContext")
        given = {field.name for field, _ in spec.security_context.ListFields()}
        warnings.extend(
            f"{security.child(shown)}: {_NOT_YET}" for field, shown in _POD_SECURITY if field in given
        )
    warnings.extend(_labels_and_annotations(path, meta, spec))
    for index, volume in enumerate(spec.volumes):
        warnings.extend(_volume(at.child("volumes").index(index), volume.volume_source))
    warnings.extend(_duplicates(at, spec))
    warnings.extend(_fractions(at.child("overhead"), {"": spec.overhead}))
    for container, place in visit_containers(spec, at):
        warnings.extend(_container(place, container))
    warnings.extend(_port_overlaps(at, spec))
    if spec.HasField("termination_grace_period_seconds") and spec.termination_grace_period_seconds < 0:
        warnings.append(
            f"{at.child('terminationGracePeriodSeconds')}: must be >= 0; negative values are invalid and will be treated as 1"
        )
    return warnings


def _labels_and_annotations(path: Place, meta: meta_pb2.ObjectMeta, spec: pod_pb2.PodSpec) -> Iterator[str]:
    at = path.child("spec")
    for key in sorted(spec.node_selector):
        if key in NODE_LABELS:
            yield f"{at.child('nodeSelector').key(key)}: {NODE_LABELS[key]}"
    for index, constraint in enumerate(spec.topology_spread_constraints):
        place = at.child("topologySpreadConstraints").index(index)
        if constraint.topology_key in NODE_LABELS:
            key = constraint.topology_key
            yield f"{place.child('topologyKey')}: {key} is {NODE_LABELS[key]}"
        if not constraint.HasField("label_selector"):
            yield f"{place.child('labelSelector')}: a null labelSelector results in matching no pod"
    for key, words in _ANNOTATIONS.items():
        if key in meta.annotations:
            yield f"{path.child('metadata', 'annotations').key(key)}: {words}"


def _volume(path: Place, source: volume_pb2.VolumeSource) -> Iterator[str]:
    for field, value in source.ListFields():
        at = path.child(field.json_name)
        if field.name == "ephemeral":
            yield from claim_fractions(
                at.child("volumeClaimTemplate", "spec"), value.volume_claim_template.spec
            )
        if field.name in _CLAIMED:
            continue
        if field.name in LEGACY:
            yield f"{at}: {VOLUME_WORDS.get(field.name, _NOT_YET)}"
        elif field.name == "empty_dir":
            yield from _empty_dir(at, value)
        elif field.name in _FILE_SOURCES:
            if value.HasField("default_user"):
                yield f"{at.child('defaultUser')}: {_NOT_YET}"
            if field.name == "projected":
                yield from _projected(at.child("sources"), value)
            else:
                yield from _item_users(at, value.items)


def _empty_dir(path: Place, source: volume_pb2.EmptyDirVolumeSource) -> Iterator[str]:
    if source.medium not in {"", "Memory"}:
        yield f"{path.child('medium')}: {_NOT_YET}"
    if source.HasField("mode"):
        yield f"{path.child('mode')}: {_NOT_YET}"


def _item_users(
    path: Place, items: Iterable[volume_pb2.KeyToPath | volume_pb2.DownwardAPIVolumeFile]
) -> Iterator[str]:
    for index, item in enumerate(items):
        if item.HasField("user"):
            yield f"{path.child('items').index(index).child('user')}: {_NOT_YET}"


def _projected(path: Place, source: volume_pb2.ProjectedVolumeSource) -> Iterator[str]:
    for index, projection in enumerate(source.sources):
        for field, value in projection.ListFields():
            at = path.index(index).child(field.json_name)
            if field.name in _FILE_SOURCES:
                yield from _item_users(at, value.items)
            elif field.name != "service_account_token":
                yield f"{at}: {_NOT_YET}"


def _duplicates(path: Place, spec: pod_pb2.PodSpec) -> Iterator[str]:
    seen: set[str] = set()
    for index, alias in enumerate(spec.host_aliases):
        if alias.ip in seen:
            yield f"{path.child('hostAliases').index(index).child('ip')}: duplicate ip {go_quote(alias.ip)}"
        seen.add(alias.ip)
    seen = set()
    for index, secret in enumerate(spec.image_pull_secrets):
        at = path.child("imagePullSecrets").index(index).child("name")
        if secret.name in seen:
            yield f"{at}: duplicate name {go_quote(secret.name)}"
        elif not secret.name:
            yield f'{at}: invalid empty name ""'
        seen.add(secret.name)


def claim_fractions(path: Place, spec: volume_pb2.PersistentVolumeClaimSpec) -> Iterator[str]:
    """Warn of sizes of a claim that are no whole numbers (GetWarningsForPersistentVolumeClaimSpec)."""
    asked = spec.resources
    lists: dict[str, Quantities] = {"requests": asked.requests, "limits": asked.limits}
    yield from _fractions(path.child("resources"), lists, ("storage",))


def _fractions(path: Place, lists: dict[str, Quantities], resources: Iterable[str] = _BYTES) -> Iterator[str]:
    for side, amounts in lists.items():
        for name in resources:
            if name not in amounts:
                continue
            text = amounts[name].string
            try:
                whole = quantity.parse(text).milli_value() % 1000 == 0
            except quantity.QuantityError:
                continue  # a violation, not a warning
            if not whole:
                at = path.child(side).key(name) if side else path.key(name)
                yield f"{at}: fractional byte value {go_quote(quantity.canonical(text))} is invalid, must be an integer"


def _container(path: Place, container: AnyContainer) -> Iterator[str]:
    for field, used in _CONTAINER_FEATURES:
        if used(container):
            yield f"{path.child(*field.split('.'))}: {_NOT_YET}"
    resources = container.resources
    for name in sorted(resources.limits):
        if name.startswith(_UNLIMITED):
            yield f"{path.child('resources', 'limits').key(name)}: {_NOT_YET}"
    yield from _mounts(path.child("volumeMounts"), container)
    yield from _probes(path, container)
    yield from _fractions(
        path.child("resources"), {"limits": resources.limits, "requests": resources.requests}
    )
    seen: set[str] = set()
    for index, variable in enumerate(container.env):
        reference = f"$({variable.name})"
        kept = reference in variable.value and variable.value != reference
        if variable.name in seen and (variable.HasField("value_from") or not kept):
            yield (
                f"{path.child('env').index(index)}: hides previous definition of {go_quote(variable.name)}, which may "
                "be dropped when using apply"
            )
        seen.add(variable.name)


def _mounts(path: Place, container: AnyContainer) -> Iterator[str]:
    for index, mount in enumerate(container.volume_mounts):
        if mount.bind_mount_options:
            yield f"{path.index(index).child('bindMountOptions')}: {_NOT_YET}"


def _probes(path: Place, container: AnyContainer) -> Iterator[str]:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        handler = getattr(container, f"{name.removesuffix('Probe')}_probe").handler
        if handler.http_get.HasField("protocol"):
            yield f"{path.child(name, 'httpGet', 'protocol')}: {_NOT_YET}"
        if handler.grpc.HasField("mode"):
            yield f"{path.child(name, 'grpc', 'mode')}: {_NOT_YET}"


def _port_overlaps(path: Place, spec: pod_pb2.PodSpec) -> Iterator[str]:
    seen: dict[tuple[int, str], list[tuple[Place, pod_pb2.ContainerPort]]] = {}
    for container, place in visit_containers(spec, path):
        for index, port in enumerate(container.ports):
            at = place.child("ports").index(index)
            others = seen.setdefault((port.container_port, port.protocol), [])
            for where, other in others:
                if port.host_ip == other.host_ip and port.host_port == other.host_port:
                    yield f"{at}: duplicate port definition with {where}"
                elif not port.host_port or not other.host_port:
                    yield f"{at}: overlapping port definition with {where}"
            others.append((at, port))


def warnings_for_name(meta: meta_pb2.ObjectMeta, *, of_job: bool = False) -> list[str]:
    """Warn of a name of a Pod, or of a Job, that cannot be a host's name as it stands."""
    if names.is_dns_1123_label(meta.name):
        return []
    used = "Pod names and hostnames" if of_job else "the Pod's hostname"
    return [
        f"metadata.name: this is used in {used}, which can result in surprising behavior; "
        f"a DNS label is recommended: {list(names.dns_1123_label(meta.name))}"
    ]


def warnings_for_account(path: Place, meta: meta_pb2.ObjectMeta) -> list[str]:
    """Warn of what a ServiceAccount should no longer have (`pkg/registry/core/serviceaccount/strategy.go`)."""
    if ENFORCE_MOUNTABLE_SECRETS not in meta.annotations:
        return []
    return [
        f"{path}[{ENFORCE_MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate "
        "access to mounted secrets"
    ]


def warnings_for_job(path: Place, spec: job_pb2.JobSpec) -> list[str]:
    """Warn of what is odd about a Job's spec."""
    found: list[str] = []
    if is_indexed(spec) and spec.completions > _MANY_COMPLETIONS and spec.parallelism > _MANY_AT_A_TIME:
        found.append(
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
            "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    template = spec.template
    return found + warnings_for_pod(path.child("template"), template.metadata, template.spec)
