"""Defaults of StatefulSets and DaemonSets (`pkg/apis/apps/v1/defaults.go`)."""

from typing import Final

from apiserver.defaulting.storage import default_claim
from vaina.api.apps.v1 import daemon_set_pb2, stateful_set_pb2
from vaina.objects.defaults import default_pod_spec, set_defaults

_REVISIONS_KEPT: Final = 10


def default_stateful_set(stateful_set: stateful_set_pb2.StatefulSet) -> None:
    """One Pod after the other, rolled from the last to the first; claims outlive their Pods."""
    spec = stateful_set.spec
    spec.pod_management_policy = spec.pod_management_policy or "OrderedReady"
    strategy = spec.update_strategy
    if not strategy.type:
        strategy.type = "RollingUpdate"
        strategy.rolling_update.SetInParent()
    # Whoever names the type alone gets no parameters, which means the same.
    if strategy.HasField("rolling_update") and strategy.type == "RollingUpdate":
        set_defaults(strategy.rolling_update, partition=0)
    policy = spec.persistent_volume_claim_retention_policy
    policy.when_deleted = policy.when_deleted or "Retain"
    policy.when_scaled = policy.when_scaled or "Retain"
    if not spec.HasField("replicas"):
        spec.replicas = 1
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = _REVISIONS_KEPT
    default_pod_spec(spec.template.spec)
    for claim in spec.volume_claim_templates:
        default_claim(claim)


def default_daemon_set(daemon_set: daemon_set_pb2.DaemonSet) -> None:
    """Roll one node at a time."""
    spec = daemon_set.spec
    strategy = spec.update_strategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rolling_update
        if not rolling.HasField("max_unavailable"):
            rolling.max_unavailable.int_val = 1
        if not rolling.HasField("max_surge"):
            rolling.max_surge.int_val = 0
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = _REVISIONS_KEPT
    default_pod_spec(spec.template.spec)
