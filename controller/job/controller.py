"""The shell of Jobs, with writes in an order in which each may be the last.

A sync settles creations without an answer, looks at the Pods, decides (`reconcile`), creates and deletes,
writes what has ended (`tracking.before_release`), releases those Pods, and writes the counts
(`tracking.after_release`). Follows upstream's `pkg/controller/job/job_controller.go`.
"""

import json
from collections.abc import Collection, Sequence

import structlog
from prometheus_client import CollectorRegistry

from controller.base import Tools, find, for_each
from controller.job.failures import remembered
from controller.job.metrics import JobMetrics
from controller.job.reconcile import JobPlan, new_pod, reconcile
from controller.job.tracking import Done, JobState, after_release, before_release
from controller.job.view import View, observe
from controller.ownership import Claims, claim, with_controller, without_owner
from controller.owning import RECHECK_SECONDS, GatheringController
from controller.pods import Taken
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.client.verbs import PodClient
from vaina.errors import ApiError, Conflict, NotFound
from vaina.kinds import JOB
from vaina.objects import jobs
from vaina.objects.conditions import find_condition
from vaina.objects.meta import controller_of, is_controlled_by, object_key, remove_finalizer
from vaina.objects.pods import is_ready
from vaina.objects.selectors import LabelSelector

log = structlog.stdlib.get_logger(__name__)

#: a key of this form is a Pod that may have lost its Job
_ORPHAN = "pod:"


