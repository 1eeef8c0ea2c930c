"""Rules for label selectors, as they stand in affinity, spreading, ReplicaSets and volumes.

Follows apimachinery's `meta/v1/validation`.
"""

from collections.abc import Iterable

from apiserver.validation.metadata import Errors, check_label_name, check_labels
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, required


def check_label_selector(errors: Errors, path: Path, selector: meta_pb2.LabelSelector) -> None:
    """Check a selector's labels and expressions."""
    if selector.match_labels:
        check_labels(errors, path.child("matchLabels"), selector.match_labels)
    if selector.match_expressions:
        _check_expressions(errors, path.child("matchExpressions"), selector.match_expressions)


def _check_expressions(
    errors: Errors, path: Path, expressions: Iterable[meta_pb2.LabelSelectorRequirement]
) -> None:
    for index, expression in enumerate(expressions):
        at = path.index(index)
        if expression.operator in {"In", "NotIn"}:
            if not expression.values:
                errors.append(
                    required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
                )
        elif expression.operator in {"Exists", "DoesNotExist"}:
            if expression.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(forbidden(at.child("values"), detail))
        else:
            errors.append(invalid(at.child("operator"), expression.operator, "not a valid selector operator"))
        check_label_name(errors, at.child("key"), expression.key)
        for position, value in enumerate(expression.values):
            errors.extend(
                invalid(at.child("values").index(position), value, problem)
                for problem in names.label_value(value)
            )
