"""Rules for CronJobs. Follows `pkg/apis/batch/validation`."""

import re
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.jobs import check_template
from apiserver.validation.place import Place
from vaina.api.batch.v1 import job_pb2
from vaina.objects import names
from vaina.objects.schedules import ScheduleError, parse, time_zone

_POLICIES: Final = ("Allow", "Forbid", "Replace")
#: the names of Jobs have eleven characters more: a hyphen and the minutes since 1970
_MAX_NAME: Final = 52
_ZONE_PART: Final = re.compile(r"[A-Za-z._0-9+-]{1,14}", re.ASCII).fullmatch

CronJob = job_pb2.CronJob


def check_create(root: Place, cron_job: CronJob) -> None:
    """Check a new CronJob."""
    metadata.check_create(root, cron_job.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), cron_job.spec, None)
    if names.size(cron_job.metadata.name) > _MAX_NAME:
        detail = f"must be no more than {_MAX_NAME} characters"
        root.child("metadata", "name").invalid(cron_job.metadata.name, detail)


def check_update(root: Place, new: CronJob, old: CronJob) -> None:
    """Check a changed CronJob: everything may change, for the Jobs to come."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_spec(root.child("spec"), new.spec, old.spec)


def _check_spec(path: Place, spec: job_pb2.CronJobSpec, old: job_pb2.CronJobSpec | None) -> None:
    if spec.schedule:
        _check_schedule(path.child("schedule"), spec.schedule)
    else:
        path.child("schedule").required()
    path.child("startingDeadlineSeconds").check_non_negative(spec.starting_deadline_seconds)
    if spec.HasField("time_zone") and (old is None or old.time_zone != spec.time_zone):
        _check_time_zone(path.child("timeZone"), spec.time_zone)
    path.child("concurrencyPolicy").check_choice(spec.concurrency_policy, _POLICIES)
    check_template(path.child("jobTemplate"), spec.job_template)
    path.check_counts(spec, "successful_jobs_history_limit", "failed_jobs_history_limit")


def _check_schedule(path: Place, schedule: str) -> None:
    if "TZ" in schedule:
        # Old clusters took it; what was stored by one is not taken over here.
        path.invalid(schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        return
    try:
        parse(schedule)
    except ScheduleError as error:
        path.invalid(schedule, str(error))


def _check_time_zone(path: Place, name: str) -> None:
    if not name:
        path.invalid(name, "timeZone must be nil or non-empty string")
        return
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART(part):
            path.invalid(name, f"unknown time zone {name}")
            return
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        path.invalid(name, detail)
    if name == "Local":
        # The one spelling that Go's time.LoadLocation knows: it has nothing to say of it.
        return
    try:
        time_zone(name)
    except ScheduleError as error:
        path.invalid(name, str(error))
