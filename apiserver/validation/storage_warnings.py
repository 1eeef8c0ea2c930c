"""Warnings for volumes, claims, StorageClasses and what drivers say of themselves.

Follow `pkg/api/persistentvolume/util.go`, `pkg/api/persistentvolumeclaim/util.go`, `pkg/api/storage/util.go` and
`pkg/registry/storage/csidriver/strategy.go`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from apiserver.validation.persistent_volumes import CLASS_ANNOTATION, OPTIONS_ANNOTATION
from apiserver.validation.place import Place
from apiserver.validation.warnings import NODE_LABELS, VOLUME_WORDS, claim_fractions
from vaina import kinds
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import csi_driver_pb2, csi_storage_capacity_pb2, storage_class_pb2

_CLASS_WORDS: Final = 'deprecated since v1.8; use "storageClassName" attribute instead'
_VOLUME_ANNOTATIONS: Final = {
    CLASS_ANNOTATION: _CLASS_WORDS,
    OPTIONS_ANNOTATION: 'deprecated since v1.31; use "mountOptions" attribute instead',
}
#: sources of volumes whose plugin is gone, and what they are called in paths
_GONE: Final = {
    "cephfs": "cephfs", "photon_persistent_disk": "photonPersistentDisk", "scale_io": "scaleIO", "storageos": "storageOS",
    "glusterfs": "glusterfs", "rbd": "rbd",
}  # fmt: skip
_RECYCLE: Final = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
_TOKENS: Final = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of "
    "tokens in volume attributes"
)


def _of_volume(volume: persistent_volume_pb2.PersistentVolume, _: Any) -> Iterator[str]:
    spec, path = volume.spec, Place("spec")
    yield from _of_annotations(volume, _VOLUME_ANNOTATIONS)
    if spec.persistent_volume_reclaim_policy == "Recycle":
        yield f"{path.child('persistentVolumeReclaimPolicy')}: {_RECYCLE}"
    terms = path.child("nodeAffinity", "required", "nodeSelectorTerms")
    for index, term in enumerate(spec.node_affinity.required.node_selector_terms):
        yield from _of_expressions(terms.index(index), term.match_expressions)
    for field, name in _GONE.items():
        if spec.persistent_volume_source.HasField(field):
            yield f"{path.child(name)}: {VOLUME_WORDS[field]}"


def _of_annotations(found: Any, words: Mapping[str, str]) -> Iterator[str]:
    for key, said in words.items():
        if key in found.metadata.annotations:
            yield f"{Place('metadata.annotations').key(key)}: {said}"


def _of_expressions(path: Place, expressions: Any) -> Iterator[str]:
    for index, expression in enumerate(expressions):
        if expression.key in NODE_LABELS:
            at = path.child("matchExpressions").index(index).child("key")
            yield f"{at}: {expression.key} is {NODE_LABELS[expression.key]}"


def _of_claim(claim: persistent_volume_pb2.PersistentVolumeClaim, _: Any) -> Iterator[str]:
    yield from _of_annotations(claim, {CLASS_ANNOTATION: _CLASS_WORDS})
    yield from claim_fractions(Place("spec"), claim.spec)


def _of_class(found: storage_class_pb2.StorageClass, _: Any) -> Iterator[str]:
    for number, term in enumerate(found.allowed_topologies):
        expressions = Place("allowedTopologies").index(number).child("matchLabelExpressions")
        for index, expression in enumerate(term.match_label_expressions):
            if expression.key in NODE_LABELS:
                yield f"{expressions.index(index).child('key')}: {NODE_LABELS[expression.key]}"


def _of_driver(driver: csi_driver_pb2.CSIDriver, old: csi_driver_pb2.CSIDriver | None) -> Iterator[str]:
    spec = driver.spec
    is_new = old is None or list(spec.token_requests) != list(old.spec.token_requests)
    if spec.token_requests and is_new and not spec.HasField("service_account_token_in_secrets"):
        yield _TOKENS


def _of_capacity(capacity: csi_storage_capacity_pb2.CSIStorageCapacity, _: Any) -> Iterator[str]:
    topology, path = capacity.node_topology, Place("nodeTopology")
    yield from _of_expressions(path, topology.match_expressions)
    for key in sorted(topology.match_labels):
        if key in NODE_LABELS:
            yield f"{path.child('matchLabels', key)}: {NODE_LABELS[key]}"


#: kind -> the warnings for an object, and what it was before; None: it is new
STORAGE_WARNINGS: Final[Mapping[str, Callable[[Any, Any], Iterator[str]]]] = {
    kinds.PERSISTENT_VOLUME.kind: _of_volume,
    kinds.PERSISTENT_VOLUME_CLAIM.kind: _of_claim,
    kinds.STORAGE_CLASS.kind: _of_class,
    kinds.CSI_DRIVER.kind: _of_driver,
    kinds.CSI_STORAGE_CAPACITY.kind: _of_capacity,
}
