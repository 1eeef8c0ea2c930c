"""Jobs and CronJobs: what is refused, in which words, on which field."""

from typing import Any

import pytest

from apiserver.registry.strategies import JobStrategy
from apiserver.validation import validate_create, validate_status_update, validate_update, warnings_for
from tests.unit.apiserver.validation.cases import Case, case, each, read_default, violations
from vaina.kinds import CRON_JOB, JOB
from vaina.objects.field_path import REQUIRED

POD = "template: {spec: {restartPolicy: Never, containers: [{name: a, image: x}]}}"
INDEXED = "completionMode: Indexed, completions: 3, parallelism: 3"
NEGATIVE = "must be greater than or equal to 0"
FIXED = "field is immutable"


def make(spec: str = "", meta: str = "name: work, namespace: default", status: str = "{}") -> Any:
    """Make a Job as it is when it is checked: with its selector and labels."""
    text = f"apiVersion: batch/v1\nkind: Job\nmetadata: {{{meta}}}\nspec: {{{spec or POD}}}\nstatus: {status}"
    job = read_default(JOB, text)
    kept = type(job)()
    kept.CopyFrom(job)
    job.metadata.uid = "u1"
    JobStrategy().prepare_for_create(job, 0.0)
    job.status.CopyFrom(kept.status)
    return job


def rules(policy: str) -> str:
    return f"podFailurePolicy: {{rules: [{policy}]}}, {POD}"


def wins(policy: str) -> str:
    return f"{INDEXED}, successPolicy: {{rules: [{policy}]}}, {POD}"


