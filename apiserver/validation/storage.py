"""Rules for StorageClasses and CSINodes.

Follows `pkg/apis/storage/validation`. That Pods of a node's kubelet alone may write its CSINode is
authorization's to say.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import check_label_name
from apiserver.validation.place import Place
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.core.v1 import topology_selector_pb2
from vaina.api.storage.v1 import csi_node_pb2, storage_class_pb2
from vaina.objects import names

StorageClass = storage_class_pb2.StorageClass
CSINode = csi_node_pb2.CSINode

_POLICIES: Final = ("Delete", "Retain")
_BINDING_MODES: Final = ("Immediate", "WaitForFirstConsumer")
MAX_PARAMETERS: Final = 512
MAX_PARAMETER_BYTES: Final = 256 * 1024
MAX_NODE_ID_BYTES: Final = 192


def check_class(root: Place, found: StorageClass) -> None:
    """Check a new StorageClass."""
    metadata.check_create(root, found.metadata, names.dns_1123_subdomain, namespaced=False)
    if not found.provisioner:
        root.child("provisioner").required()
    else:
        for problem in names.qualified_name(found.provisioner.lower()):
            root.child("provisioner").invalid(found.provisioner, problem)
    _check_parameters(root.child("parameters"), found.parameters)
    if found.reclaim_policy and found.reclaim_policy not in _POLICIES:
        root.child("reclaimPolicy").not_supported(found.reclaim_policy, _POLICIES)
    if not found.HasField("volume_binding_mode"):
        root.child("volumeBindingMode").required()
    else:
        root.child("volumeBindingMode").check_supported(found.volume_binding_mode, _BINDING_MODES)
    _check_topologies(root.child("allowedTopologies"), list(found.allowed_topologies))


def _check_parameters(path: Place, parameters: Mapping[str, str]) -> None:
    if len(parameters) > MAX_PARAMETERS:
        path.too_long(MAX_PARAMETERS)
        return
    if "" in parameters:
        path.invalid("", "field can not be empty.")
    if sum(names.size(key) + names.size(value) for key, value in parameters.items()) > MAX_PARAMETER_BYTES:
        path.too_long(MAX_PARAMETER_BYTES)


def _check_topologies(path: Place, terms: list[topology_selector_pb2.TopologySelectorTerm]) -> None:
    seen: list[dict[str, frozenset[str]]] = []
    for number, term in enumerate(terms):
        at = path.index(number)
        said: dict[str, frozenset[str]] = {}
        for index, expression in enumerate(term.match_label_expressions):
            here = at.child("matchLabelExpressions").index(index)
            if not expression.values:
                here.child("values").required()
            taken: set[str] = set()
            for place, value in enumerate(expression.values):
                here.child("values").index(place).check_unique(value, taken)
            check_label_name(here.child("key"), expression.key)
            if expression.key in said:
                here.child("key").duplicate(expression.key)
            said[expression.key] = frozenset(taken)
        if said in seen:
            at.child("matchLabelExpressions").duplicate("")
        seen.append(said)


def check_class_update(root: Place, new: StorageClass, old: StorageClass) -> None:
    """Check a changed StorageClass: storage was made by it already."""
    metadata.check_update(root, new.metadata, old.metadata)
    parameters = (dict(new.parameters) or None, dict(old.parameters) or None)
    root.child("parameters").check_immutable(*parameters)
    root.child("provisioner").check_immutable(new.provisioner, old.provisioner)
    root.child("reclaimPolicy").check_immutable(new.reclaim_policy, old.reclaim_policy)
    root.child("volumeBindingMode").check_immutable(new.volume_binding_mode, old.volume_binding_mode)
    _check_topologies(root.child("allowedTopologies"), list(new.allowed_topologies))


def check_node(root: Place, node: CSINode) -> None:
    """Check a new CSINode."""
    metadata.check_create(root, node.metadata, names.dns_1123_subdomain, namespaced=False)
    seen: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        at = root.child("spec", "drivers").index(index)
        check_csi_driver(at.child("name"), driver.name)
        if not driver.node_id:
            at.child("nodeID").required()
        elif names.size(driver.node_id) > MAX_NODE_ID_BYTES:
            at.child("nodeID").invalid(driver.node_id, f"must be {MAX_NODE_ID_BYTES} characters or less")
        if driver.allocatable.HasField("count") and driver.allocatable.count < 0:
            words = "must be greater than or equal to 0"
            at.child("allocatable", "count").invalid(driver.allocatable.count, words)
        _check_topology_keys(at.child("topologyKeys"), list(driver.topology_keys))
        at.child("name").check_unique(driver.name, seen)


def _check_topology_keys(path: Place, keys: list[str]) -> None:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        path.index(index).check_required(key, names.qualified_name)
        path.index(index).check_unique(key, seen)


def check_node_update(root: Place, new: CSINode, old: CSINode) -> None:
    """Check a changed CSINode: a driver that is there stays as it is, except for how many volumes it takes."""
    check_node(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    drivers = {driver.name: driver for driver in new.spec.drivers}
    for driver in old.spec.drivers:
        now = drivers.get(driver.name)
        if now is None:
            continue
        same = (driver.node_id, list(driver.topology_keys)) == (now.node_id, list(now.topology_keys))
        if not same:
            root.child("CSINodeDriver").invalid(now, "field is immutable")
