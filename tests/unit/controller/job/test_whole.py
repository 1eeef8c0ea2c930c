"""Jobs over the real apiserver in process, under a fake clock: what users see of them."""

from controller.config import ControllerConfig
from tests.support.controlplane import control_plane
from tests.unit.controller.job.world import finish, finished, job_of, make_job, pods_of, run_all, tracked
from vaina.api.batch.v1 import job_pb2
from vaina.objects.jobs import COMPLETION_INDEX, is_tracked

CONFIG = ControllerConfig(controllers=("job", "garbage-collector"))


async def test_a_job_runs_its_pods_to_completion_and_says_so():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(completions=3, parallelism=2))
        most = 0

        async def step():
            nonlocal most
            running = [pod for pod in await pods_of(plane) if pod.status.phase == "Pending"]
            most = max(most, len(running))
            await run_all(plane)
            return await finished(plane)

        assert await plane.until(step) == "Complete/CompletionsReached"
        assert most == 2
        job = await job_of(plane)
        status = job.status
        assert (status.succeeded, status.failed, status.active, status.ready) == (3, 0, 0, 0)
        assert status.HasField("start_time")
        assert status.HasField("completion_time")
        assert [c.type for c in status.conditions] == ["SuccessCriteriaMet", "Complete"]
        pods = await pods_of(plane)
        assert len(pods) == 3
        assert tracked(pods) == []
        await plane.clock.advance(1)
        reasons = {(e.reason, e.message) for e in await plane.events()}
        assert ("Completed", "Job completed") in reasons
        assert {("SuccessfulCreate", f"Created pod: {pod.metadata.name}") for pod in pods} <= reasons


async def test_an_indexed_job_gives_each_pod_its_index_in_annotation_label_variable_and_hostname():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(completions=4, parallelism=4, completion_mode="Indexed"))

        async def four():
            return len(await pods_of(plane)) == 4

        await plane.until(four)
        pods = sorted(await pods_of(plane), key=lambda pod: pod.metadata.name)
        for index, pod in enumerate(pods):
            assert pod.metadata.name.startswith(f"work-{index}-")
            assert pod.metadata.annotations[COMPLETION_INDEX] == str(index)
            assert pod.metadata.labels[COMPLETION_INDEX] == str(index)
            assert pod.spec.hostname == f"work-{index}"
            variable = pod.spec.containers[0].env[0]
            assert variable.name == "JOB_COMPLETION_INDEX"
            assert variable.value_from.field_ref.field_path == f"metadata.labels['{COMPLETION_INDEX}']"
        await finish(plane, pods[3])
        await finish(plane, pods[0])

        async def two():
            return (await job_of(plane)).status.completed_indexes == "0,3"

        await plane.until(two)
        await run_all(plane)

        async def done():
            return await finished(plane)

        assert await plane.until(done) == "Complete/CompletionsReached"
        assert (await job_of(plane)).status.completed_indexes == "0-3"


async def test_a_job_that_fails_too_often_is_given_up_with_backoff_in_between():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(backoff_limit=2))
        start = plane.clock.now()
        times = []

        async def step():
            count = len(await pods_of(plane))
            if count > len(times):
                times.append(plane.clock.now() - start)
            await run_all(plane, lambda _: 3)
            return await finished(plane)

        assert await plane.until(step) == "Failed/BackoffLimitExceeded"
        # 10 s after the first failure, 20 s after the second.
        assert [round(time, -1) for time in times] == [0, 10, 30]
        status = (await job_of(plane)).status
        assert (status.failed, status.succeeded) == (3, 0)
        assert [c.type for c in status.conditions] == ["FailureTarget", "Failed"]
        await plane.clock.advance(1)
        messages = {(e.type, e.reason, e.message) for e in await plane.events()}
        assert ("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit") in messages


async def test_a_suspended_job_lets_its_pods_go_uncounted_and_begins_anew_when_it_is_resumed():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(completions=2, parallelism=2))

        async def has(count):
            return len(await pods_of(plane)) == count

        await plane.until(lambda: has(2))
        job = await job_of(plane)
        job.spec.suspend = True
        await plane.client.jobs.update(job)
        await plane.until(lambda: has(0))
        status = (await job_of(plane)).status
        assert (status.failed, status.active) == (0, 0)
        assert not status.HasField("start_time")
        assert [(c.type, c.status, c.reason) for c in status.conditions] == [
            ("Suspended", "True", "JobSuspended")
        ]
        job = await job_of(plane)
        job.spec.suspend = False
        await plane.client.jobs.update(job)
        await plane.until(lambda: has(2))
        await run_all(plane)

        async def done():
            return await finished(plane)

        assert await plane.until(done) == "Complete/CompletionsReached"
        conditions = [(c.type, c.status) for c in (await job_of(plane)).status.conditions]
        assert conditions == [("Suspended", "False"), ("SuccessCriteriaMet", "True"), ("Complete", "True")]
        await plane.clock.advance(1)
        assert {"Suspended", "Resumed"} <= {event.reason for event in await plane.events()}


