"""Rules for StorageClasses and CSINodes.

Follows `pkg/apis/storage/validation`. That Pods of a node's kubelet alone may write its CSINode is
authorization's to say.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import Errors, check_immutable, check_label_name, check_text
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.core.v1 import topology_selector_pb2
from vaina.api.storage.v1 import csi_node_pb2, storage_class_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, invalid, not_supported, required, too_long

StorageClass = storage_class_pb2.StorageClass
CSINode = csi_node_pb2.CSINode

_POLICIES: Final = ("Delete", "Retain")
_BINDING_MODES: Final = ("Immediate", "WaitForFirstConsumer")
MAX_PARAMETERS: Final = 512
MAX_PARAMETER_BYTES: Final = 256 * 1024
MAX_NODE_ID_BYTES: Final = 192


def check_class(found: StorageClass) -> Errors:
    """Check a new StorageClass."""
    errors = metadata.check_create(found.metadata, names.dns_1123_subdomain, namespaced=False)
    if not found.provisioner:
        errors.append(required(Path("provisioner")))
    else:
        errors.extend(
            invalid(Path("provisioner"), found.provisioner, problem)
            for problem in names.qualified_name(found.provisioner.lower())
        )
    _check_parameters(errors, Path("parameters"), found.parameters)
    if found.reclaim_policy and found.reclaim_policy not in _POLICIES:
        errors.append(not_supported(Path("reclaimPolicy"), found.reclaim_policy, _POLICIES))
    if not found.HasField("volume_binding_mode"):
        errors.append(required(Path("volumeBindingMode")))
    elif found.volume_binding_mode not in _BINDING_MODES:
        errors.append(not_supported(Path("volumeBindingMode"), found.volume_binding_mode, _BINDING_MODES))
    _check_topologies(errors, Path("allowedTopologies"), list(found.allowed_topologies))
    return errors


def _check_parameters(errors: Errors, path: Path, parameters: Mapping[str, str]) -> None:
    if len(parameters) > MAX_PARAMETERS:
        errors.append(too_long(path, MAX_PARAMETERS))
        return
    if "" in parameters:
        errors.append(invalid(path, "", "field can not be empty."))
    if sum(names.size(key) + names.size(value) for key, value in parameters.items()) > MAX_PARAMETER_BYTES:
        errors.append(too_long(path, MAX_PARAMETER_BYTES))


def _check_topologies(
    errors: Errors, path: Path, terms: list[topology_selector_pb2.TopologySelectorTerm]
) -> None:
    seen: list[dict[str, frozenset[str]]] = []
    for number, term in enumerate(terms):
        at = path.index(number)
        said: dict[str, frozenset[str]] = {}
        for index, expression in enumerate(term.match_label_expressions):
            here = at.child("matchLabelExpressions").index(index)
            if not expression.values:
                errors.append(required(here.child("values")))
            taken: set[str] = set()
            for place, value in enumerate(expression.values):
                if value in taken:
                    errors.append(duplicate(here.child("values").index(place), value))
                taken.add(value)
            check_label_name(errors, here.child("key"), expression.key)
            if expression.key in said:
                errors.append(duplicate(here.child("key"), expression.key))
            said[expression.key] = frozenset(taken)
        if said in seen:
            errors.append(duplicate(at.child("matchLabelExpressions"), ""))
        seen.append(said)


def check_class_update(new: StorageClass, old: StorageClass) -> Errors:
    """Check a changed StorageClass: storage was made by it already."""
    errors = metadata.check_update(new.metadata, old.metadata)
    parameters = (dict(new.parameters) or None, dict(old.parameters) or None)
    check_immutable(errors, Path("parameters"), *parameters)
    check_immutable(errors, Path("provisioner"), new.provisioner, old.provisioner)
    check_immutable(errors, Path("reclaimPolicy"), new.reclaim_policy, old.reclaim_policy)
    check_immutable(errors, Path("volumeBindingMode"), new.volume_binding_mode, old.volume_binding_mode)
    _check_topologies(errors, Path("allowedTopologies"), list(new.allowed_topologies))
    return errors


def check_node(node: CSINode) -> Errors:
    """Check a new CSINode."""
    errors = metadata.check_create(node.metadata, names.dns_1123_subdomain, namespaced=False)
    seen: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        at = Path("spec", "drivers").index(index)
        check_csi_driver(errors, at.child("name"), driver.name)
        if not driver.node_id:
            errors.append(required(at.child("nodeID")))
        elif names.size(driver.node_id) > MAX_NODE_ID_BYTES:
            errors.append(
                invalid(at.child("nodeID"), driver.node_id, f"must be {MAX_NODE_ID_BYTES} characters or less")
            )
        if driver.allocatable.HasField("count") and driver.allocatable.count < 0:
            words = "must be greater than or equal to 0"
            errors.append(invalid(at.child("allocatable", "count"), driver.allocatable.count, words))
        _check_topology_keys(errors, at.child("topologyKeys"), list(driver.topology_keys))
        if driver.name in seen:
            errors.append(duplicate(at.child("name"), driver.name))
        seen.add(driver.name)
    return errors


def _check_topology_keys(errors: Errors, path: Path, keys: list[str]) -> None:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if not key:
            errors.append(required(path.index(index)))
        else:
            check_text(errors, path.index(index), key, names.qualified_name)
        if key in seen:
            errors.append(duplicate(path.index(index), key))
        seen.add(key)


def check_node_update(new: CSINode, old: CSINode) -> Errors:
    """Check a changed CSINode: a driver that is there stays as it is, except for how many volumes it takes."""
    errors = check_node(new) + metadata.check_update(new.metadata, old.metadata)
    drivers = {driver.name: driver for driver in new.spec.drivers}
    for driver in old.spec.drivers:
        now = drivers.get(driver.name)
        if now is None:
            continue
        same = (driver.node_id, list(driver.topology_keys)) == (now.node_id, list(now.topology_keys))
        if not same:
            errors.append(invalid(Path("CSINodeDriver"), now, "field is immutable"))
    return errors
