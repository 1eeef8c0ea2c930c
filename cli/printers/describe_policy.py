"""The pages of quotas, limits, budgets and priorities in `vaina describe`, and of Namespaces."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from cli.printers.cells import UNSET, int_or_text, selector_text, show_amount
from cli.printers.page import Page, describe_labels, describe_meta

#: headers of the table of limits
_LIMITS: Final = (
    "Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio",
)  # fmt: skip


def describe_budget(page: Page, budget: Any, _: Sequence[Any]) -> None:
    """Write how many Pods may be away, and how many are."""
    describe_meta(page, budget)
    spec, status = budget.spec, budget.status
    least, most = spec.HasField("min_available"), spec.HasField("max_unavailable")
    page.values(
        0,
        ("Min available", int_or_text(spec.min_available) if least else None),
        ("Max unavailable", int_or_text(spec.max_unavailable) if most and not least else None),
        ("Selector", selector_text(spec.selector) if spec.HasField("selector") else UNSET),
    )
    page.line(0, "Status:")
    page.values(
        2,
        ("Allowed disruptions", str(status.disruptions_allowed)),
        ("Current", str(status.current_healthy)),
        ("Desired", str(status.desired_healthy)),
        ("Total", str(status.expected_pods)),
    )


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
    used, hard = quota.status.used, quota.status.hard
    rows = [(name, show_amount(used, name), show_amount(hard, name)) for name in sorted(hard)]
    page.table(level, ("Resource", "Used", "Hard"), rows)


def describe_limit_range(page: Page, limit_range: Any, _: Sequence[Any]) -> None:
    """Write the bounds and defaults of each resource."""
    describe_meta(page, limit_range)
    page.table(0, _LIMITS, _limits([limit_range]))


def _limits(ranges: Sequence[Any]) -> Iterable[Sequence[str]]:
    for item in (item for limit_range in ranges for item in limit_range.spec.limits):
        parts = (item.min, item.max, item.default_request, item.default, item.max_limit_request_ratio)
        for name in sorted({name for part in parts for name in part}):
            yield item.type, name, *(show_amount(part, name) if name in part else "-" for part in parts)


def describe_priority_class(page: Page, found: Any, _: Sequence[Any]) -> None:
    """Write what the Pods of a class get."""
    describe_meta(page, found, namespaced=False)
    page.values(
        0,
        ("Value", str(found.value)),
        ("GlobalDefault", str(found.global_default).lower()),
        ("PreemptionPolicy", found.preemption_policy),
        ("Description", found.description),
    )
    describe_labels(page, found)


def describe_namespace(page: Page, namespace: Any, related: Sequence[Any]) -> None:
    """Write a namespace, why it does not end, and what limits it: `related` are its quotas and limit ranges."""
    describe_meta(page, namespace, namespaced=False)
    describe_labels(page, namespace)
    page.value(0, "Status", namespace.status.phase)
    page.conditions(namespace.status, "Type", "Status", "Reason", "Message")
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
        page.table(1, _LIMITS, _limits(ranges))
