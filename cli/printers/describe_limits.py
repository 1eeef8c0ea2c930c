"""`vaina describe` of ResourceQuotas, LimitRanges, PriorityClasses, and of Namespaces, whose page shows the
first two as well.
"""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import show_amount
from cli.printers.page import Page, describe_labels, describe_meta

_BOUNDS: Final = ("Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")


def describe_resource_quota(page: Page, quota: Any, _: Sequence[Any]) -> None:
    """Write what is used of what there is."""
    describe_meta(page, quota)
    if quota.spec.scopes:
        page.value(0, "Scopes", ", ".join(sorted(quota.spec.scopes)))
    for requirement in quota.spec.scope_selector.match_expressions:
        words = f"{requirement.scope_name} {requirement.operator} {','.join(requirement.values)}"
        page.value(0, "Scope Selector", words.strip())
    _uses(page, 0, quota)


def _uses(page: Page, level: int, quota: Any) -> None:
    page.line(level, "Resource", "Used", "Hard")
    page.line(level, "--------", "----", "----")
    hard = quota.status.hard
    for name in sorted(hard):
        page.line(level, name, show_amount(quota.status.used, name), show_amount(hard, name))


def describe_limit_range(page: Page, limit_range: Any, _: Sequence[Any]) -> None:
    """Write the bounds and defaults of each resource."""
    describe_meta(page, limit_range)
    _limits(page, 0, [limit_range])


def _limits(page: Page, level: int, ranges: Sequence[Any]) -> None:
    page.line(level, "Type", "Resource", *_BOUNDS)
    page.line(level, "----", "--------", *("-" * len(title) for title in _BOUNDS))
    for item in (item for limit_range in ranges for item in limit_range.spec.limits):
        parts = (item.min, item.max, item.default_request, item.default, item.max_limit_request_ratio)
        for name in sorted({name for part in parts for name in part}):
            shown = [show_amount(part, name) if name in part else "-" for part in parts]
            page.line(level, item.type, name, *shown)


def describe_priority_class(page: Page, found: Any, _: Sequence[Any]) -> None:
    """Write what the Pods of a class get."""
    describe_meta(page, found, namespaced=False)
    page.value(0, "Value", str(found.value))
    page.value(0, "GlobalDefault", str(found.global_default).lower())
    page.value(0, "PreemptionPolicy", found.preemption_policy)
    page.value(0, "Description", found.description)
    describe_labels(page, found)


def describe_namespace(page: Page, namespace: Any, related: Sequence[Any]) -> None:
    """Write a namespace, why it does not end, and what limits it.

    Follows `related`: its ResourceQuotas and LimitRanges.
    """
    describe_meta(page, namespace, namespaced=False)
    describe_labels(page, namespace)
    page.value(0, "Status", namespace.status.phase)
    if namespace.status.conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type", "Status", "Reason", "Message")
        page.line(1, "----", "------", "------", "-------")
        for condition in namespace.status.conditions:
            page.line(1, condition.type, condition.status, condition.reason, condition.message)
    quotas = [obj for obj in related if obj.DESCRIPTOR.name == "ResourceQuota"]
    ranges = [obj for obj in related if obj.DESCRIPTOR.name == "LimitRange"]
    page.line(0, "")
    page.line(0, "Resource Quotas:" if quotas else "No resource quota.")
    for quota in quotas:
        page.value(1, "Name", quota.metadata.name)
        _uses(page, 1, quota)
    page.line(0, "")
    page.line(0, "Resource Limits:" if ranges else "No LimitRange resource.")
    if ranges:
        _limits(page, 1, ranges)
