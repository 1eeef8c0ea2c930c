"""Counting the Pods of a Job: whatever ends the process between two writes, and however old the caches are,
each counts once.
"""

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.job.failures import NO_FAILURES
from controller.job.reconcile import reconcile
from controller.job.tracking import Done, JobState, after_release, before_release
from controller.job.view import observe
from tests.unit.controller.job.world import job_pod, stored_job
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.jobs import is_tracked, parse_indexes

NOW = 1000.0
PODS = 4
#: a Pod ends, or goes once nobody holds it; the cache follows; a process works and is killed after so many
#: writes (or not); another begins
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(0, PODS - 1), st.booleans()),
        st.tuples(st.just("follow"), st.integers(0, PODS - 1), st.booleans()),
        st.tuples(st.just("delete"), st.integers(0, PODS - 1), st.booleans()),
        st.tuples(st.just("sync"), st.integers(0, 8), st.booleans()),
        st.tuples(st.just("begin"), st.just(0), st.booleans()),
    ),
    max_size=30,
)


class Killed(Exception):
    """The process ends here."""


@dataclass
class World:
    """What is stored, what a process has cached of it, and what it remembers.

    The shell's rules without a network.
    """

    indexed: bool
    job: job_pb2.Job = field(init=False)
    pods: list[pod_pb2.Pod] = field(init=False)
    cache: list[pod_pb2.Pod | None] = field(init=False)
    #: numbers of the Pods that are gone
    gone: set[int] = field(default_factory=set)
    state: JobState = field(default_factory=lambda: JobState("job-uid"))
    writes_left: int = 99

    def __post_init__(self) -> None:
        mode = "Indexed" if self.indexed else "NonIndexed"
        self.job = stored_job(completions=PODS + 1, parallelism=PODS, backoff_limit=99, completion_mode=mode)
        self.job.metadata.resource_version = "1"
        self.pods = [job_pod(f"p{n}", index=n if self.indexed else None) for n in range(PODS)]
        self.cache = [self._copy(pod) for pod in self.pods]

    @staticmethod
    def _copy(pod: pod_pb2.Pod) -> pod_pb2.Pod:
        made = pod_pb2.Pod()
        made.CopyFrom(pod)
        return made

    def end(self, number: int, *, failed: bool) -> None:
        if self.pods[number].status.phase == "Running":
            self.pods[number].status.phase = "Failed" if failed else "Succeeded"

    def delete(self, number: int) -> None:
        if not is_tracked(self.pods[number]):
            self.gone.add(number)

    def follow(self, number: int) -> None:
        self.cache[number] = None if number in self.gone else self._copy(self.pods[number])

    def begin(self, *, fresh: bool) -> None:
        """Another process: it remembers nothing, and its cache is as old as it likes."""
        self.state = JobState("job-uid")
        if fresh:
            for number in range(PODS):
                self.follow(number)

    def _write(self) -> None:
        if self.writes_left == 0:
            raise Killed
        self.writes_left -= 1

    def _store(self, status: job_pb2.JobStatus) -> None:
        if status == self.job.status:
            return
        self._write()
        assert status.succeeded >= self.job.status.succeeded
        assert status.failed >= self.job.status.failed
        self.job.status.CopyFrom(status)
        self.job.metadata.resource_version = str(int(self.job.metadata.resource_version) + 1)
        self.state.version = self.job.metadata.resource_version

    def sync(self, writes: int) -> None:
        self.writes_left = writes
        try:
            self._sync()
        except Killed:
            self.begin(fresh=False)

    def _sync(self) -> None:
        pods = [pod for pod in self.cache if pod is not None]
        self.state.see(pods)
        if self.state.version != self.job.metadata.resource_version:
            if self.job.status.ByteSize():
                live = [self._copy(pod) for number, pod in enumerate(self.pods) if number not in self.gone]
                self.state.compare(pods, live)
                pods = live
                # The cache is waited for until it shows what was seen; of what is gone it may know nothing
                # still.
                for number in range(PODS):
                    if number not in self.gone:
                        self.follow(number)
            self.state.version = self.job.metadata.resource_version
        job = job_pb2.Job()
        job.CopyFrom(self.job)
        view = observe(job, pods, self.state.released)
        plan = reconcile(view, backoff=NO_FAILURES, now=NOW)
        counting = before_release(view, plan, Done(), NOW)
        self._store(counting.status)
        gone: set[str] = set()
        for pod in counting.release:
            self._write()
            [stored] = [other for other in self.pods if other.metadata.uid == pod.metadata.uid]
            del stored.metadata.finalizers[:]
            gone.add(pod.metadata.uid)
            self.state.released.add(pod.metadata.uid)
        held = {pod.metadata.uid for pod in view.tracked} - gone
        self._store(after_release(counting.status, held, plan, NOW, may_end=not counting.more))


#: counted and gone, and another process begins whose cache shows it as it was
_FORGOTTEN = [("end", 0, False), ("follow", 0, False), ("sync", 8, False), ("delete", 0, False), ("begin", 0, False),
              ("sync", 8, False), ("sync", 8, False)]  # fmt: skip


@settings(max_examples=40, deadline=None)
@example(indexed=False, steps=_FORGOTTEN)
@example(indexed=True, steps=_FORGOTTEN)
@given(indexed=st.booleans(), steps=STEPS)
def test_each_pod_is_counted_once(indexed: bool, steps: list[tuple[str, int, bool]]) -> None:
    world = World(indexed)
    for what, number, flag in steps:
        if what == "end":
            world.end(number, failed=flag)
        elif what == "follow":
            world.follow(number)
        elif what == "delete":
            world.delete(number)
        elif what == "begin":
            world.begin(fresh=flag)
        else:
            world.sync(number)
        ended = [pod.status.phase for pod in world.pods]
        assert world.job.status.succeeded <= ended.count("Succeeded")
        assert world.job.status.failed <= ended.count("Failed")
    for number in range(PODS):
        world.follow(number)
    world.sync(99)
    world.sync(99)
    ended = [pod.status.phase for pod in world.pods]
    status = world.job.status
    assert (status.succeeded, status.failed) == (ended.count("Succeeded"), ended.count("Failed"))
    assert not status.uncounted_terminated_pods.succeeded
    assert not status.uncounted_terminated_pods.failed
    assert [is_tracked(pod) for pod in world.pods] == [phase == "Running" for phase in ended]
    if indexed:
        succeeded = {number for number, phase in enumerate(ended) if phase == "Succeeded"}
        assert set(parse_indexes(status.completed_indexes, PODS + 1)) == succeeded
