"""What is special about kinds; Pods and PodTraces have a module each.

Follows their `strategy.go` below upstream's `pkg/registry`. A deletion makes a Namespace Terminating; the
namespace controller empties it and then takes the entry out of spec.finalizers through the sub-resource
`finalize`, and with the last one the namespace goes. PersistentVolumes and PersistentVolumeClaims begin as
Pending, with the finalizers of `plugin/pkg/admission/storage/storageobjectinuseprotection`, which the
controllers of `controller/volume_protection` take away again.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from google.protobuf.message import Message

from apiserver.defaulting.objects import default_node_status
from apiserver.registry import metadata
from apiserver.registry.strategy import M, Strategy, Subresource, copy_field
from apiserver.validation import namespaces
from apiserver.validation.place import find_violations
from vaina.api.apps.v1 import daemon_set_pb2, deployment_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import (
    config_pb2,
    event_pb2,
    limit_range_pb2,
    namespace_pb2,
    node_pb2,
    persistent_volume_pb2,
    pod_pb2,
    replication_controller_pb2,
    service_account_pb2,
)
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.storage.v1 import csi_driver_pb2, volume_attachment_pb2
from vaina.clock import timestamp
from vaina.errors import BadRequest
from vaina.objects.jobs import CONTROLLER_UID_LABEL, CONTROLLER_UID_LABELS, JOB_NAME_LABELS
from vaina.objects.rollouts import TEMPLATE_GENERATION
from vaina.quoting import go_quote

EVENT_TTL_SECONDS = 3600
#: of 64 bits
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")


class GenerationStrategy(Strategy[M]):
    """Kinds whose metadata.generation counts changes of the spec; that of a PriorityClass stays 1."""

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


class RbacStrategy(Strategy[M]):
    """An update creates roles and bindings (`pkg/registry/rbac/*/strategy.go`)."""

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


class SecretStrategy(Strategy[config_pb2.Secret]):
    """The stringData of Secrets is written and never read."""

    def prepare_for_create(self, obj: config_pb2.Secret, now: float) -> None:
        self._move_string_data(obj)

    def prepare_for_update(self, new: config_pb2.Secret, old: config_pb2.Secret, now: float) -> None:
        self._move_string_data(new)

    @staticmethod
    def _move_string_data(secret: config_pb2.Secret) -> None:
        for key, text in secret.string_data.items():
            secret.data[key] = text.encode()
        secret.ClearField("string_data")


class ServiceAccountStrategy(Strategy[service_account_pb2.ServiceAccount]):
    """Of the Secrets that an account names nothing but the names is kept (cleanSecretReferences)."""

    def prepare_for_create(self, obj: service_account_pb2.ServiceAccount, now: float) -> None:
        self._keep_names(obj)

    def prepare_for_update(
        self, new: service_account_pb2.ServiceAccount, old: service_account_pb2.ServiceAccount, now: float
    ) -> None:
        self._keep_names(new)

    @staticmethod
    def _keep_names(account: service_account_pb2.ServiceAccount) -> None:
        names = [reference.name for reference in account.secrets]
        del account.secrets[:]
        for name in names:
            account.secrets.add(name=name)


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


class JobStrategy(Strategy[job_pb2.Job]):
    """A Job leaves its Pods behind unless told otherwise: the default of batch/v1, kept for old clients."""

    has_generation = True
    propagation_policy = "Orphan"

    def prepare_for_create(self, obj: job_pb2.Job, now: float) -> None:
        super().prepare_for_create(obj, now)
        labels = obj.spec.template.metadata.labels
        takes_labels = not obj.metadata.labels
        if not obj.spec.manual_selector:
            self._select_own(obj)
        if takes_labels:
            # Those that were just made are among them: upstream's default (`SetDefaults_Job` in
            # `pkg/apis/batch/v1/defaults.go`) does not copy the template's labels, it gives the Job the same
            # map.
            obj.metadata.labels.update(labels)
        if obj.metadata.name:
            self.name_known(obj)

    def prepare_for_update(self, new: job_pb2.Job, old: job_pb2.Job, now: float) -> None:
        super().prepare_for_update(new, old, now)
        if not new.metadata.labels:
            new.metadata.labels.update(new.spec.template.metadata.labels)

    @staticmethod
    def _select_own(obj: job_pb2.Job) -> None:
        """Have the Job select the Pods with its uid. Labels that are given stay; validation checks them."""
        labels = obj.spec.template.metadata.labels
        for key in CONTROLLER_UID_LABELS:
            if key not in labels:
                labels[key] = obj.metadata.uid
        if CONTROLLER_UID_LABEL not in obj.spec.selector.match_labels:
            obj.spec.selector.match_labels[CONTROLLER_UID_LABEL] = obj.metadata.uid

    def name_known(self, obj: job_pb2.Job) -> None:
        if obj.spec.manual_selector:
            return
        labels, meta = obj.spec.template.metadata.labels, obj.metadata
        # They are equal where the Job had none of its own: its template's have its uid by now.
        takes_labels = meta.labels == labels
        for key in JOB_NAME_LABELS:
            # A generated name may be taken, and another one come.
            ours = meta.generate_name and labels.get(key, "").startswith(meta.generate_name[:58])
            if key not in labels or ours:
                labels[key] = meta.name
        if takes_labels:
            meta.labels.update(labels)


ACTIVE, TERMINATING = "Active", "Terminating"
FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZE: Final = "finalize"


def finalized(
    sent: namespace_pb2.Namespace, old: namespace_pb2.Namespace, now: float
) -> namespace_pb2.Namespace:
    """Return the stored Namespace with the finalizers that were sent (namespaceFinalizeStrategy)."""
    new = namespace_pb2.Namespace()
    new.CopyFrom(sent)
    metadata.prepare_for_update(new.metadata, old.metadata)
    new.metadata.resource_version = old.metadata.resource_version
    new.metadata.labels[NAME_LABEL] = new.metadata.name
    copy_field(new, old, "status")
    return new


class NamespaceStrategy(Strategy[namespace_pb2.Namespace]):
    """The hooks."""

    ends_in_two_steps = True
    #: upstream's FinalizeREST has no Get, and so no patches
    subresources: Mapping[str, Subresource[namespace_pb2.Namespace]] = {
        FINALIZE: Subresource(finalized, partial(find_violations, namespaces.check_finalize), has_get=False)
    }

    def prepare_for_create(self, obj: namespace_pb2.Namespace, now: float) -> None:
        """A new namespace is Active, and held until it is emptied."""
        obj.ClearField("status")
        obj.status.phase = ACTIVE
        if FINALIZER not in obj.spec.finalizers:
            obj.spec.finalizers.append(FINALIZER)
        self.name_known(obj)

    def name_known(self, obj: namespace_pb2.Namespace) -> None:
        """The label by which selectors find a namespace always has its name."""
        if obj.metadata.name:
            obj.metadata.labels[NAME_LABEL] = obj.metadata.name

    def prepare_for_update(
        self, new: namespace_pb2.Namespace, old: namespace_pb2.Namespace, now: float
    ) -> None:
        """An update changes metadata alone: what holds a namespace is taken out by `finalize`."""
        copy_field(new, old, "status")
        copy_field(new, old, "spec")
        self.name_known(new)

    def prepare_for_status_update(
        self, new: namespace_pb2.Namespace, old: namespace_pb2.Namespace, now: float
    ) -> None:
        """The label is there, whoever writes."""
        self.name_known(new)

    def mark_deleting(self, obj: namespace_pb2.Namespace) -> None:
        obj.status.phase = TERMINATING

    def is_awaited(self, obj: namespace_pb2.Namespace) -> bool:
        """A namespace is also held by spec.finalizers."""
        return bool(obj.spec.finalizers)


PENDING = "Pending"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"
_SINCE: Final = "last_phase_transition_time"
CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"


class PersistentVolumeStrategy(Strategy[persistent_volume_pb2.PersistentVolume]):
    """The hooks."""

    def prepare_for_create(self, obj: persistent_volume_pb2.PersistentVolume, now: float) -> None:
        """Nobody has claimed it yet."""
        obj.ClearField("status")
        obj.status.phase = PENDING
        obj.status.last_phase_transition_time.CopyFrom(timestamp(int(now)))
        _protect(obj.metadata, VOLUME_FINALIZER)

    def prepare_for_status_update(
        self,
        new: persistent_volume_pb2.PersistentVolume,
        old: persistent_volume_pb2.PersistentVolume,
        now: float,
    ) -> None:
        """A phase says since when it is: now, if it is another one and the client says nothing newer."""
        said = _transition(new)
        if new.status.phase == old.status.phase:
            if said is None:
                copy_field(new.status, old.status, _SINCE)
        elif said is None or said == _transition(old):
            new.status.last_phase_transition_time.CopyFrom(timestamp(int(now)))


class PersistentVolumeClaimStrategy(Strategy[persistent_volume_pb2.PersistentVolumeClaim]):
    """The hooks."""

    def prepare_for_create(self, obj: persistent_volume_pb2.PersistentVolumeClaim, now: float) -> None:
        """It has no volume yet."""
        obj.ClearField("status")
        obj.status.phase = PENDING
        _protect(obj.metadata, CLAIM_FINALIZER)


def _transition(obj: persistent_volume_pb2.PersistentVolume) -> int | None:
    """Return the second at which a volume came into its phase."""
    return obj.status.last_phase_transition_time.seconds if obj.status.HasField(_SINCE) else None


def _protect(meta: meta_pb2.ObjectMeta, finalizer: str) -> None:
    if finalizer not in meta.finalizers:
        meta.finalizers.append(finalizer)


class DeploymentStrategy(GenerationStrategy[deployment_pb2.Deployment]):
    """Annotations raise the generation, since ReplicaSets take them over; writes of the status keep the
    labels.

    Follows `pkg/registry/apps/deployment/strategy.go`.
    """

    kept_by_status: tuple[str, ...] = ("labels",)

    def raises_generation(self, new: deployment_pb2.Deployment, old: deployment_pb2.Deployment) -> bool:
        return super().raises_generation(new, old) or new.metadata.annotations != old.metadata.annotations


class DaemonSetStrategy(GenerationStrategy[daemon_set_pb2.DaemonSet]):
    """An annotation counts the templates, which its Pods show as a label; nobody but the apiserver counts.

    Follows `pkg/registry/apps/daemonset/strategy.go`, and `pkg/apis/apps/v1/conversion.go`, for which
    `spec.templateGeneration` of before is this annotation in v1.
    """

    def prepare_for_create(self, obj: daemon_set_pb2.DaemonSet, now: float) -> None:
        super().prepare_for_create(obj, now)
        _count_templates(obj, max(1, _templates(obj)))

    def prepare_for_update(
        self, new: daemon_set_pb2.DaemonSet, old: daemon_set_pb2.DaemonSet, now: float
    ) -> None:
        super().prepare_for_update(new, old, now)
        _templates(new)
        _count_templates(new, _templates(old) + (new.spec.template != old.spec.template))

    def prepare_for_status_update(
        self, new: daemon_set_pb2.DaemonSet, old: daemon_set_pb2.DaemonSet, now: float
    ) -> None:
        super().prepare_for_status_update(new, old, now)
        _count_templates(new, _templates(old))


def _templates(obj: daemon_set_pb2.DaemonSet) -> int:
    """Return how many templates a DaemonSet has had. Raises BadRequest: it says no number."""
    text = obj.metadata.annotations.get(TEMPLATE_GENERATION, "0")
    if not _NUMBER.fullmatch(text):
        raise BadRequest(f"metadata.annotations[{TEMPLATE_GENERATION}]: {go_quote(text)} is no number")
    return int(text)


def _count_templates(obj: daemon_set_pb2.DaemonSet, count: int) -> None:
    obj.metadata.annotations[TEMPLATE_GENERATION] = str(count)


class ReplicationControllerStrategy(GenerationStrategy[replication_controller_pb2.ReplicationController]):
    """A ReplicationController leaves its Pods behind unless told otherwise, as the default of v1."""

    propagation_policy = "Orphan"
