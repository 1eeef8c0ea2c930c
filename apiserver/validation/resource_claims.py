"""Rules for ResourceClaims and ResourceClaimTemplates.

Follows `pkg/apis/resource/validation`. Not checked: fields whose features are off by default upstream
(`derivedAttributes`, `skipNodeOperations`), and who may ask for access as an administrator, allocate, or report
the status of a device.
"""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.addresses import interface_address
from apiserver.validation.devices import (
    EFFECTS,
    MAX_ITEMS,
    check_binding_conditions,
    check_configuration,
    check_items,
    check_json,
    check_pool_name,
    check_qualified,
    check_selector,
)
from apiserver.validation.place import NOT_POSITIVE, Place
from apiserver.validation.scheduling import check_node_selector
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.resource.v1 import resource_claim_pb2
from vaina.objects import names

ResourceClaim = resource_claim_pb2.ResourceClaim
ResourceClaimTemplate = resource_claim_pb2.ResourceClaimTemplate
#: request -> its alternatives; None: it has none
_Requests = Mapping[str, frozenset[str] | None]
_Allocated = resource_claim_pb2.DeviceRequestAllocationResult | resource_claim_pb2.AllocatedDeviceStatus

_MAX_ALTERNATIVES: Final = 8
_MAX_RESERVED: Final = 256
_MAX_CONDITIONS: Final = 8
_MAX_INTERFACE_BYTES: Final = 256
_MAX_HARDWARE_BYTES: Final = 128
_MAX_ADDRESSES: Final = 16
_MODES: Final = ("All", "ExactCount")
_OPERATORS: Final = ("Equal", "Exists")
_SOURCES: Final = ("FromClaim", "FromClass")
_ONE_OF: Final = "exactly one of `exactly` or `firstAvailable` is required"
_NO_REQUEST: Final = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII).fullmatch
_UUID_RULE: Final = (
    "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
    "characters"
)


