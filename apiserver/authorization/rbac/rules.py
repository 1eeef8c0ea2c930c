"""What a rule allows. Pure.

Follows `plugin/pkg/auth/authorizer/rbac/rbac.go` (RuleAllows) and `pkg/apis/rbac/v1/evaluation_helpers.go`.
"""

from apiserver.authorization.attributes import Attributes
from vaina.objects.rules import ALL, Rule, url_covers


def allows(rule: Rule, asked: Attributes) -> bool:
    """Say whether a rule allows what is asked."""
    if not (asked.verb in rule.verbs or ALL in rule.verbs):
        return False
    if not asked.resource:
        return any(url_covers(url, asked.path) for url in rule.urls)
    if not (asked.group in rule.groups or ALL in rule.groups):
        return False
    if rule.names and asked.name not in rule.names:
        return False
    return any(resource in rule.resources for resource in resources_for(asked))


def resources_for(asked: Attributes) -> tuple[str, ...]:
    """Return the words of a rule that mean the resource that is asked for."""
    if asked.subresource:
        return ALL, asked.combined, f"*/{asked.subresource}"
    return ALL, asked.resource
