"""Rules for label selectors, as they stand in affinity, spreading, ReplicaSets and volumes.

Follows apimachinery's `meta/v1/validation`.
"""

from collections.abc import Iterable

from apiserver.validation.metadata import check_label_name, check_labels
from apiserver.validation.place import Place
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names


def check_label_selector(path: Place, selector: meta_pb2.LabelSelector) -> None:
    """Check a selector's labels and expressions."""
    if selector.match_labels:
        check_labels(path.child("matchLabels"), selector.match_labels)
    if selector.match_expressions:
        _check_expressions(path.child("matchExpressions"), selector.match_expressions)


def _check_expressions(path: Place, expressions: Iterable[meta_pb2.LabelSelectorRequirement]) -> None:
    for index, expression in enumerate(expressions):
        at = path.index(index)
        if expression.operator in {"In", "NotIn"}:
            if not expression.values:
                at.child("values").required("must be specified when `operator` is 'In' or 'NotIn'")
        elif expression.operator in {"Exists", "DoesNotExist"}:
            if expression.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                at.child("values").forbidden(detail)
        else:
            at.child("operator").invalid(expression.operator, "not a valid selector operator")
        check_label_name(at.child("key"), expression.key)
        for position, value in enumerate(expression.values):
            at.child("values").index(position).check_value(value, names.label_value)
