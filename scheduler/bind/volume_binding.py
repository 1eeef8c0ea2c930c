"""Binds the volumes of a Pod that has its node, before the Pod itself is bound: I/O, outside of the cycle.

    begin --write what was decided--> wait until the claims are bound --> submit to the binder
                 `-- refused, or too long, or the Pod has gone: what was promised is free again, and the Pod
                 is tried anew

What is decided is written as upstream does it: a volume gets its claim (spec.claimRef), or a claim the node
for which its volume is to be made (annotation volume.kubernetes.io/selected-node). Whoever looks after
volumes completes both. Follows `plugins/volumebinding/binder.go` (BindPodVolumes, checkBindings).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from scheduler.bind.binding import PendingBinding
from scheduler.columns.node_selection import term_matches
from scheduler.volumes.catalogue import Catalogue, Plan
from scheduler.volumes.objects import BOUND_BY_CONTROLLER, SELECTED_NODE
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.errors import ApiError, Conflict, NotFound, Timeout, TooManyRequests

log = structlog.stdlib.get_logger(__name__)

#: Pods whose volumes are being bound; a further one is tried again after its back-off
MAX_WAITING: Final = 1000
#: of those, as many write at a time
MAX_WRITING: Final = 16
#: what waits is looked at so often at least
TICK_SECONDS: Final = 1.0


@dataclass(slots=True, eq=False)
class _Job:
    pending: PendingBinding
    plan: Plan
    deadline: float
    #: claim -> version of what was written
    written: dict[str, int] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class VolumeBinder:
    """Binds volumes. Handed Pods by the scheduling task; `run` is its own task on the same loop."""

    def __init__(
        self,
        clients: Clientset,
        clock: Clock,
        catalogue: Catalogue,
        *,
        submit: Callable[[PendingBinding], None],
        refused: Callable[[PendingBinding, ApiError], None],
        is_there: Callable[[str], bool],
        labels_of: Callable[[str], Mapping[str, str]],
    ) -> None:
        """Make a binder; a Pod whose volumes are bound is submitted; one with which that failed is refused."""
        self._clients, self._clock, self._catalogue = clients, clock, catalogue
        self._submit, self._refused, self._is_there, self._labels_of = submit, refused, is_there, labels_of
        self._new: deque[_Job] = deque()
        self._jobs: dict[str, _Job] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Semaphore(MAX_WRITING)
        catalogue.add_listener(self._look_again)

    def __len__(self) -> int:
        return len(self._jobs)

    def begin(self, pending: PendingBinding, plan: Plan, *, timeout_seconds: float) -> None:
        """Take a Pod that has its node. Without anything to do it goes on at once."""
        if not plan:
            self._submit(pending)
            return
        if len(self._jobs) >= MAX_WAITING:
            error = TooManyRequests(f"volumes of {MAX_WAITING} pods are being bound")
            self._refused(pending, error)
            return
        self._catalogue.promise(pending.uid, plan)
        job = _Job(pending, plan, self._clock.monotonic() + timeout_seconds)
        self._jobs[pending.uid] = job
        self._new.append(job)
        self._wake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ticks(), name="volume-ticks")
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._new:
                    job = self._new.popleft()
                    group.create_task(self._bind(job), name=f"volumes-{job.pending.pod.info.key}")

    async def _ticks(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self._look_again()

    def _look_again(self) -> None:
        for job in self._jobs.values():
            job.changed.set()

    async def _bind(self, job: _Job) -> None:
        pending = job.pending
        try:
            async with self._writing:
                await self._write(job)
            while not self._done(job):
                await job.changed.wait()
                job.changed.clear()
        except ApiError as error:
            self._end(job)
            log.info("volumes not bound", pod=pending.pod.info.key, error=error.message)
            words = f'running PreBind plugin "VolumeBinding": binding volumes: {error.message}'
            self._refused(pending, type(error)(words))
        else:
            self._end(job)
            self._submit(pending)

    def _end(self, job: _Job) -> None:
        self._jobs.pop(job.pending.uid, None)
        self._catalogue.forget(job.pending.uid)

    async def _write(self, job: _Job) -> None:
        for key, name in job.plan.binds:
            volume = self._catalogue.volumes.get(name)
            claim = self._catalogue.claims.get(key)
            if volume is None or claim is None:
                missing = f'persistentvolumeclaim "{key}"' if claim is None else f'persistentvolume "{name}"'
                raise NotFound(f"{missing} not found")
            if volume.claim is not None and volume.claim[1]:
                continue
            made = persistent_volume_pb2.PersistentVolume()
            made.CopyFrom(volume.message)
            meta, ref = claim.message.metadata, made.spec.claim_ref
            ref.kind, ref.api_version = "PersistentVolumeClaim", "v1"
            ref.namespace, ref.name, ref.uid = meta.namespace, meta.name, meta.uid
            ref.resource_version = meta.resource_version
            if volume.claim is None:
                made.metadata.annotations[BOUND_BY_CONTROLLER] = "yes"
            await self._clients.persistent_volumes.update(made)
        for key in job.plan.provisions:
            claim = self._catalogue.claims.get(key)
            if claim is None:
                raise NotFound(f'persistentvolumeclaim "{key}" not found')
            if claim.selected_node == job.plan.node_name:
                continue
            changed = persistent_volume_pb2.PersistentVolumeClaim()
            changed.CopyFrom(claim.message)
            changed.metadata.annotations[SELECTED_NODE] = job.plan.node_name
            answer = await self._clients.persistent_volume_claims.update(changed)
            job.written[key] = int(answer.metadata.resource_version or 0)

    def _done(self, job: _Job) -> bool:
        """Say whether all claims are bound. Raises ApiError: they never will be."""
        if not self._is_there(job.pending.uid):
            raise NotFound(f"pod {job.pending.pod.info.key} has gone")
        if self._clock.monotonic() >= job.deadline:
            raise Timeout("context deadline exceeded")
        done = True
        for key in (*(claim for claim, _ in job.plan.binds), *job.plan.provisions):
            done &= self._is_bound(job, key)
        return done

    def _is_bound(self, job: _Job, key: str) -> bool:
        claim = self._catalogue.claims.get(key)
        if claim is None:
            raise NotFound(f'persistentvolumeclaim "{key}" not found')
        if claim.bound:
            self._check_reachable(job, claim.volume_name)
            return True
        written = job.written.get(key)
        if (
            written is not None
            and int(claim.message.metadata.resource_version or 0) >= written
            and claim.selected_node != job.plan.node_name
        ):
            # Whoever makes volumes took the node away: none can be made there.
            raise Conflict(f'provisioning failed for PVC "{claim.name}"')
        return False

    def _check_reachable(self, job: _Job, name: str) -> None:
        """A volume that was made elsewhere after all is no use."""
        volume = self._catalogue.volumes.get(name)
        if volume is None or volume.terms is None:
            return
        node = job.plan.node_name
        labels = self._labels_of(node)
        if not any(term_matches(term, node, labels) for term in volume.terms):
            raise Conflict(f'pv "{name}" node affinity doesn\'t match node "{node}"')
