"""`vaina create namespace`, `quota`, `priorityclass` and `poddisruptionbudget`, as kubectl makes them."""

import re
from typing import Final

from cli import flags
from cli.commands.create import creates
from cli.failures import Failure
from vaina.api.core.v1 import namespace_pb2, resource_quota_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.kinds import NAMESPACE, POD_DISRUPTION_BUDGET, PRIORITY_CLASS, RESOURCE_QUOTA
from vaina.objects import quantity
from vaina.objects.selectors import SelectorError, parse_label_selector

#: of a requirement of a selector, as its message has them
_OPERATORS: Final = {"in": "In", "notin": "NotIn", "!=": "NotIn", "exists": "Exists", "!": "DoesNotExist"}


@creates(NAMESPACE, "namespace")
def fill_namespace(made: namespace_pb2.Namespace) -> None:
    """Make a Namespace."""


@creates(RESOURCE_QUOTA, "quota")
@flags.text("--hard", "The most that there may be.", "RESOURCE=AMOUNT,...")
@flags.text("--scopes", "Which objects count.", "SCOPE,...")
def fill_quota(made: resource_quota_pb2.ResourceQuota, *, hard: str, scopes: str) -> None:
    """Make a ResourceQuota."""
    for part in filter(None, hard.split(",")):
        resource, equals, amount = part.partition("=")
        if not equals or not resource:
            raise Failure(f"invalid argument syntax {part}, expected <resource>=<value>")
        try:
            made.spec.hard[resource].string = quantity.canonical(amount)
        except quantity.QuantityError as error:
            raise Failure(str(error)) from error
    made.spec.scopes.extend(filter(None, scopes.split(",")))


@creates(PRIORITY_CLASS, "priorityclass")
@flags.integer("--value", 0, "The priority of its Pods: the higher the more important.")
@flags.flag("--global-default", "For Pods that name no class.")
@flags.text("--description", "When it is to be used.")
@flags.text("--preemption-policy", "Or Never.", default="PreemptLowerPriority")
def fill_priority_class(
    made: priority_class_pb2.PriorityClass,
    *,
    value: int,
    global_default: bool,
    description: str,
    preemption_policy: str,
) -> None:
    """Make a PriorityClass."""
    made.value, made.global_default = value, global_default
    made.description, made.preemption_policy = description, preemption_policy


@creates(POD_DISRUPTION_BUDGET, "poddisruptionbudget")
@flags.text("--selector", "Which Pods it is about: a=b,c in (x,y).")
@flags.text("--min-available least", "How many must stay: 2 or 50%.", "NUMBER")
@flags.text("--max-unavailable most", "How many may go: 2 or 50%.", "NUMBER")
def fill_budget(
    made: pod_disruption_budget_pb2.PodDisruptionBudget, *, selector: str, least: str, most: str
) -> None:
    """Make a PodDisruptionBudget."""
    if not selector:
        raise Failure("a selector must be specified")
    if not least and not most:
        raise Failure("one of min-available or max-unavailable must be specified")
    if least and most:
        raise Failure("min-available and max-unavailable cannot be both specified")
    _fill_selector(made.spec.selector, selector)
    if least:
        made.spec.min_available.CopyFrom(_int_or_percent("min-available", least))
    else:
        made.spec.max_unavailable.CopyFrom(_int_or_percent("max-unavailable", most))


def _int_or_percent(flag: str, text: str) -> meta_pb2.IntOrString:
    if not re.fullmatch(r"[0-9]{1,9}%?", text):
        raise Failure(f"invalid format specified for {flag}")
    if text.endswith("%"):
        return meta_pb2.IntOrString(type=1, str_val=text)
    return meta_pb2.IntOrString(int_val=int(text))


def _fill_selector(made: meta_pb2.LabelSelector, text: str) -> None:
    """Fill a selector from what one writes on a command line."""
    try:
        parsed = parse_label_selector(text)
    except SelectorError as error:
        raise Failure(str(error)) from error
    made.SetInParent()
    for one in parsed.requirements:
        if one.operator in ("=", "=="):
            made.match_labels[one.key] = one.values[0]
        elif one.operator in _OPERATORS:
            made.match_expressions.add(
                key=one.key, operator=_OPERATORS[one.operator], values=sorted(one.values)
            )
        else:
            raise Failure(f'"{one.operator}" isn\'t supported in label selectors')
