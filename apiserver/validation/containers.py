"""Rules for containers: what all have in common, and what regular, init and ephemeral ones add.

Called by `pod_spec`. Follows `pkg/apis/core/validation`: validateContainerCommon, validateContainers,
validateInitContainers, validateEphemeralContainers.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from apiserver.validation import env, mounts, probes, resources, security
from apiserver.validation.place import Place
from apiserver.validation.volumes import Sources
from apiserver.validation.windows import AnyContainer
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

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
_HOOKS_AND_PROBES: Final = ("lifecycle", "liveness_probe", "readiness_probe", "startup_probe")
#: what an ephemeral container may not have, in the order of upstream's fields
_EPHEMERAL_FORBIDDEN: Final = (
    "ports", "resources", "resize_policy", "restart_policy", "restart_policy_rules", "liveness_probe",
    "readiness_probe", "startup_probe", "lifecycle",
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


def check_image_of_pod(path: Place, image: str) -> None:
    """Check that the image has no space around it; templates may, for the sake of old ones."""
    if image != image.strip():
        path.child("image").invalid(image, _WHITESPACE)


def _check_common(path: Place, container: AnyContainer, scope: Scope) -> None:
    path.child("name").check_required(container.name, names.dns_1123_label)
    if not container.image:
        path.child("image").required()
    at = path.child("terminationMessagePolicy")
    at.check_choice(container.termination_message_policy, _MESSAGE_POLICIES)
    _check_lists(path, container, scope)
    path.child("imagePullPolicy").check_choice(container.image_pull_policy, _PULL_POLICIES)
    if container.HasField("resources"):
        resources.check_requirements(path.child("resources"), container.resources, scope.claims)
    if container.resize_policy:
        _check_resize(path.child("resizePolicy"), container.resize_policy, scope.restart_policy)
    if container.HasField("security_context"):
        at = path.child("securityContext")
        security.check_container(at, container.security_context, host_users=scope.host_users)


def _check_lists(path: Place, container: AnyContainer, scope: Scope) -> None:
    if container.ports:
        probes.check_ports(path.child("ports"), container.ports)
    if container.env:
        env.check_env(path.child("env"), container.env)
    if container.env_from:
        env.check_env_from(path.child("envFrom"), container.env_from)
    if container.volume_mounts:
        devices = {device.name: device.device_path for device in container.volume_devices}
        privileged = container.security_context.privileged
        at = path.child("volumeMounts")
        mounts.check_mounts(at, container.volume_mounts, devices, scope.volumes, privileged=privileged)
    if container.volume_devices:
        mounted = {mount.name: mount.mount_path for mount in container.volume_mounts}
        mounts.check_devices(path.child("volumeDevices"), container.volume_devices, mounted, scope.volumes)


def _check_resize(
    path: Place, policies: Iterable[pod_pb2.ContainerResizePolicy], restart_policy: str
) -> None:
    """Check what a change of resources does to the container (KEP-1287). Upstream's paths carry no index."""
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        path.index(index).check_unique(policy.resource_name, seen)
        for value, allowed in (
            (policy.resource_name, _RESIZE_RESOURCES), (policy.restart_policy, _RESIZE_POLICIES),
        ):  # fmt: skip
            if value not in allowed:
                path.check_choice(value, allowed)
        if restart_policy == "Never" and policy.restart_policy != "NotRequired":
            path.invalid(policy.restart_policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _check_hooks_and_probes(path: Place, container: pod_pb2.Container, scope: Scope) -> None:
    grace = scope.grace_seconds
    if container.HasField("lifecycle"):
        probes.check_lifecycle(path.child("lifecycle"), container.lifecycle, grace, scope.os)
    if container.HasField("liveness_probe"):
        probes.check_liveness(path.child("livenessProbe"), container.liveness_probe, grace)
    if container.HasField("readiness_probe"):
        probes.check_readiness(path.child("readinessProbe"), container.readiness_probe, grace)
    if container.HasField("startup_probe"):
        probes.check_liveness(path.child("startupProbe"), container.startup_probe, grace)


def _check_restart(path: Place, container: pod_pb2.Container) -> None:
    """Check a container's own restart policy and the rules that refine it (KEP-5307)."""
    rules = container.restart_policy_rules
    if not container.HasField("restart_policy"):
        if rules:
            path.child("restartPolicy").required("must specify restartPolicy when restart rules are used")
    else:
        path.child("restartPolicy").check_supported(container.restart_policy, _RESTART_POLICIES)
    if len(rules) > _MAX_RULES:
        path.child("restartPolicyRules").too_many(len(rules), _MAX_RULES)
    for index, rule in enumerate(rules):
        _check_restart_rule(path.child("restartPolicyRules").index(index), rule)


def _check_restart_rule(path: Place, rule: pod_pb2.ContainerRestartRule) -> None:
    path.child("action").check_supported(rule.action, _RULE_ACTIONS)
    at = path.child("exitCodes")
    if not rule.HasField("exit_codes"):
        at.required("must be specified")
        return
    at.child("operator").check_supported(rule.exit_codes.operator, _RULE_OPERATORS)
    if len(rule.exit_codes.values) > _MAX_EXIT_CODES:
        at.child("values").too_many(len(rule.exit_codes.values), _MAX_EXIT_CODES)


def check_containers(path: Place, containers: Sequence[pod_pb2.Container], scope: Scope) -> None:
    """Check the regular containers. Names that init or ephemeral ones repeat are reported there."""
    if not containers:
        path.required()
        return
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = path.index(index)
        _check_common(at, container, scope)
        at.child("name").check_unique(container.name, seen)
        _check_hooks_and_probes(at, container, scope)
        if container.HasField("restart_policy") or container.restart_policy_rules:
            _check_restart(at, container)
    probes.check_host_port_conflicts(path, containers)


def check_init_containers(
    path: Place,
    containers: Iterable[pod_pb2.Container],
    regular: Iterable[pod_pb2.Container],
    scope: Scope,
) -> None:
    """Check the init containers; those with restartPolicy Always are sidecars (KEP-753)."""
    seen = {container.name for container in regular}
    for index, container in enumerate(containers):
        at = path.index(index)
        _check_common(at, container, scope)
        _check_restart(at, container)
        if container.name in seen:
            at.child("name").duplicate(container.name)
        elif container.name:
            seen.add(container.name)
        # Init containers run one by one, so each is checked alone; upstream shows it as the first.
        probes.check_host_port_conflicts(path, [container])
        if container.restart_policy == "Always":
            _check_hooks_and_probes(at, container, scope)
        else:
            at.check_absent(container, _HOOKS_AND_PROBES, _NOT_FOR_INIT)
            for number, policy in enumerate(container.resize_policy):
                if policy.restart_policy == "RestartContainer":
                    where = at.child("resizePolicy").index(number).child("restartPolicy")
                    where.invalid(policy.restart_policy, _NOT_RESTARTED)


def check_ephemeral_containers(path: Place, spec: pod_pb2.PodSpec, scope: Scope) -> None:
    """Check ephemeral containers: names, targets, and that they have nothing that keeps a Pod alive."""
    others = {container.name for container in (*spec.containers, *spec.init_containers)}
    seen = set(others)
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        at, container = path.index(index), ephemeral.ephemeral_container_common
        _check_common(at, container, scope)
        check_image_of_pod(at, container.image)
        at.child("name").check_unique(container.name, seen)
        target = ephemeral.target_container_name
        if target and target not in others:
            at.child("targetContainerName").not_found(target)
        _check_ephemeral_fields(at, container)


def _check_ephemeral_fields(path: Place, container: pod_pb2.EphemeralContainerCommon) -> None:
    # Resources that say nothing pass.
    asks_for_resources = container.resources.ByteSize() > 0
    fields = (name for name in _EPHEMERAL_FORBIDDEN if name != "resources" or asks_for_resources)
    path.check_absent(container, fields, _NOT_FOR_EPHEMERAL)
    for index, mount in enumerate(container.volume_mounts):
        at = path.child("volumeMounts").index(index)
        if mount.sub_path:
            at.child("subPath").forbidden(_NOT_FOR_EPHEMERAL)
        if mount.sub_path_expr:
            at.child("subPathExpr").forbidden(_NOT_FOR_EPHEMERAL)
