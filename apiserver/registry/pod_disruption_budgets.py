"""What is special about PodDisruptionBudgets: a generation, and updates that say which version they change.

Follows `pkg/registry/policy/poddisruptionbudget`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.policy.v1 import pod_disruption_budget_pb2


class PodDisruptionBudgetStrategy(Strategy[pod_disruption_budget_pb2.PodDisruptionBudget]):
    """The hooks."""

    has_generation = True
    allow_unconditional_update = False
