"""Rules for ResourceSlices.

Follows `pkg/apis/resource/validation` (validateResourceSliceSpec). Not checked: fields whose features are off by
default upstream (`partitionTypeAttribute`, `skipNodeOperations`, `nodeAllocatableResources`). Nothing checks
that the devices of a pool fit together: that is the scheduler's question.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.devices import (
    check_binding_conditions,
    check_items,
    check_pool_name,
    check_qualified,
    check_taint,
)
from apiserver.validation.place import NOT_POSITIVE, Place
from apiserver.validation.scheduling import check_node_selector
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.resource.v1 import resource_slice_pb2
from vaina.objects import names, quantity

ResourceSlice = resource_slice_pb2.ResourceSlice
_Spec = resource_slice_pb2.ResourceSliceSpec
_Device = resource_slice_pb2.Device
_Policy = resource_slice_pb2.CapacityRequestPolicy
_Attribute = resource_slice_pb2.DeviceAttribute

_MAX_DEVICES: Final = 128
_MAX_ADVANCED_DEVICES: Final = 64
_MAX_COUNTER_SETS: Final = 8
#: an amount that is not set, as Go has it
_NOTHING: Final = "0"
_MAX_COUNTERS: Final = 32
_MAX_CONSUMED: Final = 2
_MAX_ATTRIBUTES: Final = 32
_MAX_VALUES: Final = 48
_MAX_VALUE_BYTES: Final = 64
_MAX_TAINTS: Final = 16
_MAX_OPTIONS: Final = 10
_UNSET_OR_TRUE: Final = "must be either unset or set to true"
_WHERE: Final = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_WHERE_DEVICE: Final = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to "
    "true in the ResourceSlice spec"
)
_NUMBER: Final = r"(0|[1-9]\d*)"
_PRE: Final = rf"({_NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?", re.ASCII
).fullmatch


def check(root: Place, found: ResourceSlice) -> None:
    """Check a new ResourceSlice."""
    metadata.check_create(root, found.metadata, names.dns_1123_subdomain, namespaced=False)
    _check_spec(root.child("spec"), found.spec, None)


def check_update(root: Place, new: ResourceSlice, old: ResourceSlice) -> None:
    """Check a changed ResourceSlice: it stays that of its driver, pool and node."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_spec(root.child("spec"), new.spec, old.spec)


def _check_spec(at: Place, spec: _Spec, old: _Spec | None) -> None:
    check_csi_driver(at.child("driver"), spec.driver)
    check_pool_name(at.child("pool", "name"), spec.pool.name)
    if spec.pool.resource_slice_count <= 0:
        at.child("pool", "resourceSliceCount").invalid(spec.pool.resource_slice_count, NOT_POSITIVE)
    if spec.pool.generation < 0:
        words = "must be greater than or equal to zero"
        at.child("pool", "generation").invalid(spec.pool.generation, words)
    if old is not None:
        at.child("pool", "name").check_immutable(spec.pool.name, old.pool.name)
        at.check_unchanged(spec, old, "driver", "node_name")
    _check_where(at, spec)
    if spec.shared_counters and spec.devices:
        at.invalid("", "only one of `sharedCounters` or `devices` is allowed")
    before = {} if old is None else {device.name: device for device in old.devices}
    most = _MAX_ADVANCED_DEVICES if any(map(_is_advanced, spec.devices)) else _MAX_DEVICES
    check_items(
        at.child("devices"), spec.devices, most,
        lambda here, device: _check_device(
            here, device, before.get(device.name), by_device=spec.per_device_node_selection
        ),
        lambda device: device.name,
    )  # fmt: skip
    check_items(
        at.child("sharedCounters"), spec.shared_counters, _MAX_COUNTER_SETS,
        lambda here, found: _check_counters(here, "name", found.name, found.counters),
        lambda found: found.name,
    )  # fmt: skip


def _check_where(at: Place, spec: _Spec) -> None:
    given = _check_nodes(at, spec, empty="must be either unset or set to a non-empty string")
    if spec.HasField("node_selector") and len(spec.node_selector.node_selector_terms) != 1:
        words = "must have exactly one node selector term"
        terms = list(spec.node_selector.node_selector_terms)
        at.child("nodeSelector", "nodeSelectorTerms").invalid(terms, words)
    if spec.HasField("per_device_node_selection"):
        if spec.per_device_node_selection:
            given.append("`perDeviceNodeSelection`")
        else:
            at.child("perDeviceNodeSelection").invalid(False, _UNSET_OR_TRUE)
    if not given:
        at.required(_WHERE)
    elif len(given) > 1:
        at.invalid(f"{{{', '.join(given)}}}", f"{_WHERE}, but multiple fields are set")


