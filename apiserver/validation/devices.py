"""Rules for DeviceClasses and DeviceTaintRules, and for what claims and slices have in common with them.

Follows `pkg/apis/resource/validation`. Of expressions in CEL only the length is checked: nothing here compiles
them.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from apiserver.validation.metadata import check_conditions, check_label_name
from apiserver.validation.place import Place
from apiserver.validation.resources import is_extended
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.resource.v1 import device_class_pb2, device_pb2, device_taint_rule_pb2, resource_slice_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.objects import names
from vaina.objects.tree import TextError, parse_one

T = TypeVar("T")

MAX_ITEMS: Final = 32
_MAX_BINDING_CONDITIONS: Final = 4
_MAX_CONDITIONS: Final = 8
_MAX_EXPRESSION_BYTES: Final = 10 * 1024
_MAX_JSON_BYTES: Final = 10 * 1024
_MAX_IDENTIFIER_BYTES: Final = 32
_MAX_POOL_BYTES: Final = 253
EFFECTS: Final = ("NoExecute", "NoSchedule", "None")
_IDENTIFIER: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*", re.ASCII).fullmatch
_IDENTIFIER_RULE: Final = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
    "'[A-Za-z_][A-Za-z0-9_]*')"
)


def check_items(
    path: Place,
    items: Sequence[T],
    most: int | None,
    check: Callable[[Place, T], None],
    key: Callable[[T], object] | None = None,
) -> None:
    """Check the items of a list, of which there may be so many, and no two with one key."""
    if most is not None and len(items) > most:
        path.too_many(len(items), most)
        return
    for index, item in enumerate(items):
        check(path.index(index), item)
    if key is not None:
        seen: set[object] = set()
        for index, found in enumerate(map(key, items)):
            if found in seen:
                path.index(index).duplicate(found)
            seen.add(found)


def check_selector(at: Place, selector: device_pb2.DeviceSelector) -> None:
    """Check the expression that selects devices: its length alone."""
    path = at.child("cel")
    if not selector.HasField("cel"):
        path.required()
    elif names.size(selector.cel.expression) > _MAX_EXPRESSION_BYTES:
        path.child("expression").too_long(_MAX_EXPRESSION_BYTES)


def check_qualified(path: Place, name: str, *, with_domain: bool = False) -> None:
    """Check the name of an attribute or a capacity: an identifier, which may have a domain before it.

    Names with more than one slash are let through, as upstream does (`validateQualifiedName`).
    """
    parts = name.split("/")
    if len(parts) == 2:
        if parts[0]:
            check_csi_driver(path, parts[0])
        else:
            path.invalid("", "the domain must not be empty")
        if not parts[1]:
            path.invalid("", "the name must not be empty")
    if len(parts) <= 2 and (parts[-1] or len(parts) == 1):
        if names.size(parts[-1]) > _MAX_IDENTIFIER_BYTES:
            path.too_long(_MAX_IDENTIFIER_BYTES)
        if not _IDENTIFIER(parts[-1]):
            path.invalid(parts[-1], _IDENTIFIER_RULE)
    if with_domain and "/" not in name:
        path.invalid(name, "a fully qualified name must be a domain and a name separated by a slash")


def check_pool_name(path: Place, name: str) -> None:
    """Check the name of a pool: domains, with slashes between them."""
    if not name:
        path.required()
        return
    if names.size(name) > _MAX_POOL_BYTES:
        path.too_long(_MAX_POOL_BYTES)
    for part in name.split("/"):
        path.check_value(part, names.dns_1123_subdomain)


def check_configuration(at: Place, config: device_pb2.DeviceConfiguration) -> None:
    """Check the parameters of a driver."""
    path = at.child("opaque")
    if not config.HasField("opaque"):
        path.required()
        return
    check_csi_driver(path.child("driver"), config.opaque.driver)
    check_json(path.child("parameters"), config.opaque.parameters)


def check_json(path: Place, value: runtime_pb2.RawExtension) -> None:
    """Check a value that must be an object in JSON."""
    if len(value.raw) > _MAX_JSON_BYTES:
        path.too_long(_MAX_JSON_BYTES)
        return
    try:
        read = parse_one(value.raw) if value.raw else None
    except TextError as error:
        path.invalid("<value omitted>", f"error parsing data as JSON: {error}")
        return
    if read is None:
        path.required()
    elif not isinstance(read, dict):
        path.invalid("<value omitted>", "must be a valid JSON object")


def check_binding_conditions(at: Place, conditions: Sequence[str], failures: Sequence[str]) -> None:
    """Check the conditions that a device must have before a Pod is bound, and those that forbid it."""
    most = _MAX_BINDING_CONDITIONS
    check_items(at.child("bindingConditions"), conditions, most, check_label_name, lambda it: it)
    path = at.child("bindingFailureConditions")
    check_items(path, failures, most, check_label_name, lambda it: it)
    known = frozenset(conditions)
    for index, failure in enumerate(failures):
        if failure in known:
            path.index(index).invalid(
                failure, "bindingFailureConditions must not overlap with bindingConditions"
            )
    if failures and not conditions:
        words = "bindingConditions are required to use bindingFailureConditions"
        at.child("bindingConditions").invalid(list(conditions), words)
    if conditions and not failures:
        words = "bindingFailureConditions are required to use bindingConditions"
        path.invalid(list(failures), words)


def check_class(root: Place, found: device_class_pb2.DeviceClass) -> None:
    """Check a DeviceClass."""
    path, spec = root.child("spec"), found.spec
    check_items(path.child("selectors"), spec.selectors, MAX_ITEMS, check_selector)
    check_items(
        path.child("config"), spec.config, MAX_ITEMS,
        lambda at, config: check_configuration(at, config.device_configuration),
    )  # fmt: skip
    if spec.HasField("extended_resource_name") and not is_extended(spec.extended_resource_name):
        words = "must be a valid extended resource name"
        path.child("extendedResourceName").invalid(spec.extended_resource_name, words)


def check_taint(at: Place, taint: resource_slice_pb2.DeviceTaint) -> None:
    """Check a taint of a device (validateDeviceTaint)."""
    check_label_name(at.child("key"), taint.key)
    if taint.value:
        at.child("value").check_value(taint.value, names.label_value)
    at.child("effect").check_choice(taint.effect, EFFECTS)


def check_taint_rule(root: Place, found: device_taint_rule_pb2.DeviceTaintRule) -> None:
    """Check a DeviceTaintRule."""
    path, selector = root.child("spec", "deviceSelector"), found.spec.device_selector
    if selector.HasField("driver"):
        check_csi_driver(path.child("driver"), selector.driver)
    if selector.HasField("pool"):
        check_pool_name(path.child("pool"), selector.pool)
    if selector.HasField("device"):
        path.child("device").check_value(selector.device, names.dns_1123_label)
    check_taint(root.child("spec", "taint"), found.spec.taint)


def check_taint_rule_status(root: Place, new: device_taint_rule_pb2.DeviceTaintRule, _old: object) -> None:
    """Check the changed status of a DeviceTaintRule (ValidateDeviceTaintRuleStatusUpdate)."""
    path, conditions = root.child("status", "conditions"), new.status.conditions
    check_conditions(path, conditions)
    if len(conditions) > _MAX_CONDITIONS:
        path.too_many(len(conditions), _MAX_CONDITIONS)
