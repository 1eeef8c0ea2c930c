"""Rules for containers: what all have in common, and what regular, init and ephemeral ones add.

Called by `pod_spec`. Follows `pkg/apis/core/validation`: validateContainerCommon, validateContainers,
validateInitContainers, validateEphemeralContainers.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from apiserver.validation import env, mounts, ports, probes, resources, security
from apiserver.validation.metadata import Errors, check_text
from apiserver.validation.volumes import Sources
from apiserver.validation.windows import AnyContainer
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import (
    Path,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_many,
)

_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")
_RESIZE_RESOURCES: Final = ("cpu", "memory")
_RESIZE_POLICIES: Final = ("NotRequired", "RestartContainer")
_RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
_RULE_ACTIONS: Final = ("Restart", "RestartAllContainers")
_RULE_OPERATORS: Final = ("In", "NotIn")
_MAX_RULES: Final = 20
_MAX_EXIT_CODES: Final = 255
_NOT_FOR_INIT: Final = "may not be set for init containers without restartPolicy=Always"
_NOT_RESTARTED: Final = "must not be set to 'RestartContainer' for non-sidecar initContainers"
_NOT_FOR_EPHEMERAL: Final = "cannot be set for an Ephemeral Container"
_WHITESPACE: Final = "must not have leading or trailing whitespace"
#: what an ephemeral container may not have, in the order of upstream's fields
_EPHEMERAL_FORBIDDEN: Final = (
    ("ports", "ports"), ("resources", "resources"), ("resize_policy", "resizePolicy"),
    ("restart_policy", "restartPolicy"), ("restart_policy_rules", "restartPolicyRules"),
    ("liveness_probe", "livenessProbe"), ("readiness_probe", "readinessProbe"), ("startup_probe", "startupProbe"),
    ("lifecycle", "lifecycle"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """What the rules for a container need to know of its Pod."""

    #: sources of the volumes that are in order, by name
    volumes: Sources
    #: names of the Pod's resource claims
    claims: AbstractSet[str]
    #: spec.terminationGracePeriodSeconds
    grace_seconds: int | None
    restart_policy: str
    #: the Pod shares the host's users
    host_users: bool
    #: spec.os.name
    os: str
    #: a Pod rather than a template
    is_pod: bool


def check_image_of_pod(errors: Errors, path: Path, image: str) -> None:
    """Check that the image has no space around it; templates may, for the sake of old ones."""
    if image != image.strip():
        errors.append(invalid(path.child("image"), image, _WHITESPACE))


def _report_choice(errors: Errors, path: Path, value: str, allowed: Sequence[str]) -> None:
    """Report a choice that is missing or none of those allowed."""
    errors.append(not_supported(path, value, allowed) if value else required(path))


def _check_common(errors: Errors, path: Path, container: AnyContainer, scope: Scope) -> None:
    if not container.name:
        errors.append(required(path.child("name")))
    elif names.dns_1123_label(container.name):
        check_text(errors, path.child("name"), container.name, names.dns_1123_label)
    if not container.image:
        errors.append(required(path.child("image")))
    if container.termination_message_policy not in _MESSAGE_POLICIES:
        at = path.child("terminationMessagePolicy")
        _report_choice(errors, at, container.termination_message_policy, _MESSAGE_POLICIES)
    _check_lists(errors, path, container, scope)
    if container.image_pull_policy not in _PULL_POLICIES:
        _report_choice(errors, path.child("imagePullPolicy"), container.image_pull_policy, _PULL_POLICIES)
    if container.HasField("resources"):
        resources.check_requirements(errors, path.child("resources"), container.resources, scope.claims)
    if container.resize_policy:
        _check_resize(errors, path.child("resizePolicy"), container.resize_policy, scope.restart_policy)
    if container.HasField("security_context"):
        at = path.child("securityContext")
        security.check_container(errors, at, container.security_context, host_users=scope.host_users)


def _check_lists(errors: Errors, path: Path, container: AnyContainer, scope: Scope) -> None:
    """Check ports, environment, mounts and devices."""
    if container.ports:
        ports.check_ports(errors, path.child("ports"), container.ports)
    if container.env:
        env.check_env(errors, path.child("env"), container.env)
    if container.env_from:
        env.check_env_from(errors, path.child("envFrom"), container.env_from)
    if container.volume_mounts:
        devices = {device.name: device.device_path for device in container.volume_devices}
        privileged = container.security_context.privileged
        at = path.child("volumeMounts")
        mounts.check_mounts(
            errors, at, container.volume_mounts, devices, scope.volumes, privileged=privileged
        )
    if container.volume_devices:
        mounted = {mount.name: mount.mount_path for mount in container.volume_mounts}
        at = path.child("volumeDevices")
        mounts.check_devices(errors, at, container.volume_devices, mounted, scope.volumes)


def _check_resize(
    errors: Errors, path: Path, policies: Iterable[pod_pb2.ContainerResizePolicy], restart_policy: str
) -> None:
    """Check what a change of resources does to the container (KEP-1287). Upstream's paths carry no index."""
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        if policy.resource_name in seen:
            errors.append(duplicate(path.index(index), policy.resource_name))
        seen.add(policy.resource_name)
        for value, allowed in (
            (policy.resource_name, _RESIZE_RESOURCES), (policy.restart_policy, _RESIZE_POLICIES),
        ):  # fmt: skip
            if value not in allowed:
                _report_choice(errors, path, value, allowed)
        if restart_policy == "Never" and policy.restart_policy != "NotRequired":
            detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(path, policy.restart_policy, detail))


