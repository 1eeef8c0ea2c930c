"""Rules for CronJobs. Follows `pkg/apis/batch/validation`."""

import re
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.jobs import check_template
from apiserver.validation.metadata import Errors, check_non_negative
from vaina.api.batch.v1 import job_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, invalid, not_supported, required
from vaina.objects.schedules import ScheduleError, parse, time_zone

_SPEC: Final = Path("spec")
_POLICIES: Final = ("Allow", "Forbid", "Replace")
#: the names of Jobs have eleven characters more: a hyphen and the minutes since 1970
_MAX_NAME: Final = 52
_ZONE_PART: Final = re.compile(r"[A-Za-z._0-9+-]{1,14}", re.ASCII).fullmatch

CronJob = job_pb2.CronJob


def check_create(cron_job: CronJob) -> Errors:
    """Check a new CronJob."""
    errors = metadata.check_create(cron_job.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(errors, cron_job.spec, None)
    if names.size(cron_job.metadata.name) > _MAX_NAME:
        detail = f"must be no more than {_MAX_NAME} characters"
        errors.append(invalid(metadata.METADATA.child("name"), cron_job.metadata.name, detail))
    return errors


def check_update(new: CronJob, old: CronJob) -> Errors:
    """Check a changed CronJob: everything may change, for the Jobs to come."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_spec(errors, new.spec, old.spec)
    return errors


def check_status_update(new: CronJob, old: CronJob) -> Errors:
    """Check a changed status."""
    return metadata.check_update(new.metadata, old.metadata)


def _check_spec(errors: Errors, spec: job_pb2.CronJobSpec, old: job_pb2.CronJobSpec | None) -> None:
    if spec.schedule:
        _check_schedule(errors, _SPEC.child("schedule"), spec.schedule)
    else:
        errors.append(required(_SPEC.child("schedule")))
    check_non_negative(errors, _SPEC.child("startingDeadlineSeconds"), spec.starting_deadline_seconds)
    if spec.HasField("time_zone") and (old is None or old.time_zone != spec.time_zone):
        _check_time_zone(errors, _SPEC.child("timeZone"), spec.time_zone)
    at = _SPEC.child("concurrencyPolicy")
    if not spec.concurrency_policy:
        errors.append(required(at))
    elif spec.concurrency_policy not in _POLICIES:
        errors.append(not_supported(at, spec.concurrency_policy, _POLICIES))
    check_template(errors, _SPEC.child("jobTemplate"), spec.job_template)
    check_non_negative(errors, _SPEC.child("successfulJobsHistoryLimit"), spec.successful_jobs_history_limit)
    check_non_negative(errors, _SPEC.child("failedJobsHistoryLimit"), spec.failed_jobs_history_limit)


def _check_schedule(errors: Errors, path: Path, schedule: str) -> None:
    if "TZ" in schedule:
        # Old clusters took it; what was stored by one is not taken over here.
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(invalid(path, schedule, detail))
        return
    try:
        parse(schedule)
    except ScheduleError as error:
        errors.append(invalid(path, schedule, str(error)))


def _check_time_zone(errors: Errors, path: Path, name: str) -> None:
    if not name:
        errors.append(invalid(path, name, "timeZone must be nil or non-empty string"))
        return
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART(part):
            errors.append(invalid(path, name, f"unknown time zone {name}"))
            return
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid(path, name, detail))
    if name == "Local":
        # The one spelling that Go's time.LoadLocation knows: it has nothing to say of it.
        return
    try:
        time_zone(name)
    except ScheduleError as error:
        errors.append(invalid(path, name, str(error)))
