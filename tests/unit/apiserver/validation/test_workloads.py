"""ReplicaSets, ReplicationControllers and templates: what is refused, in which words."""

import pytest

from apiserver.validation import validate_create, validate_status_update, validate_update
from apiserver.validation.place import Place
from apiserver.validation.workloads import check_finite_template
from tests.unit.apiserver.validation.cases import (
    LABEL,
    QUALIFIED,
    VALUE,
    Case,
    case,
    each,
    pod,
    read_default,
    violations,
)
from vaina.api.core.v1 import pod_pb2
from vaina.errors import FieldError
from vaina.kinds import REPLICA_SET, REPLICATION_CONTROLLER

TEMPLATE = "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: busybox}]}}"
SELECTOR = "selector: {matchLabels: {app: a}}"
NO_MATCH = "`selector` does not match template `labels`"


def replica_set(spec: str) -> object:
    head = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web, namespace: default}\nspec: {"
    return read_default(REPLICA_SET, f"{head}{spec}}}")


def controller(spec: str) -> object:
    head = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: web, namespace: default}\nspec: {"
    return read_default(REPLICATION_CONTROLLER, f"{head}{spec}}}")


REPLICA_SETS = (
    case("a ReplicaSet that selects its template's labels is in order", f"{SELECTOR}, {TEMPLATE}"),
    case("a selector is needed, and nothing matches without one", TEMPLATE, "spec.selector: Required value",
         f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}'),
    case("a selector is not empty", f"selector: {{}}, {TEMPLATE}",
         "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    case("a selector selects what the template makes", f"selector: {{matchLabels: {{app: b}}}}, {TEMPLATE}",
         f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}'),
    case("a template without labels matches no selector",
         f"{SELECTOR}, template: {{spec: {{containers: [{{name: main, image: a}}]}}}}",
         f'spec.template.metadata.labels: Invalid value: null: {NO_MATCH}'),
    case("a selector that cannot be read hides what it would select",
         f"selector: {{matchExpressions: [{{key: app, operator: In}}, {{key: app, operator: Exists, values: [a]}}, "
         f"{{key: app, operator: Foo}}]}}, {TEMPLATE}",
         "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
         "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or "
         "'DoesNotExist'",
         'spec.selector.matchExpressions[2].operator: Invalid value: "Foo": not a valid selector operator',
         'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"In"},{"key":"app","operator":"Exists",'
         '"values":["a"]},{"key":"app","operator":"Foo"}]}: invalid label selector'),
    case("numbers are not negative", f"replicas: -1, minReadySeconds: -1, {SELECTOR}, {TEMPLATE}",
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
         "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
    case("a ReplicaSet's Pods are restarted and have no deadline",
         f"{SELECTOR}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{restartPolicy: Never, "
         "activeDeadlineSeconds: 5, containers: [{name: main, image: a}]}}",
         'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"),
    case("one pid namespace, not two, also in a template",
         f"{SELECTOR}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{shareProcessNamespace: true, hostPID: true, "
         "containers: [{name: main, image: a}]}}",
         "spec.template.spec.shareProcessNamespace: Invalid value: true: "
         "ShareProcessNamespace and HostPID cannot both be enabled"),
    case("a template is checked as a Pod is, with its own path",
         f"{SELECTOR}, template: {{metadata: {{labels: {{app: a, -k: -v}}, annotations: {{-k: v, "
         "seccomp.security.alpha.kubernetes.io/pod: x}}, spec: {securityContext: {seccompProfile: {type: Unconfined}}, "
         "hostNetwork: true, containers: [{name: Main, image: ' a', ports: [{containerPort: 80}]}], "
         "ephemeralContainers: [{name: e, image: a}]}}",
         f'spec.template.labels: Invalid value: "-k": {QUALIFIED}', f'spec.template.labels: Invalid value: "-v": {VALUE}',
         f'spec.template.annotations: Invalid value: "-k": {QUALIFIED}',
         "spec.template.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"x\": must be a valid "
         "seccomp profile",
         f'spec.template.spec.containers[0].name: Invalid value: "Main": {LABEL}',
         "spec.template.spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must "
         "match",
         "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"),
)  # fmt: skip

CONTROLLERS = (
    case("a ReplicationController takes its selector from the template", TEMPLATE),
    case("a template is needed", "selector: {app: a}", "spec.template: Required value"),
    case("a selector is needed", "template: {spec: {containers: [{name: main, image: a}]}}",
         "spec.selector: Required value"),
    case("a selector selects what the template makes", f"selector: {{app: b}}, {TEMPLATE}",
         f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}'),
    case("numbers are not negative, Pods are restarted",
         "replicas: -1, minReadySeconds: -2, template: {metadata: {labels: {app: a}}, spec: {restartPolicy: OnFailure, "
         "activeDeadlineSeconds: 1, containers: [{name: main, image: a}]}}",
         "spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0",
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
         'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not "
         "Supported"),
)  # fmt: skip


@each(REPLICA_SETS)
def test_replica_sets(case: Case) -> None:
    assert validate_create(REPLICA_SET, replica_set(case.given)) == violations(*case.want)


@each(CONTROLLERS)
def test_replication_controllers(case: Case) -> None:
    assert validate_create(REPLICATION_CONTROLLER, controller(case.given)) == violations(*case.want)


def test_the_selector_of_a_replica_set_stays() -> None:
    old = replica_set(f"{SELECTOR}, {TEMPLATE}")
    new = replica_set(f"selector: {{matchLabels: {{app: b}}}}, {TEMPLATE}")
    assert validate_update(REPLICA_SET, new, old) == violations(
        f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}',
        'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
    )


def test_the_number_and_the_template_of_a_replica_set_may_change() -> None:
    old = replica_set(f"{SELECTOR}, {TEMPLATE}")
    new = replica_set(f"replicas: 5, {SELECTOR}, {TEMPLATE.replace('busybox', 'other')}")
    assert validate_update(REPLICA_SET, new, old) == []


def test_the_selector_of_a_replication_controller_may_change() -> None:
    old, new = controller(TEMPLATE), controller(TEMPLATE.replace("app: a", "app: b"))
    assert validate_update(REPLICATION_CONTROLLER, new, old) == []


STATUS = "replicas: {0}, fullyLabeledReplicas: {1}, readyReplicas: {2}, availableReplicas: {3}"


@pytest.mark.parametrize(("kind", "version"), [(REPLICA_SET, "apps/v1"), (REPLICATION_CONTROLLER, "v1")])
@pytest.mark.parametrize(
    ("counts", "want"),
    [
        ((3, 3, 2, 1), ()),
        ((1, 2, 3, 4), (
            "status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas",
            "status.readyReplicas: Invalid value: 3: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 4: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 4: cannot be greater than readyReplicas",
        )),
        ((0, 0, 0, -1), ("status.availableReplicas: Invalid value: -1: must be greater than or equal to 0",)),
    ],
)  # fmt: skip
def test_counts_in_a_status(
    kind: object, version: str, counts: tuple[int, ...], want: tuple[str, ...]
) -> None:
    text = f"apiVersion: {version}\nkind: {kind.kind}\nmetadata: {{name: web, namespace: default}}\n"  # type: ignore[attr-defined]
    new = read_default(kind, f"{text}status: {{{STATUS.format(*counts)}}}")  # type: ignore[arg-type]
    assert validate_status_update(kind, new, read_default(kind, text)) == violations(*want)  # type: ignore[arg-type]


def finite(spec: str) -> list[FieldError]:
    path = Place("spec.template")
    check_finite_template(path, pod_pb2.PodTemplateSpec(spec=pod(spec).spec))
    return path.errors


@pytest.mark.requirement("D2")
def test_a_job_that_has_its_restart_policy_on_the_container_is_told_where_it_belongs() -> None:
    assert finite("containers: [{name: hello, image: hello-world, restartPolicy: OnFailure}]") == violations(
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure" or "Never"; '
        "spec.template.spec.containers[0].restartPolicy is only for that container, the Pod's restartPolicy belongs at "
        'spec.template.spec.restartPolicy (it is "Always" when it is left out)'
    )


@pytest.mark.requirement("D2")
def test_a_job_whose_pods_would_be_restarted_for_ever_is_refused() -> None:
    assert finite("restartPolicy: Always") == violations(
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    )


@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
def test_a_job_whose_pods_end_is_in_order(policy: str) -> None:
    assert finite(f"restartPolicy: {policy}") == []


def test_a_job_without_any_policy_is_told_the_valid_ones() -> None:
    path = Place("spec.template")
    template = pod_pb2.PodTemplateSpec(spec=pod().spec)
    template.spec.restart_policy = ""
    check_finite_template(path, template)
    assert path.errors == violations(
        "spec.template.spec.restartPolicy: Required value",
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    )


STORED = "metadata: {name: web, namespace: default, resourceVersion: '1'}"
SETS_CHANGED = (
    case("no number below zero", f"replicas: -1, {SELECTOR}, {TEMPLATE}",
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    case("a selector that selects more", f"selector: {{matchExpressions: [{{key: app, operator: Exists}}]}}, {TEMPLATE}",
         'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable'),
    case("a selector and labels with it", f"{SELECTOR}, {TEMPLATE}".replace("app: a", "app: b"),
         'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'),
    case("Pods that end", f"{SELECTOR}, {TEMPLATE}".replace("spec: {", "spec: {restartPolicy: Never, "),
         'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
)  # fmt: skip


@each(SETS_CHANGED)
def test_what_may_not_change_of_a_replica_set(case: Case) -> None:
    head = f"apiVersion: apps/v1\nkind: ReplicaSet\n{STORED}\nspec: {{"
    old = read_default(REPLICA_SET, f"{head}{SELECTOR}, {TEMPLATE}}}")
    assert validate_update(
        REPLICA_SET, read_default(REPLICA_SET, f"{head}{case.given}}}"), old
    ) == violations(*case.want)


CONTROLLERS_CHANGED = (
    case("no number below zero", f"replicas: -1, {TEMPLATE}",
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    case("a selector that selects others", f"selector: {{app: c}}, {TEMPLATE}",
         f'spec.template.metadata.labels: Invalid value: {{"app":"a"}}: {NO_MATCH}'),
    case("no template", "selector: {app: a}", "spec.template: Required value"),
)  # fmt: skip


@each(CONTROLLERS_CHANGED)
def test_what_may_not_change_of_a_replication_controller(case: Case) -> None:
    head = f"apiVersion: v1\nkind: ReplicationController\n{STORED}\nspec: {{"
    old = read_default(REPLICATION_CONTROLLER, f"{head}{TEMPLATE}}}")
    new = read_default(REPLICATION_CONTROLLER, f"{head}{case.given}}}")
    assert validate_update(REPLICATION_CONTROLLER, new, old) == violations(*case.want)
