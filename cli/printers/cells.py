"""Texts of cells that several tables and descriptions show: selectors, amounts, numbers or percentages."""

from typing import Any, Final

from vaina.objects import selectors

NONE: Final = "<none>"


def show_selector(owner: Any) -> str:
    """Write the selector of a ReplicaSet or ReplicationController as text."""
    return selector_text(owner.spec.selector)


def selector_text(selector: Any) -> str:
    """Write a LabelSelector, or a map of labels, as text."""
    if hasattr(selector, "match_labels"):
        try:
            return str(selectors.from_message(selector)) or NONE
        except selectors.SelectorError:
            return "<error>"
    return ",".join(f"{key}={selector[key]}" for key in sorted(selector)) or NONE


def show_amount(amounts: Any, name: str) -> str:
    """Write an amount of a map of amounts; what is not there is nothing."""
    return (amounts[name].string if name in amounts else "") or "0"


def int_or_text(value: Any) -> str:
    """Write an IntOrString."""
    return value.str_val if value.type else str(value.int_val)
