"""Deployments and ControllerRevisions.

What they mean where they say nothing, what is refused, in which words.
"""

from typing import Any

import pytest

from apiserver.validation import validate_create, validate_status_update, validate_update, warnings_for
from tests.unit.apiserver.validation.cases import SUBDOMAIN, Case, case, each, read_default, violations
from vaina.errors import FieldError
from vaina.kinds import CONTROLLER_REVISION, DEPLOYMENT

TEMPLATE = "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: busybox}]}}"
SELECTOR = "selector: {matchLabels: {app: a}}"
GOOD = f"{SELECTOR}, {TEMPLATE}"
NEGATIVE = "must be greater than or equal to 0"
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
ROLLING = "spec.strategy.rollingUpdate"


def make(spec: str, meta: str = "{name: web, namespace: default}", rest: str = "") -> Any:
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {meta}\nspec: {{{spec}}}\n{rest}"
    return read_default(DEPLOYMENT, text)


def rolling(fields: str) -> str:
    return f"strategy: {{rollingUpdate: {{{fields}}}}}, {GOOD}"


DEPLOYMENTS = (
    case("the least is in order", GOOD),
    case("numbers and shares", rolling("maxSurge: 3, maxUnavailable: 50%")),
    case("more than all on top", rolling("maxSurge: 300%, maxUnavailable: 0")),
    case("none on top", rolling("maxSurge: 0, maxUnavailable: 100%")),
    case("at once", f"strategy: {{type: Recreate}}, {GOOD}"),
    case("paused, without history", f"paused: true, revisionHistoryLimit: 0, {GOOD}"),
    case("a selector is needed", TEMPLATE, "spec.selector: Required value",
         'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'),
    case("a selector is not empty", f"selector: {{}}, {TEMPLATE}",
         "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    case("a selector selects what the template makes", f"selector: {{matchLabels: {{app: b}}}}, {TEMPLATE}",
         'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'),
    case("a selector that cannot be", f"selector: {{matchExpressions: [{{key: app, operator: Near}}]}}, {TEMPLATE}",
         'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
         'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Near"}]}: invalid label selector'),
    case("no number is below zero",
         f"replicas: -1, minReadySeconds: -2, revisionHistoryLimit: -3, progressDeadlineSeconds: -4, {GOOD}",
         f"spec.replicas: Invalid value: -1: {NEGATIVE}", f"spec.minReadySeconds: Invalid value: -2: {NEGATIVE}",
         f"spec.revisionHistoryLimit: Invalid value: -3: {NEGATIVE}",
         f"spec.progressDeadlineSeconds: Invalid value: -4: {NEGATIVE}",
         "spec.progressDeadlineSeconds: Invalid value: -4: must be greater than minReadySeconds"),
    case("the deadline is later than availability", f"minReadySeconds: 60, progressDeadlineSeconds: 60, {GOOD}",
         "spec.progressDeadlineSeconds: Invalid value: 60: must be greater than minReadySeconds"),
    case("a strategy that is none", f"strategy: {{type: BlueGreen}}, {GOOD}",
         'spec.strategy: Unsupported value: {"type":"BlueGreen"}: supported values: "Recreate", "RollingUpdate"'),
    case("at once and step by step", f"strategy: {{type: Recreate, rollingUpdate: {{maxSurge: 1}}}}, {GOOD}",
         f"{ROLLING}: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
    case("neither more nor fewer", rolling("maxSurge: 0, maxUnavailable: 0"),
         f"{ROLLING}.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"),
    case("neither more nor fewer, in shares", rolling("maxSurge: 0%, maxUnavailable: 00%"),
         f'{ROLLING}.maxUnavailable: Invalid value: "00%": may not be 0 when `maxSurge` is 0'),
    case("a surge below zero", rolling("maxSurge: -1"), f"{ROLLING}.maxSurge: Invalid value: -1: {NEGATIVE}"),
    case("fewer than none", rolling("maxUnavailable: -1"), f"{ROLLING}.maxUnavailable: Invalid value: -1: {NEGATIVE}"),
    case("more than all away", rolling("maxUnavailable: 101%"),
         f'{ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    case("far more than all away", rolling(f"maxUnavailable: {'9' * 50}%"),
         f'{ROLLING}.maxUnavailable: Invalid value: "{"9" * 50}%": must not be greater than 100%'),
    case("a surge that is no share", rolling("maxSurge: quarter"), f'{ROLLING}.maxSurge: Invalid value: "quarter": {PERCENT}'),
    case("a share below zero", rolling("maxUnavailable: -5%"), f'{ROLLING}.maxUnavailable: Invalid value: "-5%": {PERCENT}'),
    case("a fraction of a share", rolling("maxUnavailable: 2.5%"),
         f'{ROLLING}.maxUnavailable: Invalid value: "2.5%": {PERCENT}'),
    case("Pods that end", f"{SELECTOR}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{restartPolicy: OnFailure, "
         "activeDeadlineSeconds: 5, containers: [{name: main, image: a}]}}",
         'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"),
    case("a template without containers", f"{SELECTOR}, template: {{metadata: {{labels: {{app: a}}}}}}",
         "spec.template.spec.containers: Required value"),
    case("a container without an image", f"{SELECTOR}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: a}}]}}}}",
         "spec.template.spec.containers[0].image: Required value"),
)  # fmt: skip


@each(DEPLOYMENTS)
def test_deployments(case: Case) -> None:
    assert validate_create(DEPLOYMENT, make(case.given)) == violations(*case.want)


def test_a_name_is_a_domain() -> None:
    assert validate_create(DEPLOYMENT, make(GOOD, "{name: Web_1, namespace: default}")) == violations(
        f'metadata.name: Invalid value: "Web_1": {SUBDOMAIN}'
    )


def test_what_is_not_said_is_a_rolling_update_by_a_quarter() -> None:
    spec = make(GOOD).spec
    amounts = (spec.strategy.rolling_update.max_surge, spec.strategy.rolling_update.max_unavailable)
    assert [(amount.type, amount.str_val) for amount in amounts] == [(1, "25%"), (1, "25%")]
    assert (spec.replicas, spec.strategy.type) == (1, "RollingUpdate")
    assert (spec.revision_history_limit, spec.progress_deadline_seconds) == (10, 600)
    assert spec.template.spec.restart_policy == "Always"
    assert not make(f"strategy: {{type: Recreate}}, {GOOD}").spec.strategy.HasField("rolling_update")


def test_one_amount_that_is_said_leaves_the_other_its_default() -> None:
    found = make(rolling("maxSurge: 0")).spec.strategy.rolling_update
    assert (found.max_surge.int_val, found.max_unavailable.str_val) == (0, "25%")


STORED = "{name: web, namespace: default, resourceVersion: '1'}"


def test_the_selector_stays() -> None:
    changed = "selector: {matchLabels: {app: a}, matchExpressions: [{key: app, operator: Exists}]}"
    assert validate_update(
        DEPLOYMENT, make(f"{changed}, {TEMPLATE}", STORED), make(GOOD, STORED)
    ) == violations(
        'spec.selector: Invalid value: {"matchLabels":{"app":"a"},"matchExpressions":[{"key":"app","operator":"Exists"}]}: '
        "field is immutable"
    )


def test_the_rest_may_change_within_the_rules() -> None:
    other = f"replicas: 5, paused: true, strategy: {{type: Recreate}}, {SELECTOR}, {TEMPLATE.replace('busybox', 'nginx')}"
    assert validate_update(DEPLOYMENT, make(other, STORED), make(GOOD, STORED)) == []
    wrong = make(f"replicas: -1, {GOOD}", STORED)
    assert validate_update(DEPLOYMENT, wrong, make(GOOD, STORED)) == violations(
        f"spec.replicas: Invalid value: -1: {NEGATIVE}"
    )


STATUSES = (
    case("in order", "{replicas: 3, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 1, unavailableReplicas: 2, collisionCount: 1}"),
    case("none below zero", "{observedGeneration: -1, replicas: -1, unavailableReplicas: -1, terminatingReplicas: -1}",
         f"status.observedGeneration: Invalid value: -1: {NEGATIVE}", f"status.replicas: Invalid value: -1: {NEGATIVE}",
         f"status.unavailableReplicas: Invalid value: -1: {NEGATIVE}",
         f"status.terminatingReplicas: Invalid value: -1: {NEGATIVE}",
         "status.updatedReplicas: Invalid value: 0: cannot be greater than status.replicas",
         "status.readyReplicas: Invalid value: 0: cannot be greater than status.replicas",
         "status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas"),
    case("a part is no more than all", "{replicas: 1, updatedReplicas: 2}",
         "status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas"),
    case("what is available is ready", "{replicas: 3, readyReplicas: 1, availableReplicas: 2}",
         "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"),
)  # fmt: skip


@each(STATUSES)
def test_statuses(case: Case) -> None:
    new = make(GOOD, STORED, f"status: {case.given}")
    assert validate_status_update(DEPLOYMENT, new, make(GOOD, STORED)) == violations(*case.want)


def test_collisions_are_not_forgotten() -> None:
    old = make(GOOD, STORED, "status: {collisionCount: 2}")
    new = make(GOOD, STORED, "status: {collisionCount: 1}")
    assert validate_status_update(DEPLOYMENT, new, old) == violations(
        "status.collisionCount: Invalid value: 1: cannot be decremented"
    )


def test_the_author_is_warned_of_the_template() -> None:
    made = make(GOOD)
    made.spec.template.spec.node_selector["beta.kubernetes.io/os"] = "linux"
    [warning] = warnings_for(DEPLOYMENT, made)
    assert warning.startswith("spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated")


def revision(rest: str) -> Any:
    text = f"apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {STORED}\n{rest}"
    return read_default(CONTROLLER_REVISION, text)


@pytest.mark.parametrize(
    ("rest", "want"),
    [
        ("data: {spec: {}}\nrevision: 3", []),
        ("revision: 3", violations("data: Required value: data is mandatory")),
        ("data: null", violations("data: Required value: data is mandatory")),
        ("data: {}\nrevision: -1", violations(f"revision: Invalid value: -1: {NEGATIVE}")),
    ],
)
def test_revisions(rest: str, want: list[FieldError]) -> None:
    made = revision(rest)
    made.metadata.resource_version = ""
    assert validate_create(CONTROLLER_REVISION, made) == want


def test_what_a_revision_keeps_stays_and_its_number_may_grow() -> None:
    old = revision("data: {a: 1}\nrevision: 1")
    assert validate_update(CONTROLLER_REVISION, revision("data: {a: 1}\nrevision: 2"), old) == []
    [error] = validate_update(CONTROLLER_REVISION, revision("data: {a: 2}\nrevision: 1"), old)
    assert (error.field, error.detail.rpartition(": ")[2]) == ("data", "field is immutable")
