"""The table of kinds: what each kind is called, where it is stored, and which messages carry it.

Clients, the command, the manifest codec, the apiserver's storage and services (and later its REST API) are
driven by it. What else a new kind needs is listed in `docs/checklists/new-kind.md`. Names, scopes and etcd
prefixes are upstream's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from vaina.api.apps.v1 import (
    apps_pb2,
    controller_revision_pb2,
    daemon_set_pb2,
    deployment_pb2,
    stateful_set_pb2,
)
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import (
    config_pb2,
    endpoints_pb2,
    event_pb2,
    limit_range_pb2,
    namespace_pb2,
    node_pb2,
    persistent_volume_pb2,
    pod_pb2,
    replication_controller_pb2,
    resource_quota_pb2,
    service_account_pb2,
    service_pb2,
)
from vaina.api.discovery.v1 import endpoint_slice_pb2
from vaina.api.networking.v1 import ingress_class_pb2, ingress_pb2, network_policy_pb2
from vaina.api.node.v1 import runtime_class_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.rbac.v1 import rbac_pb2
from vaina.api.resource.v1 import (
    device_class_pb2,
    device_taint_rule_pb2,
    resource_claim_pb2,
    resource_slice_pb2,
)
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.api.trace.v1 import trace_pb2

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Kind(Generic[M]):
    """One row: a kind of object."""

    kind: str
    plural: str
    message: type[M]
    #: full name of the gRPC service: vaina.api.core.v1.PodService
    service: str
    #: below /registry/; not always the plural (Node is stored under minions)
    etcd_prefix: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    #: kubectl's "all" and the like
    categories: tuple[str, ...] = ()
    has_status: bool = False
    has_scale: bool = False
    #: fields that have an index in the watch cache
    indexed_fields: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """apiVersion as in manifests: v1, apps/v1."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The resource with its group, as kubectl prints it: pods, replicasets.apps."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def method(self, verb: str) -> str:
        """Return the gRPC path of a verb: /vaina.api.core.v1.PodService/Get."""
        return f"/{self.service}/{verb}"


