"""The shell: makes the claims of Pods' ephemeral volumes; the garbage collector deletes them."""

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter

from controller.base import Controller, Tools
from controller.ephemeral_volume.reconcile import Claim, claim_names, reconcile
from controller.volumes import BY_CLAIM, claims_of
from vaina.cache.informer import InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import AlreadyExists, ApiError, Conflict
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD
from vaina.objects.meta import object_key, split_key

log = structlog.stdlib.get_logger(__name__)


class EphemeralVolumeController(Controller):
    """Keys are `namespace/name` of Pods."""

    name = "ephemeral-volume"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, registry: CollectorRegistry
    ) -> None:
        super().__init__(tools)
        self._client, self._recorder = factory.clientset, recorder
        text = "Number of PersistentVolumeClaim creation requests"
        self._creates = Counter("ephemeral_volume_controller_create_total", text, registry=registry)
        self._failures = Counter("ephemeral_volume_controller_create_failures_total", text, registry=registry)
        pods = factory.informer(POD)
        pods.ensure_indexer(BY_CLAIM, claims_of)
        self._pods = self.watch(pods, lambda pod: object_key(pod) if claim_names(pod) else None)
        self._claims = self.watch(factory.informer(PERSISTENT_VOLUME_CLAIM), self._keys_of_claim)

    def _keys_of_claim(self, claim: Claim) -> Iterable[str]:
        # Also of one that another owner has: when it goes, the Pod's own can be made (onPVCDelete).
        for pod in self._pods.by_index(BY_CLAIM, object_key(claim)):
            if claim_names(pod):
                yield object_key(pod)

    async def sync(self, key: str) -> float | None:
        pod = self._pods.get(key)
        if pod is None:
            return None
        namespace, _ = split_key(key)
        found = {name: self._claims.get(f"{namespace}/{name}") for name in claim_names(pod)}
        missing, problems = reconcile(
            pod, {name: claim for name, claim in found.items() if claim is not None}
        )
        for problem in problems:
            self._recorder.event(pod, "Warning", "FailedBinding", f"ephemeral volume: {problem}")
        for claim in missing:
            self._creates.inc()
            try:
                await self._client.persistent_volume_claims.create(claim)
            except AlreadyExists as error:
                self._failures.inc()
                # The cache is late, or the claim is another owner's: look again.
                raise Conflict(error.message) from error
            except ApiError:
                self._failures.inc()
                raise
            log.info("claim created", claim=object_key(claim), pod=key, uid=pod.metadata.uid)
        return None
