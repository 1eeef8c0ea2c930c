"""A candidate for leadership: stands for election, runs the work while it leads, gives the lock back.

    run(lead): follow --lock is free--> lead() and renew --stopped--> release
                                           `--could not renew, or deposed--> lead() is cancelled and awaited,
                                           LeadershipLost

It does what `elector` decides. A follower looks at the Lease every retry period, and a watch tells it at once
when the lock is given back. A leader that could not renew ends its work at the renew deadline, while the lease
still counts for everybody else: two never work together.

The lock is one Lease, read and written by compare-and-swap; what others have written on it (labels, annotations,
owners, strategy) stays. Follows client-go's tools/leaderelection (leaderelection.go, resourcelock/leaselock.go).
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from vaina.api.coordination.v1 import lease_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.events import NORMAL, EventRecorder
from vaina.client.resource import ResourceClient
from vaina.clock import Clock, micro_timestamp, seconds_of
from vaina.errors import ApiError, Conflict, NotFound
from vaina.kinds import LEASE
from vaina.leaderelection import elector
from vaina.tasks import first_of

log = structlog.stdlib.get_logger(__name__)


class LeaseLock:
    """One Lease as this process knows it. Owned by one elector."""

    def __init__(
        self, client: ResourceClient[lease_pb2.Lease], name: str, namespace: str = "kube-system"
    ) -> None:
        self.client, self.name, self.namespace = client, name, namespace
        #: as last read or written by us: the base of the next compare-and-swap
        self._lease: lease_pb2.Lease | None = None

    @property
    def version(self) -> int:
        """Version of the Lease that the next write is compared with; 0: it is created."""
        return int(self._lease.metadata.resource_version or 0) if self._lease is not None else 0

    @property
    def reference(self) -> lease_pb2.Lease:
        """Return the Lease without its spec: what Events are about."""
        metadata = meta_pb2.ObjectMeta(name=self.name, namespace=self.namespace)
        return lease_pb2.Lease(metadata=self._lease.metadata if self._lease is not None else metadata)

    async def read(self) -> elector.Record | None:
        """Return what the Lease says now, by a quorum read; None when there is none. Raises ApiError."""
        try:
            self._lease = await self.client.get(self.name, self.namespace)
        except NotFound:
            self._lease = None
            return None
        return record_of(self._lease)

    async def write(self, record: elector.Record) -> None:
        """Write a record onto the Lease as it was last read, or create it. Raises ApiError; the outcome may
        be unknown.
        """
        if self._lease is None:
            made = lease_pb2.Lease(metadata=meta_pb2.ObjectMeta(name=self.name, namespace=self.namespace))
            _fill(made.spec, record)
            self._lease = await self.client.create(made)
            return
        changed = lease_pb2.Lease()
        changed.CopyFrom(self._lease)
        _fill(changed.spec, record)
        self._lease = await self.client.update(changed)


def record_of(lease: lease_pb2.Lease) -> elector.Record:
    """Return what a Lease says about who leads."""
    spec = lease.spec
    return elector.Record(
        holder=spec.holder_identity, duration_seconds=spec.lease_duration_seconds,
        acquire_time=seconds_of(spec.acquire_time), renew_time=seconds_of(spec.renew_time),
        transitions=spec.lease_transitions,
    )  # fmt: skip


def _fill(spec: lease_pb2.LeaseSpec, record: elector.Record) -> None:
    spec.holder_identity, spec.lease_duration_seconds = record.holder, record.duration_seconds
    spec.acquire_time.CopyFrom(micro_timestamp(record.acquire_time))
    spec.renew_time.CopyFrom(micro_timestamp(record.renew_time))
    spec.lease_transitions = record.transitions


class LeaderMetrics:
    """By the name of the lease."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.status = Gauge(
            "leader_election_master_status",
            "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. "
            "'name' is the string used to identify the lease. Please make sure to group by name.",
            ["name"], registry=registry,
        )  # fmt: skip
        self.slow_path = Counter(
            "leader_election_slowpath",
            "Total number of slow path exercised in renewing leader leases. 'name' is the string used to identify the "
            "lease. Please make sure to group by name.",
            ["name"], registry=registry,
        )  # fmt: skip