def _check_hooks_and_probes(errors: Errors, path: Path, container: pod_pb2.Container, scope: Scope) -> None:
    """Check what regular containers and sidecars may have."""
    grace = scope.grace_seconds
    if container.HasField("lifecycle"):
        probes.check_lifecycle(errors, path.child("lifecycle"), container.lifecycle, grace, scope.os)
    if container.HasField("liveness_probe"):
        probes.check_liveness(errors, path.child("livenessProbe"), container.liveness_probe, grace)
    if container.HasField("readiness_probe"):
        probes.check_readiness(errors, path.child("readinessProbe"), container.readiness_probe, grace)
    if container.HasField("startup_probe"):
        probes.check_liveness(errors, path.child("startupProbe"), container.startup_probe, grace)


def _check_restart(errors: Errors, path: Path, container: pod_pb2.Container) -> None:
    """Check a container's own restart policy and the rules that refine it (KEP-5307)."""
    rules = container.restart_policy_rules
    if not container.HasField("restart_policy"):
        if rules:
            detail = "must specify restartPolicy when restart rules are used"
            errors.append(required(path.child("restartPolicy"), detail))
    elif container.restart_policy not in _RESTART_POLICIES:
        errors.append(not_supported(path.child("restartPolicy"), container.restart_policy, _RESTART_POLICIES))
    if len(rules) > _MAX_RULES:
        errors.append(too_many(path.child("restartPolicyRules"), len(rules), _MAX_RULES))
    for index, rule in enumerate(rules):
        _check_restart_rule(errors, path.child("restartPolicyRules").index(index), rule)


def _check_restart_rule(errors: Errors, path: Path, rule: pod_pb2.ContainerRestartRule) -> None:
    if rule.action not in _RULE_ACTIONS:
        errors.append(not_supported(path.child("action"), rule.action, _RULE_ACTIONS))
    at = path.child("exitCodes")
    if not rule.HasField("exit_codes"):
        errors.append(required(at, "must be specified"))
        return
    if rule.exit_codes.operator not in _RULE_OPERATORS:
        errors.append(not_supported(at.child("operator"), rule.exit_codes.operator, _RULE_OPERATORS))
    if len(rule.exit_codes.values) > _MAX_EXIT_CODES:
        errors.append(too_many(at.child("values"), len(rule.exit_codes.values), _MAX_EXIT_CODES))