def check_claim(root: Place, claim: ResourceClaim) -> None:
    """Check a new ResourceClaim."""
    metadata.check_create(root, claim.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_wish(root.child("spec", "devices"), claim.spec.devices)


def check_claim_update(root: Place, new: ResourceClaim, old: ResourceClaim) -> None:
    """Check a changed ResourceClaim: its spec stays."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec").check_immutable(new.spec, old.spec)


def check_template(root: Place, template: ResourceClaimTemplate) -> None:
    """Check a ResourceClaimTemplate: of the metadata of its claims, only labels and annotations may be set."""
    metadata.check_create(root, template.metadata, names.dns_1123_subdomain, namespaced=True)
    meta, at = template.spec.metadata, root.child("spec", "metadata")
    metadata.check_annotations(at.child("annotations"), meta.annotations)
    metadata.check_labels(at.child("labels"), meta.labels)
    for field, value in meta.ListFields():
        if field.name not in {"annotations", "labels"} and not (field.message_type and not value):
            at.child(field.json_name).forbidden("cannot be set")
    _check_wish(root.child("spec", "spec", "devices"), template.spec.spec.devices)


def check_template_update(root: Place, new: ResourceClaimTemplate, old: ResourceClaimTemplate) -> None:
    """Check a changed ResourceClaimTemplate: its spec stays."""
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec").check_immutable(new.spec, old.spec)


def _requests_of(wish: resource_claim_pb2.DeviceClaim) -> _Requests:
    return {
        request.name: frozenset(each.name for each in request.first_available)
        if request.first_available
        else None
        for request in wish.requests
    }


def _check_wish(path: Place, wish: resource_claim_pb2.DeviceClaim) -> None:
    requests = _requests_of(wish)

    def check_constraint(at: Place, constraint: resource_claim_pb2.DeviceConstraint) -> None:
        _check_references(at.child("requests"), constraint.requests, requests)
        if constraint.HasField("match_attribute"):
            check_qualified(at.child("matchAttribute"), constraint.match_attribute, with_domain=True)
        elif constraint.HasField("distinct_attribute"):
            check_qualified(at.child("distinctAttribute"), constraint.distinct_attribute, with_domain=True)
        else:
            at.required(
                'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
            )

    def check_config(at: Place, config: resource_claim_pb2.DeviceClaimConfiguration) -> None:
        _check_references(at.child("requests"), config.requests, requests)
        check_configuration(at, config.device_configuration)

    check_items(path.child("requests"), wish.requests, MAX_ITEMS, _check_request, lambda each: each.name)
    check_items(path.child("constraints"), wish.constraints, MAX_ITEMS, check_constraint)
    check_items(path.child("config"), wish.config, MAX_ITEMS, check_config)


def _check_request(at: Place, request: resource_claim_pb2.DeviceRequest) -> None:
    at.child("name").check_value(request.name, names.dns_1123_label)
    exactly = request.HasField("exactly")
    if exactly and request.first_available:
        at.invalid(None, f"{_ONE_OF}, but multiple fields are set")
    elif request.first_available:
        check_items(
            at.child("firstAvailable"), request.first_available, _MAX_ALTERNATIVES, _check_alternative,
            lambda each: each.name,
        )  # fmt: skip
    elif exactly:
        _check_asked(at.child("exactly"), request.exactly)
    else:
        at.required(_ONE_OF)


def _check_alternative(at: Place, request: resource_claim_pb2.DeviceSubRequest) -> None:
    at.child("name").check_value(request.name, names.dns_1123_label)
    _check_asked(at, request)


def _check_asked(
    at: Place, request: resource_claim_pb2.ExactDeviceRequest | resource_claim_pb2.DeviceSubRequest
) -> None:
    at.child("deviceClassName").check_required(request.device_class_name, names.dns_1123_subdomain)
    check_items(at.child("selectors"), request.selectors, MAX_ITEMS, check_selector)
    mode, count = request.allocation_mode, request.count
    at.child("allocationMode").check_supported(mode, _MODES)
    if mode == "All" and count:
        at.child("count").invalid(count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        at.child("count").invalid(count, NOT_POSITIVE)
    check_items(at.child("tolerations"), request.tolerations, None, _check_toleration)


def _check_toleration(at: Place, toleration: resource_claim_pb2.DeviceToleration) -> None:
    if toleration.key:
        metadata.check_label_name(at.child("key"), toleration.key)
    if toleration.operator == "Exists" and toleration.value:
        at.child("value").invalid(toleration.value, "must be empty for operator `Exists`")
    elif toleration.operator == "Equal":
        at.child("value").check_value(toleration.value, names.label_value)
    at.child("operator").check_choice(toleration.operator, _OPERATORS)
    if toleration.effect:
        at.child("effect").check_supported(toleration.effect, EFFECTS)


def _check_references(path: Place, references: Sequence[str], requests: _Requests) -> None:
    check_items(
        path, references, MAX_ITEMS, lambda at, name: _check_reference(at, name, requests), lambda name: name
    )


def _check_reference(at: Place, name: str, requests: _Requests) -> None:
    parts = name.split("/")
    if len(parts) > 2:
        at.invalid(name, _NO_REQUEST)
        return
    for part in parts:
        at.check_value(part, names.dns_1123_label)
    alternatives = requests.get(parts[0])
    known = parts[0] in requests and (len(parts) == 1 or parts[1] in (alternatives or ()))
    if not known:
        at.invalid(name, _NO_REQUEST)


def check_claim_status(root: Place, new: ResourceClaim, old: ResourceClaim) -> None:
    """Check a changed status: what was allocated stays, and only an allocated claim is reserved."""
    metadata.check_update(root, new.metadata, old.metadata)
    path, status = root.child("status"), new.status
    check_items(
        path.child("reservedFor"), status.reserved_for, _MAX_RESERVED, _check_consumer, lambda each: each.uid
    )
    allocated = {_device_of(each) for each in status.allocation.devices.results}
    check_items(
        path.child("devices"),
        status.devices,
        None,
        lambda at, each: _check_device(at, each, allocated),
        _device_of,
    )
    if status.reserved_for and not status.HasField("allocation"):
        path.child("reservedFor").forbidden("may not be specified when `allocated` is not set")
    elif new.metadata.HasField("deletion_timestamp") and not (
        _consumers_of(status) <= _consumers_of(old.status)
    ):
        words = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        path.child("reservedFor").forbidden(words)
    if status.HasField("allocation"):
        at = path.child("allocation")
        if old.status.HasField("allocation"):
            at.check_immutable(status.allocation, old.status.allocation)
        else:
            _check_allocation(at, status.allocation, _requests_of(new.spec.devices))


def _consumers_of(status: resource_claim_pb2.ResourceClaimStatus) -> set[tuple[str, str, str, str]]:
    return {(each.api_group, each.resource, each.name, each.uid) for each in status.reserved_for}


def _check_consumer(at: Place, consumer: resource_claim_pb2.ResourceClaimConsumerReference) -> None:
    for field in ("resource", "name", "uid"):
        if not getattr(consumer, field):
            at.child(field).required()


def _device_of(
    found: _Allocated,
) -> str:
    share = f"/{found.share_id}" if found.HasField("share_id") else ""
    return f"{found.driver}/{found.pool}/{found.device}{share}"


def _check_named_device(at: Place, found: _Allocated) -> None:
    check_csi_driver(at.child("driver"), found.driver)
    check_pool_name(at.child("pool"), found.pool)
    at.child("device").check_value(found.device, names.dns_1123_label)
    if found.HasField("share_id") and not _UUID(found.share_id):
        at.child("shareID").invalid(found.share_id, _UUID_RULE)


def _check_device(
    at: Place, found: resource_claim_pb2.AllocatedDeviceStatus, allocated: Container[str]
) -> None:
    _check_named_device(at, found)
    if _device_of(found) not in allocated:
        at.invalid(_device_of(found), "must be an allocated device in the claim")
    if len(found.conditions) > _MAX_CONDITIONS:
        at.child("conditions").too_many(len(found.conditions), _MAX_CONDITIONS)
    metadata.check_conditions(at.child("conditions"), found.conditions)
    if found.data.raw:
        check_json(at.child("data"), found.data)
    path, network = at.child("networkData"), found.network_data
    if names.size(network.interface_name) > _MAX_INTERFACE_BYTES:
        path.child("interfaceName").too_long(_MAX_INTERFACE_BYTES)
    if names.size(network.hardware_address) > _MAX_HARDWARE_BYTES:
        path.child("hardwareAddress").too_long(_MAX_HARDWARE_BYTES)
    check_items(
        path.child("ips"), network.ips, _MAX_ADDRESSES,
        _check_interface_address, lambda address: address,
    )  # fmt: skip


def _check_interface_address(at: Place, address: str) -> None:
    at.check_value(address, interface_address)


def _check_allocation(
    path: Place, allocation: resource_claim_pb2.AllocationResult, requests: _Requests
) -> None:
    def check_result(at: Place, result: resource_claim_pb2.DeviceRequestAllocationResult) -> None:
        _check_reference(at.child("request"), result.request, requests)
        _check_named_device(at, result)
        check_binding_conditions(at, result.binding_conditions, result.binding_failure_conditions)
        check_items(at.child("tolerations"), result.tolerations, None, _check_toleration)

    def check_config(at: Place, config: resource_claim_pb2.DeviceAllocationConfiguration) -> None:
        at.child("source").check_choice(config.source, _SOURCES)
        _check_references(at.child("requests"), config.requests, requests)
        check_configuration(at, config.device_configuration)

    devices = path.child("devices")
    check_items(devices.child("results"), allocation.devices.results, MAX_ITEMS, check_result)
    check_items(devices.child("config"), allocation.devices.config, 2 * MAX_ITEMS, check_config)
    if allocation.HasField("node_selector"):
        check_node_selector(path.child("nodeSelector"), allocation.node_selector)
