"""The node's heartbeat: a Lease in kube-node-lease, renewed every 10 s (KEP-589). Shell.

A lease that is not renewed for 40 s makes the node NotReady (node life-cycle controller).
"""

import structlog

from vaina.api.coordination.v1 import lease_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.resource import ResourceClient
from vaina.clock import Clock, micro_timestamp, seconds_of
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound

log = structlog.stdlib.get_logger(__name__)

NAMESPACE = "kube-node-lease"


class NodeLease:
    """The lease of one node. Owned by the node manager."""

    def __init__(
        self,
        client: ResourceClient[lease_pb2.Lease],
        clock: Clock,
        *,
        node_name: str,
        duration_seconds: int,
        renew_seconds: float,
    ) -> None:
        self._client, self._clock, self._name = client, clock, node_name
        self._duration, self._renew_seconds = duration_seconds, renew_seconds
        self._owner: meta_pb2.OwnerReference | None = None
        self._lease: lease_pb2.Lease | None = None

    def owned_by(self, owner: meta_pb2.OwnerReference) -> None:
        """Have the lease go when the Node goes."""
        self._owner = owner

    async def is_held(self) -> bool:
        """Say whether a kubelet renews the lease at this time. Raises ApiError."""
        try:
            lease = await self._client.get(self._name, NAMESPACE)
        except NotFound:
            return False
        return seconds_of(lease.spec.renew_time) + self._duration > self._clock.now()

    async def run(self) -> None:
        """Renew until cancelled; after a failure soon, because heartbeats must not be missed."""
        while True:
            delay = self._renew_seconds
            try:
                await self.renew()
            except ApiError as error:
                log.warning("lease not renewed", node=self._name, error=error.message)
                delay = min(delay, 1.0)
            await self._clock.sleep(delay)

    async def renew(self) -> None:
        """Renew once. Raises ApiError."""
        if self._lease is None:
            self._lease = await self._take()
            return
        wanted = lease_pb2.Lease()
        wanted.CopyFrom(self._lease)
        self._fill(wanted)
        try:
            self._lease = await self._client.update(wanted)
        except (Conflict, NotFound):
            self._lease = None
            self._lease = await self._take()

    async def _take(self) -> lease_pb2.Lease:
        try:
            lease = await self._client.get(self._name, NAMESPACE)
        except NotFound:
            lease = lease_pb2.Lease(metadata=meta_pb2.ObjectMeta(name=self._name, namespace=NAMESPACE))
            self._fill(lease)
            try:
                return await self._client.create(lease)
            except AlreadyExists:
                lease = await self._client.get(self._name, NAMESPACE)
        self._fill(lease)
        return await self._client.update(lease)

    def _fill(self, lease: lease_pb2.Lease) -> None:
        spec = lease.spec
        spec.holder_identity = self._name
        spec.lease_duration_seconds = self._duration
        spec.renew_time.CopyFrom(micro_timestamp(self._clock.now()))
        if self._owner is not None and not lease.metadata.owner_references:
            lease.metadata.owner_references.append(self._owner)
