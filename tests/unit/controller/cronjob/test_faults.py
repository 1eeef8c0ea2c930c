"""CronJobs whose controllers have old caches, lose answers, die, or are two: a Job for each time, made once."""

import random
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from tests.support.faults import FaultyTransport, StalledTransport
from tests.unit.controller.cronjob.test_whole import make_cron_job
from vaina.client.clientset import Clientset
from vaina.clock import timestamp
from vaina.objects.jobs import finished_as

OTHERS, MINE = (ControllerConfig(controllers=(name,)) for name in ("node-lifecycle", "cronjob"))
WRITES = ("Create", "Update", "UpdateStatus", "Delete")


class Record:
    """All Jobs that were ever there, by name; ends them when it is told to."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane, self.seen = plane, dict[str, set[str]]()

    async def look(self, *, end: bool) -> int:
        """Look at the Jobs there are; returns how many have not ended."""
        jobs = (await self._plane.client.jobs.list("default")).items
        running = [job for job in jobs if not finished_as(job)]
        for job in jobs:
            self.seen.setdefault(job.metadata.name, set()).add(job.metadata.uid)
        for job in running if end else ():
            now = timestamp(self._plane.clock.now())
            job.status.start_time.CopyFrom(now)
            job.status.completion_time.CopyFrom(now)
            for kind in ("SuccessCriteriaMet", "Complete"):
                job.status.conditions.add(type=kind, status="True", last_transition_time=now)
            await self._plane.client.jobs.update_status(job)
        assert all(len(uids) == 1 for uids in self.seen.values()), self.seen
        return len(running)

    @property
    def name_now(self) -> str:
        """The name of this minute's Job."""
        return f"tick-{int(self._plane.clock.now()) // 60}"


async def to_next_minute(plane: ControlPlane) -> None:
    await plane.clock.advance(60.2 - plane.clock.now() % 60)


@pytest.mark.parametrize("seed", range(2))
async def test_two_that_both_think_they_lead_and_lose_answers_make_each_job_once(seed: int) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controllers(server, OTHERS))
        # What has ended goes at once: who does not know of it might make it again.
        await plane.client.cron_jobs.create(make_cron_job(successful_jobs_history_limit=0))
        for _ in range(2):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.05, lose_answer=0.2, break_stream=0.05, verbs=WRITES
            )  # fmt: skip
            await stack.enter_async_context(controllers(server, MINE, client=Clientset(faulty)))
        record, wanted = Record(plane), set[str]()
        for _ in range(4):
            await to_next_minute(plane)
            wanted.add(record.name_now)

            async def all_done() -> bool:
                left = await record.look(end=True)
                jobs = (await plane.client.jobs.list("default")).items
                return wanted <= {*record.seen} and not left and not jobs

            await plane.until(all_done, seconds=50)
        assert {*record.seen} == wanted


@pytest.mark.parametrize("seed", range(2))
async def test_killed_between_any_two_writes_it_makes_each_job_once(seed: int) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with controllers(server, OTHERS) as plane:
        await plane.client.cron_jobs.create(make_cron_job(successful_jobs_history_limit=0))
        record, wanted = Record(plane), set[str]()
        for _ in range(3):
            await to_next_minute(plane)
            wanted.add(record.name_now)
            for _ in range(60):
                async with controllers(server, MINE):
                    await plane.clock.advance(rng.random() * 0.02)
                    left = await record.look(end=rng.random() < 0.5)
                    await plane.clock.advance(rng.random() * 0.005)
                if (
                    wanted <= {*record.seen}
                    and not left
                    and not (await plane.client.jobs.list("default")).items
                ):
                    break
        assert {*record.seen} == wanted
        assert not (await plane.client.jobs.list("default")).items


async def test_forbid_holds_for_two_that_lose_answers() -> None:
    server, rng = make_apiserver(), random.Random(3)
    await server.app.bootstrap()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controllers(server, OTHERS))
        await plane.client.cron_jobs.create(make_cron_job(concurrency_policy="Forbid"))
        for _ in range(2):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.1, lose_answer=0.2, break_stream=0.1, verbs=WRITES
            )  # fmt: skip
            await stack.enter_async_context(controllers(server, MINE, client=Clientset(faulty)))
        record = Record(plane)
        for turn in range(6):
            await to_next_minute(plane)
            # Every other one takes longer than a minute: the next is left out.
            late = turn % 2 == 0

            async def there() -> bool:
                running = await record.look(end=False)
                assert running <= 1
                return running == 1

            await plane.until(there, seconds=30)
            await record.look(end=not late)
        assert 3 <= len(record.seen) <= 4


async def test_an_old_cache_makes_no_job_again_that_has_ended_and_gone() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    stalled = StalledTransport(server.client.transport, "CronJobService", "JobService")
    stalled.go.set()
    async with controllers(server, MINE) as plane, controllers(server, MINE, client=Clientset(stalled)):
        await plane.client.cron_jobs.create(make_cron_job(successful_jobs_history_limit=0))
        await plane.clock.advance(1)
        record = Record(plane)
        stalled.go.clear()
        await to_next_minute(plane)

        async def gone() -> bool:
            await record.look(end=True)
            return bool(record.seen) and not (await plane.client.jobs.list("default")).items

        await plane.until(gone, seconds=20)
        # The other one still has to make it, as far as its caches know.
        await plane.clock.advance(5)
        stalled.go.set()
        await plane.clock.advance(5)
        await record.look(end=False)
        assert len(record.seen) == 1
