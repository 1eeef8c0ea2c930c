"""Makes the claims of generic ephemeral volumes, which go with their Pod (`controller/volume/ephemeral`)."""

from collections.abc import Iterable, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter

from controller.base import Controller, Tools
from controller.pods import is_active
from controller.volumes import BY_CLAIM, claims_of
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2, volume_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import AlreadyExists, ApiError, Conflict
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD
from vaina.objects.meta import is_controlled_by, new_controller_ref, object_key, split_key

log = structlog.stdlib.get_logger(__name__)

Claim = persistent_volume_pb2.PersistentVolumeClaim


def claim_name(pod: pod_pb2.Pod, volume: str) -> str:
    """Return the name of the claim of an ephemeral volume."""
    return f"{pod.metadata.name}-{volume}"


def claim_names(pod: pod_pb2.Pod) -> Sequence[str]:
    """Return the names of all claims that are made for a Pod."""
    return [
        claim_name(pod, volume.name)
        for volume in pod.spec.volumes
        if volume.volume_source.HasField("ephemeral")
    ]


def reconcile(pod: pod_pb2.Pod, claims: Mapping[str, Claim]) -> tuple[list[Claim], list[str]]:
    """Return the claims to make for a Pod, and what stands in the way; a Pod that ends needs none."""
    create: list[Claim] = []
    problems: list[str] = []
    if not is_active(pod):
        return create, problems
    for volume in pod.spec.volumes:
        if not volume.volume_source.HasField("ephemeral"):
            continue
        found = claims.get(claim_name(pod, volume.name))
        if found is None:
            create.append(_claim(pod, volume.name, volume.volume_source.ephemeral.volume_claim_template))
        elif not is_controlled_by(found.metadata, pod.metadata.uid):
            # The words of `component-helpers/storage/ephemeral`.
            claim, its = f"{found.metadata.namespace}/{found.metadata.name}", pod.metadata
            problems.append(
                f"PVC {claim} was not created for pod {its.namespace}/{its.name} (pod is not owner)"
            )
    return create, problems


def _claim(pod: pod_pb2.Pod, volume: str, template: volume_pb2.PersistentVolumeClaimTemplate) -> Claim:
    made = Claim()
    meta = made.metadata
    meta.name, meta.namespace = claim_name(pod, volume), pod.metadata.namespace
    meta.labels.update(template.metadata.labels)
    meta.annotations.update(template.metadata.annotations)
    meta.owner_references.append(new_controller_ref(pod, POD.api_version, POD.kind))
    made.spec.CopyFrom(template.spec)
    return made


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