class JobController(GatheringController):
    """Keys are `namespace/name` of Jobs, or `pod:namespace/name` of a Pod that may have lost its Job."""

    name = "job"
    kind = JOB
    confirmed_by = "resource_version"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, registry: CollectorRegistry
    ) -> None:
        super().__init__(tools, factory, recorder)
        self._metrics = JobMetrics(registry)
        self._states: dict[str, JobState] = {}
        self._owners.add_handler(
            on_add=self._on_job,
            on_update=lambda _, job: self.queue.add(object_key(job)),
            on_delete=self._on_job_gone,
        )
        self._dependents.add_handler(
            on_add=lambda pod: self._metrics.seen(None, pod),
            on_update=self._metrics.seen,
            on_delete=lambda pod: self._metrics.seen(pod, None),
        )

    async def sync(self, key: str) -> float | None:
        if key.startswith(_ORPHAN):
            await self._sync_orphan(key.removeprefix(_ORPHAN))
            return None
        job = self._owners.lister.get(key)
        if job is None or jobs.managed_by_other(job.spec) or jobs.is_finished(job):
            self._states.pop(key, None)
            self._forget(key)
            if job is not None and not jobs.managed_by_other(job.spec):
                self._look_for_orphans(job)
            return None
        start, action, ok = self.clock.monotonic(), "reconciling", False
        try:
            action, wake = await self._sync_job(key, job)
            ok = True
        finally:
            self._metrics.synced(job, self.clock.monotonic() - start, ok=ok, action=action)
        return wake

    async def _sync_job(self, key: str, job: job_pb2.Job) -> tuple[str, float | None]:
        state = self._state(key, job)
        self._settle_seen(key, job.metadata)
        unknown = self._writes.unknown(key)
        state.asked = {name: new for name, new in state.asked.items() if name in unknown}
        if not job.metadata.HasField("deletion_timestamp"):
            await self._control.settle_unknown(key, job, lambda name: new_pod(job, state.asked[name]))
        cached = self._candidates(job.metadata)
        state.see(cached)
        late = state.version and int(state.version) > int(job.metadata.resource_version)
        if late or not self._is_up_to_date(key, cached):
            return "tracking", RECHECK_SECONDS
        pods = await self._owned(key, job, state, cached)
        view = observe(job, pods, state.released)
        if state.backoff is None:
            state.backoff = remembered(pods, job.spec)
        now = self.clock.now()
        taken = Taken(self._dependents.lister, self._recent, job.metadata.namespace)
        plan = reconcile(view, backoff=state.backoff, now=now, taken=taken)
        done, error = await self._act(key, view, plan, state)
        await self._track(view, plan, done, state)
        if error is not None:
            raise error
        action = "pods_created" if plan.create else "pods_deleted" if plan.remove else "tracking"
        return action, plan.wake_seconds

    def _state(self, key: str, job: job_pb2.Job) -> JobState:
        state = self._states.get(key)
        if state is None or state.uid != job.metadata.uid:
            self._forget(key)
            state = self._states[key] = JobState(job.metadata.uid)
        return state

    async def _owned(
        self, key: str, job: job_pb2.Job, state: JobState, cached: Sequence[pod_pb2.Pod]
    ) -> list[pod_pb2.Pod]:
        """Return a Job's Pods; from the apiserver when another process may have counted some of the cache's."""
        selector = self._selector_of(job)
        found = cached
        if state.version != job.metadata.resource_version:
            if job.status.ByteSize():
                found = await self._look_live(key, job, state, cached, selector)
            state.version = job.metadata.resource_version
        claims = claim(job.metadata, found, lambda pod: selector.matches(pod.metadata.labels))
        return [*claims.owned, *await self._claim(job, claims)]

    async def _look_live(
        self, key: str, job: job_pb2.Job, state: JobState, cached: Sequence[pod_pb2.Pod], selector: LabelSelector
    ) -> Sequence[pod_pb2.Pod]:  # fmt: skip
        uid = job.metadata.uid
        listed = await self._client.pods.list(job.metadata.namespace, label_selector=str(selector))
        state.compare((pod for pod in cached if is_controlled_by(pod.metadata, uid)), listed.items)
        versions = [
            int(p.metadata.resource_version) for p in listed.items if is_controlled_by(p.metadata, uid)
        ]
        if versions:
            # The cache must show these before it is asked again.
            self._writes.created(key, "", max(versions), self.clock.monotonic())
        return listed.items

    async def _claim(self, job: job_pb2.Job, claims: Claims[pod_pb2.Pod]) -> list[pod_pb2.Pod]:
        if claims.adopt:
            await self._confirm(job)
        adopted: list[pod_pb2.Pod] = []
        reference = self._reference_to(job)
        for pod in claims.adopt:
            mine = with_controller(pod, reference)
            if not jobs.is_tracked(mine):
                mine.metadata.finalizers.append(jobs.TRACKING_FINALIZER)
            adopted.append(await self._client.pods.update(mine))
            log.info("pod adopted", controller=self.name, pod=object_key(pod), owner=job.metadata.name)
        for pod in claims.release:
            other = without_owner(pod, job.metadata.uid)
            remove_finalizer(other.metadata, jobs.TRACKING_FINALIZER)
            await self._client.pods.update(other)
            log.info("pod released", controller=self.name, pod=object_key(pod), owner=job.metadata.name)
        return adopted

    async def _act(
        self, key: str, view: View, plan: JobPlan, state: JobState
    ) -> tuple[Done, ApiError | None]:
        if not (plan.create or plan.remove or plan.terminate):
            return Done(), None
        await self._confirm(view.job)
        if plan.create:
            state.asked.update((new.name, new) for new in plan.create)
            error = await self._control.create(
                key, view.job, lambda name: new_pod(view.job, state.asked[name]), [new.name for new in plan.create],
                tell=lambda ok: self._metrics.created(view, ok=ok),
            )  # fmt: skip
            # After a failure only the cache can say how many there are.
            return Done(created=0 if error is not None else len(plan.create)), error
        victims: Sequence[pod_pb2.Pod] = plan.remove or plan.terminate
        if plan.remove:
            gone, error = await release(self._client.pods, plan.remove)
            state.released |= gone
            victims = [pod for pod in plan.remove if pod.metadata.uid in gone]
            if error is not None:
                return Done(incomplete=True), error
        error = await self._control.delete(key, view.job, victims)
        if error is not None:
            return Done(incomplete=True), error
        return Done(deleted=len(victims), deleted_ready=sum(map(is_ready, victims))), None

    async def _track(self, view: View, plan: JobPlan, done: Done, state: JobState) -> None:
        now = self.clock.now()
        if plan.remove:
            view = observe(view.job, view.pods, state.released)
        counting = before_release(view, plan, done, now)
        job = await self._write(view.job, counting.status, state)
        state.backoff = plan.backoff
        self._metrics.handled(counting.actions)
        gone, error = await release(self._client.pods, counting.release)
        state.released |= gone
        held = {pod.metadata.uid for pod in view.tracked} - gone
        may_end = not (counting.more or done.incomplete or error is not None)
        status = after_release(counting.status, held, plan, now, may_end=may_end)
        await self._write(job, status, state)
        if error is not None:
            raise error

    async def _write(self, job: job_pb2.Job, status: job_pb2.JobStatus, state: JobState) -> job_pb2.Job:
        """Store a status, if it is a new one; return the Job as stored. Raises Conflict."""
        if status == job.status:
            return job
        stored: job_pb2.Job = await self._write_status(job, status)
        state.version = stored.metadata.resource_version
        self._metrics.status_written(job.spec, job.status, status)
        self._tell(job, status)
        return stored

    def _tell(self, job: job_pb2.Job, status: job_pb2.JobStatus) -> None:
        suspended = jobs.is_true(status.conditions, jobs.SUSPENDED)
        if suspended != jobs.is_true(job.status.conditions, jobs.SUSPENDED):
            words = ("Suspended", "Job suspended") if suspended else ("Resumed", "Job resumed")
            self._recorder.event(job, NORMAL, *words)
        kind = jobs.finished_as(job_pb2.Job(status=status))
        condition = find_condition(status.conditions, kind) if kind else None
        if condition is None or jobs.is_finished(job):
            return
        log.info(
            "job finished", job=object_key(job), uid=job.metadata.uid, outcome=kind, reason=condition.reason
        )
        if kind != jobs.COMPLETE:
            self._recorder.event(job, WARNING, condition.reason, condition.message)
            return
        if job.spec.HasField("completions") and status.succeeded > job.spec.completions:
            message = "Too many succeeded pods running after completion count reached"
            self._recorder.event(job, WARNING, "TooManySucceededPods", message)
        self._recorder.event(job, NORMAL, "Completed", "Job completed")

    async def _sync_orphan(self, key: str) -> None:
        """Take the finalizer from a Pod whose Job is gone or has ended, since no Job counts it."""
        pod = self._dependents.lister.get(key)
        if pod is None or not jobs.is_tracked(pod):
            return
        reference = controller_of(pod.metadata)
        if reference is not None:
            if reference.kind != JOB.kind or reference.api_version != JOB.api_version:
                return
            # From the apiserver: the cache of Jobs may be behind that of Pods.
            job = await find(self._client.jobs, reference.name, pod.metadata.namespace)
            same = job is not None and job.metadata.uid == reference.uid
            if job is not None and same and (jobs.managed_by_other(job.spec) or not jobs.is_finished(job)):
                return
        await release_one(self._client.pods, pod)
        log.info("orphan pod released", controller=self.name, pod=key, uid=pod.metadata.uid)

    def _look_for_orphans(self, job: job_pb2.Job) -> None:
        for pod in self._own(job.metadata):
            if jobs.is_tracked(pod):
                self.queue.add(f"{_ORPHAN}{object_key(pod)}")

    def _on_job(self, job: job_pb2.Job) -> None:
        if jobs.managed_by_other(job.spec):
            self._metrics.managed_elsewhere.labels(job.spec.managed_by).inc()
        self.queue.add(object_key(job))

    def _on_job_gone(self, job: job_pb2.Job) -> None:
        self.queue.add(object_key(job))
        self._look_for_orphans(job)
        # Also the Pods that the garbage collector took from the Job before (upstream: enqueueLabelSelector).
        for pod in self._dependents.lister.list(self._selector_of(job), job.metadata.namespace):
            if jobs.is_tracked(pod) and controller_of(pod.metadata) is None:
                self.queue.add(f"{_ORPHAN}{object_key(pod)}")

    def _owners_of(self, dependent: pod_pb2.Pod) -> list[job_pb2.Job]:
        if controller_of(dependent.metadata) is None and not dependent.metadata.labels:
            return []
        return [job for job in super()._owners_of(dependent) if not jobs.is_finished(job)]

    def _size_of(self, owner: job_pb2.Job) -> int:
        return owner.spec.parallelism

    def _look_at(self, pod: pod_pb2.Pod, *, gather: bool = False) -> None:
        """Queue the Job of a Pod, or every one that might adopt it, or the Pod when it is held for nobody."""
        super()._look_at(pod, gather=gather)
        if jobs.is_tracked(pod) and not self._owners_of(pod):
            reference = controller_of(pod.metadata)
            if reference is None or reference.kind == JOB.kind:
                self.queue.add(f"{_ORPHAN}{object_key(pod)}")


async def release(client: PodClient, pods: Collection[pod_pb2.Pod]) -> tuple[set[str], ApiError | None]:
    """Take the finalizer from Pods. Return the uids of those that are released, and the first failure."""
    gone: set[str] = set()

    async def one(pod: pod_pb2.Pod) -> None:
        await release_one(client, pod)
        gone.add(pod.metadata.uid)

    return gone, await for_each(pods, one)


async def release_one(client: PodClient, pod: pod_pb2.Pod) -> None:
    """Take the finalizer from a Pod; one that is gone, or another of its name by now, has it no more."""
    if not jobs.is_tracked(pod):
        return
    meta = pod.metadata
    patch = {"metadata": {"uid": meta.uid, "$deleteFromPrimitiveList/finalizers": [jobs.TRACKING_FINALIZER]}}
    try:
        await client.patch(meta.name, json.dumps(patch), namespace=meta.namespace)
    except (NotFound, Conflict):
        return