def check_containers(
    errors: Errors, path: Path, containers: Sequence[pod_pb2.Container], scope: Scope
) -> None:
    """Check the regular containers. Names that init or ephemeral ones repeat are reported there."""
    if not containers:
        errors.append(required(path))
        return
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = path.index(index)
        _check_common(errors, at, container, scope)
        if container.name in seen:
            errors.append(duplicate(at.child("name"), container.name))
        seen.add(container.name)
        _check_hooks_and_probes(errors, at, container, scope)
        if container.HasField("restart_policy") or container.restart_policy_rules:
            _check_restart(errors, at, container)
    ports.check_host_port_conflicts(errors, path, containers)


def check_init_containers(
    errors: Errors,
    path: Path,
    containers: Iterable[pod_pb2.Container],
    regular: Iterable[pod_pb2.Container],
    scope: Scope,
) -> None:
    """Check the init containers; those with restartPolicy Always are sidecars (KEP-753)."""
    seen = {container.name for container in regular}
    for index, container in enumerate(containers):
        at = path.index(index)
        _check_common(errors, at, container, scope)
        _check_restart(errors, at, container)
        if container.name in seen:
            errors.append(duplicate(at.child("name"), container.name))
        elif container.name:
            seen.add(container.name)
        # Init containers run one by one, so each is checked alone; upstream shows it as the first.
        ports.check_host_port_conflicts(errors, path, [container])
        if container.restart_policy == "Always":
            _check_hooks_and_probes(errors, at, container, scope)
        else:
            given = (
                ("lifecycle", "lifecycle"), ("liveness_probe", "livenessProbe"),
                ("readiness_probe", "readinessProbe"), ("startup_probe", "startupProbe"),
            )  # fmt: skip
            errors.extend(
                forbidden(at.child(shown), _NOT_FOR_INIT)
                for field, shown in given
                if container.HasField(field)
            )
            _check_init_resize(errors, at.child("resizePolicy"), container)


def _check_init_resize(errors: Errors, path: Path, container: pod_pb2.Container) -> None:
    """Check that no container that runs once is to be started again for its resources."""
    for index, policy in enumerate(container.resize_policy):
        if policy.restart_policy == "RestartContainer":
            at, detail = path.index(index).child("restartPolicy"), _NOT_RESTARTED
            errors.append(invalid(at, policy.restart_policy, detail))


def check_ephemeral_containers(errors: Errors, path: Path, spec: pod_pb2.PodSpec, scope: Scope) -> None:
    """Check ephemeral containers: names, what they look at, and that they have nothing that keeps a Pod
    alive.
    """
    others = {container.name for container in (*spec.containers, *spec.init_containers)}
    seen = set(others)
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        at, container = path.index(index), ephemeral.ephemeral_container_common
        _check_common(errors, at, container, scope)
        check_image_of_pod(errors, at, container.image)
        if container.name in seen:
            errors.append(duplicate(at.child("name"), container.name))
        seen.add(container.name)
        target = ephemeral.target_container_name
        if target and target not in others:
            errors.append(not_found(at.child("targetContainerName"), target))
        _check_ephemeral_fields(errors, at, container)


def _check_ephemeral_fields(errors: Errors, path: Path, container: pod_pb2.EphemeralContainerCommon) -> None:
    given = {
        field.name for field, value in container.ListFields() if field.name != "resources" or value.ByteSize()
    }
    errors.extend(
        forbidden(path.child(shown), _NOT_FOR_EPHEMERAL)
        for field, shown in _EPHEMERAL_FORBIDDEN
        if field in given
    )
    for index, mount in enumerate(container.volume_mounts):
        at = path.child("volumeMounts").index(index)
        if mount.sub_path:
            errors.append(forbidden(at.child("subPath"), _NOT_FOR_EPHEMERAL))
        if mount.sub_path_expr:
            errors.append(forbidden(at.child("subPathExpr"), _NOT_FOR_EPHEMERAL))