def _check_nodes(at: Place, found: _Spec | _Device, *, empty: str) -> list[str]:
    """Check which nodes have a device; return the names of the fields that say so."""
    given: list[str] = []
    if found.HasField("node_name"):
        if found.node_name:
            given.append("`nodeName`")
            at.child("nodeName").check_value(found.node_name, names.dns_1123_subdomain)
        else:
            at.child("nodeName").invalid("", empty)
    if found.HasField("node_selector"):
        given.append("`nodeSelector`")
        check_node_selector(at.child("nodeSelector"), found.node_selector)
    if found.HasField("all_nodes"):
        if found.all_nodes:
            given.append("`allNodes`")
        else:
            at.child("allNodes").invalid(False, _UNSET_OR_TRUE)
    return given


def _lists(attribute: _Attribute) -> Sequence[Sequence[object]]:
    return attribute.bools, attribute.ints, attribute.strings, attribute.versions


def _is_advanced(device: _Device) -> bool:
    """Say whether a device is one of those of which a slice may have fewer."""
    lists = any(any(_lists(attribute)) for attribute in device.attributes.values())
    return bool(device.taints or device.consumes_counters or lists)


def _check_counters(
    at: Place, field: str, name: str, counters: Mapping[str, resource_slice_pb2.Counter]
) -> None:
    at.child(field).check_required(name, names.dns_1123_label)
    path = at.child("counters")
    if not counters:
        path.required()
    elif len(counters) > _MAX_COUNTERS:
        path.too_many(len(counters), _MAX_COUNTERS)
    else:
        for key in sorted(counters):
            path.check_value(key, names.dns_1123_label)
            path.key(key).child("value").check_quantity(counters[key].value.string or _NOTHING)


def _check_device(at: Place, device: _Device, old: _Device | None, *, by_device: bool) -> None:
    at.child("name").check_value(device.name, names.dns_1123_label)
    total = len(device.attributes) + len(device.capacity)
    if total > _MAX_ATTRIBUTES:
        at.invalid(total, f"the total number of attributes and capacities must not exceed {_MAX_ATTRIBUTES}")
    values = sum(sum(map(len, _lists(attribute))) or 1 for attribute in device.attributes.values())
    if values > _MAX_VALUES:
        at.invalid(values, f"the total number of attribute values must not exceed {_MAX_VALUES}")
    path = at.child("attributes")
    for key in sorted(device.attributes):
        check_qualified(path, key)
        _check_attribute(path.key(key), device.attributes[key])
    path = at.child("capacity")
    if old is None or dict(old.capacity) != dict(device.capacity):
        for key in sorted(device.capacity):
            check_qualified(path, key)
            _check_capacity(path.key(key), device.capacity[key], is_shared=device.allow_multiple_allocations)
    if old is None or list(old.taints) != list(device.taints):
        check_items(at.child("taints"), device.taints, _MAX_TAINTS, check_taint)
    check_items(
        at.child("consumesCounters"), device.consumes_counters, _MAX_CONSUMED,
        lambda here, found: _check_counters(here, "counterSet", found.counter_set, found.counters),
        lambda found: found.counter_set,
    )  # fmt: skip
    _check_nodes_of(at, device, by_device=by_device)
    check_binding_conditions(at, device.binding_conditions, device.binding_failure_conditions)


def _check_nodes_of(at: Place, device: _Device, *, by_device: bool) -> None:
    """Check which nodes have a device of a slice whose devices say so each (`by_device`), or none of them."""
    if by_device:
        given = _check_nodes(at, device, empty="must not be empty")
        if not given:
            at.required(_WHERE_DEVICE)
        elif len(given) > 1:
            at.invalid(f"{{{', '.join(given)}}}", _WHERE_DEVICE)
    elif any(device.HasField(field) for field in ("node_name", "node_selector", "all_nodes")):
        at.invalid(
            None,
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
            "the ResourceSlice spec",
        )


def _check_attribute(at: Place, attribute: _Attribute) -> None:
    for index, text in enumerate((attribute.string, *attribute.strings)):
        if names.size(text) > _MAX_VALUE_BYTES:
            here = at.child("strings").index(index - 1) if index else at.child("string")
            here.too_long(_MAX_VALUE_BYTES)
    if attribute.HasField("version"):
        _check_version(at.child("version"), attribute.version)
    for index, version in enumerate(attribute.versions):
        _check_version(at.child("versions").index(index), version)
    given = sum(attribute.HasField(field) for field in ("int", "bool", "string", "version"))
    given += sum(map(bool, _lists(attribute)))
    if given != 1:
        at.invalid(attribute if given else "", "exactly one value must be specified")


