"""Defaults of ResourceQuotas, LimitRanges and PriorityClasses."""

from vaina.api.core.v1 import limit_range_pb2, resource_quota_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.objects.defaults import Quantities, round_up


def default_resource_quota(quota: resource_quota_pb2.ResourceQuota) -> None:
    """Round amounts as those of containers are rounded: they are compared."""
    round_up(quota.spec.hard)
    round_up(quota.status.hard)
    round_up(quota.status.used)


def default_limit_range(limit_range: limit_range_pb2.LimitRange) -> None:
    """Complete what containers get: limits from the most that is allowed, requests from limits, or from the
    least.
    """
    for item in limit_range.spec.limits:
        for amounts in (item.max, item.min, item.default, item.default_request, item.max_limit_request_ratio):
            round_up(amounts)
        if item.type == "Container":
            _complete(item.default, item.max)
            _complete(item.default_request, item.default)
            _complete(item.default_request, item.min)


def _complete(amounts: Quantities, source: Quantities) -> None:
    for name in source:
        if name not in amounts:
            amounts[name].string = source[name].string


def default_priority_class(priority_class: priority_class_pb2.PriorityClass) -> None:
    """Pods of a class preempt others, unless it says otherwise."""
    if not priority_class.HasField("preemption_policy"):
        priority_class.preemption_policy = "PreemptLowerPriority"
