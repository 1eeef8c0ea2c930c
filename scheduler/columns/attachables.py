"""PURE: volumes that are attached to nodes, by driver and handle.

In-tree disks as the volumes of drivers that they are today. CSI migration: what in-tree sources and
provisioners become, after `csi-translation-lib` (v0.36, `plugins/*.go`), and on which nodes, after
`nodevolumelimits/utils.go` (isCSIMigrationOn): disks of AWS, GCE, Azure and Cinder on all, those of Portworx
where the CSINode says so. Of vSphere and of Azure's files nothing is attached in this way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2, volume_pb2

PORTWORX: Final = "kubernetes.io/portworx-volume"
#: in-tree plugin -> driver; empty: what it has is attached by nobody's count
DRIVERS: Final[Mapping[str, str]] = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    PORTWORX: "pxd.portworx.com",
    "kubernetes.io/azure-file": "",
    "kubernetes.io/vsphere-volume": "",
}
#: labels of a volume that name its zones, joined by `__`; the first that is there counts
_ZONES: Final = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
_UNSPECIFIED: Final = "UNSPECIFIED"
_AWS_ID: Final = re.compile("vol-[^/]*")


@dataclass(frozen=True, slots=True)
class Attachable:
    """A volume that takes one of the places that a node has for its driver's volumes."""

    driver: str
    handle: str
    #: in-tree plugin that the node must have given up for its driver; empty: that is so on every node
    plugin: str = ""

    @property
    def key(self) -> str:
        """What it is counted under where a Pod names it itself; no claim has such a key."""
        return f"attached:{self.plugin}:{self.driver}/{self.handle}"


def read_key(key: str) -> Attachable | None:
    """Read what `Attachable.key` says; None: it is the key of something else."""
    if not key.startswith("attached:"):
        return None
    _, plugin, rest = key.split(":", 2)
    driver, _, handle = rest.partition("/")
    return Attachable(driver, handle, plugin)


def of_pod(spec: pod_pb2.PodSpec) -> tuple[Attachable, ...]:
    """Return the disks that a Pod's volumes name themselves, each once (checkAttachableInlineVolume)."""
    found = (_of_disk(volume.volume_source, {}) for volume in spec.volumes)
    return tuple(dict.fromkeys(made for made in found if made is not None))


def of_volume(volume: persistent_volume_pb2.PersistentVolume) -> Attachable | None:
    """Return what a PersistentVolume is to its driver; None: nothing is attached (getCSIDriverInfo)."""
    source = volume.spec.persistent_volume_source
    if source.HasField("csi"):
        named = source.csi.driver and source.csi.volume_handle
        return Attachable(source.csi.driver, source.csi.volume_handle) if named else None
    return _of_disk(source, volume.metadata.labels)


def _of_disk(
    source: volume_pb2.VolumeSource | persistent_volume_pb2.PersistentVolumeSource, labels: Mapping[str, str]
) -> Attachable | None:
    if source.HasField("gce_persistent_disk"):
        return _gce(source.gce_persistent_disk.pd_name, labels)
    if source.HasField("azure_disk"):
        return _made("kubernetes.io/azure-disk", source.azure_disk.disk_uri)
    if source.HasField("aws_elastic_block_store"):
        return _aws(source.aws_elastic_block_store.volume_id)
    if source.HasField("cinder"):
        return _made("kubernetes.io/cinder", source.cinder.volume_id)
    if source.HasField("portworx_volume"):
        return _made(PORTWORX, source.portworx_volume.volume_id)
    return None


def of_provisioner(name: str) -> tuple[str, str]:
    """Return driver and plugin of volumes that a provisioner makes (getCSIDriverInfoFromSC)."""
    return DRIVERS.get(name, name), name if name == PORTWORX else ""


def _made(plugin: str, handle: str) -> Attachable | None:
    return Attachable(DRIVERS[plugin], handle, plugin if plugin == PORTWORX else "") if handle else None


def _aws(name: str) -> Attachable | None:
    """aws://ZONE/ID, aws:///ID, or the id alone (KubernetesVolumeIDToEBSVolumeID)."""
    if name.startswith("aws://"):
        _, _, path = name.removeprefix("aws://").partition("/")
        name = path.strip("/")
        if not _AWS_ID.fullmatch(name):
            return None
    return _made("kubernetes.io/aws-ebs", name)


def _gce(name: str, labels: Mapping[str, str]) -> Attachable | None:
    """A disk of one zone, of a region when there are several, or of nobody knows where."""
    zones = next((labels[key] for key in _ZONES if labels.get(key)), "").split("__")
    place = f"zones/{zones[0] or _UNSPECIFIED}"
    if len(zones) > 1:
        # LOCALE-REGION-ZONE each, of one region (gceGetRegionFromZones).
        regions = {zone.rpartition("-")[0] for zone in zones}
        if len(regions) != 1 or any(zone.count("-") != 2 for zone in zones):
            return None
        place = f"regions/{regions.pop()}"
    return _made("kubernetes.io/gce-pd", f"projects/{_UNSPECIFIED}/{place}/disks/{name}")