class LeadershipLost(Exception):
    """The lease is not ours any more, and the work has ended; a service ends too, and starts anew."""


class LeaderElector:
    """One candidate. All its users are on one event loop; `run` is its only task."""

    def __init__(  # noqa: PLR0913 - how to stand, all by keyword
        self,
        clientset: Clientset,
        clock: Clock,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        times: elector.Times | None = None,
        metrics: LeaderMetrics | None = None,
        recorder: EventRecorder | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Make a candidate for the Lease `name`, over a clientset that this elector does not guard.

        `identity` is unique for this process and this run (host_uuid); `recorder`, which somebody else runs,
        says who became leader.
        """
        self.identity, self.name = identity, name
        self._clock, self._times = clock, times or elector.Times()
        # A call that hangs must leave time for another: half of the deadline, as kube-scheduler's client.
        client: ResourceClient[lease_pb2.Lease] = ResourceClient(
            clientset.transport, LEASE, timeout=self._times.renew_deadline / 2
        )
        self._lock = LeaseLock(client, name, namespace)
        self._informer = Informer(
            client, clock, namespace=namespace, field_selector=f"metadata.name={name}", rng=rng
        )
        self._informer.add_batch_handler(self._on_watch)
        self._recorder = recorder
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._status = metrics.status.labels(name) if metrics is not None else None
        self._slow_path = metrics.slow_path.labels(name) if metrics is not None else None
        if self._status is not None:
            self._status.set(0)
        self._observed: elector.Observation | None = None
        #: what was decided last; None: the lock could not be read or written
        self._action: elector.Follow | None = None
        #: monotonic seconds: our term ends here unless it is renewed; None: we do not lead
        self._term_ends: float | None = None
        #: something was written of which no answer has come
        self._unsure = False
        self._wake = asyncio.Event()

    def is_leader(self) -> bool:
        return self._term_ends is not None and self._clock.monotonic() < self._term_ends

    @property
    def leader(self) -> str:
        """Identity of the leader that was seen last; empty when there is none, or none is known."""
        return (
            self._observed.record.holder
            if self._observed is not None and self._observed.record is not None
            else ""
        )

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Stand for election; when elected, run `lead` until it ends, or is cancelled because the lease is
        lost.

        The lease is given back when `lead` ends or this is cancelled. Raises LeadershipLost: somebody else
        may lead by now.
        """
        lost = False
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._informer.run(), name=f"leader-election-{self.name}")
            try:
                await self._acquire()
                lost = await self._lead(lead)
            finally:
                watching.cancel()
        if lost:
            raise LeadershipLost(f"leader election lost: {self.name}")

    async def _acquire(self) -> None:
        log.info("attempting to acquire leader lease", lease=self.name, identity=self.identity)
        try:
            while not await self._try():
                seconds = elector.retry_seconds(self._times, self._action, self._rng.random())
                await first_of(self._clock.sleep(seconds), self._wake.wait())
                self._wake.clear()
        except asyncio.CancelledError:
            if self._unsure:
                # The Lease may be held by this process, whose last write was not answered.
                await self._look()
                await self._release()
            raise

    async def _lead(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Work and renew; return whether leadership was lost."""
        log.info("became leader", lease=self.name, identity=self.identity)
        self._say("became leader")
        if self._status is not None:
            self._status.set(1)
        try:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(lead(), name=f"leading-{self.name}")
                renewing = group.create_task(self._renew(), name=f"renewing-{self.name}")
                try:
                    await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    working.cancel()
                    renewing.cancel()
        finally:
            if self._status is not None:
                self._status.set(0)
            self._say("stopped leading")
            await self._release()
        return not renewing.cancelled()

    async def _renew(self) -> None:
        """Renew until that fails for too long, or somebody else leads."""
        while self.is_leader():
            assert self._term_ends is not None
            left = self._term_ends - self._clock.monotonic()
            # After a success the next renewal is due one period later; after a failure there is a try each
            # period as well.
            await first_of(self._clock.sleep(min(self._times.retry_period, left)), self._wake.wait())
            self._wake.clear()
            if not self.is_leader():
                break
            left = self._term_ends - self._clock.monotonic()
            await first_of(self._try(), self._clock.sleep(left))
            if self._action is not None:
                log.warning("deposed", lease=self.name, leader=self.leader)
                return
        log.warning("lease not renewed in time", lease=self.name, identity=self.identity)

    async def _try(self) -> bool:
        self._action = None
        try:
            if self._term_ends is not None and await self._renew_as_known():
                return True
            record = await self._lock.read()
            self._unsure = False
            self._observed = elector.observe(self._observed, record, now=self._clock.monotonic())
            action = elector.decide(
                self._observed,
                self.identity,
                self._times,
                now=self._clock.monotonic(),
                wall=self._clock.now(),
            )
            if isinstance(action, elector.Follow):
                self._action = action
                return False
            await self._write(action)
        except ApiError as error:
            log.info("lease not taken", lease=self.name, error=error.message)
            return False
        return True

    async def _renew_as_known(self) -> bool:
        """Renew without reading first: the usual case, one call."""
        assert self._observed is not None
        now, wall = self._clock.monotonic(), self._clock.now()
        action = elector.decide(self._observed, self.identity, self._times, now=now, wall=wall)
        try:
            if isinstance(action, elector.Renew):
                await self._write(action)
                return True
        except ApiError as error:
            log.info("lease not renewed at once", lease=self.name, error=error.message)
        if self._slow_path is not None:
            self._slow_path.inc()
        return False

    async def _write(self, action: elector.Take | elector.Renew) -> None:
        sent = self._clock.monotonic()
        self._unsure = True
        await self._lock.write(action.record)
        self._unsure = False
        self._observed = elector.Observation(action.record, self._clock.monotonic())
        self._term_ends = sent + self._times.renew_deadline

    async def _release(self) -> None:
        """Give the lock back if it is still ours: one try, and a second one when the first had old knowledge."""
        self._term_ends = None
        for _ in range(2):
            record = self._observed.record if self._observed is not None else None
            if record is None or record.holder != self.identity:
                return
            given = elector.released(record, wall=self._clock.now())
            try:
                await self._lock.write(given)
            except Conflict:
                await self._look()
            except ApiError as error:
                log.info("lease not released", lease=self.name, error=error.message)
                return
            else:
                self._observed = elector.Observation(given, self._clock.monotonic())
                log.info("lease released", lease=self.name)

    async def _look(self) -> None:
        try:
            self._observed = elector.observe(
                self._observed, await self._lock.read(), now=self._clock.monotonic()
            )
        except ApiError as error:
            log.info("lease not read", lease=self.name, error=error.message)

    def _on_watch(self, changes: Sequence[tuple[lease_pb2.Lease | None, lease_pb2.Lease | None]]) -> None:
        """Take note of what the watch shows: a free lock is taken at once, a lost one is noticed at once."""
        for old, new in changes:
            lease = new if new is not None else old
            assert lease is not None
            if int(lease.metadata.resource_version or 0) <= self._lock.version:
                # Read already, or our own write.
                continue
            record = record_of(lease) if new is not None else None
            if self._term_ends is not None:
                if record is None or record.holder != self.identity:
                    self._wake.set()
                continue
            self._observed = elector.observe(self._observed, record, now=self._clock.monotonic())
            if record is not None and not record.holder:
                self._wake.set()

    def _say(self, what: str) -> None:
        if self._recorder is not None:
            self._recorder.event(self._lock.reference, NORMAL, "LeaderElection", f"{self.identity} {what}")
