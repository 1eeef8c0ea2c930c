"""PodDisruptionBudgets: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import QUALIFIED, VALUE, Case, case, each, read_default, violations
from vaina.errors import FieldError
from vaina.kinds import POD_DISRUPTION_BUDGET as KIND


def make(rest: str, meta: str = "{name: a, namespace: b}") -> Any:
    return read_default(KIND, f"apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {meta}\n{rest}")


def created(rest: str, meta: str = "{name: a, namespace: b}") -> list[FieldError]:
    return validate_create(KIND, make(rest, meta))


PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
SPECS = (
    case("a number", "{minAvailable: 2, selector: {matchLabels: {app: zk}}}"),
    case("a share", "{maxUnavailable: 100%, unhealthyPodEvictionPolicy: AlwaysAllow}"),
    case("all, with zeros before it", "{maxUnavailable: '0100%'}"),
    case("none, with many zeros", f"{{minAvailable: {'0' * 50}%}}"),
    case("more than all, with zeros before it", "{maxUnavailable: '0101%'}",
         'spec.maxUnavailable: Invalid value: "0101%": must not be greater than 100%'),
    case("nothing at all", "{}"),
    case("none below zero", "{minAvailable: -1}",
         "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"),
    case("not both", "{minAvailable: 1, maxUnavailable: 1}",
         'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'),
    case("no more than all", "{maxUnavailable: 101%}",
         'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    case("far more than all", f"{{minAvailable: {'9' * 50}%}}",
         f'spec.minAvailable: Invalid value: "{"9" * 50}%": must not be greater than 100%'),
    case("a text that is no share", "{minAvailable: half}",
         f'spec.minAvailable: Invalid value: "half": {PERCENT}'),
    case("a share below zero", "{maxUnavailable: -5%}",
         f'spec.maxUnavailable: Invalid value: "-5%": {PERCENT}'),
    case("a policy that is none", "{unhealthyPodEvictionPolicy: Never}",
         'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"'),
    case("a fraction of a share", "{minAvailable: 2.5%}", f'spec.minAvailable: Invalid value: "2.5%": {PERCENT}'),
    case("a number as text", "{maxUnavailable: '1'}", f'spec.maxUnavailable: Invalid value: "1": {PERCENT}'),
    case("both, and both wrong", "{minAvailable: -1, maxUnavailable: 200%}",
         'spec: Invalid value: {"minAvailable":-1,"maxUnavailable":"200%"}: minAvailable and maxUnavailable cannot be both set',
         "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0",
         'spec.maxUnavailable: Invalid value: "200%": must not be greater than 100%'),
    case("a label that is none", "{selector: {matchLabels: {-a: -b}}}",
         f'spec.selector.matchLabels: Invalid value: "-a": {QUALIFIED}', f'spec.selector.matchLabels: Invalid value: "-b": {VALUE}'),
    case("one of no values", "{selector: {matchExpressions: [{key: a, operator: In}]}}",
         "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
    case("there, with values", "{selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
         "spec.selector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
    case("a selector that cannot be", "{selector: {matchExpressions: [{key: a, operator: Near}]}}",
         'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator'),
)  # fmt: skip


@each(SPECS)
def test_specs(case: Case) -> None:
    assert created(f"spec: {case.given}") == violations(*case.want)


def test_a_name_only_has_to_fit_in_a_path() -> None:
    assert created("spec: {}", "{name: A_b, namespace: b}") == []
    assert created("spec: {}", "{name: a%b, namespace: b}") == violations(
        "metadata.name: Invalid value: \"a%b\": may not contain '%'"
    )


def test_what_it_covers_and_how_much_may_change() -> None:
    stored = "{name: a, namespace: b, resourceVersion: '1'}"
    old = make("spec: {minAvailable: 1, selector: {matchLabels: {app: a}}}", stored)
    new = make("spec: {maxUnavailable: 50%, selector: {matchLabels: {app: b}}}", stored)
    assert validate_update(KIND, new, old) == []


def test_a_changed_one_is_checked_as_a_new_one() -> None:
    old = make("spec: {minAvailable: 1}", "{name: a, namespace: b, resourceVersion: '1'}")
    new = make("spec: {minAvailable: -1}", "{name: a, namespace: b, resourceVersion: '1'}")
    assert validate_update(KIND, new, old) == violations(
        "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"
    )


WHEN = "lastTransitionTime: '2026-01-01T00:00:00Z'"
STATUSES = (
    case("in order", f"{{disruptionsAllowed: 1, conditions: [{{type: DisruptionAllowed, status: 'True', reason: Ok, {WHEN}}}]}}"),
    case("none below zero", "{disruptionsAllowed: -1, currentHealthy: -1, desiredHealthy: -1, expectedPods: -1}",
         "status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0",
         "status.currentHealthy: Invalid value: -1: must be greater than or equal to 0",
         "status.desiredHealthy: Invalid value: -1: must be greater than or equal to 0",
         "status.expectedPods: Invalid value: -1: must be greater than or equal to 0"),
    case("a condition without anything", "{conditions: [{type: A, status: Perhaps}]}",
         'status.conditions[0].status: Unsupported value: "Perhaps": supported values: "False", "True", "Unknown"',
         "status.conditions[0].lastTransitionTime: Required value: must be set",
         "status.conditions[0].reason: Required value: must be set"),
    case("two of a type", f"{{conditions: [{{type: A, status: 'True', reason: R, {WHEN}}}, {{type: A, status: 'True', reason: R, {WHEN}}}]}}",
         'status.conditions[1].type: Duplicate value: "A"'),
    case("a message without end", f"{{conditions: [{{type: A, status: 'True', reason: R, message: {'x' * 32769}, {WHEN}}}]}}",
         "status.conditions[0].message: Too long: may not be more than 32768 bytes"),
)  # fmt: skip


@each(STATUSES)
def test_statuses(case: Case) -> None:
    old = make("spec: {}", "{name: a, namespace: b, resourceVersion: '1'}")
    new = make(f"spec: {{}}\nstatus: {case.given}", "{name: a, namespace: b, resourceVersion: '1'}")
    assert validate_status_update(KIND, new, old) == violations(*case.want)
