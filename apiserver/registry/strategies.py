"""What is special about kinds of which a few lines say it; the others have a module each.

Follows their `strategy.go` below upstream's `pkg/registry`.
"""

from google.protobuf.message import Message

from apiserver.defaulting.objects import default_node_status
from apiserver.registry.strategy import Strategy
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import config_pb2, event_pb2, limit_range_pb2, node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.api.storage.v1 import csi_driver_pb2, volume_attachment_pb2

EVENT_TTL_SECONDS = 3600


class AutoscalerStrategy(Strategy[horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler]):
    """HorizontalPodAutoscalers have a generation."""

    has_generation = True


class EventStrategy(Strategy[event_pb2.Event]):
    """Events are kept for an hour after they last happened."""

    allow_create_on_update = True
    ttl_seconds = EVENT_TTL_SECONDS
    propagation_policy = "Unsupported"


class LeaseStrategy(Strategy[lease_pb2.Lease]):
    """An update of a Lease says which version it changes: a lock that can be taken over unseen is none."""

    allow_create_on_update = True
    allow_unconditional_update = False


class LimitRangeStrategy(Strategy[limit_range_pb2.LimitRange]):
    """An update creates LimitRanges."""

    allow_create_on_update = True


class NodeStrategy(Strategy[node_pb2.Node]):
    """A kubelet registers its Node together with the status."""

    def prepare_for_create(self, obj: node_pb2.Node, now: float) -> None:
        """Keep the status that comes with the registration."""

    def prepare_for_status_update(self, new: node_pb2.Node, old: node_pb2.Node, now: float) -> None:
        """Give a status that is written the same defaults as one that comes with the registration."""
        default_node_status(new.status)


class PodDisruptionBudgetStrategy(Strategy[pod_disruption_budget_pb2.PodDisruptionBudget]):
    """PodDisruptionBudgets have a generation; an update says which version it changes."""

    has_generation = True
    allow_unconditional_update = False


class PodTemplateStrategy(Strategy[pod_pb2.PodTemplate]):
    """PodTemplates have a generation that counts the changes of the template."""

    has_generation = True

    def raises_generation(self, new: pod_pb2.PodTemplate, old: pod_pb2.PodTemplate) -> bool:
        return bool(new.template != old.template)


class PriorityClassStrategy(Strategy[priority_class_pb2.PriorityClass]):
    """PriorityClasses have a generation, which stays 1."""

    has_generation = True


class SecretStrategy(Strategy[config_pb2.Secret]):
    """The stringData of Secrets is written and never read."""

    def prepare_for_create(self, obj: config_pb2.Secret, now: float) -> None:
        self._move_string_data(obj)

    def prepare_for_update(self, new: config_pb2.Secret, old: config_pb2.Secret) -> None:
        self._move_string_data(new)

    @staticmethod
    def _move_string_data(secret: config_pb2.Secret) -> None:
        for key, text in secret.string_data.items():
            secret.data[key] = text.encode()
        secret.ClearField("string_data")


class StorageDriverStrategy(Strategy[Message]):
    """An update of a CSINode or a CSIStorageCapacity says which version it changes."""

    allow_unconditional_update = False


class CSIDriverStrategy(Strategy[csi_driver_pb2.CSIDriver]):
    """A CSIDriver has a generation from its first change on; an update says which version it changes."""

    allow_unconditional_update = False
    has_generation = True
    first_generation = 0


class VolumeAttachmentStrategy(Strategy[volume_attachment_pb2.VolumeAttachment]):
    """A write of a VolumeAttachment's status changes nothing else (ResetObjectMetaForStatus of apimachinery)."""

    allow_unconditional_update = False
    kept_by_status: tuple[str, ...] = (
        "deletion_timestamp", "labels", "annotations", "finalizers", "owner_references",
    )  # fmt: skip
