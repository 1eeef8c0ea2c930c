"""`vaina describe` of PodDisruptionBudgets, as kubectl writes it."""

from collections.abc import Sequence
from typing import Any

from cli.printers.cells import int_or_text, selector_text
from cli.printers.page import Page, describe_meta


def describe_budget(page: Page, budget: Any, _: Sequence[Any]) -> None:
    """Write how many Pods may be away, and how many are."""
    describe_meta(page, budget)
    spec, status = budget.spec, budget.status
    if spec.HasField("min_available"):
        page.value(0, "Min available", int_or_text(spec.min_available))
    elif spec.HasField("max_unavailable"):
        page.value(0, "Max unavailable", int_or_text(spec.max_unavailable))
    page.value(0, "Selector", selector_text(spec.selector) if spec.HasField("selector") else "<unset>")
    page.line(0, "Status:")
    page.value(2, "Allowed disruptions", str(status.disruptions_allowed))
    page.value(2, "Current", str(status.current_healthy))
    page.value(2, "Desired", str(status.desired_healthy))
    page.value(2, "Total", str(status.expected_pods))
