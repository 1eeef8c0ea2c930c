"""DaemonSets: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import SUBDOMAIN, Case, case, each, read_default, violations
from vaina.kinds import DAEMON_SET as KIND

NEGATIVE = "must be greater than or equal to 0"
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
SELECTOR = "selector: {matchLabels: {app: a}}"
TEMPLATE = "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: a}]}}"
GOOD = f"{SELECTOR}, {TEMPLATE}"
NO_MATCH = "`selector` does not match template `labels`"
AT = "spec.updateStrategy.rollingUpdate"


def make(spec: str, meta: str = "name: log, namespace: default", rest: str = "") -> Any:
    head = f"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{{meta}}}\nspec: {{{spec}}}\n{rest}"
    return read_default(KIND, head)


def rolling(fields: str) -> str:
    return f"updateStrategy: {{type: RollingUpdate, rollingUpdate: {{{fields}}}}}, {GOOD}"


SPECS = (
    case("the least is in order", GOOD),
    case("by hand", f"updateStrategy: {{type: OnDelete}}, {GOOD}"),
    case("a share away", rolling("maxUnavailable: 30%")),
    case("the new one first", rolling("maxUnavailable: 0, maxSurge: 100%")),
    case("neither more nor fewer", rolling("maxUnavailable: 0, maxSurge: 0"),
         f"{AT}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    case("neither more nor fewer, in shares", rolling("maxUnavailable: 0%, maxSurge: 0%"),
         f"{AT}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    case("both more and fewer", rolling("maxUnavailable: 1, maxSurge: 2"),
         f"{AT}.maxSurge: Invalid value: 2: may not be set when maxUnavailable is non-zero"),
    case("both more and fewer, in shares", rolling("maxUnavailable: 10%, maxSurge: 20%"),
         f'{AT}.maxSurge: Invalid value: "20%": may not be set when maxUnavailable is non-zero'),
    case("more than all away", rolling("maxUnavailable: 101%"),
         f'{AT}.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    case("more than twice as many", rolling("maxUnavailable: 0, maxSurge: 200%"),
         f'{AT}.maxSurge: Invalid value: "200%": must not be greater than 100%'),
    case("fewer than none away", rolling("maxUnavailable: -1"), f"{AT}.maxUnavailable: Invalid value: -1: {NEGATIVE}"),
    case("a surge that is no share", rolling("maxUnavailable: 0, maxSurge: some"),
         f'{AT}.maxSurge: Invalid value: "some": {PERCENT}',
         f"{AT}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    case("a strategy that is none", f"updateStrategy: {{type: Recreate}}, {GOOD}",
         'spec.updateStrategy: Unsupported value: {"type":"Recreate"}: supported values: "OnDelete", "RollingUpdate"'),
    case("no number is below zero", f"minReadySeconds: -1, revisionHistoryLimit: -1, {GOOD}",
         f"spec.minReadySeconds: Invalid value: -1: {NEGATIVE}", f"spec.revisionHistoryLimit: Invalid value: -1: {NEGATIVE}"),
    case("a selector is needed", TEMPLATE, "spec.selector: Required value"),
    case("a selector is not empty", f"selector: {{}}, {TEMPLATE}",
         "spec.selector: Invalid value: {}: empty selector is invalid for daemonset"),
    case("a selector selects what the template makes", f"selector: {{matchLabels: {{app: b}}}}, {TEMPLATE}",
         f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}'),
    case("a selector that cannot be", f"selector: {{matchExpressions: [{{key: app, operator: Near}}]}}, {TEMPLATE}",
         'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator'),
    case("Pods that end", GOOD.replace("spec: {", "spec: {restartPolicy: Never, activeDeadlineSeconds: 5, "),
         'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"),
    case("a container without an image", GOOD.replace(", image: a", ""),
         "spec.template.spec.containers[0].image: Required value"),
)  # fmt: skip


@each(SPECS)
def test_specs(case: Case) -> None:
    assert validate_create(KIND, make(case.given)) == violations(*case.want)


def test_a_name_is_a_subdomain() -> None:
    assert validate_create(KIND, make(GOOD, "name: log.all, namespace: default")) == []
    found = validate_create(KIND, make(GOOD, "name: Log, namespace: default"))
    assert found == violations(f'metadata.name: Invalid value: "Log": {SUBDOMAIN}')


STORED = "name: log, namespace: default, resourceVersion: '1'"
CHANGES = (
    case("the template", GOOD.replace("image: a", "image: b")),
    case("how it is brought in", rolling("maxUnavailable: 0, maxSurge: 1")),
    case("its selector", f"selector: {{matchLabels: {{app: a}}, matchExpressions: [{{key: app, operator: Exists}}]}}, {TEMPLATE}",
         'spec.selector: Invalid value: {"matchLabels":{"app":"a"},"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable'),
    case("its selector, and the labels with it", GOOD.replace("app: a", "app: b"),
         'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'),
    case("its selector alone", f"selector: {{matchLabels: {{app: b}}}}, {TEMPLATE}",
         f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}',
         'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'),
)  # fmt: skip


@each(CHANGES)
def test_changes(case: Case) -> None:
    assert validate_update(KIND, make(case.given, STORED), make(GOOD, STORED)) == violations(*case.want)


STATUSES = (
    case("in order", "{desiredNumberScheduled: 3, currentNumberScheduled: 2, numberUnavailable: 1, collisionCount: 1}"),
    case("none below zero", "{numberReady: -1, numberMisscheduled: -2, observedGeneration: -3, collisionCount: 1}",
         f"status.numberMisscheduled: Invalid value: -2: {NEGATIVE}", f"status.numberReady: Invalid value: -1: {NEGATIVE}",
         f"status.observedGeneration: Invalid value: -3: {NEGATIVE}"),
    case("collisions are not forgotten", "{collisionCount: 0}",
         "status.collisionCount: Invalid value: 0: cannot be decremented"),
)  # fmt: skip


@each(STATUSES)
def test_statuses(case: Case) -> None:
    old, new = make(GOOD, STORED, "status: {collisionCount: 1}"), make(GOOD, STORED, f"status: {case.given}")
    assert validate_status_update(KIND, new, old) == violations(*case.want)
