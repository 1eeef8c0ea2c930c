"""Fields of all kinds that need no rule, each with the reason; upstream has none for them either.

A test holds the list to the messages (decision 037).
"""

from collections.abc import Mapping
from typing import Final

_BOOLEAN: Final = "a boolean on which no other field depends"
_DRIVER: Final = "the storage's own business"
_PROGRAM: Final = "the program's or the runtime's own business"
_TOLD: Final = "a report, taken as it is told"
_WHEN: Final = "a time, which reading checks"
_MANAGED: Final = "entries that cannot be read own nothing: `apiserver/registry/managing.py`"
_CONDITION: Final = {
    "type": _TOLD, "status": _TOLD, "reason": _TOLD, "message": _TOLD, "last_transition_time": _WHEN,
}  # fmt: skip
_CALLER: Final = "what the apiserver knows of its caller, whatever is sent"
_GATED: Final = "part of a feature that is off by default upstream, where its rules are"

#: message -> field -> reason
UNCHECKED: Final[Mapping[str, Mapping[str, str]]] = {
    "PodSpec": {
        "scheduler_name": "any text: nobody schedules for a scheduler that is not there, and the Pod says so",
        "service_account": "the old name of service_account_name, which is checked; defaulting keeps them equal",
        "automount_service_account_token": _BOOLEAN,
        "enable_service_links": _BOOLEAN,
        "priority": "any number; admission sets it from the class",
    },
    "Container": {
        "command": _PROGRAM, "args": _PROGRAM, "working_dir": _PROGRAM, "termination_message_path": _PROGRAM,
        "stdin": _BOOLEAN, "stdin_once": _BOOLEAN, "tty": _BOOLEAN,
    },
    "EphemeralContainerCommon": {
        "command": _PROGRAM, "args": _PROGRAM, "working_dir": _PROGRAM, "termination_message_path": _PROGRAM,
        "stdin": _BOOLEAN, "stdin_once": _BOOLEAN, "tty": _BOOLEAN,
    },
    "ContainerPort": {"host_ip": "an address of the host, which only its kubelet knows"},
    "TCPSocketAction": {"host": "a name or address, resolved by the kubelet"},
    "HTTPHeader": {"value": "any text, passed on"},
    "ConfigMapEnvSource": {"optional": _BOOLEAN},
    "SecretEnvSource": {"optional": _BOOLEAN},
    "ConfigMapKeySelector": {"optional": _BOOLEAN},
    "SecretKeySelector": {"optional": _BOOLEAN},
    "FileKeySelector": {"optional": _BOOLEAN},
    "SecurityContext": {"run_as_non_root": "a boolean that the kubelet holds against the image's user"},
    "PodSecurityContext": {"run_as_non_root": "a boolean that the kubelet holds against the image's user"},
    "Capabilities": {"drop": "names of the kernel's, which grow with it"},
    "SELinuxOptions": {"user": _PROGRAM, "role": _PROGRAM, "type": _PROGRAM, "level": _PROGRAM},
    "Sysctl": {"value": "any text, taken or refused by the kernel"},
    "PodDNSConfigOption": {"value": "any text, read by the resolver"},
    "EmptyDirVolumeSource": {"medium": "the node knows which it has; an unknown one is a warning"},
    "SecretVolumeSource": {"optional": _BOOLEAN},
    "ConfigMapVolumeSource": {"optional": _BOOLEAN},
    "SecretProjection": {"optional": _BOOLEAN},
    "ConfigMapProjection": {"optional": _BOOLEAN},
    "ServiceAccountTokenProjection": {"audience": "any text, put into the token"},
    "ClusterTrustBundleProjection": {"optional": _BOOLEAN},
    "GCEPersistentDiskVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "AWSElasticBlockStoreVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "GitRepoVolumeSource": {"revision": _DRIVER},
    "NFSVolumeSource": {"read_only": _BOOLEAN},
    "ISCSIVolumeSource": {
        "iscsi_interface": _DRIVER, "fs_type": _DRIVER, "portals": _DRIVER, "read_only": _BOOLEAN,
    },
    "GlusterfsVolumeSource": {"read_only": _BOOLEAN},
    "PersistentVolumeClaimVolumeSource": {"read_only": _BOOLEAN},
    "RBDVolumeSource": {
        "fs_type": _DRIVER, "pool": _DRIVER, "user": _DRIVER, "keyring": _DRIVER,
        "read_only": _BOOLEAN,
    },
    "FlexVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "CinderVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "CephFSVolumeSource": {
        "path": _DRIVER, "user": _DRIVER, "secret_file": _DRIVER, "read_only": _BOOLEAN,
    },
    "FCVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "AzureFileVolumeSource": {"read_only": _BOOLEAN},
    "VsphereVirtualDiskVolumeSource": {
        "fs_type": _DRIVER, "storage_policy_name": _DRIVER, "storage_policy_id": _DRIVER,
    },
    "QuobyteVolumeSource": {"user": _DRIVER, "group": _DRIVER, "read_only": _BOOLEAN},
    "AzureDiskVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "PhotonPersistentDiskVolumeSource": {"fs_type": _DRIVER},
    "PortworxVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "ScaleIOVolumeSource": {
        "ssl_enabled": _BOOLEAN, "protection_domain": _DRIVER, "storage_pool": _DRIVER,
        "storage_mode": _DRIVER, "fs_type": _DRIVER, "read_only": _BOOLEAN,
    },
    "StorageOSVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "CSIVolumeSource": {"fs_type": _DRIVER, "volume_attributes": _DRIVER, "read_only": _BOOLEAN},
    "PersistentVolumeClaimSpec": {
        "volume_name": "names a volume that need not be there yet",
    },
    "VolumeResourceRequirements": {"limits": "upstream refuses none; nothing limits a claim"},
    "LocalObjectReference": {"name": "a name only; an empty one is a warning"},
    "HTTPGetAction": {"host": "a name or address, resolved by the kubelet", "protocol": "any text, passed on"},
    "GRPCAction": {"service": "any text, passed on to the health service", "mode": "any text, passed on"},
    "OwnerReference": {"block_owner_deletion": _BOOLEAN},
    "ManagedFieldsEntry": {"api_version": _MANAGED, "time": _WHEN},
    "FieldsV1": {"raw": _MANAGED},
    "Secret": {"string_data": "moved into data, which is checked, before rules are asked"},
    "ServiceAccount": {"automount_service_account_token": _BOOLEAN},
    "Event": {
        "count": _TOLD, "type": "any text in this group, as upstream", "first_timestamp": _WHEN, "last_timestamp": _WHEN,
    },
    "EventSeries": {"count": _TOLD, "last_observed_time": _WHEN},
    "EventSource": {"component": _TOLD, "host": _TOLD},
    "ObjectReference": dict.fromkeys(
        ("api_version", "kind", "name", "uid", "resource_version", "field_path"), "part of what an Event tells of"
    ),
    "LeaseSpec": {"holder_identity": "any text, chosen by the holders", "acquire_time": _WHEN, "renew_time": _WHEN},
    "HorizontalPodAutoscalerCondition": {**_CONDITION, "observed_generation": _TOLD},
    "HorizontalPodAutoscalerStatus": {"observed_generation": _TOLD, "last_scale_time": _WHEN},
    "MetricStatus": {"type": _TOLD},
    "MetricValueStatus": {"value": _TOLD, "average_value": _TOLD, "average_utilization": _TOLD},
    "ResourceMetricStatus": {"name": _TOLD},
    "ContainerResourceMetricStatus": {"name": _TOLD, "container": _TOLD},
    "PersistentVolumeSpec": {"mount_options": _DRIVER},
    "PersistentVolumeStatus": {
        "phase": _TOLD, "message": _TOLD, "reason": _TOLD, "last_phase_transition_time": _WHEN,
    },
    # A claim's status has no rules of its own either: in a StatefulSet's volumeClaimTemplates none of it may
    # change.
    "StorageClass": {"allow_volume_expansion": _BOOLEAN, "mount_options": _DRIVER},
    "CSIDriverSpec": {"requires_republish": _BOOLEAN},
    "TokenRequest": {"audience": "any text, put into the token"},
    "CSIStorageCapacity": {"maximum_volume_size": _TOLD},
    "VolumeAttachmentStatus": {"attached": _TOLD},
    "CertificateSigningRequestSpec": dict.fromkeys(("username", "uid", "groups", "extra"), _CALLER),
    "CertificateSigningRequestCondition": {
        "reason": _TOLD, "message": _TOLD, "last_update_time": _WHEN, "last_transition_time": _WHEN,
    },
    "VolumeError": {"time": _WHEN},
    "StorageHealth": {"name": _GATED},
    "StorageHealthCondition": dict.fromkeys(
        ("status", "reason", "message", "access_mode", "volume_mode", "last_transition_time"), _GATED
    ),
    "PriorityClass": {"global_default": _BOOLEAN, "description": "any text, for people"},
    "CronJobSpec": {"suspend": _BOOLEAN},
    "CronJobStatus": {"last_schedule_time": _WHEN, "last_successful_time": _WHEN},
    # The rules are about Complete, Failed and the two before them, true or not; any other is a report.
    "JobCondition": {**_CONDITION, "last_probe_time": _WHEN},
    "WorkloadPodGroupGangSchedulingPolicy": {"min_count": _GATED},
    "WorkloadPodGroupResourceClaim": dict.fromkeys(
        ("name", "resource_claim_name", "resource_claim_template_name"), _GATED
    ),
    "TopologyConstraint": {"key": _GATED},
    "Condition": {"message": "its length alone, which is more than what is tried here"},
    "PodDisruptionBudgetStatus": {"observed_generation": _TOLD, "disrupted_pods": _TOLD},
    "Taint": {"time_added": _WHEN},
    "NodeSpec": {
        "pod_cidr": "defaulting keeps it the first of pod_cidrs, which are checked", "unschedulable": _BOOLEAN,
    },
    "NodePodPreemptionPolicy": {"disable_resize_preemption": _BOOLEAN},
    "NodeStatus": {"phase": _TOLD, "volumes_in_use": _TOLD},
    "NodeCondition": {**_CONDITION, "last_heartbeat_time": _WHEN},
    "NodeConfigStatus": {"error": _TOLD},
    "NodeFeatures": {"supplemental_groups_policy": _TOLD},
    "NodeRuntimeHandler": {"name": _TOLD},
    "NodeRuntimeHandlerFeatures": {"recursive_read_only_mounts": _TOLD, "user_namespaces": _TOLD},
    "NodeSystemInfo": dict.fromkeys(
        (
            "machine_id", "system_uuid", "boot_id", "kernel_version", "os_image", "container_runtime_version",
            "kubelet_version", "kube_proxy_version", "operating_system", "architecture", "running_in_user_namespace",
        ),
        _TOLD,
    ),
    "AttachedVolume": {"name": _TOLD, "device_path": _TOLD},
    "ContainerImage": {"names": _TOLD, "size_bytes": _TOLD},
    "DaemonEndpoint": {"port": _TOLD},
    "NamespaceCondition": _CONDITION,
    "ReplicaSetCondition": _CONDITION,
    "StatefulSetCondition": _CONDITION,
    "StatefulSetStatus": {"current_revision": _TOLD, "update_revision": _TOLD},
    "DaemonSetCondition": _CONDITION,
    "DeploymentCondition": {**_CONDITION, "last_update_time": _WHEN},
    "DeploymentSpec": {"paused": _BOOLEAN},
    "ReplicationControllerCondition": _CONDITION,
    "PodCondition": {
        "status": _TOLD, "reason": _TOLD, "message": _TOLD, "last_transition_time": _WHEN, "last_probe_time": _WHEN,
    },
    "PodStatus": {
        "phase": _TOLD, "message": _TOLD, "reason": _TOLD, "start_time": _WHEN, "resize": _TOLD, "allocated_resources": _TOLD,
        "host_ip": "the first of host_ips, which are checked", "pod_ip": "the first of pod_ips, which are checked",
    },
    "ContainerStatus": dict.fromkeys(
        (
            "name", "ready", "restart_count", "image", "image_id", "container_id", "started", "allocated_resources",
            "stop_signal",
        ),
        _TOLD,
    ),
    "ContainerStateWaiting": {"reason": _TOLD, "message": _TOLD},
    "ContainerStateRunning": {"started_at": _WHEN},
    "ContainerStateTerminated": {
        "exit_code": _TOLD, "signal": _TOLD, "reason": _TOLD, "message": _TOLD, "container_id": _TOLD, "started_at": _WHEN,
        "finished_at": _WHEN,
    },
    "VolumeMountStatus": dict.fromkeys(("name", "mount_path", "read_only", "recursive_read_only"), _TOLD),
    "NodeAllocatableMappedResources": dict.fromkeys(("name", "quantity"), _GATED),
    "NodeAllocatableOverheadResources": dict.fromkeys(("name", "per_pod", "per_container"), _GATED),
    "PodVolumeHealth": {"name": _GATED, "last_transition_time": _GATED},
    "VolumeHealthCondition": dict.fromkeys(("status", "reason", "message"), _GATED),
    "ServiceSpec": {"load_balancer_ip": "any text, as upstream", "publish_not_ready_addresses": _BOOLEAN},
    "PortStatus": dict.fromkeys(("port", "protocol", "error"), _TOLD),
    "IngressPortStatus": dict.fromkeys(("port", "protocol", "error"), _TOLD),
    "ResourceClaimConsumerReference": {"api_group": "any text; together with the resource it names a kind"},
    "ResourceSliceSpec": {"partition_type_attribute": _GATED, "skip_node_operations": _GATED},
    "Device": {"binds_to_node": _BOOLEAN, "node_allocatable_resources": _GATED},
    "DeviceCounterConsumption": {"compatibility_groups": _GATED},
    "PodTraceStatus": {"node_name": _TOLD, "pod_deleted_time": _WHEN},
    "StepRecord": {"component": _TOLD, "instance": _TOLD, "message": _TOLD, "start_time": _WHEN, "end_time": _WHEN},
}  # fmt: skip