POD = Kind(
    "Pod", "pods", pod_pb2.Pod, "vaina.api.core.v1.PodService", "pods", singular="pod", short_names=("po",),
    categories=("all",), has_status=True, indexed_fields=("spec.nodeName",),
)  # fmt: skip
NODE = Kind(
    "Node", "nodes", node_pb2.Node, "vaina.api.core.v1.NodeService", "minions", singular="node", short_names=("no",),
    namespaced=False, has_status=True,
)  # fmt: skip
NAMESPACE = Kind(
    "Namespace", "namespaces", namespace_pb2.Namespace, "vaina.api.core.v1.NamespaceService", "namespaces",
    singular="namespace", short_names=("ns",), namespaced=False, has_status=True,
)  # fmt: skip
CONFIG_MAP = Kind(
    "ConfigMap", "configmaps", config_pb2.ConfigMap, "vaina.api.core.v1.ConfigMapService", "configmaps",
    singular="configmap", short_names=("cm",),
)  # fmt: skip
SECRET = Kind(
    "Secret", "secrets", config_pb2.Secret, "vaina.api.core.v1.SecretService", "secrets", singular="secret",
)  # fmt: skip
SERVICE_ACCOUNT = Kind(
    "ServiceAccount", "serviceaccounts", service_account_pb2.ServiceAccount, "vaina.api.core.v1.ServiceAccountService",
    "serviceaccounts", singular="serviceaccount", short_names=("sa",),
)  # fmt: skip
EVENT = Kind(
    "Event", "events", event_pb2.Event, "vaina.api.core.v1.EventService", "events", singular="event",
    short_names=("ev",),
)  # fmt: skip
POD_TEMPLATE = Kind(
    "PodTemplate", "podtemplates", pod_pb2.PodTemplate, "vaina.api.core.v1.PodTemplateService", "podtemplates",
    singular="podtemplate",
)  # fmt: skip
REPLICATION_CONTROLLER = Kind(
    "ReplicationController", "replicationcontrollers", replication_controller_pb2.ReplicationController,
    "vaina.api.core.v1.ReplicationControllerService", "controllers", singular="replicationcontroller",
    short_names=("rc",), categories=("all",), has_status=True, has_scale=True,
)  # fmt: skip
REPLICA_SET = Kind(
    "ReplicaSet", "replicasets", apps_pb2.ReplicaSet, "vaina.api.apps.v1.ReplicaSetService", "replicasets",
    group="apps", singular="replicaset", short_names=("rs",), categories=("all",), has_status=True, has_scale=True,
)  # fmt: skip
DEPLOYMENT = Kind(
    "Deployment", "deployments", deployment_pb2.Deployment, "vaina.api.apps.v1.DeploymentService", "deployments",
    group="apps", singular="deployment", short_names=("deploy",), categories=("all",), has_status=True, has_scale=True,
)  # fmt: skip
STATEFUL_SET = Kind(
    "StatefulSet", "statefulsets", stateful_set_pb2.StatefulSet, "vaina.api.apps.v1.StatefulSetService", "statefulsets",
    group="apps", singular="statefulset", short_names=("sts",), categories=("all",), has_status=True, has_scale=True,
)  # fmt: skip
DAEMON_SET = Kind(
    "DaemonSet", "daemonsets", daemon_set_pb2.DaemonSet, "vaina.api.apps.v1.DaemonSetService", "daemonsets",
    group="apps", singular="daemonset", short_names=("ds",), categories=("all",), has_status=True,
)  # fmt: skip
CONTROLLER_REVISION = Kind(
    "ControllerRevision", "controllerrevisions", controller_revision_pb2.ControllerRevision,
    "vaina.api.apps.v1.ControllerRevisionService", "controllerrevisions", group="apps", singular="controllerrevision",
)  # fmt: skip
JOB = Kind(
    "Job", "jobs", job_pb2.Job, "vaina.api.batch.v1.JobService", "jobs", group="batch", singular="job",
    categories=("all",), has_status=True,
)  # fmt: skip
CRON_JOB = Kind(
    "CronJob", "cronjobs", job_pb2.CronJob, "vaina.api.batch.v1.CronJobService", "cronjobs", group="batch",
    singular="cronjob", short_names=("cj",), categories=("all",), has_status=True,
)  # fmt: skip
HORIZONTAL_POD_AUTOSCALER = Kind(
    "HorizontalPodAutoscaler", "horizontalpodautoscalers", horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler,
    "vaina.api.autoscaling.v2.HorizontalPodAutoscalerService", "horizontalpodautoscalers", group="autoscaling",
    version="v2", singular="horizontalpodautoscaler", short_names=("hpa",), categories=("all",), has_status=True,
)  # fmt: skip
RESOURCE_QUOTA = Kind(
    "ResourceQuota", "resourcequotas", resource_quota_pb2.ResourceQuota, "vaina.api.core.v1.ResourceQuotaService",
    "resourcequotas", singular="resourcequota", short_names=("quota",), has_status=True,
)  # fmt: skip
LIMIT_RANGE = Kind(
    "LimitRange", "limitranges", limit_range_pb2.LimitRange, "vaina.api.core.v1.LimitRangeService", "limitranges",
    singular="limitrange", short_names=("limits",),
)  # fmt: skip
PRIORITY_CLASS = Kind(
    "PriorityClass", "priorityclasses", priority_class_pb2.PriorityClass,
    "vaina.api.scheduling.v1.PriorityClassService", "priorityclasses", group="scheduling.k8s.io",
    singular="priorityclass", short_names=("pc",), namespaced=False,
)  # fmt: skip
RUNTIME_CLASS = Kind(
    "RuntimeClass", "runtimeclasses", runtime_class_pb2.RuntimeClass, "vaina.api.node.v1.RuntimeClassService",
    "runtimeclasses", group="node.k8s.io", singular="runtimeclass", namespaced=False,
)  # fmt: skip
POD_DISRUPTION_BUDGET = Kind(
    "PodDisruptionBudget", "poddisruptionbudgets", pod_disruption_budget_pb2.PodDisruptionBudget,
    "vaina.api.policy.v1.PodDisruptionBudgetService", "poddisruptionbudgets", group="policy",
    singular="poddisruptionbudget", short_names=("pdb",), has_status=True,
)  # fmt: skip
CLUSTER_ROLE_BINDING = Kind(
    "ClusterRoleBinding", "clusterrolebindings", rbac_pb2.ClusterRoleBinding,
    "vaina.api.rbac.v1.ClusterRoleBindingService", "clusterrolebindings", group="rbac.authorization.k8s.io",
    singular="clusterrolebinding", namespaced=False,
)  # fmt: skip
CLUSTER_ROLE = Kind(
    "ClusterRole", "clusterroles", rbac_pb2.ClusterRole, "vaina.api.rbac.v1.ClusterRoleService", "clusterroles",
    group="rbac.authorization.k8s.io", singular="clusterrole", namespaced=False,
)  # fmt: skip
ROLE_BINDING = Kind(
    "RoleBinding", "rolebindings", rbac_pb2.RoleBinding, "vaina.api.rbac.v1.RoleBindingService", "rolebindings",
    group="rbac.authorization.k8s.io", singular="rolebinding",
)  # fmt: skip
ROLE = Kind(
    "Role", "roles", rbac_pb2.Role, "vaina.api.rbac.v1.RoleService", "roles", group="rbac.authorization.k8s.io",
    singular="role",
)  # fmt: skip
PERSISTENT_VOLUME = Kind(
    "PersistentVolume", "persistentvolumes", persistent_volume_pb2.PersistentVolume,
    "vaina.api.core.v1.PersistentVolumeService", "persistentvolumes", singular="persistentvolume", short_names=("pv",),
    namespaced=False, has_status=True,
)  # fmt: skip
PERSISTENT_VOLUME_CLAIM = Kind(
    "PersistentVolumeClaim", "persistentvolumeclaims", persistent_volume_pb2.PersistentVolumeClaim,
    "vaina.api.core.v1.PersistentVolumeClaimService", "persistentvolumeclaims", singular="persistentvolumeclaim",
    short_names=("pvc",), has_status=True,
)  # fmt: skip
STORAGE_CLASS = Kind(
    "StorageClass", "storageclasses", storage_class_pb2.StorageClass, "vaina.api.storage.v1.StorageClassService",
    "storageclasses", group="storage.k8s.io", singular="storageclass", short_names=("sc",), namespaced=False,
)  # fmt: skip
CSI_NODE = Kind(
    "CSINode", "csinodes", csi_node_pb2.CSINode, "vaina.api.storage.v1.CSINodeService", "csinodes",
    group="storage.k8s.io", singular="csinode", namespaced=False,
)  # fmt: skip
CSI_DRIVER = Kind(
    "CSIDriver", "csidrivers", csi_driver_pb2.CSIDriver, "vaina.api.storage.v1.CSIDriverService", "csidrivers",
    group="storage.k8s.io", singular="csidriver", namespaced=False,
)  # fmt: skip
CSI_STORAGE_CAPACITY = Kind(
    "CSIStorageCapacity", "csistoragecapacities", csi_storage_capacity_pb2.CSIStorageCapacity,
    "vaina.api.storage.v1.CSIStorageCapacityService", "csistoragecapacities", group="storage.k8s.io",
    singular="csistoragecapacity",
)  # fmt: skip
VOLUME_ATTACHMENT = Kind(
    "VolumeAttachment", "volumeattachments", volume_attachment_pb2.VolumeAttachment,
    "vaina.api.storage.v1.VolumeAttachmentService", "volumeattachments", group="storage.k8s.io",
    singular="volumeattachment", namespaced=False, has_status=True,
)  # fmt: skip
LEASE = Kind(
    "Lease", "leases", lease_pb2.Lease, "vaina.api.coordination.v1.LeaseService", "leases",
    group="coordination.k8s.io", singular="lease",
)  # fmt: skip
CERTIFICATE_SIGNING_REQUEST = Kind(
    "CertificateSigningRequest", "certificatesigningrequests", certificate_signing_request_pb2.CertificateSigningRequest,
    "vaina.api.certificates.v1.CertificateSigningRequestService", "certificatesigningrequests",
    group="certificates.k8s.io", singular="certificatesigningrequest", short_names=("csr",), namespaced=False,
    has_status=True,
)  # fmt: skip
SERVICE = Kind(
    "Service", "services", service_pb2.Service, "vaina.api.core.v1.ServiceService", "services/specs",
    singular="service", short_names=("svc",), categories=("all",), has_status=True,
)  # fmt: skip
ENDPOINTS = Kind(
    "Endpoints", "endpoints", endpoints_pb2.Endpoints, "vaina.api.core.v1.EndpointsService", "services/endpoints",
    singular="endpoints", short_names=("ep",),
)  # fmt: skip
ENDPOINT_SLICE = Kind(
    "EndpointSlice", "endpointslices", endpoint_slice_pb2.EndpointSlice, "vaina.api.discovery.v1.EndpointSliceService",
    "endpointslices", group="discovery.k8s.io", singular="endpointslice",
)  # fmt: skip
NETWORK_POLICY = Kind(
    "NetworkPolicy", "networkpolicies", network_policy_pb2.NetworkPolicy,
    "vaina.api.networking.v1.NetworkPolicyService", "networkpolicies", group="networking.k8s.io",
    singular="networkpolicy", short_names=("netpol",),
)  # fmt: skip
INGRESS = Kind(
    "Ingress", "ingresses", ingress_pb2.Ingress, "vaina.api.networking.v1.IngressService", "ingress",
    group="networking.k8s.io", singular="ingress", short_names=("ing",), has_status=True,
)  # fmt: skip
INGRESS_CLASS = Kind(
    "IngressClass", "ingressclasses", ingress_class_pb2.IngressClass, "vaina.api.networking.v1.IngressClassService",
    "ingressclasses", group="networking.k8s.io", singular="ingressclass", namespaced=False,
)  # fmt: skip
DEVICE_CLASS = Kind(
    "DeviceClass", "deviceclasses", device_class_pb2.DeviceClass, "vaina.api.resource.v1.DeviceClassService",
    "deviceclasses", group="resource.k8s.io", singular="deviceclass", namespaced=False,
)  # fmt: skip
RESOURCE_CLAIM = Kind(
    "ResourceClaim", "resourceclaims", resource_claim_pb2.ResourceClaim, "vaina.api.resource.v1.ResourceClaimService",
    "resourceclaims", group="resource.k8s.io", singular="resourceclaim", has_status=True,
)  # fmt: skip
RESOURCE_CLAIM_TEMPLATE = Kind(
    "ResourceClaimTemplate", "resourceclaimtemplates", resource_claim_pb2.ResourceClaimTemplate,
    "vaina.api.resource.v1.ResourceClaimTemplateService", "resourceclaimtemplates", group="resource.k8s.io",
    singular="resourceclaimtemplate",
)  # fmt: skip
RESOURCE_SLICE = Kind(
    "ResourceSlice", "resourceslices", resource_slice_pb2.ResourceSlice, "vaina.api.resource.v1.ResourceSliceService",
    "resourceslices", group="resource.k8s.io", singular="resourceslice", namespaced=False,
    indexed_fields=("spec.nodeName",),
)  # fmt: skip
DEVICE_TAINT_RULE = Kind(
    "DeviceTaintRule", "devicetaintrules", device_taint_rule_pb2.DeviceTaintRule,
    "vaina.api.resource.v1.DeviceTaintRuleService", "devicetaintrules", group="resource.k8s.io",
    singular="devicetaintrule", namespaced=False, has_status=True,
)  # fmt: skip
POD_TRACE = Kind(
    "PodTrace", "podtraces", trace_pb2.PodTrace, "vaina.api.trace.v1.PodTraceService", "vaina.dev/podtraces",
    group="trace.vaina.dev", singular="podtrace", short_names=("pt",),
)  # fmt: skip

