"""The part of the judge that is about volumes.

Objects come and go in both worlds, promises are compared, kept or broken.
"""

from google.protobuf.message import Message

from bench.judge.reference.storage import Given, Storage
from scheduler.volumes.catalogue import Catalogue, Plan
from tests.unit.scheduler.volumes.storage import volume
from vaina.api.core.v1 import node_pb2, persistent_volume_pb2
from vaina.objects.meta import object_key

Claim = persistent_volume_pb2.PersistentVolumeClaim
Volume = persistent_volume_pb2.PersistentVolume


class Stores:
    """Storage in both worlds."""

    def __init__(self, catalogue: Catalogue, storage: Storage) -> None:
        self.catalogue, self.storage = catalogue, storage
        #: Pods whose volumes are to be bound, and what they get; the oldest first
        self.pending: dict[str, Given] = {}
        self._handlers = {
            "PersistentVolumeClaim": (catalogue.on_claims, storage.claims),
            "PersistentVolume": (catalogue.on_volumes, storage.volumes),
            "StorageClass": (catalogue.on_classes, storage.classes),
            "CSINode": (catalogue.on_nodes, storage.limits),
            "CSIDriver": (catalogue.on_drivers, storage.drivers),
            "CSIStorageCapacity": (catalogue.on_capacities, storage.capacities),
            "VolumeAttachment": (catalogue.on_attachments, storage.attachments),
        }

    def put(self, made: Message) -> None:
        """An object comes, or changes."""
        tell, there = self._handlers[made.DESCRIPTOR.name]
        key = _key(made)
        tell([(there.get(key), made)])  # type: ignore[attr-defined, operator]  # each kind's own
        there[key] = made  # type: ignore[index]

    def take(self, made: Message) -> None:
        """An object goes, if it is there."""
        tell, there = self._handlers[made.DESCRIPTOR.name]
        before = there.pop(_key(made), None)  # type: ignore[attr-defined]
        if before is not None:
            tell([(before, None)])  # type: ignore[operator]

    def promise(self, uid: str, plan: Plan, given: Given) -> None:
        """A Pod has got a node, and this there. Raises AssertionError: the worlds give different things."""
        assert plan.node_name == given.node
        assert frozenset(plan.binds) == given.volumes, f"volumes {plan.binds} instead of {set(given.volumes)}"
        assert frozenset(plan.provisions) == given.made, (
            f"to be made {plan.provisions} instead of {given.made}"
        )
        if plan:
            self.catalogue.promise(uid, plan)
            self.storage.given[uid] = self.pending[uid] = given

    def forget(self, uid: str) -> None:
        """What was promised to a Pod is done, or will not be."""
        self.catalogue.forget(uid)
        self.storage.given.pop(uid, None)
        self.pending.pop(uid, None)

    def bind(self, uid: str, node: node_pb2.Node | None) -> bool:
        """Write down what a Pod was promised, as the scheduler and whoever looks after volumes do.

        Says whether it could be.
        """
        given = self.pending[uid]
        volumes = dict(given.volumes) | {key: f"made-for-{key.replace('/', '-')}" for key in given.made}
        claims = {key: self.storage.claims.get(key) for key in volumes}
        if node is None or None in claims.values():
            return False
        if any(name not in self.storage.volumes for _, name in given.volumes):
            return False
        for key, name in volumes.items():
            claim, found = Claim(), Volume()
            claim.CopyFrom(claims[key])
            if key in given.made:
                found = volume(
                    name, "2Gi", storage_class=claim.spec.storage_class_name, driver="disk.example.com"
                )
            else:
                found.CopyFrom(self.storage.volumes[name])
            ref = found.spec.claim_ref
            ref.namespace, ref.name, ref.uid = (
                claim.metadata.namespace,
                claim.metadata.name,
                claim.metadata.uid,
            )
            found.status.phase, claim.status.phase = "Bound", "Bound"
            claim.spec.volume_name = name
            claim.metadata.annotations["pv.kubernetes.io/bind-completed"] = "yes"
            self.put(found)
            self.put(claim)
        return True


def _key(made: Message) -> str:
    return object_key(made)
