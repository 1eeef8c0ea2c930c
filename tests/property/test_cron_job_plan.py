"""Whenever a CronJob is looked at, and however long nobody looked.

No time gets two Jobs, none is made early, late ones only within the deadline.
"""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.cronjob.reconcile import reconcile
from tests.unit.controller.cronjob.test_whole import make_cron_job
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import reference_pb2
from vaina.clock import timestamp
from vaina.objects.jobs import finished_as
from vaina.objects.schedules import parse
from vaina.testing.clock import EPOCH

SCHEDULES = ("* * * * *", "*/7 * * * *", "0,1,30 * * * *", "15 */2 * * *", "@daily")


def end(job: job_pb2.Job, kind: str, now: float) -> None:
    job.status.conditions.add(type=kind, status="True", last_transition_time=timestamp(now))
    if kind == "Complete":
        job.status.completion_time.CopyFrom(timestamp(now))


@settings(max_examples=80, deadline=None)
@given(
    schedule=st.sampled_from(SCHEDULES), policy=st.sampled_from(["Allow", "Forbid", "Replace"]),
    deadline=st.none() | st.integers(1, 400), limit=st.integers(0, 3), seed=st.integers(0, 1 << 32),
)  # fmt: skip
def test_each_time_gets_one_job_at_most(
    schedule: str, policy: str, deadline: int | None, limit: int, seed: int
) -> None:
    rng, now = random.Random(seed), EPOCH
    spec: dict[str, Any] = {"concurrency_policy": policy, "successful_jobs_history_limit": limit}
    if deadline is not None:
        spec["starting_deadline_seconds"] = deadline
    cron = make_cron_job(schedule, **spec, failed_jobs_history_limit=limit)
    cron.metadata.creation_timestamp.CopyFrom(timestamp(now))
    read, jobs, made = parse(schedule, None), dict[str, job_pb2.Job](), dict[str, float]()
    for _ in range(60):
        now += rng.choice([0.5, 10, 61, 61, 200, 4000])
        plan = reconcile(cron, [*jobs.values()], now)
        cron.status.CopyFrom(plan.status)
        for reference in plan.replace:
            assert policy == "Replace"
            del jobs[reference.name]
            kept = [other for other in cron.status.active if other.uid != reference.uid]
            del cron.status.active[:]
            cron.status.active.extend(kept)
        if plan.create is not None:
            job, name = plan.create, plan.create.metadata.name
            assert name not in made, "a time had its Job already"
            assert all(plan.scheduled > other for other in made.values()), "times go forward"
            assert plan.scheduled <= now
            assert read.next(plan.scheduled - 1) == plan.scheduled, "it is a time of the schedule"
            assert deadline is None or plan.scheduled >= now - deadline
            running = [other for other in jobs.values() if not finished_as(other)]
            assert policy == "Allow" or not running
            job.metadata.uid = f"uid-{name}"
            made[name], jobs[name] = plan.scheduled, job
            cron.status.active.append(reference_pb2.ObjectReference(name=name, uid=job.metadata.uid))
            cron.status.last_schedule_time.CopyFrom(timestamp(plan.scheduled))
        for gone in plan.delete:
            assert finished_as(gone)
            del jobs[gone.metadata.name]
        ended = [other for other in jobs.values() if finished_as(other)]
        assert len(ended) <= 2 * limit
        for job in jobs.values():
            if not finished_as(job) and rng.random() < 0.4:
                end(job, rng.choice(["Complete", "Failed"]), now)
        if plan.wake_seconds is not None:
            # It wakes for the next time, and not past it.
            following = read.next(now)
            assert following is not None
            assert plan.wake_seconds <= following - now + 1
    again = reconcile(cron, [*jobs.values()], now)
    cron.status.CopyFrom(again.status)
    for gone in again.delete:
        del jobs[gone.metadata.name]
    if again.create is None:
        last = reconcile(cron, [*jobs.values()], now)
        assert (last.create, last.replace, last.delete, last.status) == (None, [], (), cron.status)