#: every kind, in the order in which discovery and `vaina api-resources` show them
KINDS: tuple[Kind[Message], ...] = (
    POD, NODE, NAMESPACE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, EVENT, POD_TEMPLATE, REPLICATION_CONTROLLER, REPLICA_SET, DEPLOYMENT,
    STATEFUL_SET, DAEMON_SET, CONTROLLER_REVISION, JOB, CRON_JOB, HORIZONTAL_POD_AUTOSCALER,
    RESOURCE_QUOTA, LIMIT_RANGE,
    PRIORITY_CLASS, RUNTIME_CLASS, POD_DISRUPTION_BUDGET, CLUSTER_ROLE_BINDING, CLUSTER_ROLE, ROLE_BINDING, ROLE,
    PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS, CSI_NODE, CSI_DRIVER, CSI_STORAGE_CAPACITY,
    VOLUME_ATTACHMENT, LEASE, CERTIFICATE_SIGNING_REQUEST, SERVICE, ENDPOINTS, ENDPOINT_SLICE, NETWORK_POLICY,
    INGRESS, INGRESS_CLASS, DEVICE_CLASS, RESOURCE_CLAIM, RESOURCE_CLAIM_TEMPLATE, RESOURCE_SLICE, DEVICE_TAINT_RULE,
    POD_TRACE,
)  # type: ignore[assignment]  # fmt: skip  # a Kind[Pod] is read as a Kind[Message] throughout


def _by_name() -> Mapping[str, Kind[Message]]:
    names: dict[str, Kind[Message]] = {}
    for kind in KINDS:
        for name in (kind.plural, kind.singular, kind.kind.lower(), *kind.short_names, kind.resource):
            names.setdefault(name, kind)
    return names


#: (apiVersion, kind) -> row
KINDS_BY_GVK: Mapping[tuple[str, str], Kind[Message]] = {
    (kind.api_version, kind.kind): kind for kind in KINDS
}
#: plural, singular, short name, plural.group (all lower case) -> row
KINDS_BY_NAME: Mapping[str, Kind[Message]] = _by_name()
