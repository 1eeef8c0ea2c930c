"""Jobs over a bad network, with processes that die between any two writes, and with two that both think they
lead.

Each index succeeds once, each Pod is counted once, and never more run than may (I10, I18).
"""

import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import controllers
from tests.support.faults import FaultyTransport
from tests.unit.controller.job.world import finish, finished, job_of, make_job, pods_of, tracked
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.objects.jobs import COMPLETION_INDEX
from vaina.objects.pods import is_terminal

CONFIG = ControllerConfig(controllers=("job",))
COMPLETIONS, PARALLELISM = 8, 3
WRITES = ("CreateBatch", "UpdateStatus", "Patch", "Delete", "DeleteBatch")


class Runner:
    """Runs the Pods of the Job as kubelets would: some fail at first. Remembers what each index did."""

    def __init__(self, rng):
        self.rng, self.succeeded, self.failed, self.most = rng, Counter(), 0, 0

    async def step(self, plane):
        running = [
            pod for pod in await pods_of(plane)
            if not is_terminal(pod) and not pod.metadata.HasField("deletion_timestamp")
        ]  # fmt: skip
        self.most = max(self.most, len(running))
        for pod in running:
            dice = self.rng.random()
            if dice < 0.1 and self.failed < 3:
                self.failed += 1
                await finish(plane, pod, code=1)
            elif dice < 0.7:
                self.succeeded[pod.metadata.annotations.get(COMPLETION_INDEX, pod.metadata.name)] += 1
                await finish(plane, pod)
        return await finished(plane)


async def start(mode):
    server = make_apiserver()
    await server.app.bootstrap()
    spec = {"completions": COMPLETIONS, "parallelism": PARALLELISM, "completion_mode": mode}
    await server.client.jobs.create(make_job(**spec))
    return server


async def check(plane, runner):
    status = (await job_of(plane)).status
    assert (status.succeeded, status.failed) == (COMPLETIONS, runner.failed)
    assert sum(runner.succeeded.values()) == len(runner.succeeded) == COMPLETIONS
    assert runner.most <= PARALLELISM
    assert tracked(await pods_of(plane)) == []


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mode", ["Indexed", "NonIndexed"])
async def test_lost_answers_and_broken_watches_change_no_count(mode, seed):
    server, rng = await start(mode), random.Random(seed)
    runner = Runner(rng)
    faulty = FaultyTransport(
        InProcessTransport(server.app.handlers),
        rng,
        lose_request=0.05,
        lose_answer=0.2,
        break_stream=0.05,
        verbs=WRITES,
    )
    async with controllers(server, CONFIG, client=Clientset(faulty)) as plane:
        assert await plane.until(lambda: runner.step(plane), seconds=900) == "Complete/CompletionsReached"
        await check(plane, runner)
    assert faulty.lost > 0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mode", ["Indexed", "NonIndexed"])
async def test_killed_between_any_two_writes_it_counts_each_pod_once(mode, seed):
    server, rng = await start(mode), random.Random(seed)
    runner = Runner(rng)
    for _ in range(12):
        async with controllers(server, CONFIG) as plane:
            # Between a hundredth and some turns of the loop: in the middle of a sync.
            await plane.clock.advance(rng.random() * 0.02)
            await runner.step(plane)
            await plane.clock.advance(rng.random() * 0.005)
    async with controllers(server, CONFIG) as plane:
        assert await plane.until(lambda: runner.step(plane), seconds=900) == "Complete/CompletionsReached"
        await check(plane, runner)


@pytest.mark.parametrize("mode", ["Indexed", "NonIndexed"])
async def test_two_that_both_think_they_lead_count_each_pod_once(mode):
    server, rng = await start(mode), random.Random(7)
    runner = Runner(rng)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            faulty = FaultyTransport(InProcessTransport(server.app.handlers), rng, break_stream=0.2)
            plane = await stack.enter_async_context(controllers(server, CONFIG, client=Clientset(faulty)))
        assert await plane.until(lambda: runner.step(plane), seconds=900) == "Complete/CompletionsReached"
        await check(plane, runner)
