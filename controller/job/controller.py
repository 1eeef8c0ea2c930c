"""The shell of Jobs: informers in, plan out, and the writes in the order in which each may be the last.

Step by step for one key: settle creations whose outcome is unknown, look at the Pods, decide (`reconcile`),
create and delete, write what has ended (`tracking.before_release`), let those Pods go, write the counts
(`tracking.after_release`). Follows upstream's `pkg/controller/job/job_controller.go`.
"""

from collections.abc import Iterable, Sequence

import structlog
from prometheus_client import CollectorRegistry

from controller.base import Controller, Tools
from controller.expectations import Expectations
from controller.job.failures import remembered
from controller.job.metrics import JobMetrics
from controller.job.owner import JobOwner
from controller.job.reconcile import JobPlan, reconcile
from controller.job.release import release, release_one
from controller.job.state import JobState
from controller.job.tracking import Done, after_release, before_release
from controller.job.view import View, observe
from controller.ownership import BY_CONTROLLER, Claims, by_controller, claim, with_controller, without_owner
from controller.pod_control import PodControl
from controller.pods import RecentNames, Taken, candidates
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import ApiError, Conflict, NotFound
from vaina.kinds import JOB, POD
from vaina.objects.jobs import (
    COMPLETE,
    SUSPENDED,
    TRACKING_FINALIZER,
    finished_as,
    get_condition,
    is_finished,
    is_tracked,
    is_true,
    managed_by_other,
)
from vaina.objects.meta import controller_of, is_controlled_by, object_key, remove_finalizer
from vaina.objects.pods import is_ready
from vaina.objects.selectors import LabelSelector, from_message

log = structlog.stdlib.get_logger(__name__)

#: index of Jobs by uid
BY_UID = "uid"
#: look again after this time when the cache does not show what was done
RECHECK_SECONDS = 15.0
#: Jobs of more Pods at a time than this gather their reports, for so long for each Pod
GATHER_FROM, GATHER_SECONDS_EACH = 100, 0.0002
#: a key of this form is a Pod that may have lost its Job
_ORPHAN = "pod:"


