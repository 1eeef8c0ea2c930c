"""Defaults of Pods and of Pod templates.

A template gets those that a spec has anywhere; a Pod also those of a Pod that is about to run
(SetDefaults_Pod), and the tolerations that the admission plugin DefaultTolerationSeconds adds. Priority is
admission's business, the service account's name too.
"""

from collections.abc import Iterable
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.objects.defaults.images import pull_policy
from vaina.objects.defaults.resources import default_pod_resources, requests_from_limits, round_up
from vaina.objects.defaults.volumes import default_volume

AnyContainer = pod_pb2.Container | pod_pb2.EphemeralContainerCommon

_GRACE_SECONDS: Final = 30
_TOLERATION_SECONDS: Final = 300
_TOLERATED: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def default_pod(pod: pod_pb2.Pod) -> None:
    """Set the defaults of a Pod. A grace below zero is a second, in a Pod alone: templates keep it.

    Follows `SetDefaults_Pod`.
    """
    spec = pod.spec
    if spec.termination_grace_period_seconds < 0:
        spec.termination_grace_period_seconds = 1
    default_pod_spec(spec)
    for container in (*spec.containers, *spec.init_containers):
        if container.resources.limits:
            requests_from_limits(container.resources)
    if spec.HasField("resources"):
        default_pod_resources(spec)
    if not spec.HasField("enable_service_links"):
        spec.enable_service_links = True
    if spec.host_network:
        for container in (*spec.containers, *spec.init_containers):
            for port in container.ports:
                port.host_port = port.host_port or port.container_port
    _add_tolerations(spec)


def default_pod_spec(spec: pod_pb2.PodSpec) -> None:
    """Set the defaults of a spec, in a Pod or in a template."""
    spec.dns_policy = spec.dns_policy or "ClusterFirst"
    spec.restart_policy = spec.restart_policy or "Always"
    spec.scheduler_name = spec.scheduler_name or "default-scheduler"
    if not spec.HasField("security_context"):
        spec.security_context.SetInParent()
    if not spec.HasField("termination_grace_period_seconds"):
        spec.termination_grace_period_seconds = _GRACE_SECONDS
    # The old name of the field is kept equal, as conversion does upstream.
    if account := spec.service_account_name or spec.service_account:
        spec.service_account_name = spec.service_account = account
    for volume in spec.volumes:
        default_volume(volume)
    for container in (*spec.containers, *spec.init_containers):
        _default_container(container)
    for ephemeral in spec.ephemeral_containers:
        _default_container(ephemeral.ephemeral_container_common)
    round_up(spec.overhead)


def _default_container(container: AnyContainer) -> None:
    if not container.image_pull_policy:
        container.image_pull_policy = pull_policy(container.image)
    container.termination_message_path = container.termination_message_path or "/dev/termination-log"
    container.termination_message_policy = container.termination_message_policy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    for variable in container.env:
        if variable.value_from.HasField("field_ref") and not variable.value_from.field_ref.api_version:
            variable.value_from.field_ref.api_version = "v1"
    if container.HasField("resources"):
        round_up(container.resources.limits)
        round_up(container.resources.requests)
    _default_probes(container)


def _default_probes(container: AnyContainer) -> None:
    for field in ("liveness_probe", "readiness_probe", "startup_probe"):
        if container.HasField(field):
            _default_probe(getattr(container, field))
    if container.HasField("lifecycle"):
        for field in ("post_start", "pre_stop"):
            if container.lifecycle.HasField(field):
                _default_handler(getattr(container.lifecycle, field))


def _default_probe(probe: pod_pb2.Probe) -> None:
    probe.timeout_seconds = probe.timeout_seconds or 1
    probe.period_seconds = probe.period_seconds or 10
    probe.success_threshold = probe.success_threshold or 1
    probe.failure_threshold = probe.failure_threshold or 3
    if not probe.HasField("handler"):
        return
    _default_handler(probe.handler)
    if probe.handler.HasField("grpc") and not probe.handler.grpc.HasField("service"):
        probe.handler.grpc.service = ""


def _default_handler(handler: pod_pb2.ProbeHandler | pod_pb2.LifecycleHandler) -> None:
    if handler.HasField("http_get"):
        handler.http_get.path = handler.http_get.path or "/"
        handler.http_get.scheme = handler.http_get.scheme or "HTTP"


def _tolerates(tolerations: Iterable[pod_pb2.Toleration], key: str) -> bool:
    return any(
        toleration.key in {"", key} and toleration.effect in {"", "NoExecute"} for toleration in tolerations
    )


def _add_tolerations(spec: pod_pb2.PodSpec) -> None:
    """Let the Pod stay for five minutes on a node that fails."""
    given = list(spec.tolerations)
    for key in _TOLERATED:
        if not _tolerates(given, key):
            spec.tolerations.add(
                key=key, operator="Exists", effect="NoExecute", toleration_seconds=_TOLERATION_SECONDS
            )
