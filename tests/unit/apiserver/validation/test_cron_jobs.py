"""CronJobs that change, and more of what is refused of new ones, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_update
from tests.unit.apiserver.validation.cases import SUBDOMAIN, Case, case, each, read_default, violations
from vaina.kinds import CRON_JOB as KIND

NEGATIVE = "must be greater than or equal to 0"
POD = "template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}"
TEMPLATE = f"jobTemplate: {{spec: {{{POD}}}}}"


def make(spec: str, meta: str = "name: tick, namespace: default") -> Any:
    head = f"apiVersion: batch/v1\nkind: CronJob\nmetadata: {{{meta}}}\nspec: {{{spec}}}"
    return read_default(KIND, head)


def daily(fields: str) -> str:
    return f"schedule: '@daily', {fields}, {TEMPLATE}"


def schedule(text: str) -> str:
    return f"schedule: '{text}', {TEMPLATE}"


def of_job(fields: str) -> str:
    return f"schedule: '@daily', jobTemplate: {{spec: {{{fields}, {POD}}}}}"


AT = "spec.jobTemplate.spec"
SPECS = (
    case("every six hours from two on", schedule("0 2-23/6 * * *")),
    case("by name", schedule("30 9 * JAN-MAR SUN")),
    case("with everything", daily("suspend: true, concurrencyPolicy: Replace, startingDeadlineSeconds: 0, failedJobsHistoryLimit: 0")),
    case("too many fields", schedule("* * * * * *"),
         'spec.schedule: Invalid value: "* * * * * *": expected exactly 5 fields, found 6: [* * * * * *]'),
    case("an hour that is none", schedule("0 24 * * *"),
         'spec.schedule: Invalid value: "0 24 * * *": end of range (24) above maximum (23): 24'),
    case("a day that is none", schedule("0 0 0 * *"),
         'spec.schedule: Invalid value: "0 0 0 * *": beginning of range (0) below minimum (1): 0'),
    case("a range backwards", schedule("5-1 * * * *"),
         'spec.schedule: Invalid value: "5-1 * * * *": beginning of range (5) beyond end of range (1): 5-1'),
    case("every none minutes", schedule("*/0 * * * *"),
         'spec.schedule: Invalid value: "*/0 * * * *": step of range should be a positive number: */0'),
    case("a zone of old", schedule("CRON_TZ=UTC 0 0 * * *"),
         'spec.schedule: Invalid value: "CRON_TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    case("the zone of the machine", daily("timeZone: Local"),
         'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'),
    case("a zone with a blank", daily("timeZone: 'Europe/ Berlin'"),
         'spec.timeZone: Invalid value: "Europe/ Berlin": unknown time zone Europe/ Berlin'),
    case("a Job that is wrong is told by its own path", of_job("parallelism: -1, backoffLimit: -1, completionMode: Sorted"),
         f"{AT}.parallelism: Invalid value: -1: {NEGATIVE}", f"{AT}.backoffLimit: Invalid value: -1: {NEGATIVE}",
         f'{AT}.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", "Indexed"'),
    case("a Job's Pod that is wrong is too", of_job("completions: 2").replace("image: x", "image: ''"),
         f"{AT}.template.spec.containers[0].image: Required value"),
)  # fmt: skip


@each(SPECS)
def test_specs(case: Case) -> None:
    assert validate_create(KIND, make(case.given)) == violations(*case.want)


def test_a_name_is_a_subdomain() -> None:
    found = validate_create(KIND, make(schedule("@daily"), "name: Tick, namespace: default"))
    assert found == violations(f'metadata.name: Invalid value: "Tick": {SUBDOMAIN}')


STORED = "name: tick, namespace: default, resourceVersion: '1'"
CHANGES = (
    case("when", schedule("@hourly")),
    case("what", schedule("@daily").replace("image: x", "image: z")),
    case("where", daily("timeZone: Asia/Tokyo")),
    case("whether", daily("suspend: true")),
    case("a schedule that is none", schedule("often"),
         'spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: [often]'),
    case("another zone that is none", daily("timeZone: Mars/Base"),
         'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'),
    case("a policy that is none", daily("concurrencyPolicy: Sometimes"),
         'spec.concurrencyPolicy: Unsupported value: "Sometimes": supported values: "Allow", "Forbid", "Replace"'),
)  # fmt: skip


@each(CHANGES)
def test_changes(case: Case) -> None:
    assert validate_update(KIND, make(case.given, STORED), make(schedule("@daily"), STORED)) == violations(
        *case.want
    )


def test_a_zone_that_was_let_in_once_does_not_keep_the_rest_from_being_changed() -> None:
    old = make(daily("timeZone: Mars/Base"), STORED)
    assert validate_update(KIND, make(daily("timeZone: Mars/Base, suspend: true"), STORED), old) == []
