"""Storage and disruption budgets of random clusters: what stories have of them, and what may become of them (`clusters`)."""

import random
from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from tests.unit.scheduler.objects import term
from tests.unit.scheduler.volumes.storage import claim, csi_node, storage_class, volume
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.storage.v1 import storage_class_pb2

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
OLD_ZONE, REGION = "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/region"
#: who makes volumes
DRIVER = "disk.example.com"
CLAIMS, VOLUMES = [f"c{number}" for number in range(5)], [f"v{number}" for number in range(6)]
_SIZES, _WANTED = ("2Gi", "5Gi", "5Gi", "8Gi", "1Gi"), ("1Gi", "2Gi", "2Gi", "5Gi")
_MODES = (["ReadWriteOnce"], ["ReadWriteOnce"], ["ReadWriteOnce", "ReadWriteMany"], ["ReadWriteOncePod"])


class Storekeeper:
    """Makes objects of storage, by dice."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

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
                yield csi_node(name, **{DRIVER: rng.choice([1, 1, 2, 3])})

    def another(self, nodes: Sequence[str]) -> Message:
        """Return an object as it comes, or becomes."""
        rng = self._rng
        match rng.randrange(5):
            case 0 | 1:
                return self._claim(rng.choice(CLAIMS))
            case 2 | 3:
                return self._volume(rng.choice(VOLUMES))
            case _:
                return csi_node(rng.choice(nodes), **{DRIVER: rng.choice([1, 2])})

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
