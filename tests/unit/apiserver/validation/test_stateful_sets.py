"""StatefulSets: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import LABEL, Case, case, each, read_default, violations
from vaina.kinds import STATEFUL_SET as KIND

NEGATIVE = "must be greater than or equal to 0"
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)


FIXED = "field is immutable"
SELECTOR = "selector: {matchLabels: {app: a}}"
CLAIMS = (
    "volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], "
    "resources: {requests: {storage: 1Gi}}}}]"
)


def template(spec: str = "containers: [{name: main, image: a}]") -> str:
    return f"template: {{metadata: {{labels: {{app: a}}}}, spec: {{{spec}}}}}"


GOOD = f"serviceName: db, {SELECTOR}, {template()}"


def make(spec: str, meta: str = "name: db, namespace: default", rest: str = "") -> Any:
    head = f"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{{meta}}}\nspec: {{{spec}}}\n{rest}"
    return read_default(KIND, head)


def rolling(fields: str) -> str:
    return f"updateStrategy: {{type: RollingUpdate, rollingUpdate: {{{fields}}}}}, {GOOD}"


AT = "spec.updateStrategy.rollingUpdate"
SPECS = (
    case("the least is in order", GOOD),
    case("no service at all", f"{SELECTOR}, {template()}"),
    case("all together, from seven on", f"podManagementPolicy: Parallel, ordinals: {{start: 7}}, {GOOD}"),
    case("its Pods have the claims among their volumes",
         f"{SELECTOR}, {CLAIMS}, "
         + template("containers: [{name: main, image: a, volumeMounts: [{name: data, mountPath: /d}]}]")),
    case("a volume that nobody makes", f"{SELECTOR}, {CLAIMS}, "
         + template("containers: [{name: main, image: a, volumeMounts: [{name: other, mountPath: /d}]}]"),
         'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "other"'),
    case("claims that ask for nothing", f"{GOOD}, volumeClaimTemplates: [{{metadata: {{name: data}}}}, {{metadata: {{name: log}}, spec: "
         "{accessModes: [Often], volumeMode: Tape, resources: {requests: {storage: 0}}}}]",
         "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required",
         "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value",
         'spec.volumeClaimTemplates[1].spec.accessModes: Unsupported value: "Often": supported values: '
         '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
         'spec.volumeClaimTemplates[1].spec.resources[storage]: Invalid value: "0": must be greater than zero',
         'spec.volumeClaimTemplates[1].spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
    case("an order that is none", f"podManagementPolicy: Random, {GOOD}",
         "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"),
    case("a strategy that is none", f"updateStrategy: {{type: Recreate}}, {GOOD}",
         'spec.updateStrategy: Invalid value: {"type":"Recreate"}: must be \'RollingUpdate\' or \'OnDelete\''),
    case("by hand and step by step", f"updateStrategy: {{type: OnDelete, rollingUpdate: {{partition: 1}}}}, {GOOD}",
         "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'"),
    case("a partition below zero", rolling("partition: -1"), f"{AT}.partition: Invalid value: -1: {NEGATIVE}"),
    case("none may be away", rolling("maxUnavailable: 0"), f"{AT}.maxUnavailable: Invalid value: 0: cannot be 0"),
    case("none may be away, in shares", rolling("maxUnavailable: 0%"), f"{AT}.maxUnavailable: Invalid value: 0: cannot be 0"),
    case("more than all away", rolling("maxUnavailable: 101%"),
         f'{AT}.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    case("fewer than none away", rolling("maxUnavailable: -1"), f"{AT}.maxUnavailable: Invalid value: -1: {NEGATIVE}"),
    case("a share that is none", rolling("maxUnavailable: half"),
         f'{AT}.maxUnavailable: Invalid value: "half": {PERCENT}', f"{AT}.maxUnavailable: Invalid value: 0: cannot be 0"),
    case("claims that are kept sometimes", f"persistentVolumeClaimRetentionPolicy: {{whenDeleted: Keep, whenScaled: Drop}}, {GOOD}",
         'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Delete", "Retain"',
         'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Drop": supported values: "Delete", "Retain"'),
    case("no number is below zero",
         f"replicas: -1, minReadySeconds: -1, revisionHistoryLimit: -1, ordinals: {{start: -1}}, {GOOD}",
         f"spec.replicas: Invalid value: -1: {NEGATIVE}", f"spec.minReadySeconds: Invalid value: -1: {NEGATIVE}",
         f"spec.ordinals.start: Invalid value: -1: {NEGATIVE}", f"spec.revisionHistoryLimit: Invalid value: -1: {NEGATIVE}"),
    case("a service that is no label", f"serviceName: db.example, {SELECTOR}, {template()}",
         'spec.serviceName: Invalid value: "db.example": must not contain dots'),
    case("a selector is needed", template(), "spec.selector: Required value"),
    case("a selector is not empty", f"selector: {{}}, {template()}",
         "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"),
    case("a selector selects what the template makes", f"selector: {{matchLabels: {{app: b}}}}, {template()}",
         'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'),
    case("a selector that cannot be", f"selector: {{matchExpressions: [{{key: app, operator: Near}}]}}, {template()}",
         'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
         'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Near"}]}: invalid label selector'),
    case("Pods that end", f"{SELECTOR}, " + template("restartPolicy: OnFailure, activeDeadlineSeconds: 5, containers: [{name: a, image: a}]"),
         'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"),
    case("a template without containers", f"{SELECTOR}, {template('')}", "spec.template.spec.containers: Required value"),
)  # fmt: skip


@each(SPECS)
def test_specs(case: Case) -> None:
    assert validate_create(KIND, make(case.given)) == violations(*case.want)


def test_a_name_is_a_label_since_it_becomes_a_hostname() -> None:
    dotted = validate_create(KIND, make(GOOD, "name: db.main, namespace: default"))
    assert dotted == violations('metadata.name: Invalid value: "db.main": must not contain dots')
    large = validate_create(KIND, make(GOOD, "name: Db, namespace: default"))
    assert large == violations(f'metadata.name: Invalid value: "Db": {LABEL}')


SHOWN = (
    '[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},'
    '"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}]'
)
STORED = "name: db, namespace: default, resourceVersion: '1'"
CHANGES = (
    case("how many", f"replicas: 9, {GOOD}"),
    case("from which number on", f"ordinals: {{start: 2}}, {GOOD}"),
    case("the template", f"serviceName: db, {SELECTOR}, {template('containers: [{name: other, image: b}]')}"),
    case("how it is brought in", f"updateStrategy: {{type: OnDelete}}, {GOOD}"),
    case("how long its history is", f"revisionHistoryLimit: 3, {GOOD}"),
    case("what becomes of claims", f"persistentVolumeClaimRetentionPolicy: {{whenDeleted: Delete, whenScaled: Delete}}, {GOOD}"),
    case("when a Pod counts", f"minReadySeconds: 3, {GOOD}"),
    case("its service", f"serviceName: other, {SELECTOR}, {template()}",
         'spec.serviceName: Invalid value: "other": field is immutable'),
    case("its order", f"podManagementPolicy: Parallel, {GOOD}",
         f'spec.podManagementPolicy: Invalid value: "Parallel": {FIXED}'),
    case("its claims", f"{CLAIMS}, {GOOD}", f"spec.volumeClaimTemplates: Invalid value: {SHOWN}: {FIXED}"),
    case("its selector", f"serviceName: db, selector: {{matchLabels: {{app: a}}, matchExpressions: [{{key: app, operator: Exists}}]}}, {template()}",
         'spec.selector: Invalid value: {"matchLabels":{"app":"a"},"matchExpressions":[{"key":"app","operator":"Exists"}]}: '
         f"{FIXED}"),
    case("its selector, and the number", f"replicas: -1, serviceName: db, selector: {{matchLabels: {{app: b}}}}, {template()}",
         f"spec.replicas: Invalid value: -1: {NEGATIVE}",
         'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
         f'spec.selector: Invalid value: {{"matchLabels":{{"app":"b"}}}}: {FIXED}'),
)  # fmt: skip


@each(CHANGES)
def test_changes(case: Case) -> None:
    assert validate_update(KIND, make(case.given, STORED), make(GOOD, STORED)) == violations(*case.want)


def test_the_size_of_a_claim_stays() -> None:
    old = make(f"{CLAIMS}, {GOOD}", STORED)
    new = make(f"{CLAIMS.replace('1Gi', '2Gi')}, {GOOD}", STORED)
    shown = SHOWN.replace("1Gi", "2Gi")
    assert validate_update(KIND, new, old) == violations(
        f"spec.volumeClaimTemplates: Invalid value: {shown}: {FIXED}"
    )


def test_what_cannot_change_is_told_in_order_and_a_service_of_old_is_not_looked_at_again() -> None:
    bad = GOOD.replace("serviceName: db", "serviceName: a.b")
    old = make(bad, STORED)
    assert validate_update(KIND, make(f"replicas: 2, {bad}", STORED), old) == []
    new = make(f"podManagementPolicy: Parallel, {bad.replace('a.b', 'c.d')}", STORED)
    assert validate_update(KIND, new, old) == violations(
        f'spec.serviceName: Invalid value: "c.d": {FIXED}',
        f'spec.podManagementPolicy: Invalid value: "Parallel": {FIXED}',
    )


def test_a_name_of_old_does_not_keep_it_from_being_changed() -> None:
    stored = "name: db.main, namespace: default, resourceVersion: '1'"
    assert validate_update(KIND, make(f"replicas: 0, {GOOD}", stored), make(GOOD, stored)) == []


MANY = "cannot be greater than status.replicas"
STATUSES = (
    case("in order", "{replicas: 3, readyReplicas: 2, availableReplicas: 1, currentReplicas: 1, updatedReplicas: 2, collisionCount: 2}"),
    case("none below zero", "{replicas: -1}", f"status.replicas: Invalid value: -1: {NEGATIVE}",
         f"status.readyReplicas: Invalid value: 0: {MANY}", f"status.currentReplicas: Invalid value: 0: {MANY}",
         f"status.updatedReplicas: Invalid value: 0: {MANY}", f"status.availableReplicas: Invalid value: 0: {MANY}"),
    case("a part is no more than all", "{replicas: 1, readyReplicas: 2, currentReplicas: 2, updatedReplicas: 2}",
         f"status.readyReplicas: Invalid value: 2: {MANY}", f"status.currentReplicas: Invalid value: 2: {MANY}",
         f"status.updatedReplicas: Invalid value: 2: {MANY}"),
    case("what is available is ready", "{replicas: 3, readyReplicas: 1, availableReplicas: 2}",
         "status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas"),
    case("collisions are not forgotten", "{collisionCount: 0}",
         "status.collisionCount: Invalid value: 0: cannot be decremented"),
)  # fmt: skip


@each(STATUSES)
def test_statuses(case: Case) -> None:
    old = make(GOOD, STORED, "status: {collisionCount: 1}")
    given = case.given if "collisionCount" in case.given else case.given.replace("}", ", collisionCount: 1}")
    new = make(GOOD, STORED, f"status: {given}")
    assert validate_status_update(KIND, new, old) == violations(*case.want)
