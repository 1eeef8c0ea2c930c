"""Roles and bindings as kubectl shows them (kubectl `pkg/describe`)."""

from collections.abc import Sequence
from typing import Any

from cli.printers.page import Page, describe_labels, describe_meta
from vaina.objects.rules import Rule, compact, pieces, rules_of


def readable(rules: Sequence[Rule]) -> list[Rule]:
    """Return rules in the pieces and the order in which they are shown."""
    return sorted(compact(piece for rule in rules for piece in pieces(rule)), key=_written)


def _written(rule: Rule) -> str:
    fields = zip(("Verbs", "APIGroups", "Resources", "ResourceNames", "NonResourceURLs"), rule, strict=True)
    return "".join(f"{name}:{bare(values)}," for name, values in fields)


def bare(texts: Sequence[str]) -> str:
    """Write texts as Go's %v writes a slice."""
    return f"[{' '.join(texts)}]"


def resource_of(rule: Rule) -> str:
    """Write the resource of a piece: deployments.apps/scale (CombineResourceGroup)."""
    if not rule.resources:
        return ""
    resource, slash, subresource = rule.resources[0].partition("/")
    group = f".{rule.groups[0]}" if rule.groups and rule.groups[0] else ""
    return f"{resource}{group}{slash}{subresource}"


def cells_of(rule: Rule) -> tuple[str, str, str, str]:
    """Return a row of the table of rules."""
    return resource_of(rule), bare(rule.urls), bare(rule.names), bare(rule.verbs)


def describe_role(page: Page, role: Any, _: Sequence[Any]) -> None:
    """Write a role and its rules."""
    describe_meta(page, role, namespaced=False)
    describe_labels(page, role)
    page.line(0, "PolicyRule:")
    headers = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")
    page.table(1, headers, map(cells_of, readable(rules_of(role.rules))))


def describe_binding(page: Page, binding: Any, _: Sequence[Any]) -> None:
    """Write a binding: the role, and who has it."""
    describe_meta(page, binding, namespaced=False)
    describe_labels(page, binding)
    page.line(0, "Role:")
    page.value(1, "Kind", binding.role_ref.kind)
    page.value(1, "Name", binding.role_ref.name)
    page.line(0, "Subjects:")
    page.table(1, ("Kind", "Name", "Namespace"), ((s.kind, s.name, s.namespace) for s in binding.subjects))