def _check_version(at: Place, version: str) -> None:
    if not _VERSION(version):
        at.invalid(version, "must be a string compatible with semver.org spec 2.0.0")
    if names.size(version) > _MAX_VALUE_BYTES:
        at.too_long(_MAX_VALUE_BYTES)


def _check_capacity(at: Place, capacity: resource_slice_pb2.DeviceCapacity, *, is_shared: bool) -> None:
    whole = at.child("value").check_quantity(capacity.value.string or _NOTHING)
    path, policy = at.child("requestPolicy"), capacity.request_policy
    if not capacity.HasField("request_policy"):
        return
    if not is_shared:
        path.forbidden("allowMultipleAllocations must be true")
    elif policy.valid_values and policy.HasField("valid_range"):
        path.forbidden(
            'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        )
    elif policy.valid_values or policy.HasField("valid_range"):
        name = "validValues" if policy.valid_values else "validRange"
        if not policy.HasField("default"):
            path.child("default").required(f"required when {name} is defined")
        elif whole is not None and policy.valid_values:
            _check_options(path.child(name), policy, whole)
        elif whole is not None:
            _check_range(path.child(name), policy, whole)


def _check_options(path: Place, policy: _Policy, whole: quantity.Amount) -> None:
    default = path.check_quantity(policy.default.string)
    options = policy.valid_values
    if len(options) > _MAX_OPTIONS:
        path.too_many(len(options), _MAX_OPTIONS)
        return
    amounts = [path.index(index).check_quantity(each.string) for index, each in enumerate(options)]
    last, seen = None, set[int]()
    for index, amount in enumerate(amounts):
        if amount is None:
            continue
        at, text = path.index(index), options[index].string
        if last is not None and amount.nanos < last:
            at.invalid(text, "values must be sorted in ascending order")
        if amount.nanos > whole.nanos:
            at.invalid(text, f"option is larger than capacity value: {whole}")
        at.check_unique(amount.nanos, seen)
        last = amount.nanos
    if default is not None and default.nanos not in [each.nanos for each in amounts if each is not None]:
        path.invalid(policy.default.string, "default value is not valid according to the requestPolicy")


def _check_range(path: Place, policy: _Policy, whole: quantity.Amount) -> None:
    """Check the range of what may be asked for, and that its default is in it (`validateRequestPolicyRange`)."""
    found = policy.valid_range
    if not found.HasField("min"):
        path.child("min").required("required when validRange is defined")
        return
    given = {
        field.name: path.child(field.name).check_quantity(value.string) for field, value in found.ListFields()
    }
    default = path.child("default").check_quantity(policy.default.string)
    low, high, step = given["min"], given.get("max"), given.get("step")
    if low is None or default is None:
        return
    if low.nanos > whole.nanos:
        path.child("min").invalid(str(low), f"min is larger than capacity value: {whole}")
    if default.nanos < low.nanos:
        path.child("default").invalid(str(default), f"default is less than min: {low}")
    if high is not None:
        if low.nanos > high.nanos:
            path.child("max").invalid(str(low), f"min is larger than max: {high}")
        if high.nanos > whole.nanos:
            path.child("max").invalid(str(high), f"max is larger than capacity value: {whole}")
        if default.nanos > high.nanos:
            path.child("default").invalid(str(default), f"default is more than max: {high}")
    if step is not None:
        _check_step(path, low, step, [default, *([high] if high is not None else [])], whole)


def _check_step(
    path: Place,
    low: quantity.Amount,
    step: quantity.Amount,
    values: Sequence[quantity.Amount],
    whole: quantity.Amount,
) -> None:
    at = path.child("step")
    if step.nanos <= 0:
        at.invalid(str(step), NOT_POSITIVE)
        return
    if low.nanos + step.nanos > whole.nanos:
        added = quantity.Amount(low.nanos + step.nanos, low.format)
        at.invalid(str(step), f"one step {added} is larger than capacity value: {whole}")
    if any(value.nanos < 0 for value in (low, *values)):
        path.child("min").check_non_negative(min(value.value() for value in (low, *values)))
        return
    for value in values:
        if (value.nanos - low.nanos) % step.nanos:
            at.invalid(str(value), f"value is not a multiple of a given step ({step}) from ({low})")
