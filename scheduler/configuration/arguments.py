"""What the arguments of our own plugins may be, beyond their types: upstream's rules in upstream's words.

Follows `pkg/scheduler/apis/config/validation/validation_pluginargs.go`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scheduler.framework.resource_scoring import MAX_SHAPE_SCORE, UtilizationShapePoint
from scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocationArgs
from scheduler.plugins.node_resources_fit import NodeResourcesFitArgs, ScoringStrategy
from vaina.errors import FieldError
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required

Errors = list[FieldError]

STRATEGIES: Final = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")

_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_WORDS: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def check_label_name(text: str, path: Path, errors: Errors) -> None:
    """Check a qualified name: prefix.example/name (`ValidateLabelName`)."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253):
        errors.append(invalid(path, text, "prefix part a lowercase RFC 1123 subdomain must consist of lower case "
                              "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
                              "character"))  # fmt: skip
    if not name:
        errors.append(invalid(path, text, "name part must be non-empty"))
    elif len(name) > 63:
        errors.append(invalid(path, text, "name part must be no more than 63 bytes"))
    elif not _NAME.fullmatch(name):
        errors.append(invalid(path, text, _NAME_WORDS))


def _check_fit(args: NodeResourcesFitArgs, path: Path, errors: Errors) -> None:
    for index, resource in enumerate(args.ignored_resources):
        check_label_name(resource, path.child("ignoredResources").index(index), errors)
    for index, group in enumerate(args.ignored_resource_groups):
        at = path.child("ignoredResourceGroups").index(index)
        if "/" in group:
            errors.append(invalid(at, group, "resource group name can't contain '/'"))
        check_label_name(group, at, errors)
    _check_strategy(args.scoring_strategy, path.child("scoringStrategy"), errors)


def _check_strategy(strategy: ScoringStrategy, path: Path, errors: Errors) -> None:
    if strategy.type not in STRATEGIES:
        errors.append(not_supported(path.child("type"), strategy.type, STRATEGIES))
    for index, resource in enumerate(strategy.resources):
        if not 0 < resource.weight <= 100:
            words = f"resource weight of {resource.name} not in valid range (0, 100]"
            errors.append(
                invalid(path.child("resources").index(index).child("weight"), resource.weight, words)
            )
    ratio = path.child("requestedToCapacityRatio")
    if strategy.type == "RequestedToCapacityRatio":
        if strategy.requested_to_capacity_ratio is None:
            errors.append(required(ratio, "must be specified when type is RequestedToCapacityRatio"))
        else:
            check_shape(strategy.requested_to_capacity_ratio.shape, ratio.child("shape"), errors)
    elif strategy.requested_to_capacity_ratio is not None:
        errors.append(forbidden(ratio, "must be nil when type is not RequestedToCapacityRatio"))


def check_shape(shape: Sequence[UtilizationShapePoint], path: Path, errors: Errors) -> None:
    """Check a line of points (`validateFunctionShape`)."""
    if not shape:
        errors.append(required(path, "at least one point must be specified"))
        return
    for index in range(1, len(shape)):
        if shape[index - 1].utilization >= shape[index].utilization:
            words = "values must be sorted in increasing order"
            errors.append(invalid(path.index(index).child("utilization"), shape[index].utilization, words))
            break
    for index, point in enumerate(shape):
        if not 0 <= point.utilization <= 100:
            errors.append(
                invalid(
                    path.index(index).child("utilization"), point.utilization, "not in valid range [0, 100]"
                )
            )
        if not 0 <= point.score <= MAX_SHAPE_SCORE:
            words = f"not in valid range [0, {MAX_SHAPE_SCORE}]"
            errors.append(invalid(path.index(index).child("score"), point.score, words))


def _check_balanced(args: NodeResourcesBalancedAllocationArgs, path: Path, errors: Errors) -> None:
    seen: set[str] = set()
    for index, resource in enumerate(args.resources):
        at = path.child("resources").index(index)
        if resource.name in seen:
            errors.append(duplicate(at.child("name"), resource.name))
        seen.add(resource.name)
        if resource.weight != 1:
            errors.append(invalid(at.child("weight"), resource.weight, "must be 1"))


#: by plugin: what is wrong with its arguments
CHECKS: Final[Mapping[str, Callable[[Any, Path, Errors], None]]] = {
    "NodeResourcesFit": _check_fit,
    "NodeResourcesBalancedAllocation": _check_balanced,
}
