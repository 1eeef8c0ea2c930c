"""Rules for what decides where a Pod may run: node and Pod affinity, tolerations, gates, spreading.

Follows `pkg/apis/core/validation`: validateAffinity, ValidateTolerations, validateSchedulingGates,
validateTopologySpreadConstraints, and for taints of nodes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from apiserver.validation.metadata import check_label_name, check_label_selector
from apiserver.validation.place import NOT_POSITIVE, Place
from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import FieldError
from vaina.objects import names
from vaina.objects.field_path import DUPLICATE, show_value

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS: Final = ("Equal", "Exists")
_WEIGHT: Final = "must be in the range 1-100"
_BAD_OPERATOR: Final = "not a valid selector operator"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_BOTH_LISTS: Final = "exists in both matchLabelKeys and mismatchLabelKeys"
_KEY_IN_SELECTOR: Final = "exists in both matchLabelKeys and labelSelector"
_WITHOUT_SELECTOR: Final = "must not be specified when labelSelector is not set"
_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")
_SPREAD_POLICIES: Final = ("Honor", "Ignore")

Constraints = Sequence[pod_pb2.TopologySpreadConstraint]


def check_affinity(path: Place, affinity: pod_pb2.Affinity) -> None:
    """Check all affinities of a Pod."""
    if affinity.HasField("node_affinity"):
        _check_node_affinity(path.child("nodeAffinity"), affinity.node_affinity)
    if affinity.HasField("pod_affinity"):
        _check_pod_affinity(path.child("podAffinity"), affinity.pod_affinity)
    if affinity.HasField("pod_anti_affinity"):
        _check_pod_affinity(path.child("podAntiAffinity"), affinity.pod_anti_affinity)


def _check_node_affinity(path: Place, affinity: pod_pb2.NodeAffinity) -> None:
    if affinity.HasField("required_during_scheduling_ignored_during_execution"):
        selector = affinity.required_during_scheduling_ignored_during_execution
        check_node_selector(path.child(_REQUIRED), selector)
    for index, preferred in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = path.child(_PREFERRED).index(index)
        _check_weight(at, preferred.weight)
        _check_node_term(at.child("preference"), preferred.preference, strict=False)


def check_node_selector(path: Place, selector: reference_pb2.NodeSelector) -> None:
    """Check the terms of which a node must match one."""
    at = path.child("nodeSelectorTerms")
    if not selector.node_selector_terms:
        at.required("must have at least one node selector term")
    for index, term in enumerate(selector.node_selector_terms):
        _check_node_term(at.index(index), term, strict=True)


def _check_weight(path: Place, weight: int) -> None:
    if not 0 < weight <= 100:
        path.child("weight").invalid(weight, _WEIGHT)


def _check_node_term(path: Place, term: reference_pb2.NodeSelectorTerm, *, strict: bool) -> None:
    for index, expression in enumerate(term.match_expressions):
        _check_node_expression(path.child("matchExpressions").index(index), expression, strict=strict)
    for index, expression in enumerate(term.match_fields):
        _check_node_field(path.child("matchFields").index(index), expression)


def _check_node_expression(
    path: Place, expression: reference_pb2.NodeSelectorRequirement, *, strict: bool
) -> None:
    """Check an expression on a node's labels, and its values where they decide (`strict`), as upstream."""
    at = path.child("values")
    match expression.operator:
        case "In" | "NotIn":
            if not expression.values:
                at.required("must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if expression.values:
                at.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case "Gt" | "Lt":
            if len(expression.values) != 1:
                at.required("must be specified single value when `operator` is 'Lt' or 'Gt'")
        case _:
            path.child("operator").invalid(expression.operator, _BAD_OPERATOR)
    check_label_name(path.child("key"), expression.key)
    if strict:
        for index, value in enumerate(expression.values):
            at.index(index).check_value(value, names.label_value)


def _check_node_field(path: Place, expression: reference_pb2.NodeSelectorRequirement) -> None:
    if expression.operator not in {"In", "NotIn"}:
        path.child("operator").invalid(expression.operator, _BAD_OPERATOR)
    elif len(expression.values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        path.child("values").required(detail)
    if expression.key != "metadata.name":
        path.child("key").invalid(expression.key, "not a valid field selector key")
        return
    for index, value in enumerate(expression.values):
        path.child("values").index(index).check_value(value, names.dns_1123_subdomain)


def _check_pod_affinity(path: Place, affinity: pod_pb2.PodAffinity | pod_pb2.PodAntiAffinity) -> None:
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        _check_pod_term(path.child(_REQUIRED).index(index), term)
    for index, weighted in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = path.child(_PREFERRED).index(index)
        _check_weight(at, weighted.weight)
        _check_pod_term(at.child("podAffinityTerm"), weighted.pod_affinity_term)


def _check_pod_term(path: Place, term: pod_pb2.PodAffinityTerm) -> None:
    if term.HasField("label_selector"):
        check_label_selector(path.child("labelSelector"), term.label_selector)
    if term.HasField("namespace_selector"):
        check_label_selector(path.child("namespaceSelector"), term.namespace_selector)
    for namespace in term.namespaces:
        path.child("namespace").check_value(namespace, names.dns_1123_label)
    if term.match_label_keys or term.mismatch_label_keys:
        _check_label_keys(path, term)
    if not term.topology_key:
        path.child("topologyKey").required("can not be empty")
    check_label_name(path.child("topologyKey"), term.topology_key)


def _check_label_keys(path: Place, term: pod_pb2.PodAffinityTerm) -> None:
    """Check the keys whose values are taken from the Pod itself (KEP-3633)."""
    lists: tuple[tuple[str, Sequence[str]], ...] = (
        ("matchLabelKeys", term.match_label_keys), ("mismatchLabelKeys", term.mismatch_label_keys),
    )  # fmt: skip
    for shown, keys in lists:
        if keys and not term.HasField("label_selector"):
            path.child(shown).forbidden(_WITHOUT_SELECTOR)
            continue
        for index, key in enumerate(keys):
            check_label_name(path.child(shown).index(index), key)
    _check_keys_in_selector(path, list(term.match_label_keys), term.label_selector)
    mismatched = set(term.mismatch_label_keys)
    for index, key in enumerate(term.match_label_keys):
        if key in mismatched:
            path.child("matchLabelKeys").index(index).invalid(key, _BOTH_LISTS)


def _check_keys_in_selector(path: Place, keys: list[str], selector: meta_pb2.LabelSelector) -> None:
    """Report keys that the selector names a second time: the first is what the apiserver itself adds."""
    named = set(selector.match_labels)
    first = {key: index for index, key in reversed([*enumerate(keys)])}
    for expression in selector.match_expressions:
        if expression.key in named and expression.key in first:
            path.index(first[expression.key]).invalid(expression.key, _KEY_IN_SELECTOR)
        named.add(expression.key)


def check_tolerations(path: Place, tolerations: Iterable[pod_pb2.Toleration]) -> None:
    """Check tolerations."""
    for index, toleration in enumerate(tolerations):
        at = path.index(index)
        if toleration.key:
            if names.qualified_name(toleration.key):
                check_label_name(at.child("key"), toleration.key)
        elif toleration.operator != "Exists":
            detail = (
                'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
            at.child("operator").invalid(toleration.operator, detail)
        if toleration.effect != "NoExecute" and toleration.HasField("toleration_seconds"):
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            at.child("effect").invalid(toleration.effect, detail)
        _check_toleration_value(at.child("operator"), toleration)
        if toleration.effect:
            check_effect(at.child("effect"), toleration.effect)


def _check_toleration_value(path: Place, toleration: pod_pb2.Toleration) -> None:
    """Check the value against the operator. Upstream names the operator, not the value, as the place."""
    match toleration.operator:
        case "" | "Equal":
            if problems := names.label_value(toleration.value):
                path.invalid(toleration.value, ";".join(problems))
        case "Exists":
            if toleration.value:
                path.invalid(toleration.value, "value must be empty when `operator` is 'Exists'")
        case _:
            # Lt and Gt too: upstream has them behind TaintTolerationComparisonOperators, alpha and off in
            # 1.36, and refuses them in these words. The scheduler knows them, for tolerations that were
            # stored elsewhere.
            path.not_supported(toleration.operator, _OPERATORS)


def check_effect(path: Place, effect: str) -> None:
    """Check a taint's effect."""
    path.check_supported(effect, _EFFECTS)


def check_taints(path: Place, taints: Iterable[node_pb2.Taint]) -> None:
    """Check the taints of a node: no two with the same key and effect."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        at = path.index(index)
        check_label_name(at.child("key"), taint.key)
        if problems := names.label_value(taint.value):
            at.child("value").invalid(taint.value, ";".join(problems))
        if not taint.effect:
            at.child("effect").required()
        else:
            check_effect(at.child("effect"), taint.effect)
        if (taint.key, taint.effect) in seen:
            shown = f"Duplicate value: {show_value(taint)}: taints must be unique by key and effect pair"
            at.errors.append(FieldError(DUPLICATE, str(at), shown))
        seen.add((taint.key, taint.effect))


def check_gates(path: Place, gates: Iterable[pod_pb2.PodSchedulingGate]) -> None:
    """Check what holds a Pod back from scheduling (KEP-3521)."""
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        path.index(index).check_value(gate.name, names.qualified_name)
        path.index(index).check_unique(gate.name, seen)


def check_spread(path: Place, constraints: Constraints) -> None:
    """Check the topology spread constraints of a Pod (KEP-895, 3022, 3094, 3243)."""
    #: how many with this pair are still to come
    left = Counter(map(_pair, constraints))
    for index, constraint in enumerate(constraints):
        at = path.index(index)
        if constraint.max_skew <= 0:
            at.child("maxSkew").invalid(constraint.max_skew, NOT_POSITIVE)
        if not constraint.topology_key:
            at.child("topologyKey").required("can not be empty")
        at.child("whenUnsatisfiable").check_supported(constraint.when_unsatisfiable, _ACTIONS)
        pair = _pair(constraint)
        left[pair] -= 1
        if left[pair]:
            at_pair = at.child("{topologyKey, whenUnsatisfiable}")
            at_pair.duplicate(f"{{{pair[0]}, {pair[1]}}}")
        _check_min_domains(at.child("minDomains"), constraint)
        at.check_given(constraint, "node_affinity_policy", _SPREAD_POLICIES)
        at.check_given(constraint, "node_taints_policy", _SPREAD_POLICIES)
        if constraint.match_label_keys:
            _check_spread_keys(at.child("matchLabelKeys"), constraint)
        if constraint.HasField("label_selector"):
            check_label_selector(at.child("labelSelector"), constraint.label_selector)


def _pair(constraint: pod_pb2.TopologySpreadConstraint) -> tuple[str, str]:
    return constraint.topology_key, constraint.when_unsatisfiable


def _check_min_domains(path: Place, constraint: pod_pb2.TopologySpreadConstraint) -> None:
    if not constraint.HasField("min_domains"):
        return
    if constraint.min_domains <= 0:
        path.invalid(constraint.min_domains, NOT_POSITIVE)
    if constraint.when_unsatisfiable != "DoNotSchedule":
        action = constraint.when_unsatisfiable
        detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        path.invalid(constraint.min_domains, detail)


def _check_spread_keys(path: Place, constraint: pod_pb2.TopologySpreadConstraint) -> None:
    selector = constraint.label_selector
    if not constraint.HasField("label_selector"):
        path.forbidden(_WITHOUT_SELECTOR)
    named = {*selector.match_labels, *(expression.key for expression in selector.match_expressions)}
    for index, key in enumerate(constraint.match_label_keys):
        check_label_name(path.index(index), key)
        if key in named:
            path.index(index).invalid(key, _KEY_IN_SELECTOR)
