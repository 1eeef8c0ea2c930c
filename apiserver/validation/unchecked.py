"""Fields of a Pod's spec that need no rule, each with the reason. A test holds the list to the messages.

Upstream has no rule for any of them either.
"""

from collections.abc import Mapping
from typing import Final

_BOOLEAN: Final = "a boolean on which no other field depends"
_DRIVER: Final = "the storage's own business"
_PROGRAM: Final = "the program's or the runtime's own business"

#: message -> field -> reason
UNCHECKED: Final[Mapping[str, Mapping[str, str]]] = {
    "PodSpec": {
        "scheduler_name": "any text: nobody schedules for a scheduler that is not there, and the Pod says so",
        "service_account": "the old name of service_account_name, which is checked; defaulting keeps them equal",
        "automount_service_account_token": _BOOLEAN,
        "enable_service_links": _BOOLEAN,
        "priority": "any number; admission sets it from the class",
        "image_pull_secrets": "names only; an empty one is a warning",
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
    "HTTPGetAction": {"host": "a name or address, resolved by the kubelet"},
    "TCPSocketAction": {"host": "a name or address, resolved by the kubelet"},
    "GRPCAction": {"service": "any text, passed on to the health service"},
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
        "fs_type": _DRIVER, "pool": _DRIVER, "user": _DRIVER, "keyring": _DRIVER, "secret_ref": _DRIVER,
        "read_only": _BOOLEAN,
    },
    "FlexVolumeSource": {"fs_type": _DRIVER, "secret_ref": _DRIVER, "read_only": _BOOLEAN},
    "CinderVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "CephFSVolumeSource": {
        "path": _DRIVER, "user": _DRIVER, "secret_file": _DRIVER, "secret_ref": _DRIVER, "read_only": _BOOLEAN,
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
        "secret_ref": _DRIVER, "ssl_enabled": _BOOLEAN, "protection_domain": _DRIVER, "storage_pool": _DRIVER,
        "storage_mode": _DRIVER, "fs_type": _DRIVER, "read_only": _BOOLEAN,
    },
    "StorageOSVolumeSource": {"fs_type": _DRIVER, "read_only": _BOOLEAN},
    "CSIVolumeSource": {"fs_type": _DRIVER, "volume_attributes": _DRIVER, "read_only": _BOOLEAN},
    "PersistentVolumeClaimSpec": {
        "volume_name": "names a volume that need not be there yet",
        "data_source": "claims have no controller here yet", "data_source_ref": "claims have no controller here yet",
        "volume_attributes_class_name": "claims have no controller here yet",
    },
    "TypedLocalObjectReference": dict.fromkeys(("api_group", "kind", "name"), "part of data_source"),
    "TypedObjectReference": dict.fromkeys(("api_group", "kind", "name", "namespace"), "part of data_source_ref"),
    "VolumeResourceRequirements": {"limits": "upstream refuses none; nothing limits a claim"},
}  # fmt: skip
