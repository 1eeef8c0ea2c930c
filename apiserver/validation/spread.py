"""Rules for topology spread constraints (KEP-895, 3022, 3094, 3243).

Follows `pkg/apis/core/validation`: validateTopologySpreadConstraints.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from apiserver.validation.metadata import check_label_name, check_label_selector
from apiserver.validation.place import NOT_POSITIVE, Place
from apiserver.validation.scheduling import KEY_IN_SELECTOR, WITHOUT_SELECTOR
from vaina.api.core.v1 import pod_pb2

_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES: Final = ("Honor", "Ignore")

Constraints = Sequence[pod_pb2.TopologySpreadConstraint]


def check_constraints(path: Place, constraints: Constraints) -> None:
    """Check all constraints of a Pod."""
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
        _check_policies(at, constraint)
        if constraint.match_label_keys:
            _check_keys(at.child("matchLabelKeys"), constraint)
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


def _check_policies(path: Place, constraint: pod_pb2.TopologySpreadConstraint) -> None:
    for field, shown in (
        ("node_affinity_policy", "nodeAffinityPolicy"),
        ("node_taints_policy", "nodeTaintsPolicy"),
    ):
        if constraint.HasField(field) and (policy := getattr(constraint, field)) not in _POLICIES:
            path.child(shown).not_supported(policy, _POLICIES)


def _check_keys(path: Place, constraint: pod_pb2.TopologySpreadConstraint) -> None:
    selector = constraint.label_selector
    if not constraint.HasField("label_selector"):
        path.forbidden(WITHOUT_SELECTOR)
    named = {*selector.match_labels, *(expression.key for expression in selector.match_expressions)}
    for index, key in enumerate(constraint.match_label_keys):
        check_label_name(path.index(index), key)
        if key in named:
            path.index(index).invalid(key, KEY_IN_SELECTOR)
