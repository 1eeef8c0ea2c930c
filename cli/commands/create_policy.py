"""`vaina create quota`, `priorityclass` and `poddisruptionbudget`.

What keeps tenants within bounds, as kubectl makes it.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import click

from cli import flags
from cli.commands.making import make
from cli.failures import Failure
from vaina.api.core.v1 import resource_quota_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.kinds import POD_DISRUPTION_BUDGET, PRIORITY_CLASS, RESOURCE_QUOTA
from vaina.objects import quantity
from vaina.objects.selectors import SelectorError, parse_label_selector

#: of a requirement of a selector, as its message has them
_OPERATORS: Final = {"in": "In", "notin": "NotIn", "!=": "NotIn", "exists": "Exists", "!": "DoesNotExist"}


@dataclass(frozen=True, slots=True)
class QuotaOptions:
    """What `create quota` was asked for."""

    name: str
    #: cpu=1,pods=10
    hard: str = ""
    #: BestEffort,NotTerminating
    scopes: str = ""
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""


def make_quota(options: QuotaOptions, namespace: str) -> resource_quota_pb2.ResourceQuota:
    """Make the quota. Raises Failure."""
    made = resource_quota_pb2.ResourceQuota(metadata={"name": options.name, "namespace": namespace})
    for part in filter(None, options.hard.split(",")):
        resource, equals, amount = part.partition("=")
        if not equals or not resource:
            raise Failure(f"invalid argument syntax {part}, expected <resource>=<value>")
        try:
            made.spec.hard[resource].string = quantity.canonical(amount)
        except quantity.QuantityError as error:
            raise Failure(str(error)) from error
    made.spec.scopes.extend(filter(None, options.scopes.split(",")))
    return made


@dataclass(frozen=True, slots=True)
class PriorityClassOptions:
    """What `create priorityclass` was asked for."""

    name: str
    value: int = 0
    global_default: bool = False
    description: str = ""
    preemption_policy: str = "PreemptLowerPriority"
    dry_run: str = "none"
    output: str = ""


def make_priority_class(options: PriorityClassOptions) -> priority_class_pb2.PriorityClass:
    """Make the class."""
    return priority_class_pb2.PriorityClass(
        metadata={"name": options.name}, value=options.value, global_default=options.global_default,
        description=options.description, preemption_policy=options.preemption_policy,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class BudgetOptions:
    """What `create poddisruptionbudget` was asked for."""

    name: str
    selector: str = ""
    #: 2 or 50%; empty: not said
    least: str = ""
    most: str = ""
    namespace: str = ""
    dry_run: str = "none"
    output: str = ""


def make_budget(options: BudgetOptions, namespace: str) -> pod_disruption_budget_pb2.PodDisruptionBudget:
    """Make the budget. Raises Failure."""
    if not options.selector:
        raise Failure("a selector must be specified")
    if not options.least and not options.most:
        raise Failure("one of min-available or max-unavailable must be specified")
    if options.least and options.most:
        raise Failure("min-available and max-unavailable cannot be both specified")
    made = pod_disruption_budget_pb2.PodDisruptionBudget(
        metadata={"name": options.name, "namespace": namespace}
    )
    made.spec.selector.CopyFrom(_selector(options.selector))
    if options.least:
        made.spec.min_available.CopyFrom(_int_or_percent("min-available", options.least))
    else:
        made.spec.max_unavailable.CopyFrom(_int_or_percent("max-unavailable", options.most))
    return made


def _int_or_percent(flag: str, text: str) -> meta_pb2.IntOrString:
    if not re.fullmatch(r"[0-9]{1,9}%?", text):
        raise Failure(f"invalid format specified for {flag}")
    if text.endswith("%"):
        return meta_pb2.IntOrString(type=1, str_val=text)
    return meta_pb2.IntOrString(int_val=int(text))


def _selector(text: str) -> meta_pb2.LabelSelector:
    """Return the message of a selector as one writes it on a command line."""
    try:
        parsed = parse_label_selector(text)
    except SelectorError as error:
        raise Failure(str(error)) from error
    made = meta_pb2.LabelSelector()
    for one in parsed.requirements:
        if one.operator in ("=", "=="):
            made.match_labels[one.key] = one.values[0]
        elif one.operator in _OPERATORS:
            made.match_expressions.add(
                key=one.key, operator=_OPERATORS[one.operator], values=sorted(one.values)
            )
        else:
            raise Failure(f'"{one.operator}" isn\'t supported in label selectors')
    return made


@click.command("quota")
@click.argument("name")
@flags.writing
@flags.namespace
@click.option("--hard", default="", metavar="RESOURCE=AMOUNT,...", help="The most that there may be.")
@click.option("--scopes", default="", metavar="SCOPE,...", help="Which objects count.")
def create_quota_command(**options: Any) -> None:
    """Make a ResourceQuota."""
    given = QuotaOptions(**options)
    flags.start(
        lambda shell, clients: make(
            shell, clients, RESOURCE_QUOTA, make_quota(given, given.namespace or shell.namespace), given
        )
    )


@click.command("priorityclass")
@click.argument("name")
@flags.writing
@flags.server
@click.option("--value", type=int, default=0, help="The priority of its Pods: the higher the more important.")
@click.option("--global-default", is_flag=True, help="For Pods that name no class.")
@click.option("--description", default="", help="When it is to be used.")
@click.option("--preemption-policy", default="PreemptLowerPriority", help="Or Never.")
def create_priorityclass_command(**options: Any) -> None:
    """Make a PriorityClass."""
    given = PriorityClassOptions(**options)
    flags.start(
        lambda shell, clients: make(shell, clients, PRIORITY_CLASS, make_priority_class(given), given)
    )


@click.command("poddisruptionbudget")
@click.argument("name")
@flags.writing
@flags.namespace
@click.option("--selector", default="", help="Which Pods it is about: a=b,c in (x,y).")
@click.option("--min-available", "least", default="", metavar="NUMBER", help="How many must stay: 2 or 50%.")
@click.option("--max-unavailable", "most", default="", metavar="NUMBER", help="How many may go: 2 or 50%.")
def create_poddisruptionbudget_command(**options: Any) -> None:
    """Make a PodDisruptionBudget."""
    given = BudgetOptions(**options)
    flags.start(
        lambda shell, clients: make(
            shell,
            clients,
            POD_DISRUPTION_BUDGET,
            make_budget(given, given.namespace or shell.namespace),
            given,
        )
    )