async def test_the_pods_of_a_deleted_job_are_held_by_nobody():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(completions=2, parallelism=2))

        async def two():
            return len(await plane.pods()) == 2

        await plane.until(two)
        await plane.client.jobs.delete("work", "default", propagation_policy="Background")

        async def none():
            return not await plane.pods()

        await plane.until(none)


async def test_pods_that_a_job_leaves_behind_are_let_go():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job())

        async def held():
            return tracked(await plane.pods())

        await plane.until(held)
        await plane.client.jobs.delete("work", "default", propagation_policy="Orphan")

        async def free():
            pods = await plane.pods()
            return len(pods) == 1 and not is_tracked(pods[0])

        await plane.until(free)


async def test_a_pod_that_lost_its_job_while_the_job_was_still_there_is_let_go_with_it():
    # The collector takes the reference off the Pods before it lets the Job go: in between they match a Job that
    # is not finished.
    async with control_plane(ControllerConfig(controllers=("job",))) as plane:
        await plane.client.jobs.create(make_job())
        (pod,) = await plane.until(lambda: pods_of(plane))
        await plane.client.jobs.delete("work", "default", propagation_policy="Orphan")
        pod = await plane.client.pods.get(pod.metadata.name, "default")
        del pod.metadata.owner_references[:]
        await plane.client.pods.update(pod)
        await plane.settle()
        job = await job_of(plane)
        del job.metadata.finalizers[:]
        await plane.client.jobs.update(job)

        async def released():
            return not is_tracked(await plane.client.pods.get(pod.metadata.name, "default"))

        await plane.until(released)


async def test_a_job_that_somebody_else_manages_is_left_alone():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(managed_by="example.com/mine"))
        await plane.clock.advance(60)
        assert await plane.pods() == []
        assert not (await job_of(plane)).status.ByteSize()


async def test_the_deadline_ends_a_job_and_its_pods():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(active_deadline_seconds=30))

        async def one():
            return await pods_of(plane)

        await plane.until(one)
        start = plane.clock.now()

        async def done():
            return await finished(plane)

        assert await plane.until(done) == "Failed/DeadlineExceeded"
        assert 29 <= plane.clock.now() - start <= 31
        assert (await job_of(plane)).status.failed == 1


async def test_a_success_policy_ends_the_rest():
    policy = job_pb2.SuccessPolicy(rules=[job_pb2.SuccessPolicyRule(succeeded_indexes="1")])
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(
            make_job(completions=3, parallelism=3, completion_mode="Indexed", success_policy=policy)
        )

        async def three():
            return len(await pods_of(plane)) == 3

        await plane.until(three)
        [leader] = [pod for pod in await pods_of(plane) if pod.metadata.annotations[COMPLETION_INDEX] == "1"]
        await finish(plane, leader)

        async def done():
            return await finished(plane)

        assert await plane.until(done) == "Complete/SuccessPolicy"
        status = (await job_of(plane)).status
        assert (status.completed_indexes, status.succeeded, status.failed) == ("1", 1, 0)


async def test_the_completions_of_an_indexed_job_follow_its_parallelism():
    async with control_plane(CONFIG) as plane:
        await plane.client.jobs.create(make_job(completions=2, parallelism=2, completion_mode="Indexed"))

        async def has(count):
            return len(await pods_of(plane)) == count

        await plane.until(lambda: has(2))
        job = await job_of(plane)
        job.spec.completions = job.spec.parallelism = 4
        await plane.client.jobs.update(job)
        await plane.until(lambda: has(4))
        job = await job_of(plane)
        job.spec.completions = job.spec.parallelism = 1
        await plane.client.jobs.update(job)
        await plane.until(lambda: has(1))
        await run_all(plane)

        async def done():
            return await finished(plane)

        assert await plane.until(done) == "Complete/CompletionsReached"
