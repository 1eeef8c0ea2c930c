"""Storage and disruption budgets of random clusters: what stories have of them, and what may become of them.

Follows `clusters`.
"""

import random
from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from tests.unit.scheduler.objects import term
from tests.unit.scheduler.volumes.storage import (
    attachment,
    capacity,
    claim,
    csi_driver,
    csi_node,
    storage_class,
    volume,
)
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
OLD_ZONE, REGION = "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/region"
#: who makes volumes
DRIVER = "disk.example.com"
#: what disks of GCE, AWS, Azure, Cinder and Portworx are today
TODAYS = (
    "pd.csi.storage.gke.io", "ebs.csi.aws.com", "disk.csi.azure.com", "cinder.csi.openstack.org", "pxd.portworx.com",
)  # fmt: skip
CLAIMS, VOLUMES = [f"c{number}" for number in range(5)], [f"v{number}" for number in range(6)]
_SIZES, _WANTED = ("2Gi", "5Gi", "5Gi", "8Gi", "1Gi"), ("1Gi", "2Gi", "2Gi", "5Gi")
_MODES = (["ReadWriteOnce"], ["ReadWriteOnce"], ["ReadWriteOnce", "ReadWriteMany"], ["ReadWriteOncePod"])


class Storekeeper:
    """Makes objects of storage, by dice."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        #: of what came later than the rest: the others' dice fall as before
        self._more = random.Random(hash(rng.getstate()[1]))
        #: of what came later still
        self._latest = random.Random(hash(rng.getstate()[1]) + 1)
        #: drivers make volumes wherever they have room: what they have left decides
        self._roomy = self._latest.random() < 0.4

    def everything(self, nodes: Sequence[str]) -> Iterator[Message]:
        """Yield what a cluster begins with."""
        rng = self._rng
        for name in ("wait", "make", "now"):
            if rng.random() < 0.98:
                yield self._class(name)
        for name in VOLUMES:
            if rng.random() < 0.9:
                yield self._volume(name)
        for name in CLAIMS:
            if rng.random() < 0.96:
                yield self._claim(name)
        for number in range(1, 8):
            if rng.random() < 0.4:
                yield self._own_claim(f"p{number}")
        for name in nodes:
            if rng.random() < 0.5:
                yield self._limits(name, rng.choice([1, 1, 2, 3]))
        yield from self._all_of_drivers(nodes)
        if self._roomy:
            yield from self._room()

    def _room(self) -> Iterator[Message]:
        """Yield, in place of what there is, storage of two classes that is made, and claims of it."""
        yield csi_driver(DRIVER)
        for name in ("make", "wait"):
            yield storage_class(name, provisioner=DRIVER)
        for number in range(self._latest.randint(4, 10)):
            yield self._roomy_capacity(number)
        for name in CLAIMS:
            yield self._roomy_claim(name)

    def _roomy_capacity(self, number: int) -> csi_storage_capacity_pb2.CSIStorageCapacity:
        dice = self._latest
        on = dice.choice(
            [{ZONE: dice.choice("abc")}, {ZONE: dice.choice("abc")}, {HOSTNAME: f"n{dice.randrange(6)}"}, {}]
        )
        return capacity(
            f"capacity-{number}", dice.choice(["9Gi", "20Gi", "50Gi", "75Gi", "200Gi"]), storage_class=dice.choice(["make", "wait"]),
            on=on, largest=dice.choice(["", "", "4Gi", "10Gi"]),
        )  # fmt: skip

    def _roomy_claim(self, name: str) -> persistent_volume_pb2.PersistentVolumeClaim:
        dice = self._latest
        made = claim(
            name,
            dice.choice(["1Gi", "3Gi", "5Gi", "8Gi"]),
            storage_class=dice.choice(["make", "make", "wait"]),
        )
        # Another one of that name: what was made for the one before it is not its.
        made.metadata.uid = f"uid-{name}-{dice.randrange(1 << 30)}"
        return made

    def _all_of_drivers(self, nodes: Sequence[str]) -> Iterator[Message]:
        more = self._more
        if more.random() < 0.3:
            yield self._driver(DRIVER, capacity=more.random() < 0.9)
        for name in TODAYS[2:]:
            if self._latest.random() < 0.2:
                yield self._driver(name, capacity=False)
        for number in range(more.choice([0, 2, 4])):
            yield self._capacity(f"capacity-{number}")
        for name in nodes:
            if more.random() < 0.5:
                yield self._attachment(name)

    def claims_to_make(self) -> Iterator[Message]:
        """Yield claims that come anew where drivers have room, so that more than the first Pods choose."""
        if self._roomy:
            for name in CLAIMS:
                if self._latest.random() < 0.5:
                    yield self._roomy_claim(name)

    def another(self, nodes: Sequence[str]) -> Message:
        """Return an object as it comes, or becomes."""
        made = self._another(nodes)
        if self._roomy and self._latest.random() < 0.7:
            dice = self._latest
            return (
                self._roomy_claim(dice.choice(CLAIMS))
                if dice.random() < 0.6
                else self._roomy_capacity(dice.randrange(10))
            )
        return made if self._more.random() < 0.75 else self._of_drivers(nodes)

    def _another(self, nodes: Sequence[str]) -> Message:
        rng = self._rng
        match rng.randrange(5):
            case 0 | 1:
                return self._claim(rng.choice(CLAIMS))
            case 2 | 3:
                return self._volume(rng.choice(VOLUMES))
            case _:
                return self._limits(rng.choice(nodes), rng.choice([1, 2]))

    def _of_drivers(self, nodes: Sequence[str]) -> Message:
        """Return something that a driver says."""
        more = self._more
        match more.randrange(5):
            case 0 | 1:
                return self._attachment(more.choice(nodes))
            case 2 | 3:
                return self._capacity(f"capacity-{more.randrange(4)}")
            case _:
                return self._driver(DRIVER, capacity=more.random() < 0.7)

    def _driver(self, name: str, *, capacity: bool) -> csi_driver_pb2.CSIDriver:
        return csi_driver(name, capacity=capacity, must=self._latest.random() < 0.4)

    def _limits(self, node: str, count: int) -> csi_node_pb2.CSINode:
        more = self._more
        others = {driver: more.choice([0, 1, 1, 2]) for driver in TODAYS if more.random() < 0.6}
        made = csi_node(node, **{DRIVER: count}, **others)
        for driver in [*made.spec.drivers]:
            if self._latest.random() < 0.1:
                # It is there, and says no number; or it is not there.
                made.spec.drivers.remove(driver)
                if self._latest.random() < 0.5:
                    made.spec.drivers.add(name=driver.name, node_id=driver.node_id)
        if more.random() < 0.5:
            made.metadata.annotations["storage.alpha.kubernetes.io/migrated-plugins"] = more.choice(
                [
                    "kubernetes.io/portworx-volume",
                    "kubernetes.io/gce-pd,kubernetes.io/portworx-volume",
                    "kubernetes.io/gce-pd",
                ]
            )
        return made

    def _attachment(self, node: str) -> volume_attachment_pb2.VolumeAttachment:
        more = self._more
        made = attachment(
            more.choice([*VOLUMES, "v-nowhere"]), node, attacher=more.choice([DRIVER] * 4 + [TODAYS[0]])
        )
        if more.random() < 0.1:
            made.spec.source.ClearField("persistent_volume_name")
        return made

    def _capacity(self, name: str) -> csi_storage_capacity_pb2.CSIStorageCapacity:
        more = self._more
        made = capacity(
            name, more.choice(["", "1Gi", "2Gi", "5Gi", "9Gi"]), storage_class=more.choice(["make"] * 4 + ["wait"]),
            on={ZONE: more.choice("abc")} if more.random() < 0.7 else {}, largest=more.choice(["", "", "", "1Gi", "5Gi"]),
            nowhere=more.random() < 0.1,
        )  # fmt: skip
        if more.random() < 0.2:
            made.node_topology.match_expressions.add(
                key="disk", operator=more.choice(["Exists", "DoesNotExist"])
            )
        return made

    def add_claims(self, made: pod_pb2.Pod) -> None:
        """Let a Pod want volumes."""
        rng = self._rng
        made.metadata.namespace = rng.choice(["default"] * 9 + ["other"])
        wanted = rng.sample(CLAIMS, rng.choice([1, 1, 2, 2, 3]))
        if rng.random() < 0.03:
            wanted.append("nowhere")
        for name in wanted:
            made.spec.volumes.add(name=name).volume_source.persistent_volume_claim.claim_name = name
        if rng.random() < 0.1:
            made.spec.volumes.add(name="tmp").volume_source.ephemeral.SetInParent()
        more = self._more
        if more.random() < 0.4:
            if more.random() < 0.5:
                # A Pod with nothing but a disk gets a node more often.
                del made.spec.volumes[:]
            source = made.spec.volumes.add(name="disk").volume_source
            match more.randrange(3):
                case 0:
                    source.azure_disk.disk_uri = more.choice(["/disks/a", "/disks/b"])
                case 1:
                    source.cinder.volume_id = more.choice(["a", "b"])
                case _:
                    source.portworx_volume.volume_id = more.choice(["a", "b"])

    def _class(self, name: str) -> storage_class_pb2.StorageClass:
        rng = self._rng
        made = storage_class(name, provisioner=DRIVER if name == "make" else "", waits=name != "now")
        if name == "make" and rng.random() < 0.6:
            for values in rng.choice([[["a", "b"]], [["a"], ["b"]], [["a"], ["c"]]]):
                made.allowed_topologies.add().match_label_expressions.add(key=ZONE, values=values)
        return made

    def _volume(self, name: str) -> persistent_volume_pb2.PersistentVolume:
        rng = self._rng
        where = rng.choice(
            [
                None, term((ZONE, "In", [rng.choice("abc")])), term((ZONE, "In", ["a", "b"])),
                term(("disk", "In", ["ssd"]), (ZONE, "Exists", [])), term((HOSTNAME, "In", [f"n{rng.randrange(5)}"])),
            ]
        )  # fmt: skip
        labels = {"kind": rng.choice(["fast", "slow"])}
        if rng.random() < 0.3:
            labels[rng.choice([ZONE, ZONE, OLD_ZONE, REGION])] = rng.choice(["a", "b", "a__b", "c", "a__"])
        owner = f"default/{rng.choice(CLAIMS)}" if rng.random() < 0.2 else ""
        made = volume(
            name, rng.choice(_SIZES), storage_class=rng.choice(["wait", "wait", "make"]), modes=rng.choice(_MODES), on=where,
            claim=owner, uid=rng.choice(["", f"uid-{owner[8:]}", "uid-of-another"]) if owner else "",
            phase=rng.choice(["Available"] * 7 + ["Released"]), mode=rng.choice(["Filesystem"] * 9 + ["Block"]), labels=labels,
            driver=DRIVER if rng.random() < 0.6 else "",
        )  # fmt: skip
        if rng.random() < 0.1:
            made.metadata.deletion_timestamp.seconds = 1
        more, source = self._more, made.spec.persistent_volume_source
        if not source.HasField("csi") and more.random() < 0.5:
            source.Clear()
            match more.randrange(4):
                case 0:
                    source.gce_persistent_disk.pd_name = more.choice("ab")
                case 1:
                    source.aws_elastic_block_store.volume_id = more.choice(
                        ["aws://z/vol-1", "vol-1", "aws://z/x"]
                    )
                case 2:
                    source.portworx_volume.volume_id = more.choice("ab")
                case _:
                    source.vsphere_volume.volume_path = "a"
        return made

    def _claim(self, name: str) -> persistent_volume_pb2.PersistentVolumeClaim:
        rng = self._rng
        bound, wants, selected = "", "", ""
        dice = rng.random()
        if dice < 0.3:
            bound = rng.choice([*VOLUMES, *VOLUMES, *VOLUMES, "v-nowhere"])
        elif dice < 0.32:
            wants = rng.choice(VOLUMES)
        elif dice < 0.37:
            selected = f"n{rng.randrange(4)}"
        return claim(
            name, rng.choice(_WANTED), storage_class=rng.choice(["wait"] * 8 + ["make"] * 5 + ["now"]),
            bound_to=bound, wants=wants, selected=selected, modes=rng.choice(_MODES)[:1],
            mode=rng.choice(["Filesystem"] * 12 + ["Block"]), selector={"kind": "fast"} if rng.random() < 0.2 else None,
            phase=rng.choice(["Pending"] * 30 + ["Lost"]), deleted=rng.random() < 0.03,
        )  # fmt: skip

    def _own_claim(self, pod: str) -> persistent_volume_pb2.PersistentVolumeClaim:
        """The claim of a Pod's ephemeral volume, or somebody's of that name."""
        made = claim(f"{pod}-tmp", storage_class="make")
        made.metadata.owner_references.add(
            kind="Pod", name=pod, uid=self._rng.choice([pod, pod, "another"]), controller=True
        )
        return made


def budget(rng: random.Random) -> pod_disruption_budget_pb2.PodDisruptionBudget:
    """Make a budget, with what its controller says is allowed."""
    made = pod_disruption_budget_pb2.PodDisruptionBudget()
    made.metadata.name = rng.choice(["one", "two", "three"])
    made.metadata.namespace = rng.choice(["default", "default", "other"])
    if rng.random() < 0.9:
        made.spec.selector.CopyFrom(_selector(rng))
    made.status.disruptions_allowed = rng.choice([0, 0, 0, 1, 1, 2])
    for number in range(1, 12):
        if rng.random() < 0.2:
            made.status.disrupted_pods[f"p{number}"].seconds = 1
    return made


def _selector(rng: random.Random) -> meta_pb2.LabelSelector:
    made = meta_pb2.LabelSelector()
    match rng.randrange(4):
        case 0:
            made.match_expressions.add(key="tier", operator="In", values=["1"])
        case 1:
            made.match_expressions.add(key="app", operator="Exists")
        case _:
            made.match_labels["app"] = rng.choice("xyz")
    return made
