"""Gathers the rules of the ClusterRoles that an aggregation rule selects, as those of `admin` and `edit`.

Follows upstream's `pkg/controller/clusterroleaggregation`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from controller.base import Controller, Tools
from vaina.api.rbac.v1 import rbac_pb2
from vaina.cache.informer import InformerFactory
from vaina.errors import NotFound
from vaina.kinds import CLUSTER_ROLE
from vaina.objects.selectors import from_message

ClusterRole = rbac_pb2.ClusterRole


def gathered(role: ClusterRole, others: Iterable[ClusterRole]) -> Sequence[rbac_pb2.PolicyRule]:
    """Return the rules of what a role selects, each once, by selector and name."""
    by_name = sorted(others, key=lambda other: other.metadata.name)
    rules: list[rbac_pb2.PolicyRule] = []
    for message in role.aggregation_rule.cluster_role_selectors:
        selector = from_message(message)
        for other in by_name:
            if other.metadata.name != role.metadata.name and selector.matches(other.metadata.labels):
                rules += [rule for rule in other.rules if rule not in rules]
    return rules


class ClusterRoleAggregationController(Controller):
    """All aggregating ClusterRoles have one key: any change may concern any of them, and there are few."""

    name = "clusterrole-aggregation"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self._client = factory.clientset.kind(CLUSTER_ROLE)
        self._roles = self.watch(factory.informer(CLUSTER_ROLE), lambda _: CLUSTER_ROLE.plural)

    async def sync(self, key: str) -> float | None:
        roles = self._roles.list()
        for role in roles:
            if not role.HasField("aggregation_rule"):
                continue
            rules = gathered(role, roles)
            if list(role.rules) == rules:
                continue
            changed = ClusterRole()
            changed.CopyFrom(role)
            del changed.rules[:]
            changed.rules.extend(rules)
            with suppress(NotFound):
                await self._client.update(changed)
        return None
