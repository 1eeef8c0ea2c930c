"""The catalogue is compared with the API objects: whatever is bent is found, and named.

What is true has no difference.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from scheduler.columns.readout import Difference
from scheduler.debug.verify import capture_storage, verify_storage
from scheduler.volumes.catalogue import Catalogue, Plan
from tests.unit.scheduler.volumes.storage import (
    attachment,
    capacity,
    claim,
    csi_driver,
    csi_node,
    storage_class,
    volume,
)

VOLUMES, CLAIMS = [volume("disk"), volume("other")], [claim(), claim("more", bound_to="other")]
CLASSES, NODES = [storage_class()], [csi_node("a", disk=2)]
NODES[0].metadata.annotations["storage.alpha.kubernetes.io/migrated-plugins"] = (
    "kubernetes.io/portworx-volume"
)
DRIVERS, CAPACITIES, ATTACHMENTS = (
    [csi_driver("disk", must=True)],
    [capacity("left", "1Gi")],
    [attachment("disk", "a")],
)


def known() -> Catalogue:
    made = Catalogue()
    made.on_volumes([(None, item) for item in VOLUMES])
    made.on_claims([(None, item) for item in CLAIMS])
    made.on_classes([(None, item) for item in CLASSES])
    made.on_nodes([(None, item) for item in NODES])
    made.on_drivers([(None, item) for item in DRIVERS])
    made.on_capacities([(None, item) for item in CAPACITIES])
    made.on_attachments([(None, item) for item in ATTACHMENTS])
    made.promise("pod-1", Plan("a", binds=(("default/data", "disk"),)))
    made.promise("pod-2", Plan("a", binds=(("default/data", "disk"),), provisions=("default/new",)))
    return made


def differences(catalogue: Catalogue) -> list[Difference]:
    captured = capture_storage(
        catalogue, volumes=VOLUMES, claims=CLAIMS, classes=CLASSES, nodes=NODES, drivers=DRIVERS,
        capacities=CAPACITIES, attachments=ATTACHMENTS,
    )  # fmt: skip
    return [item for item in verify_storage(captured) if item is not None]


def test_what_is_true_has_no_difference() -> None:
    assert differences(known()) == []


def test_what_was_promised_to_two_is_kept_until_both_are_done() -> None:
    made = known()
    made.forget("pod-1")
    assert differences(made) == []
    assert made.owner(made.volumes["disk"]) == ("default/data", "")
    made.forget("pod-2")
    assert differences(made) == []
    assert made.owner(made.volumes["disk"]) is None


def misread(catalogue: Catalogue) -> None:
    catalogue.volumes["disk"] = replace(catalogue.volumes["disk"], capacity=1)


@pytest.mark.parametrize(
    ("bend", "subject", "what"),
    [
        (misread, "disk", "PersistentVolume"),
        (lambda made: made.claims.pop("default/more"), "default/more", "PersistentVolumeClaim"),
        (lambda made: made.classes.clear(), "wait", "StorageClass"),
        (lambda made: made._limits.clear(), "a", "CSINode"),
        (lambda made: made._migrated.clear(), "a", "migrated plugins"),
        (lambda made: made._drivers_on.clear(), "a", "drivers of the node"),
        (lambda made: made._nodes_with.clear(), "disk", "nodes of the driver"),
        (lambda made: made._counting.clear(), "disk", "CSIDriver"),
        (lambda made: made._exclusive.clear(), "disk", "CSIDriver that must be there"),
        (lambda made: made._capacities.clear(), "default/left", "CSIStorageCapacity"),
        (lambda made: made._attachments.clear(), "disk-a", "VolumeAttachment"),
        (lambda made: made._capacities_of.clear(), "make", "capacities of the class"),
        (lambda made: made._attached.clear(), "a", "attached"),
        (lambda made: made._by_class["wait"].pop("disk"), "wait", "volumes of the class"),
        (lambda made: made._promised.clear(), "disk", "promised to"),
        (lambda made: made._selected.clear(), "default/new", "is made for node"),
        (lambda made: made._held.clear(), "default/data disk", "promises"),
    ],
)
def test_what_is_bent_is_found(bend: Callable[[Catalogue], object], subject: str, what: str) -> None:
    made = known()
    bend(made)
    assert (subject, what) in [(found.subject, found.what) for found in differences(made)]
