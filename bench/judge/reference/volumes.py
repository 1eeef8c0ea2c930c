"""Rules about volumes: who else has a claim, how many a node takes, where a claim has its volume or gets one,
zones.

docs: *Persistent Volumes* (access modes, ReadWriteOncePod), *Node-specific Volume Limits*, *Storage Classes*
(volume binding mode, allowed topologies), *Running in multiple zones*.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.judge.reference.rule import Refusal, Rule
from bench.judge.reference.storage import (
    Claim,
    Given,
    choose,
    claim_names,
    is_bound,
    key_of,
    reaches,
    says_capacity,
    size_of,
    waits,
    what_is_left,
)
from bench.judge.reference.world import Placed, World
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.storage.v1 import csi_node_pb2
from vaina.objects.quantity import value

_ZONE, _REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
_OLD_ZONE, _OLD_REGION = (
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)
_TODAY = {_OLD_ZONE: _ZONE, _OLD_REGION: _REGION, _ZONE: _ZONE, _REGION: _REGION}


class _OfVolumes(Rule):
    """What rules of volumes share."""

    def __init__(self, world: World, wanting: Placed) -> None:
        super().__init__(world, wanting)
        self.storage = world.storage
        #: (name, whether it is made for the Pod, the claim if it is there), each once
        self.claims = [
            (name, own, self.storage.claims.get(f"{wanting.namespace}/{name}"))
            for name, own in dict.fromkeys(claim_names(wanting.pod))
        ]


#: a disk that a Pod names itself, and whether it only reads it
_Disk = tuple[tuple[str, ...], bool]


def disks_of(pod: pod_pb2.Pod) -> list[_Disk]:
    """Return the disks of GCE, AWS, iSCSI and RBD that a Pod names itself.

    An RBD image once for each of its monitors.
    """
    found: list[_Disk] = []
    for item in pod.spec.volumes:
        source = item.volume_source
        if source.HasField("gce_persistent_disk"):
            found.append((("gce", source.gce_persistent_disk.pd_name), source.gce_persistent_disk.read_only))
        elif source.HasField("aws_elastic_block_store"):
            found.append((("aws", source.aws_elastic_block_store.volume_id), False))
        elif source.HasField("iscsi"):
            found.append((("iscsi", source.iscsi.iqn), source.iscsi.read_only))
        elif source.HasField("rbd"):
            rbd = source.rbd
            found += [(("rbd", monitor, rbd.pool, rbd.image), rbd.read_only) for monitor in rbd.monitors]
    return found


class Alone(_OfVolumes):
    """A claim with access mode ReadWriteOncePod is for one Pod.

    A disk that a Pod names itself for one of a node, unless all only read it.
    """

    name = "VolumeRestrictions"

    def rejected(self) -> str:
        for name, own, claim in self.claims:
            if claim is None and not own:
                return f'persistentvolumeclaim "{name}" not found'
        return ""

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        for disk, reads in disks_of(self.pod):
            for other in self.world.on(node.metadata.name):
                if any(disk == its and not (reads and only) for its, only in disks_of(other.pod)):
                    return Refusal(("node(s) had no available disk",))
        for name, own, claim in self.claims:
            if own or claim is None or "ReadWriteOncePod" not in claim.spec.access_modes:
                continue
            users = (
                other for other, _ in self.world.everybody() if other.namespace == self.wanting.namespace
            )
            if any(name in dict(claim_names(other.pod)) for other in users):
                words = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
                return Refusal((words,))
        return None


class Limits(_OfVolumes):
    """A node takes so many volumes of a driver; one that several Pods have counts once.

    A driver may say that its volumes go only to nodes that it is on (CSIDriver, preventPodSchedulingIfMissing).
    """

    name = "NodeVolumeLimits"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        says = self.storage.limits.get(node.metadata.name, csi_node_pb2.CSINode())
        plugins = says.metadata.annotations.get("storage.alpha.kubernetes.io/migrated-plugins", "").split(",")
        portworx = "kubernetes.io/portworx-volume" in plugins
        wanted = self._attached([self.wanting], portworx)
        for name in sorted({driver for driver, _ in wanted}):
            said = self.storage.drivers.get(name)
            must = said is not None and said.spec.prevent_pod_scheduling_if_missing
            if must and all(there.name != name for there in says.spec.drivers):
                return Refusal((f"{name} CSI driver is not installed on the node",))
        others = self._attached(self.world.on(node.metadata.name), portworx)
        for driver in says.spec.drivers:
            new = {one for one in wanted - others if one[0] == driver.name}
            old = {one for one in others if one[0] == driver.name}
            if (
                driver.allocatable.HasField("count")
                and new
                and len(new) + len(old | self._without_pods(node, driver.name)) > driver.allocatable.count
            ):
                return Refusal(("node(s) exceed max volume count",))
        return None

    def _without_pods(self, node: node_pb2.Node, driver: str) -> set[tuple[str, str]]:
        """Return what VolumeAttachments say of a driver on a node."""
        found: set[tuple[str, str]] = set()
        for made in self.storage.attachments.values():
            if made.spec.node_name == node.metadata.name and made.spec.attacher == driver:
                volume = self.storage.volumes.get(made.spec.source.persistent_volume_name)
                if volume is not None and volume.spec.persistent_volume_source.HasField("csi"):
                    found.add((driver, volume.spec.persistent_volume_source.csi.volume_handle))
        return found

    def _attached(self, pods: Iterable[Placed], portworx: bool) -> set[tuple[str, str]]:
        """Return (driver, volume) of all claims of Pods and disks they name.

        A volume that is not there yet goes by its claim.
        """
        found: set[tuple[str, str]] = set()
        for placed in pods:
            for item in placed.pod.spec.volumes:
                found |= _migrated(item.volume_source, {}, portworx)
            for name, _ in claim_names(placed.pod):
                claim = self.storage.claims.get(f"{placed.namespace}/{name}")
                if claim is None:
                    continue
                volume = self.storage.volumes.get(claim.spec.volume_name)
                driver = self.storage.class_of(claim)
                if volume is not None:
                    csi = volume.spec.persistent_volume_source.csi
                    if csi.driver:
                        found.add((csi.driver, csi.volume_handle))
                    else:
                        source = volume.spec.persistent_volume_source
                        found |= _migrated(source, volume.metadata.labels, portworx)
                elif driver is not None:
                    made = _TODAYS_DRIVER.get(driver.provisioner, driver.provisioner)
                    if portworx or driver.provisioner != "kubernetes.io/portworx-volume":
                        found.add((made, f"to be made for {key_of(claim)}"))
        return found


_TODAYS_DRIVER = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com", "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/azure-disk": "disk.csi.azure.com", "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
}  # fmt: skip


def _migrated(source: Any, labels: Mapping[str, str], portworx: bool) -> set[tuple[str, str]]:
    """Return driver and volume of a disk that is named in the old way, if a driver attaches it today."""
    if source.HasField("aws_elastic_block_store"):
        name = source.aws_elastic_block_store.volume_id
        if name.startswith("aws://"):
            name = name.removeprefix("aws://").partition("/")[2].strip("/")
            if not name.startswith("vol-") or "/" in name:
                return set()
        return {("ebs.csi.aws.com", name)}
    if source.HasField("gce_persistent_disk"):
        zones = (labels.get(_OLD_ZONE) or labels.get(_ZONE) or "").split("__")
        regions = {zone.rsplit("-", 1)[0] for zone in zones}
        where = f"zones/{zones[0] or 'UNSPECIFIED'}" if len(zones) == 1 else f"regions/{min(regions)}"
        if len(zones) > 1 and (len(regions) > 1 or any(len(zone.split("-")) != 3 for zone in zones)):
            return set()
        name = source.gce_persistent_disk.pd_name
        return {("pd.csi.storage.gke.io", f"projects/UNSPECIFIED/{where}/disks/{name}")}
    if source.HasField("azure_disk"):
        return {("disk.csi.azure.com", source.azure_disk.disk_uri)}
    if source.HasField("cinder"):
        return {("cinder.csi.openstack.org", source.cinder.volume_id)}
    if source.HasField("portworx_volume") and portworx:
        return {("pxd.portworx.com", source.portworx_volume.volume_id)}
    return set()


class Binding(_OfVolumes):
    """A Pod goes where its volumes are or can be had; best where it takes the smallest share of the storage."""

    name = "VolumeBinding"

    def rejected(self) -> str:
        at_once = False
        for name, own, claim in self.claims:
            words = f'persistentvolumeclaim "{name}"'
            if claim is None:
                made = "waiting for ephemeral volume controller to create the "
                return f"{made}{words}" if own else f"{words} not found"
            if claim.status.phase == "Lost":
                return f'{words} bound to non-existent persistentvolume "{claim.spec.volume_name}"'
            if claim.metadata.HasField("deletion_timestamp"):
                return f"{words} is being deleted"
            if own and not self._is_ours(claim):
                pod = f"{self.wanting.namespace}/{self.pod.metadata.name}"
                return f"PVC {key_of(claim)} was not created for pod {pod} (pod is not owner)"
            at_once |= not is_bound(claim) and not self._may_wait(claim)
        return "pod has unbound immediate PersistentVolumeClaims" if at_once else ""

    def _is_ours(self, claim: Claim) -> bool:
        return any(
            owner.controller and owner.uid == self.wanting.uid for owner in claim.metadata.owner_references
        )

    def _may_wait(self, claim: Claim) -> bool:
        return not claim.spec.volume_name and waits(self.storage.class_of(claim))

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        words: list[str] = []
        for _, _, claim in self.claims:
            if claim is None or not is_bound(claim) or words:
                continue
            volume = self.storage.volumes.get(claim.spec.volume_name)
            if volume is None:
                words.append("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
            elif not reaches(node, volume):
                words.append("node(s) didn't match PersistentVolume's node affinity")
        given = self.give(node)
        if isinstance(given, str):
            words.append(given)
        return Refusal(tuple(words), helpless=True) if words else None

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        return {node.metadata.name: self._score(node) for node in nodes}

    def _score(self, node: node_pb2.Node) -> int:
        """Return the share that is left, in per cent: each class counts alike.

        Volumes that are there count alone, if the Pod gets one; else what drivers say they have left.
        """
        given, storage = self.give(node), self.storage
        if isinstance(given, str):
            return 0
        #: by class: what is asked for, and what there is
        asked, there = Counter[str](), dict[str, int]()
        volumes = dict(given.volumes)
        waiting = [claim for _, _, claim in self.claims if claim is not None and not is_bound(claim)]
        for claim in sorted(waiting, key=lambda one: (not storage.node_of(one), size_of(one))):
            name = claim.spec.storage_class_name
            if key_of(claim) in volumes:
                has = storage.volumes[volumes[key_of(claim)]].spec.capacity["storage"].string
                there[name] = there.get(name, 0) + value(has)
            elif not volumes and says_capacity(storage, claim):
                there[name] = what_is_left(storage, claim, node)
            else:
                continue
            asked[name] += size_of(claim)
        shares = [
            100 - 100 * asked[name] // amount if amount and asked[name] <= amount else 0
            for name, amount in there.items()
        ]
        return int(sum(shares) / len(shares) + 0.5) if shares else 0

    def give(self, node: node_pb2.Node) -> Given | str:
        """Return what the claims get on a node, or what is lacking."""
        waiting = [claim for _, _, claim in self.claims if claim is not None and not is_bound(claim)]
        return choose(self.storage, waiting, node)


class Zone(_OfVolumes):
    """A Pod goes to the zone and region that its volumes are labelled with."""

    name = "VolumeZone"

    def rejected(self) -> str:
        for name, own, claim in self.claims:
            if own:
                continue
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim.spec.volume_name:
                if claim.spec.volume_name not in self.storage.volumes:
                    return f'persistentvolume "{claim.spec.volume_name}" not found'
            elif not claim.spec.storage_class_name:
                return "PersistentVolumeClaim had no pv name and storageClass name"
            elif self.storage.class_of(claim) is None:
                return f'storageclass.storage.k8s.io "{claim.spec.storage_class_name}" not found'
            elif not waits(self.storage.class_of(claim)):
                return "PersistentVolume had no name"
        return ""

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        labels = node.metadata.labels
        if not any(label in labels for label in _TODAY):
            return None
        for _, own, claim in self.claims:
            volume = None if own or claim is None else self.storage.volumes.get(claim.spec.volume_name)
            for label in _TODAY if volume is not None else ():
                wanted = volume.metadata.labels.get(label, "").split("__") if volume is not None else []
                if not all(wanted):
                    # It has no such label, or one that cannot be read.
                    continue
                if (labels[label] if label in labels else labels.get(_TODAY[label])) not in wanted:
                    return Refusal(("node(s) had no available volume zone",), helpless=True)
        return None