SPECS = (
    case("a plain one", POD),
    case("indexed, with all that goes with it",
         f"{INDEXED}, backoffLimitPerIndex: 1, maxFailedIndexes: 2, successPolicy: {{rules: [{{succeededIndexes: '0,2', succeededCount: 1}}]}}, {POD}"),
    case("fewer than none at a time", f"parallelism: -1, {POD}", f"spec.parallelism: Invalid value: -1: {NEGATIVE}"),
    case("fewer than none at all", f"completions: -1, {POD}", f"spec.completions: Invalid value: -1: {NEGATIVE}"),
    case("a deadline in the past", f"activeDeadlineSeconds: -1, {POD}", f"spec.activeDeadlineSeconds: Invalid value: -1: {NEGATIVE}"),
    case("a limit below none", f"backoffLimit: -1, {POD}", f"spec.backoffLimit: Invalid value: -1: {NEGATIVE}"),
    case("a time to live below none", f"ttlSecondsAfterFinished: -1, {POD}", f"spec.ttlSecondsAfterFinished: Invalid value: -1: {NEGATIVE}"),
    case("a mode that is none", f"completionMode: Sorted, {POD}",
         'spec.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", "Indexed"'),
    case("indexes without a number", f"completionMode: Indexed, parallelism: 1, {POD}",
         "spec.completions: Required value: when completion mode is Indexed"),
    case("a limit per index without indexes", f"backoffLimitPerIndex: 1, {POD}",
         "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
    case("a limit of indexes without one per index", f"{INDEXED}, maxFailedIndexes: 1, {POD}",
         "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
    case("more failed indexes than indexes", f"{INDEXED}, backoffLimitPerIndex: 1, maxFailedIndexes: 4, {POD}",
         "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"),
    case("too many at a time", f"completionMode: Indexed, completions: 1, parallelism: 100001, {POD}",
         "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed"),
    case("very many, each with a limit", f"completionMode: Indexed, completions: 100001, parallelism: 10, backoffLimitPerIndex: 1, {POD}",
         "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"),
    case("a manager without a domain", f"managedBy: me, {POD}",
         'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'),
    case("a manager without a name", f"managedBy: '', {POD}", "spec.managedBy: Required value"),
    case("a manager with a long name", f"managedBy: example.com/{'a' * 60}, {POD}",
         "spec.managedBy: Too long: may not be more than 63 bytes"),
    case("Pods that are restarted for ever", "template: {spec: {restartPolicy: Always, containers: [{name: a, image: x}]}}",
         'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
    case("restarts where failures are judged", rules("{action: Count, onExitCodes: {operator: In, values: [1]}}").replace("Never", "OnFailure"),
         'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified'),
    case("a rule without an action", rules("{onExitCodes: {operator: In, values: [1]}}"),
         'spec.podFailurePolicy.rules[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
    case("an action that is none", rules("{action: Panic, onExitCodes: {operator: In, values: [1]}}"),
         'spec.podFailurePolicy.rules[0].action: Unsupported value: "Panic": supported values: "Count", "FailIndex", "FailJob", "Ignore"'),
    case("an index that fails without a limit per index", rules("{action: FailIndex, onExitCodes: {operator: In, values: [1]}}"),
         'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'),
    case("a rule about nothing", rules("{action: Count}"),
         "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
    case("a rule about both", rules("{action: Count, onExitCodes: {operator: In, values: [1]}, onPodConditions: [{type: A}]}"),
         "spec.podFailurePolicy.rules[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"),
    case("exit codes: success is no failure, twice is once too often, in order",
         rules("{action: Count, onExitCodes: {operator: In, values: [3, 0, 3]}}"),
         "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
         "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3",
         "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered"),
    case("exit codes of a container that is not there", rules("{action: Count, onExitCodes: {containerName: b, operator: Not, values: [1]}}"),
         'spec.podFailurePolicy.rules[0].onExitCodes.operator: Unsupported value: "Not": supported values: "In", "NotIn"',
         'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "b": '
         "must be one of the container or initContainer names in the pod template"),
    case("no exit codes", rules("{action: Count, onExitCodes: {operator: In, values: []}}"),
         "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one value is required"),
    case("a condition that is half true", rules("{action: Count, onPodConditions: [{type: A, status: Half}]}"),
         'spec.podFailurePolicy.rules[0].onPodConditions[0].status: Unsupported value: "Half": supported values: "False", "True", "Unknown"'),
    case("too many rules", rules(", ".join(["{action: Count, onPodConditions: [{type: A}]}"] * 21)),
         "spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items"),
    case("a replacement of what only ends, where failures are judged",
         f"podReplacementPolicy: TerminatingOrFailed, {rules('{action: Count, onPodConditions: [{type: A}]}')}",
         'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'),
    case("a replacement that is none", f"podReplacementPolicy: Never, {POD}",
         'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"'),
    case("a success policy without rules", wins(""),
         "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified"),
    case("a rule of success about nothing", wins("{}"),
         "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified"),
    case("an index that is not there", wins("{succeededIndexes: '1-3'}"),
         'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "1-3": error parsing succeededIndexes: too large index: "3"'),
    case("indexes that go backwards", wins("{succeededIndexes: '2,1'}"),
         'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "2,1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1'),
    case("indexes that are none", wins("{succeededIndexes: one}"),
         'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "one": error parsing succeededIndexes: '
         'cannot convert string to integer for index: "one"'),
    case("more successes than indexes", wins("{succeededIndexes: '0-1', succeededCount: 3}"),
         "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 "
         "(the number of indexes in the specified succeededIndexes field)"),
    case("a gang", f"scheduling: {{}}, {POD}",
         "spec.scheduling: Forbidden: may not be set when the WorkloadWithJob feature gate is not enabled"),
    case("labels that are not its own", POD.replace("{spec", "{metadata: {labels: {job-name: other}}, spec"),
         "spec.template.metadata.labels[job-name]: Invalid value: \"other\": must be 'work'"),
    case("a selector of its own, without saying so", f"selector: {{matchLabels: {{a: b}}}}, {POD}",
         'spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u1"}}: `selector` not auto-generated',
         'spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u1","batch.kubernetes.io/job-name":"work",'
         '"controller-uid":"u1","job-name":"work"}: `selector` does not match template `labels`'),
    case("a manual selector that is not there", f"manualSelector: true, {POD}",
         "spec.selector: Required value",
         "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"),
)  # fmt: skip


@each(SPECS)
def test_specs(case: Case) -> None:
    assert validate_create(JOB, make(case.given)) == violations(*case.want)


def test_a_restart_policy_that_stands_on_the_container_is_told_where_it_belongs() -> None:
    """Row D2: the Job of the requirements."""
    job = make("template: {spec: {containers: [{name: hello, image: busybox, restartPolicy: Never}]}}")
    [error] = [e for e in validate_create(JOB, job) if e.field == "spec.template.spec.restartPolicy"]
    assert error.type == REQUIRED
    assert "spec.template.spec.containers[0].restartPolicy is only for that container" in error.detail
    assert "belongs at spec.template.spec.restartPolicy" in error.detail


def test_a_name_that_leaves_no_room_for_the_index() -> None:
    job = make(
        f"completionMode: Indexed, completions: 101, parallelism: 1, {POD}", f"name: {'a' * 60}, namespace: b"
    )
    assert [e.field for e in validate_create(JOB, job)] == ["metadata.name"]


CHANGES = (
    case("how many at a time", "parallelism: 5, completions: 3"),
    case("whether at all", "suspend: true"),
    case("how often it may fail, and how long it is kept", "backoffLimit: 9, ttlSecondsAfterFinished: 4, activeDeadlineSeconds: 9"),
    case("how many in all", "completions: 4", f"spec.completions: Invalid value: 4: {FIXED}"),
    case("its mode", "completionMode: Indexed, completions: 3", f'spec.completionMode: Invalid value: "Indexed": {FIXED}'),
    case("its manager", "managedBy: a.example/b", f'spec.managedBy: Invalid value: "a.example/b": {FIXED}'),
)  # fmt: skip


@each(CHANGES)
def test_changes(case: Case) -> None:
    old = make(f"completions: 3, {POD}", "name: work, namespace: default, resourceVersion: '1'")
    given = case.given if "completions" in case.given else f"completions: 3, {case.given}"
    new = make(f"{given}, {POD}", "name: work, namespace: default, resourceVersion: '1'")
    assert validate_update(JOB, new, old) == violations(*case.want)


def test_the_template_stays() -> None:
    meta = "name: work, namespace: default, resourceVersion: '1'"
    old, new = make(POD, meta), make(POD.replace("image: x", "image: z"), meta)
    [error] = validate_update(JOB, new, old)
    assert (error.field, error.detail.endswith(FIXED)) == ("spec.template", True)


@pytest.mark.parametrize(("suspend", "fields"), [("true", []), ("false", ["spec.template"])])
def test_where_pods_may_run_can_be_said_as_long_as_none_has(suspend: str, fields: list[str]) -> None:
    meta = "name: work, namespace: default, resourceVersion: '1'"
    old = make(f"suspend: {suspend}, {POD}", meta)
    new = make(f"suspend: {suspend}, {POD}".replace("{restart", "{nodeSelector: {disk: fast}, restart"), meta)
    assert [error.field for error in validate_update(JOB, new, old)] == fields


@pytest.mark.parametrize(("completions", "parallelism", "ok"), [(5, 5, True), (5, 3, False), (1, 1, True)])
def test_the_completions_of_an_indexed_job_change_with_its_parallelism(
    completions: int, parallelism: int, ok: bool
) -> None:
    meta = "name: work, namespace: default, resourceVersion: '1'"
    old = make(f"{INDEXED}, {POD}", meta)
    new = make(
        f"completionMode: Indexed, completions: {completions}, parallelism: {parallelism}, {POD}", meta
    )
    want = (
        ()
        if ok
        else ("spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism",)
    )
    assert validate_update(JOB, new, old) == violations(*want)


START = "startTime: '2026-01-01T00:00:00Z'"
DONE = "completionTime: '2026-01-01T00:00:09Z'"
MET, COMPLETE = "{type: SuccessCriteriaMet, status: 'True'}", "{type: Complete, status: 'True'}"
TARGET, FAILED = "{type: FailureTarget, status: 'True'}", "{type: Failed, status: 'True'}"
STATUSES = (
    case("a good end", f"{{{START}, {DONE}, conditions: [{MET}, {COMPLETE}]}}"),
    case("a bad one", f"{{{START}, conditions: [{TARGET}, {FAILED}]}}"),
    case("fewer than none", f"{{{START}, active: -1}}", f"status.active: Invalid value: -1: {NEGATIVE}"),
    case("complete, and nobody said why", f"{{{START}, {DONE}, conditions: [{COMPLETE}]}}",
         "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
    case("failed, and nobody said why", f"{{{START}, conditions: [{FAILED}]}}",
         "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"),
    case("complete without a time", f"{{{START}, conditions: [{MET}, {COMPLETE}]}}",
         "status.completionTime: Required value: completionTime is required for Complete jobs"),
    case("a time without an end", f"{{{START}, {DONE}}}",
         'status.completionTime: Invalid value: "2026-01-01T00:00:09Z": cannot set completionTime when there is no Complete=True condition'),
    case("ended, and still running", f"{{{START}, active: 1, conditions: [{TARGET}, {FAILED}]}}",
         "status.active: Invalid value: 1: active>0 is invalid for finished job"),
    case("ended, and not counted", f"{{{START}, uncountedTerminatedPods: {{failed: [u]}}, conditions: [{TARGET}, {FAILED}]}}",
         'status.uncountedTerminatedPods: Invalid value: {"failed":["u"]}: uncountedTerminatedPods needs to be empty for finished job'),
    case("ended, and never begun", f"{{conditions: [{TARGET}, {FAILED}]}}",
         "status.startTime: Required value: startTime is required for finished job"),
    case("the same Pod twice", f"{{{START}, uncountedTerminatedPods: {{succeeded: [u], failed: [u]}}}}",
         'status.uncountedTerminatedPods.failed[0]: Duplicate value: "u"'),
    case("more ready than active", f"{{{START}, active: 1, ready: 2}}",
         "status.ready: Invalid value: 2: cannot set more ready pods than active"),
    case("indexes of a Job without", f"{{{START}, completedIndexes: '0'}}",
         'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode'),
)  # fmt: skip


@each(STATUSES)
def test_statuses(case: Case) -> None:
    meta = "name: work, namespace: default, resourceVersion: '1'"
    old, new = make(POD, meta), make(POD, meta, case.given)
    assert validate_status_update(JOB, new, old) == violations(*case.want)


def test_what_has_ended_stays_so_and_counters_do_not_go_back() -> None:
    meta = "name: work, namespace: default, resourceVersion: '1'"
    old = make(POD, meta, f"{{{START}, failed: 2, conditions: [{TARGET}, {FAILED}]}}")
    new = make(POD, meta, f"{{{START}, failed: 1}}")
    assert validate_status_update(JOB, new, old) == violations(
        "status.conditions: Invalid value: cannot disable the terminal Failed=True condition",
        "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition",
        "status.failed: Invalid value: 1: cannot decrease the failed counter",
    )


def cron(spec: str, meta: str = "name: tick, namespace: default") -> Any:
    return read_default(
        CRON_JOB, f"apiVersion: batch/v1\nkind: CronJob\nmetadata: {{{meta}}}\nspec: {{{spec}}}"
    )


TEMPLATE = f"jobTemplate: {{spec: {{{POD}}}}}"
CRONS = (
    case("a good one", f"schedule: '*/5 * * * MON-FRI', timeZone: Europe/Berlin, {TEMPLATE}"),
    case("no schedule", TEMPLATE, "spec.schedule: Required value"),
    case("too few fields", f"schedule: '* *', {TEMPLATE}", 'spec.schedule: Invalid value: "* *": expected exactly 5 fields, found 2: [* *]'),
    case("a minute that is none", f"schedule: '61 * * * *', {TEMPLATE}",
         'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'),
    case("a word that is none", f"schedule: '@often', {TEMPLATE}", 'spec.schedule: Invalid value: "@often": unrecognized descriptor: @often'),
    case("a zone in the schedule", f"schedule: 'TZ=UTC * * * * *', {TEMPLATE}",
         'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    case("a zone that is none", f"schedule: '@daily', timeZone: Europe/Atlantis, {TEMPLATE}",
         'spec.timeZone: Invalid value: "Europe/Atlantis": unknown time zone Europe/Atlantis'),
    case("a zone that is a path", f"schedule: '@daily', timeZone: ../passwd, {TEMPLATE}",
         'spec.timeZone: Invalid value: "../passwd": unknown time zone ../passwd'),
    case("a zone without a name", f"schedule: '@daily', timeZone: '', {TEMPLATE}",
         'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'),
    case("a policy that is none", f"schedule: '@daily', concurrencyPolicy: Queue, {TEMPLATE}",
         'spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"'),
    case("less than no history", f"schedule: '@daily', successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -1, startingDeadlineSeconds: -1, {TEMPLATE}",
         f"spec.startingDeadlineSeconds: Invalid value: -1: {NEGATIVE}",
         f"spec.successfulJobsHistoryLimit: Invalid value: -1: {NEGATIVE}",
         f"spec.failedJobsHistoryLimit: Invalid value: -1: {NEGATIVE}"),
    case("a selector for Jobs to come", f"schedule: '@daily', jobTemplate: {{spec: {{manualSelector: true, selector: {{matchLabels: {{a: b}}}}, {POD}}}}}",
         'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
         'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'),
    case("Jobs that never end", f"schedule: '@daily', {TEMPLATE}".replace("Never", "Always"),
         'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
)  # fmt: skip


@each(CRONS)
def test_cron_jobs(case: Case) -> None:
    assert validate_create(CRON_JOB, cron(case.given)) == violations(*case.want)


def test_a_name_that_leaves_no_room_for_the_time() -> None:
    found = validate_create(
        CRON_JOB, cron(f"schedule: '@daily', {TEMPLATE}", f"name: {'a' * 53}, namespace: b")
    )
    assert found == violations(
        f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters'
    )


def test_names_with_dots_are_warned_of() -> None:
    [warning] = warnings_for(JOB, make(POD, "name: a.b, namespace: c"))
    assert warning.startswith("metadata.name: this is used in Pod names and hostnames")
