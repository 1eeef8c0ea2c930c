"""What the arguments of our own plugins may be, beyond their types: upstream's rules in upstream's words.

Follows `pkg/scheduler/apis/config/validation/validation_pluginargs.go`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scheduler.framework.resource_scoring import MAX_SHAPE_SCORE, UtilizationShapePoint
from scheduler.plugins.default_preemption import DefaultPreemptionArgs
from scheduler.plugins.inter_pod_affinity import InterPodAffinityArgs
from scheduler.plugins.node_affinity import NodeAffinityArgs
from scheduler.plugins.node_resources import (
    NodeResourcesBalancedAllocationArgs,
    NodeResourcesFitArgs,
    ScoringStrategy,
)
from scheduler.plugins.pod_topology_spread import PodTopologySpreadArgs
from scheduler.plugins.volume_places import VolumeBindingArgs
from vaina.api.core.v1 import reference_pb2
from vaina.errors import FieldError
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required

Errors = list[FieldError]

_SOME: Final = (lambda count: count > 0, "for 'in', 'notin' operators, values set can't be empty")
_NONE: Final = (lambda count: count == 0, "values set must be empty for exists and does not exist")
_ONE: Final = (lambda count: count == 1, "for 'Gt', 'Lt' operators, exactly one value is required")
#: how many values an operator takes, and what is said otherwise
_OPERATORS: Final[Mapping[str, tuple[Callable[[int], bool], str]]] = {
    "In": _SOME, "NotIn": _SOME, "Exists": _NONE, "DoesNotExist": _NONE, "Gt": _ONE, "Lt": _ONE,
}  # fmt: skip
STRATEGIES: Final = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")


def check_label_name(text: str, path: Path, errors: Errors) -> None:
    """Check a qualified name: prefix.example/name (`ValidateLabelName`)."""
    errors.extend(invalid(path, text, words) for words in names.qualified_name(text))


def _check_range(value: int, path: Path, errors: Errors, low: int, high: int) -> None:
    if not low <= value <= high:
        errors.append(invalid(path, value, f"not in valid range [{low}, {high}]"))


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
            at = path.child("resources").index(index).child("weight")
            errors.append(invalid(at, resource.weight, words))
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
        at = path.index(index)
        _check_range(point.utilization, at.child("utilization"), errors, 0, 100)
        _check_range(point.score, at.child("score"), errors, 0, MAX_SHAPE_SCORE)


def _check_balanced(args: NodeResourcesBalancedAllocationArgs, path: Path, errors: Errors) -> None:
    seen: set[str] = set()
    for index, resource in enumerate(args.resources):
        at = path.child("resources").index(index)
        if resource.name in seen:
            errors.append(duplicate(at.child("name"), resource.name))
        seen.add(resource.name)
        if resource.weight != 1:
            errors.append(invalid(at.child("weight"), resource.weight, "must be 1"))


def _check_volume_binding(args: VolumeBindingArgs, path: Path, errors: Errors) -> None:
    if args.bind_timeout_seconds < 0:
        words = "invalid BindTimeoutSeconds, should not be a negative value"
        errors.append(invalid(path.child("bindTimeoutSeconds"), args.bind_timeout_seconds, words))
    if args.shape:
        # An empty one is the default one.
        check_shape(args.shape, path.child("shape"), errors)


def _check_preemption(args: DefaultPreemptionArgs, path: Path, errors: Errors) -> None:
    percentage, absolute = args.min_candidate_nodes_percentage, args.min_candidate_nodes_absolute
    at, at_absolute = path.child("minCandidateNodesPercentage"), path.child("minCandidateNodesAbsolute")
    _check_range(percentage, at, errors, 0, 100)
    if absolute < 0:
        errors.append(invalid(at_absolute, absolute, "not in valid range [0, inf)"))
    if percentage == 0 and absolute == 0:
        words = "cannot be zero at the same time as minCandidateNodes"
        errors.append(invalid(at, 0, f"{words}Absolute"))
        errors.append(invalid(at_absolute, 0, f"{words}Percentage"))


def _check_pod_affinity(args: InterPodAffinityArgs, path: Path, errors: Errors) -> None:
    _check_range(args.hard_pod_affinity_weight, path.child("hardPodAffinityWeight"), errors, 0, 100)


def _check_spread(args: PodTopologySpreadArgs, path: Path, errors: Errors) -> None:
    at, constraints = path.child("defaultingType"), path.child("defaultConstraints")
    if args.defaulting_type not in ("List", "System"):
        errors.append(not_supported(at, args.defaulting_type, ("System", "List")))
    elif args.defaulting_type == "System" and args.default_constraints:
        errors.append(invalid(at, args.defaulting_type, "when .defaultConstraints are not empty"))
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate(args.default_constraints):
        here = constraints.index(index)
        if item.max_skew <= 0:
            errors.append(invalid(here.child("maxSkew"), item.max_skew, "not in valid range (0, inf)"))
        if not item.topology_key:
            errors.append(required(here.child("topologyKey"), "can not be empty"))
        else:
            check_label_name(item.topology_key, here.child("topologyKey"), errors)
        action = item.when_unsatisfiable
        if not action:
            errors.append(required(here.child("whenUnsatisfiable"), "can not be empty"))
        elif action not in ("DoNotSchedule", "ScheduleAnyway"):
            words = ("DoNotSchedule", "ScheduleAnyway")
            errors.append(not_supported(here.child("whenUnsatisfiable"), action, words))
        if (item.topology_key, action) in seen:
            errors.append(duplicate(here, f"{{{item.topology_key}, {action}}}"))
        seen.add((item.topology_key, action))


def _check_node_affinity(args: NodeAffinityArgs, path: Path, errors: Errors) -> None:
    if args.added_affinity is None:
        return
    added = path.child("addedAffinity")
    required_terms = args.added_affinity.required_during_scheduling_ignored_during_execution
    if args.added_affinity.HasField("required_during_scheduling_ignored_during_execution"):
        at = added.child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
        for index, term in enumerate(required_terms.node_selector_terms):
            _check_term(term, at.index(index), errors)
    at = added.child("preferredDuringSchedulingIgnoredDuringExecution")
    for index, item in enumerate(args.added_affinity.preferred_during_scheduling_ignored_during_execution):
        _check_term(item.preference, at.index(index).child("preference"), errors)


def _check_term(term: reference_pb2.NodeSelectorTerm, path: Path, errors: Errors) -> None:
    """Check what a scheduler could not understand (`nodeaffinity.NewNodeSelector`)."""
    for index, item in enumerate(term.match_expressions):
        at = path.child("matchExpressions").index(index)
        check_label_name(item.key, at.child("key"), errors)
        if item.operator not in _OPERATORS:
            errors.append(not_supported(at.child("operator"), item.operator, sorted(_OPERATORS)))
            continue
        fits, words = _OPERATORS[item.operator]
        if not fits(len(item.values)):
            errors.append(invalid(at.child("values"), list(item.values), words))
        elif item.operator in ("Gt", "Lt") and not re.fullmatch(r"[-+]?[0-9]+", item.values[0]):
            words = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(invalid(at.child("values").index(0), item.values[0], words))
    for index, item in enumerate(term.match_fields):
        at = path.child("matchFields").index(index)
        if item.key != "metadata.name":
            errors.append(not_supported(at.child("key"), item.key, ("metadata.name",)))
        if item.operator not in ("In", "NotIn"):
            errors.append(not_supported(at.child("operator"), item.operator, ("In", "NotIn")))
        elif len(item.values) != 1:
            errors.append(required(at.child("values"), "must have one element"))


#: by plugin: what is wrong with its arguments
CHECKS: Final[Mapping[str, Callable[[Any, Path, Errors], None]]] = {
    "DefaultPreemption": _check_preemption,
    "InterPodAffinity": _check_pod_affinity,
    "NodeAffinity": _check_node_affinity,
    "NodeResourcesFit": _check_fit,
    "NodeResourcesBalancedAllocation": _check_balanced,
    "PodTopologySpread": _check_spread,
    "VolumeBinding": _check_volume_binding,
}
