"""CronJobs: what is decided, at which time."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.cronjob.reconcile import CronPlan, reconcile, rfc1123
from vaina.api.batch.v1 import job_pb2
from vaina.clock import timestamp
from vaina.objects.jobs import SCHEDULED_TIMESTAMP
from vaina.objects.schedules import format_time
from vaina.testing.builders import make_meta, owner_ref

#: 2026-01-01T00:00:00Z, a Thursday
START = 1767225600.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def make_cron_job(
    schedule: str = "0 * * * *", *, zone: str | None = None, last: float | None = None, policy: str = "Allow",
    deadline: int | None = None, suspend: bool = False, active: tuple[str, ...] = (), keep: tuple[int, int] = (3, 1),
    deleted: float | None = None, created: float = START, name: str = "tick",
) -> job_pb2.CronJob:  # fmt: skip
    made = job_pb2.CronJob(metadata=make_meta(name, "default", uid="cron-uid", deleted=deleted))
    made.metadata.creation_timestamp.CopyFrom(timestamp(created))
    spec = made.spec
    spec.schedule, spec.concurrency_policy, spec.suspend = schedule, policy, suspend
    spec.successful_jobs_history_limit, spec.failed_jobs_history_limit = keep
    if zone is not None:
        spec.time_zone = zone
    if deadline is not None:
        spec.starting_deadline_seconds = deadline
    if last is not None:
        made.status.last_schedule_time.CopyFrom(timestamp(START + last))
    for uid in active:
        made.status.active.add(name=uid, uid=uid, namespace="default")
    spec.job_template.metadata.labels["app"] = "tick"
    spec.job_template.metadata.annotations["note"] = "x"
    return made


def job(
    name: str, ended: str = "", *, started: float | None = 0.0, deleted: float | None = None
) -> job_pb2.Job:
    made = job_pb2.Job(metadata=make_meta(name, "default", uid=name, deleted=deleted))
    made.metadata.owner_references.append(owner_ref("CronJob", "tick", "cron-uid"))
    if started is not None:
        made.status.start_time.CopyFrom(timestamp(START + started))
    if ended:
        made.status.conditions.add(type=ended, status="True")
    if ended == "Complete":
        made.status.completion_time.CopyFrom(timestamp(START + (started or 0.0) + 10))
    return made


@dataclass(frozen=True)
class Told:
    """What a plan says, in short."""

    create: str = ""
    replace: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    wake: float | None = None


def told(plan: CronPlan) -> Told:
    return Told(
        plan.create.metadata.name if plan.create is not None else "",
        tuple(reference.name for reference in plan.replace), tuple(j.metadata.name for j in plan.delete),
        tuple(reference.name for reference in plan.status.active), tuple(note.reason for note in plan.notes),
        None if plan.wake_seconds is None else round(plan.wake_seconds, 1),
    )  # fmt: skip


def name_at(seconds: float) -> str:
    return f"tick-{int(START + seconds) // 60}"


@dataclass(frozen=True)
class Case:
    name: str
    now: float
    want: Told
    jobs: tuple[job_pb2.Job, ...] = ()
    cron: dict[str, Any] = field(default_factory=dict)


HOURLY = Told(wake=HOUR + 0.1)
CASES = (
    Case("nothing is due before the first time", 30 * MINUTE, Told(wake=30 * MINUTE + 0.1)),
    Case("at the time itself a Job is made", HOUR, Told(name_at(HOUR), wake=HOUR + 0.1)),
    Case("a little later too", HOUR + 5, Told(name_at(HOUR), wake=HOUR - 5 + 0.1)),
    Case("the time of creation does not count", 0, Told(wake=HOUR + 0.1)),
    Case("once for a time", HOUR + 5, Told(wake=HOUR - 5 + 0.1), cron={"last": HOUR}),
    Case("not when the Job of the time is listed as active", HOUR + 5, Told(active=(name_at(HOUR),), wake=-5 + 0.1 + HOUR),
         (job(name_at(HOUR)),), {"active": (name_at(HOUR),)}),
    Case("of several missed times the last is made up for", 5 * HOUR + 60, Told(name_at(5 * HOUR), wake=HOUR - 60 + 0.1)),
    Case("a hundred missed times are no matter", 100 * HOUR + 1, Told(name_at(100 * HOUR), wake=HOUR - 1 + 0.1)),
    Case("more than a hundred are told, and the last is made up for", 101 * HOUR + 1,
         Told(name_at(101 * HOUR), reasons=("TooManyMissedTimes",), wake=HOUR - 1 + 0.1)),
    Case("a starting deadline bounds how far back is looked", 200 * HOUR + 1, Told(name_at(200 * HOUR), wake=HOUR - 1 + 0.1),
         cron={"deadline": 600}),
    Case("later than the deadline a time is not started", HOUR + 11, Told(wake=HOUR - 11 + 0.1), cron={"deadline": 10}),
    Case("within the deadline it is", HOUR + 9, Told(name_at(HOUR), wake=HOUR - 9 + 0.1), cron={"deadline": 10}),
    Case("a deadline of less than the interval hides what was missed earlier", 2 * HOUR + 30, Told(wake=HOUR - 30 + 0.1),
         cron={"deadline": 20}),
    Case("suspended, nothing is made, and nobody looks again before a change", HOUR + 1, Told(), cron={"suspend": True}),
    Case("suspended, ended Jobs are still cleared up", HOUR + 1, Told(delete=("a",)),
         (job("a", "Failed"), job("b", "Failed", started=1)), {"suspend": True}),
    Case("being deleted, nothing is made and nothing cleared up", HOUR + 1, Told(),
         (job("a", "Failed"), job("b", "Failed", started=1)), {"deleted": START}),
    Case("Allow runs beside the one before", 2 * HOUR, Told(name_at(2 * HOUR), active=("a",), wake=HOUR + 0.1),
         (job("a"),), {"last": HOUR, "active": ("a",)}),
    Case("Forbid waits for it", 2 * HOUR, Told(active=("a",), reasons=("JobAlreadyActive",), wake=HOUR + 0.1),
         (job("a"),), {"last": HOUR, "active": ("a",), "policy": "Forbid"}),
    Case("Forbid makes up for the time when it ends", 2 * HOUR + 60,
         Told(name_at(2 * HOUR), reasons=("SawCompletedJob",), wake=HOUR - 60 + 0.1),
         (job("a", "Complete"),), {"last": HOUR, "active": ("a",), "policy": "Forbid"}),
    Case("Forbid gives the time up when the deadline is over", 2 * HOUR + 60,
         Told(reasons=("SawCompletedJob",), wake=HOUR - 60 + 0.1),
         (job("a", "Complete"),), {"last": HOUR, "active": ("a",), "policy": "Forbid", "deadline": 30}),
    Case("Forbid with nothing active makes it", 2 * HOUR, Told(name_at(2 * HOUR), wake=HOUR + 0.1), cron={"last": HOUR, "policy": "Forbid"}),
    Case("Replace takes the other away first", 2 * HOUR, Told(name_at(2 * HOUR), ("a",), active=("a",), wake=HOUR + 0.1),
         (job("a"),), {"last": HOUR, "active": ("a",), "policy": "Replace"}),
    Case("Replace takes all others away", 2 * HOUR, Told(name_at(2 * HOUR), ("a", "b"), active=("a", "b"), wake=HOUR + 0.1),
         (job("a"), job("b")), {"last": HOUR, "active": ("a", "b"), "policy": "Replace"}),
    Case("an active Job that has ended is listed no more", HOUR + 1, Told(reasons=("SawCompletedJob",), wake=HOUR - 1 + 0.1),
         (job("a", "Complete"),), {"last": HOUR, "active": ("a",)}),
    Case("one that failed neither", HOUR + 1, Told(reasons=("SawCompletedJob",), wake=HOUR - 1 + 0.1),
         (job("a", "Failed"),), {"last": HOUR, "active": ("a",)}),
    Case("one that is gone is told", HOUR + 1, Told(reasons=("MissingJob",), wake=HOUR - 1 + 0.1), cron={"last": HOUR, "active": ("a",)}),
    Case("one that nobody listed is told", HOUR + 1, Told(reasons=("UnexpectedJob",), wake=HOUR - 1 + 0.1), (job("a"),), {"last": HOUR}),
    Case("an ended one that nobody listed is not", HOUR + 1, Told(wake=HOUR - 1 + 0.1), (job("a", "Failed"),), {"last": HOUR}),
    Case("three that succeeded and one that failed are kept", HOUR + 1, Told(wake=HOUR - 1 + 0.1),
         (job("a", "Complete"), job("b", "Complete"), job("c", "Complete"), job("d", "Failed")), {"last": HOUR}),
    Case("the oldest of more go", HOUR + 1, Told(delete=("c", "e"), wake=HOUR - 1 + 0.1),
         (job("a", "Complete", started=3), job("b", "Complete", started=4), job("c", "Complete", started=1),
          job("d", "Complete", started=2), job("e", "Failed", started=5), job("f", "Failed", started=6)), {"last": HOUR}),
    Case("of equally old ones the first by name", HOUR + 1, Told(delete=("a",), wake=HOUR - 1 + 0.1),
         (job("b", "Failed"), job("a", "Failed")), {"last": HOUR}),
    Case("one that never started counts as the youngest", HOUR + 1, Told(delete=("b",), wake=HOUR - 1 + 0.1),
         (job("a", "Failed", started=None), job("b", "Failed")), {"last": HOUR}),
    Case("none is kept when none is wished for", HOUR + 1, Told(delete=("a", "b"), wake=HOUR - 1 + 0.1),
         (job("a", "Complete"), job("b", "Failed")), {"last": HOUR, "keep": (0, 0)}),
    Case("what is going already is not deleted again", HOUR + 1, Told(wake=HOUR - 1 + 0.1),
         (job("a", "Complete", deleted=START),), {"last": HOUR, "keep": (0, 0)}),
    Case("running ones are not counted as history", HOUR + 1, Told(active=("a",), wake=HOUR - 1 + 0.1),
         (job("a"),), {"last": HOUR, "keep": (0, 0), "active": ("a",)}),
    Case("a zone shifts the day", 23 * HOUR, Told(name_at(23 * HOUR), wake=DAY + 0.1), cron={"schedule": "0 0 * * *", "zone": "Europe/Berlin"}),
    Case("a zone that is none is told", HOUR, Told(reasons=("UnknownTimeZone",)), cron={"zone": "Mars/Base"}),
    Case("a schedule that cannot be read is told", HOUR, Told(reasons=("UnparseableSchedule",)), cron={"schedule": "often"}),
    Case("a schedule that never comes is told", HOUR, Told(reasons=("InvalidSchedule",)), cron={"schedule": "0 0 31 2 *"}),
    Case("every ninety seconds from the creation on", 100, Told(name_at(90), wake=80.1), cron={"schedule": "@every 90s"}),
    Case("every ninety seconds from the last time on", 300, Told(name_at(280), wake=70.1), cron={"schedule": "@every 90s", "last": 100}),
    Case("a macro", DAY, Told(name_at(DAY), wake=DAY + 0.1), cron={"schedule": "@daily"}),
    Case("times that are not equally far apart", 5 * DAY + 9 * HOUR, Told(name_at(4 * DAY + 17 * HOUR), wake=DAY + 0.1),
         cron={"schedule": "0 9-17/8 * * 0-1,3-5", "last": 9 * HOUR}),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_decided(case: Case) -> None:
    cron_job = make_cron_job(**case.cron)
    plan = reconcile(cron_job, case.jobs, START + case.now)
    assert told(plan) == case.want


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_second_look_at_the_same_time_finds_nothing_to_create(case: Case) -> None:
    cron_job = make_cron_job(**case.cron)
    plan = reconcile(cron_job, case.jobs, START + case.now)
    if plan.create is None:
        return
    cron_job.status.CopyFrom(plan.status)
    cron_job.status.last_schedule_time.CopyFrom(timestamp(plan.scheduled))
    assert reconcile(cron_job, case.jobs, START + case.now).create is None


def test_the_job_has_the_template_the_time_and_its_owner() -> None:
    plan = reconcile(make_cron_job(zone="Asia/Tokyo"), (), START + HOUR)
    assert plan.create is not None
    meta = plan.create.metadata
    assert meta.name == "tick-29453820"
    assert dict(meta.labels) == {"app": "tick"}
    assert dict(meta.annotations) == {"note": "x", SCHEDULED_TIMESTAMP: "2026-01-01T10:00:00+09:00"}
    [owner] = meta.owner_references
    assert (owner.api_version, owner.kind, owner.uid, owner.controller) == (
        "batch/v1",
        "CronJob",
        "cron-uid",
        True,
    )


def test_the_last_success_is_the_latest_completion() -> None:
    jobs = (job("a", "Complete", started=5), job("b", "Complete", started=50), job("c", "Failed", started=70))
    plan = reconcile(make_cron_job(last=HOUR), jobs, START + HOUR + 1)
    assert plan.status.last_successful_time.seconds == START + 60


def test_what_was_missed_is_told_with_its_time() -> None:
    # Another deadline than that of the search: the time itself is found, and is too old.
    cron_job = make_cron_job("@every 90s", deadline=0)
    plan = reconcile(cron_job, (), START + 95)
    assert plan.create is None
    assert rfc1123(START + 9 * HOUR) == "Thu, 01 Jan 2026 09:00:00 +0000"


def test_times_are_written_with_the_offset_of_their_zone() -> None:
    assert format_time(START) == "2026-01-01T00:00:00Z"
    assert format_time(START, "America/New_York") == "2025-12-31T19:00:00-05:00"