class JobController(Controller):
    """Jobs."""

    name = "job"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, registry: CollectorRegistry
    ) -> None:
        self._jobs, self._pods = factory.informer(JOB), factory.informer(POD)
        super().__init__(tools, (self._jobs, self._pods))
        self._client, self._recorder = factory.clientset, recorder
        self._expectations, self._recent = Expectations(), RecentNames()
        self._control = PodControl(factory.clientset.pods, recorder, self._expectations, tools.clock)
        self._metrics = JobMetrics(registry)
        self._states: dict[str, JobState] = {}
        self._pods.ensure_indexer(BY_CONTROLLER, by_controller)
        self._jobs.ensure_indexer(BY_UID, lambda job: (job.metadata.uid,))
        self._jobs.add_handler(
            on_add=self._on_job,
            on_update=lambda _, job: self.queue.add(object_key(job)),
            on_delete=self._on_job_gone,
        )
        self._pods.add_handler(
            on_add=self._on_pod, on_update=self._on_pod_update, on_delete=self._on_pod_gone
        )

    async def sync(self, key: str) -> float | None:
        if key.startswith(_ORPHAN):
            await self._sync_orphan(key.removeprefix(_ORPHAN))
            return None
        job = self._jobs.lister.get(key)
        if job is None or managed_by_other(job.spec) or is_finished(job):
            self._states.pop(key, None)
            self._expectations.forget(key)
            if job is not None and not managed_by_other(job.spec):
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
        owner = JobOwner(job, state.asked)
        self._settle_seen(key, owner, state)
        if not job.metadata.HasField("deletion_timestamp"):
            await self._control.settle_unknown(key, owner)
        cached = candidates(self._pods.lister, job.metadata)
        state.see(cached)
        if not self._is_caught_up(key, job, state, cached):
            # The event that brings the cache up to date comes back here; until then nothing can be said or
            # done.
            return "tracking", RECHECK_SECONDS
        pods = await self._owned(key, job, state, cached)
        view = observe(job, pods, state.released)
        if state.backoff is None:
            state.backoff = remembered(pods, job.spec)
        now = self.clock.now()
        taken = Taken(self._pods.lister, self._recent, job.metadata.namespace)
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
            self._expectations.forget(key)
            state = self._states[key] = JobState(job.metadata.uid)
        return state

    def _settle_seen(self, key: str, owner: JobOwner, state: JobState) -> None:
        """What the cache shows has happened, whatever became of the answer."""
        for name in self._expectations.unknown(key):
            pod = self._pods.lister.get(f"{owner.meta.namespace}/{name}")
            if pod is not None and is_controlled_by(pod.metadata, owner.meta.uid):
                self._expectations.settled(key, name)
        unknown = self._expectations.unknown(key)
        for name in [name for name in state.asked if name not in unknown]:
            del state.asked[name]

    def _is_caught_up(
        self, key: str, job: job_pb2.Job, state: JobState, cached: Sequence[pod_pb2.Pod]
    ) -> bool:
        """Say whether the caches show all that this process did."""
        if state.version and int(state.version) > int(job.metadata.resource_version):
            return False
        there = {pod.metadata.uid for pod in cached if not pod.metadata.HasField("deletion_timestamp")}
        return self._expectations.fulfilled(
            key, version=self._pods.resource_version, is_ending=lambda uid: uid not in there,
            now=self.clock.monotonic(),
        )  # fmt: skip

    async def _owned(
        self, key: str, job: job_pb2.Job, state: JobState, cached: Sequence[pod_pb2.Pod]
    ) -> list[pod_pb2.Pod]:
        """Return the Pods of a Job: live, when another process may have counted some that the cache still
        shows.
        """
        selector = from_message(job.spec.selector)
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
            # What was seen here the cache must show before it is asked again.
            self._expectations.created(key, "", max(versions), self.clock.monotonic())
        return listed.items

    async def _claim(self, job: job_pb2.Job, claims: Claims[pod_pb2.Pod]) -> list[pod_pb2.Pod]:
        """Adopt what matches and has no controller; let go what matches no more. Returns the adopted Pods."""
        if claims.adopt:
            await self._confirm(job)
        adopted: list[pod_pb2.Pod] = []
        reference = JobOwner(job, {}).reference
        for pod in claims.adopt:
            mine = with_controller(pod, reference)
            if not is_tracked(mine):
                mine.metadata.finalizers.append(TRACKING_FINALIZER)
            adopted.append(await self._client.pods.update(mine))
            log.info("pod adopted", controller=self.name, pod=object_key(pod), owner=job.metadata.name)
        for pod in claims.release:
            other = without_owner(pod, job.metadata.uid)
            remove_finalizer(other.metadata, TRACKING_FINALIZER)
            await self._client.pods.update(other)
            log.info("pod released", controller=self.name, pod=object_key(pod), owner=job.metadata.name)
        return adopted

    async def _confirm(self, job: job_pb2.Job) -> None:
        """Nothing is made, taken or deleted on the word of the cache alone: the status decides what is needed.

        Raises Conflict when the Job has changed, or is another one of its name by now.
        """
        meta = job.metadata
        try:
            fresh = (await self._client.jobs.get(meta.name, meta.namespace)).metadata
        except NotFound as error:
            raise Conflict(f"Job {meta.name} is gone") from error
        if (fresh.uid, fresh.resource_version) != (meta.uid, meta.resource_version):
            raise Conflict(f"Job {meta.name} has changed meanwhile")

    async def _act(
        self, key: str, view: View, plan: JobPlan, state: JobState
    ) -> tuple[Done, ApiError | None]:
        """Create and delete Pods; says what became of it."""
        if not (plan.create or plan.remove or plan.terminate):
            return Done(), None
        await self._confirm(view.job)
        owner = JobOwner(view.job, state.asked)
        if plan.create:
            state.asked.update((new.name, new) for new in plan.create)
            error = await self._control.create(
                key,
                owner,
                [new.name for new in plan.create],
                tell=lambda ok: self._metrics.created(view, ok=ok),
            )
            # After a failure it is not known how many there are: the cache will say.
            return Done(created=0 if error is not None else len(plan.create)), error
        victims: Sequence[pod_pb2.Pod] = plan.remove or plan.terminate
        if plan.remove:
            gone, error = await release(self._client.pods, plan.remove)
            state.released |= gone
            victims = [pod for pod in plan.remove if pod.metadata.uid in gone]
            if error is not None:
                return Done(incomplete=True), error
        error = await self._control.delete(key, owner, victims)
        if error is not None:
            return Done(incomplete=True), error
        return Done(deleted=len(victims), deleted_ready=sum(map(is_ready, victims))), None

    async def _track(self, view: View, plan: JobPlan, done: Done, state: JobState) -> None:
        """Count the Pods that have ended, each once, and end the Job when all of it is done."""
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
        """Store a status, if it is another one; returns the Job as it is then. Raises Conflict."""
        if status == job.status:
            return job
        changed = job_pb2.Job()
        changed.CopyFrom(job)
        changed.status.CopyFrom(status)
        stored = await self._client.jobs.update_status(changed)
        state.version = stored.metadata.resource_version
        self._metrics.status_written(job.spec, job.status, status)
        self._tell(job, status)
        return stored

    def _tell(self, job: job_pb2.Job, status: job_pb2.JobStatus) -> None:
        """Tell users what has become of a Job."""
        suspended = is_true(status.conditions, SUSPENDED)
        if suspended != is_true(job.status.conditions, SUSPENDED):
            words = ("Suspended", "Job suspended") if suspended else ("Resumed", "Job resumed")
            self._recorder.event(job, NORMAL, *words)
        kind = finished_as(job_pb2.Job(status=status))
        condition = get_condition(status.conditions, kind) if kind else None
        if condition is None or is_finished(job):
            return
        log.info(
            "job finished", job=object_key(job), uid=job.metadata.uid, outcome=kind, reason=condition.reason
        )
        if kind != COMPLETE:
            self._recorder.event(job, WARNING, condition.reason, condition.message)
            return
        if job.spec.HasField("completions") and status.succeeded > job.spec.completions:
            message = "Too many succeeded pods running after completion count reached"
            self._recorder.event(job, WARNING, "TooManySucceededPods", message)
        self._recorder.event(job, NORMAL, "Completed", "Job completed")

    async def _sync_orphan(self, key: str) -> None:
        """Let a Pod go whose Job is gone or has ended: nobody counts it any more."""
        pod = self._pods.lister.get(key)
        if pod is None or not is_tracked(pod):
            return
        reference = controller_of(pod.metadata)
        if reference is not None:
            if reference.kind != JOB.kind or reference.api_version != JOB.api_version:
                return
            try:
                # Live: the cache of Jobs may be behind that of Pods.
                job = await self._client.jobs.get(reference.name, pod.metadata.namespace)
            except NotFound:
                job = None
            same = job is not None and job.metadata.uid == reference.uid
            if job is not None and same and (managed_by_other(job.spec) or not is_finished(job)):
                return
        await release_one(self._client.pods, pod)
        log.info("orphan pod released", controller=self.name, pod=key, uid=pod.metadata.uid)

    def _look_for_orphans(self, job: job_pb2.Job) -> None:
        for pod in self._pods.lister.by_index(BY_CONTROLLER, job.metadata.uid):
            if is_tracked(pod):
                self.queue.add(f"{_ORPHAN}{object_key(pod)}")

    def _on_job(self, job: job_pb2.Job) -> None:
        if managed_by_other(job.spec):
            self._metrics.managed_elsewhere.labels(job.spec.managed_by).inc()
        self.queue.add(object_key(job))

    def _on_job_gone(self, job: job_pb2.Job) -> None:
        self.queue.add(object_key(job))
        self._look_for_orphans(job)
        # Those that the collector took from it before it went: as long as it was there they were nobody's
        # business (upstream: enqueueLabelSelector).
        for pod in self._pods.lister.list(from_message(job.spec.selector), job.metadata.namespace):
            if is_tracked(pod) and controller_of(pod.metadata) is None:
                self.queue.add(f"{_ORPHAN}{object_key(pod)}")

    def _on_pod(self, pod: pod_pb2.Pod) -> None:
        self._metrics.seen(None, pod)
        self._look_at(pod)

    def _on_pod_gone(self, pod: pod_pb2.Pod) -> None:
        self._metrics.seen(pod, None)
        reference = controller_of(pod.metadata)
        if reference is not None and reference.kind == JOB.kind:
            self._recent.add(object_key(pod), self.clock.monotonic())
        self._look_at(pod)

    def _on_pod_update(self, old: pod_pb2.Pod, new: pod_pb2.Pod) -> None:
        self._metrics.seen(old, new)
        before, after = controller_of(old.metadata), controller_of(new.metadata)
        if before is not None and (after is None or after.uid != before.uid):
            self._look_at(old)
        self._look_at(new, gather=not new.metadata.HasField("deletion_timestamp"))

    def _look_at(self, pod: pod_pb2.Pod, *, gather: bool = False) -> None:
        """Queue the Job of a Pod, or every one that might adopt it, or the Pod when it is held for nobody."""
        reference = controller_of(pod.metadata)
        if reference is not None and reference.kind != JOB.kind:
            return
        jobs: Iterable[job_pb2.Job] = ()
        if reference is not None:
            jobs = self._jobs.lister.by_index(BY_UID, reference.uid)
        elif pod.metadata.labels:
            jobs = (
                job
                for job in self._jobs.lister.list(namespace=pod.metadata.namespace)
                if from_message(job.spec.selector).matches(pod.metadata.labels)
            )
        unfinished = [job for job in jobs if not is_finished(job)]
        for job in unfinished:
            many = gather and job.spec.parallelism > GATHER_FROM
            delay = min(job.spec.parallelism * GATHER_SECONDS_EACH, 1.0) if many else 0.0
            self.queue.add_after(object_key(job), delay)
        if not unfinished and is_tracked(pod):
            self.queue.add(f"{_ORPHAN}{object_key(pod)}")
