"""The lock: one Lease, read and written by compare-and-swap. IO, no decisions.

What others have written on the Lease (labels, annotations, owners, strategy) stays. Follows client-go's
tools/leaderelection/resourcelock/leaselock.go.
"""

from vaina.api.coordination.v1 import lease_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.resource import ResourceClient
from vaina.clock import micro_timestamp, seconds_of
from vaina.errors import NotFound
from vaina.leaderelection.elector import Record


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

    async def read(self) -> Record | None:
        """Return what the Lease says now, by a quorum read; None when there is none. Raises ApiError."""
        try:
            self._lease = await self.client.get(self.name, self.namespace)
        except NotFound:
            self._lease = None
            return None
        return record_of(self._lease)

    async def write(self, record: Record) -> None:
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


def record_of(lease: lease_pb2.Lease) -> Record:
    """Return what a Lease says about who leads."""
    spec = lease.spec
    return Record(
        holder=spec.holder_identity, duration_seconds=spec.lease_duration_seconds,
        acquire_time=seconds_of(spec.acquire_time), renew_time=seconds_of(spec.renew_time),
        transitions=spec.lease_transitions,
    )  # fmt: skip


def _fill(spec: lease_pb2.LeaseSpec, record: Record) -> None:
    spec.holder_identity, spec.lease_duration_seconds = record.holder, record.duration_seconds
    spec.acquire_time.CopyFrom(micro_timestamp(record.acquire_time))
    spec.renew_time.CopyFrom(micro_timestamp(record.renew_time))
    spec.lease_transitions = record.transitions
