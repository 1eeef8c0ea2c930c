"""What the node-local provisioner and the kubelets agree on: names, and how a volume tells whose it is. PURE.

The provisioner (a controller) makes the PersistentVolume; the kubelet of its node makes the directory when it
is mounted first, and deletes it with the volume (decision 114).
"""

import hashlib
from typing import Final

from vaina.api.core.v1 import persistent_volume_pb2

#: the provisioner of a StorageClass
PROVISIONER: Final = "vaina.dev/local-path"
#: where volumes are on a node, unless configuration says otherwise
DIRECTORY: Final = "/var/lib/vaina/local-path"
#: by which a kubelet finds the volumes of its node: a label, because watches select by labels
NODE_LABEL: Final = "vaina.dev/local-path-node"
#: the name of the node in full
NODE_ANNOTATION: Final = "vaina.dev/local-path-node"
#: set once the directory was made: from then on it is never made again, because that would show an empty
#: volume for a lost one
MADE_ANNOTATION: Final = "vaina.dev/local-path-made"
#: holds the volume until its data are deleted (that of external provisioners, KEP-2644)
FINALIZER: Final = "external-provisioner.volume.kubernetes.io/finalizer"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"

_MAX_LABEL: Final = 63


def node_label(node: str) -> str:
    """Return the value of the label for a node: its name, or what stands for one that is too long."""
    return node if len(node) <= _MAX_LABEL else hashlib.sha256(node.encode()).hexdigest()[:_MAX_LABEL]


def is_ours(volume: persistent_volume_pb2.PersistentVolume) -> bool:
    """Say whether the node-local provisioner has made a volume."""
    return volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER


def node_of(volume: persistent_volume_pb2.PersistentVolume) -> str:
    """Return the name of a volume's node; empty for volumes that are not ours."""
    return volume.metadata.annotations.get(NODE_ANNOTATION, "") if is_ours(volume) else ""


def is_to_be_deleted(volume: persistent_volume_pb2.PersistentVolume) -> bool:
    """Say whether a volume's data may go: its claim is gone, and its policy says so."""
    return (
        is_ours(volume)
        and volume.spec.persistent_volume_reclaim_policy == "Delete"
        and volume.status.phase in ("Released", "Failed")
    )
