"""CronJobs over the real apiserver in process, under a fake clock: what users see of them."""

from controller.config import ControllerConfig
from tests.support.controlplane import ControlPlane, control_plane
from tests.unit.controller.job.world import run_all
from vaina.api.batch.v1 import job_pb2
from vaina.testing.builders import make_meta, make_template

CONFIG = ControllerConfig(controllers=("job", "cronjob", "garbage-collector", "ttl-after-finished"))


def make_cron_job(schedule: str = "* * * * *", **spec: object) -> job_pb2.CronJob:
    made = job_pb2.CronJob(metadata=make_meta("tick", "default"))
    made.spec.schedule = schedule
    made.spec.job_template.spec.template.CopyFrom(make_template({"app": "tick"}))
    made.spec.job_template.spec.template.spec.restart_policy = "Never"
    for field, value in spec.items():
        setattr(made.spec, field, value)
    return made


async def next_minute(plane: ControlPlane) -> None:
    """Move on to when a minute's Job has been made."""
    await plane.clock.advance(61 - plane.clock.now() % 60)
    await plane.settle()


async def jobs_of(plane: ControlPlane) -> list[job_pb2.Job]:
    return (await plane.client.jobs.list("default")).items


async def test_a_job_a_minute_is_made_run_and_kept_as_long_as_wished():
    async with control_plane(CONFIG) as plane:
        await plane.client.cron_jobs.create(make_cron_job(successful_jobs_history_limit=2))
        names = set()
        while len(names) < 4:
            await next_minute(plane)
            await run_all(plane)
            await plane.settle()
            names |= {job.metadata.name for job in await jobs_of(plane)}
        status = (await plane.client.cron_jobs.get("tick", "default")).status
        assert status.HasField("last_schedule_time")
        assert status.HasField("last_successful_time")

        async def two():
            return len(await jobs_of(plane)) == 2

        await plane.until(two, seconds=20)
        minutes = sorted(int(name.removeprefix("tick-")) for name in names)
        assert minutes == list(range(minutes[0], minutes[0] + 4))
        await plane.clock.advance(1)
        reasons = {event.reason for event in await plane.events()}
        assert {"SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"} <= reasons


async def test_a_job_that_still_runs_is_replaced():
    async with control_plane(CONFIG) as plane:
        await plane.client.cron_jobs.create(make_cron_job(concurrency_policy="Replace"))

        async def one():
            return [job.metadata.name for job in await jobs_of(plane)]

        await next_minute(plane)
        [first] = await plane.until(one, seconds=5)
        await next_minute(plane)

        async def another():
            names = await one()
            return len(names) == 1 and names != [first] and len(await plane.pods()) == 1

        await plane.until(another, seconds=5)
        status = (await plane.client.cron_jobs.get("tick", "default")).status
        assert [reference.name for reference in status.active] == await one()


async def test_with_the_cron_job_its_jobs_and_pods_go():
    async with control_plane(CONFIG) as plane:
        await plane.client.cron_jobs.create(make_cron_job())

        async def running():
            return await plane.pods()

        await next_minute(plane)
        await plane.until(running, seconds=5)
        await plane.client.cron_jobs.delete("tick", "default")

        async def none():
            return not await jobs_of(plane) and not await plane.pods()

        await plane.until(none, seconds=30)


async def test_a_job_whose_time_is_over_goes_with_its_pods():
    async with control_plane(CONFIG) as plane:
        made = job_pb2.Job(metadata=make_meta("work", "default"))
        made.spec.CopyFrom(make_cron_job().spec.job_template.spec)
        made.spec.ttl_seconds_after_finished = 10
        await plane.client.jobs.create(made)

        async def ended():
            await run_all(plane)
            found = await jobs_of(plane)
            return any(condition.type == "Complete" for condition in found[0].status.conditions)

        await plane.until(ended)
        await plane.clock.advance(8)
        await plane.settle()
        assert len(await jobs_of(plane)) == 1

        async def gone():
            return not await jobs_of(plane) and not await plane.pods()

        await plane.until(gone, seconds=10)
