"""What takes a place on a node: attachments without Pods, disks in the tree, what each is to its driver
(upstream's csi_test.go and the
tests of csi-translation-lib, as behaviour)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.columns.attachables import PORTWORX, Attachable, of_pod, of_provisioner, of_volume, read_key
from scheduler.framework.events import ClusterEvent
from scheduler.plugins.volume_use import TOO_MANY_VOLUMES as FULL
from scheduler.plugins.volume_use import NodeVolumeLimits
from tests.unit.scheduler.objects import info, pod, pod_class
from tests.unit.scheduler.volumes.storage import (
    PersistentVolume,
    attachment,
    catalogue,
    claim,
    csi_node,
    storage_class,
    user,
    volume,
)
from tests.unit.scheduler.volumes.test_volume_tables import ask
from vaina.api.core.v1 import pod_pb2
from vaina.api.storage.v1 import csi_node_pb2, volume_attachment_pb2

GCE, AWS, AZURE = "pd.csi.storage.gke.io", "ebs.csi.aws.com", "disk.csi.azure.com"
CINDER, PXD = "cinder.csi.openstack.org", "pxd.portworx.com"
ZONE, OLD_ZONE = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"
#: fills a source, of a Pod's volume or of a PersistentVolume
Fill = Callable[..., None]


def gce(name: str) -> Fill:
    return lambda source: setattr(source.gce_persistent_disk, "pd_name", name)


def aws(name: str) -> Fill:
    return lambda source: setattr(source.aws_elastic_block_store, "volume_id", name)


def azure(name: str) -> Fill:
    return lambda source: setattr(source.azure_disk, "disk_uri", name)


def cinder(name: str) -> Fill:
    return lambda source: setattr(source.cinder, "volume_id", name)


def portworx(name: str) -> Fill:
    return lambda source: setattr(source.portworx_volume, "volume_id", name)


def path(name: str) -> Fill:
    return lambda source: setattr(source.host_path, "path", name)


def vsphere(name: str) -> Fill:
    return lambda source: setattr(source.vsphere_volume, "volume_path", name)


def in_tree(name: str, fill: Fill, labels: Mapping[str, str] | None = None) -> PersistentVolume:
    made = volume(name, labels=labels)
    made.spec.persistent_volume_source.Clear()
    fill(made.spec.persistent_volume_source)
    return made


def on_disks(*fills: Fill, name: str = "web") -> pod_pb2.Pod:
    made = pod(name)
    for number, fill in enumerate(fills):
        fill(made.spec.volumes.add(name=f"v{number}").volume_source)
    return made


@dataclass(frozen=True)
class Translated:
    name: str
    fill: Fill
    #: (driver, handle) of a Pod's own volume; None: it takes no place
    pod: tuple[str, str] | None
    #: the same of a PersistentVolume, with labels; "": as the Pod's
    volume: tuple[str, str] | str | None = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    plugin: str = ""


ANYWHERE = "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"
TRANSLATED = [
    Translated("a path of the node", path("/data"), None),
    Translated("vSphere's", vsphere("[a] b"), None),
    Translated("GCE's, nobody says where", gce("d"), (GCE, ANYWHERE)),
    Translated("GCE's of a zone", gce("d"), (GCE, ANYWHERE), (GCE, "projects/UNSPECIFIED/zones/us-east1-a/disks/d"), {ZONE: "us-east1-a"}),
    Translated("GCE's of a zone in older words", gce("d"), (GCE, ANYWHERE), (GCE, "projects/UNSPECIFIED/zones/us-east1-b/disks/d"),
               {OLD_ZONE: "us-east1-b", ZONE: "us-east1-a"}),
    Translated("GCE's of a region", gce("d"), (GCE, ANYWHERE), (GCE, "projects/UNSPECIFIED/regions/us-east1/disks/d"),
               {ZONE: "us-east1-a__us-east1-c"}),
    Translated("GCE's of two regions", gce("d"), (GCE, ANYWHERE), None, {ZONE: "us-east1-a__us-west1-c"}),
    Translated("GCE's of zones that are none", gce("d"), (GCE, ANYWHERE), None, {ZONE: "a__b"}),
    Translated("AWS's by its id", aws("vol-1"), (AWS, "vol-1")),
    Translated("AWS's by another id", aws("disk"), (AWS, "disk")),
    Translated("AWS's with its zone", aws("aws://us-east-1a/vol-1"), (AWS, "vol-1")),
    Translated("AWS's without its zone", aws("aws:///vol-1"), (AWS, "vol-1")),
    Translated("AWS's that cannot be read", aws("aws://us-east-1a/disk"), None),
    Translated("AWS's that cannot be read either", aws("aws://us-east-1a/vol-1/2"), None),
    Translated("Azure's", azure("/subscriptions/a/disks/b"), (AZURE, "/subscriptions/a/disks/b")),
    Translated("Cinder's", cinder("id"), (CINDER, "id")),
    Translated("Portworx', where the node says so", portworx("id"), (PXD, "id"), plugin=PORTWORX),
]  # fmt: skip


@pytest.mark.parametrize("case", TRANSLATED, ids=lambda case: case.name)
def test_disks_in_the_tree_are_volumes_of_drivers(case: Translated) -> None:
    def wanted(of: tuple[str, str] | str | None) -> Attachable | None:
        of = case.pod if of == "" else of
        assert not isinstance(of, str)
        return None if of is None else Attachable(*of, case.plugin)

    of_a_pod = of_pod(on_disks(case.fill).spec)
    assert of_a_pod == ((wanted(case.pod),) if case.pod else ())
    assert [read_key(one.key) for one in of_a_pod] == list(of_a_pod)
    assert of_volume(in_tree("v", case.fill, case.labels)) == wanted(case.volume)


@pytest.mark.parametrize(
    ("provisioner", "driver", "plugin"),
    [
        ("a.example.com", "a.example.com", ""),
        ("kubernetes.io/gce-pd", GCE, ""),
        ("kubernetes.io/aws-ebs", AWS, ""),
        ("kubernetes.io/azure-disk", AZURE, ""),
        ("kubernetes.io/cinder", CINDER, ""),
        (PORTWORX, PXD, PORTWORX),
        ("kubernetes.io/azure-file", "", ""),
        ("kubernetes.io/vsphere-volume", "", ""),
    ],
)
def test_what_a_provisioner_makes_is_of_a_driver(provisioner: str, driver: str, plugin: str) -> None:
    assert of_provisioner(provisioner) == (driver, plugin)


def test_keys_of_claims_and_disks_are_no_volumes() -> None:
    assert [read_key(key) for key in ("default/data", "attached/data", "gce:d:rw")] == [None] * 3


def test_a_disk_that_a_pod_names_twice_is_one() -> None:
    assert len(of_pod(on_disks(cinder("a"), cinder("a"), cinder("b")).spec)) == 2


#: claims of a driver's volumes a1 to a3, of disks in the tree, and of what is to be made
CLAIMS = [
    *(claim(name, bound_to=f"pv-{name}") for name in ("a1", "a2", "a3", "g1", "p1")),
    claim("new-g", storage_class="sc-g"), claim("new-p", storage_class="sc-p"),
]  # fmt: skip
VOLUMES = [
    *(volume(f"pv-{name}", driver="a") for name in ("a1", "a2", "a3")),
    in_tree("pv-g1", gce("one")), in_tree("pv-p1", portworx("one")), volume("pv-path"),
]  # fmt: skip
CLASSES = [
    storage_class("sc-g", provisioner="kubernetes.io/gce-pd"),
    storage_class("sc-p", provisioner=PORTWORX),
]


@dataclass(frozen=True)
class Counted:
    name: str
    limits: Mapping[str, int]
    asks: pod_pb2.Pod
    fits: bool
    there: Sequence[pod_pb2.Pod] = ()
    attached: Sequence[volume_attachment_pb2.VolumeAttachment] = ()
    #: in-tree plugins that the node has given up
    migrated: str = ""


def has(name: str, node: str = "n0", attacher: str = "a") -> volume_attachment_pb2.VolumeAttachment:
    return attachment(f"pv-{name}", node, attacher=attacher)


def nameless() -> volume_attachment_pb2.VolumeAttachment:
    made = has("a1")
    made.spec.source.ClearField("persistent_volume_name")
    return made


COUNTED = [
    Counted("nothing is attached", {"a": 1}, user("a1"), True),
    Counted("another volume is attached", {"a": 1}, user("a1"), False, attached=[has("a2")]),
    Counted("another, and there is room", {"a": 2}, user("a1"), True, attached=[has("a2")]),
    Counted("two others", {"a": 2}, user("a1"), False, attached=[has("a2"), has("a3")]),
    Counted("one by two attachments", {"a": 2}, user("a1"), True, attached=[has("a2"), attachment("pv-a2", "n0", name="again")]),
    Counted("to another node", {"a": 1}, user("a1"), True, attached=[has("a2", "n1")]),
    Counted("by another driver", {"a": 1}, user("a1"), True, attached=[has("a2", attacher="b")]),
    Counted("by nobody", {"a": 1}, user("a1"), True, attached=[has("a2", attacher="")]),
    Counted("a volume that is not there", {"a": 1}, user("a1"), True, attached=[has("gone")]),
    Counted("a volume of no driver", {"a": 1}, user("a1"), True, attached=[has("path")]),
    Counted("a volume that is no object", {"a": 1}, user("a1"), True, attached=[nameless()]),
    Counted("of a Pod that is there: once", {"a": 2}, user("a1"), True, [user("a2", name="other")], [has("a2")]),
    Counted("of a Pod that is there, and another", {"a": 2}, user("a1"), False, [user("a2", name="other")], [has("a2"), has("a3")]),
    Counted("the one that is asked for: as upstream once more", {"a": 1}, user("a1"), False, attached=[has("a1")]),
    Counted("the one that is asked for, which a Pod has", {"a": 1}, user("a1"), True, [user("a1", name="other")], [has("a1")]),
    Counted("nothing new on a full node", {"a": 1}, user("a1"), True, [user("a1", name="other")], [has("a2"), has("a3")]),
    Counted("a disk in the tree is attached as what it was", {GCE: 1}, user("new-g"), True, attached=[has("g1", attacher=GCE)]),
    Counted("a disk in the tree", {GCE: 1}, user("g1"), True),
    Counted("no room for a disk in the tree", {GCE: 0}, user("g1"), False),
    Counted("one that is to be made", {GCE: 0}, user("new-g"), False),
    Counted("one that is to be made beside one that is there", {GCE: 1}, user("new-g"), False, [user("g1", name="other")]),
    Counted("a disk that the Pod names", {GCE: 0}, on_disks(gce("x")), False),
    Counted("a disk that the Pod names, and room", {GCE: 1}, on_disks(gce("x")), True),
    Counted("two disks that the Pod names", {GCE: 1}, on_disks(gce("x"), gce("y")), False),
    Counted("the disk that another names too", {CINDER: 1}, on_disks(cinder("x")), True, [on_disks(cinder("x"), name="other")]),
    Counted("another disk than another names", {CINDER: 1}, on_disks(cinder("x")), False, [on_disks(cinder("y"), name="other")]),
    Counted("a disk that another names, for a claim", {GCE: 1}, user("g1"), False, [on_disks(gce("x"), name="other")]),
    Counted("a claim's disk that another names", {GCE: 1}, user("g1"), True, [on_disks(gce("one"), name="other")]),
    Counted("disks of different drivers", {AZURE: 1, CINDER: 1}, on_disks(azure("x")), True, [on_disks(cinder("x"), name="other")]),
    Counted("no limit for its driver", {AZURE: 0}, on_disks(cinder("x")), True),
    Counted("vSphere's is nobody's", {"csi.vsphere.vmware.com": 0}, on_disks(vsphere("x")), True),
    Counted("Portworx' stays in the tree", {PXD: 0}, on_disks(portworx("x")), True),
    Counted("Portworx' is given up", {PXD: 0}, on_disks(portworx("x")), False, migrated=PORTWORX),
    Counted("Portworx' is given up among others", {PXD: 0}, user("p1"), False, migrated=f"kubernetes.io/gce-pd,{PORTWORX}"),
    Counted("others are given up, Portworx' is not", {PXD: 0}, user("p1"), True, migrated="kubernetes.io/gce-pd"),
    Counted("Portworx' that is to be made", {PXD: 0}, user("new-p"), False, migrated=PORTWORX),
    Counted("Portworx' that is to be made in the tree", {PXD: 0}, user("new-p"), True),
    Counted("GCE's need not be said to be given up", {GCE: 0}, on_disks(gce("x")), False, migrated=PORTWORX),
]  # fmt: skip


@pytest.mark.parametrize("case", COUNTED, ids=lambda case: case.name)
def test_what_counts(case: Counted) -> None:
    storage = catalogue(
        claims=CLAIMS, volumes=VOLUMES, classes=CLASSES, nodes=[limited("n0", case.limits, case.migrated)],
        attachments=case.attached,
    )  # fmt: skip
    # The other node has no CSINode.
    assert ask(NodeVolumeLimits(storage), [{}, {}], case.asks, case.there) == ["" if case.fits else FULL, ""]


def limited(name: str, limits: Mapping[str, int], migrated: str) -> csi_node_pb2.CSINode:
    made = csi_node(name, **limits)
    if migrated:
        made.metadata.annotations["storage.alpha.kubernetes.io/migrated-plugins"] = migrated
    return made


def test_what_is_detached_gives_its_place_back() -> None:
    there, moved = has("a2"), attachment("pv-a2", "n1", name="pv-a2-n0")
    storage = catalogue(claims=CLAIMS, volumes=VOLUMES, nodes=[csi_node("n0", a=1)], attachments=[there])
    plugin = NodeVolumeLimits(storage)
    assert ask(plugin, [{}], user("a1")) == [FULL]
    storage.on_attachments([(there, moved)])
    assert ask(plugin, [{}], user("a1")) == [""]
    storage.on_attachments([(moved, there)])
    assert ask(plugin, [{}], user("a1")) == [FULL]
    storage.on_attachments([(there, None)])
    assert ask(plugin, [{}], user("a1")) == [""]
    storage.on_attachments([(None, there)])
    storage.on_nodes([(csi_node("n0", a=1), None)])
    assert ask(plugin, [{}], user("a1")) == [""]


@pytest.mark.parametrize(
    ("asks", "helps"),
    [(user("a1"), True), (on_disks(gce("x")), True), (pod(), False), (on_disks(path("/a")), False)],
)
def test_what_is_detached_is_worth_another_attempt(asks: pod_pb2.Pod, helps: bool) -> None:
    hint = NodeVolumeLimits().hints[ClusterEvent.ATTACHMENT_DELETE]
    assert hint(pod_class(asks), None, None) is helps


@pytest.mark.parametrize(
    ("gone", "helps"),
    [(user("a1", name="gone"), True), (on_disks(azure("x"), name="gone"), True), (pod("gone"), False)],
)
def test_a_pod_that_gives_its_disk_back_is_worth_another_attempt(gone: pod_pb2.Pod, helps: bool) -> None:
    hint = NodeVolumeLimits().hints[ClusterEvent.ASSIGNED_POD_DELETE]
    assert hint(pod_class(user("a2")), info(gone), None) is helps
