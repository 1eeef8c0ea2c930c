"""Finalizers of claims that a Pod uses, and of volumes that a claim has: neither goes while somebody has it.

As `pvcprotection` and `pvprotection` of upstream. Claims say too whether a Pod has them, and since when: the
condition Unused (PersistentVolumeClaimUnusedSinceTime, on by default since 1.37).
"""

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar, Final

import structlog

from controller.base import Controller, Tools
from controller.plans import copy_of
from controller.volumes import BOUND, BY_CLAIM, Claim, claims_of, uses_claim
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.informer import InformerFactory
from vaina.errors import NotFound
from vaina.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, Kind
from vaina.objects.conditions import get_condition, set_condition
from vaina.objects.meta import remove_finalizer, split_key
from vaina.objects.pods import is_terminal

log = structlog.stdlib.get_logger(__name__)

CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"


#: the condition: its type, and what it says of a claim that is used and of one that is not
UNUSED: Final = "Unused"
_USED: Final = ("False", "PodUsingPVC", "A pod is currently referencing this PVC")
_NOT_USED: Final = ("True", "NoPodsUsingPVC", "No pods are currently referencing this PVC")


def with_unused(claim: Claim, pods: Iterable[pod_pb2.Pod], now: float) -> Claim | None:
    """Return a claim with its condition Unused as it should be; None: it is so (updateUnusedCondition).

    Pods without a node count, those that are over do not. Said of bound claims alone: whoever binds one writes
    to its status. `now` is in seconds since the epoch.
    """
    if claim.metadata.HasField("deletion_timestamp") or claim.status.phase != BOUND:
        return None
    used = any(not _is_over(pod) and uses_claim(pod, claim) for pod in pods)
    said = get_condition(claim.status, UNUSED)
    if said is not None and (said.status != "True" if used else said.status == "True"):
        return None
    status, reason, message = _USED if used else _NOT_USED
    changed = copy_of(claim)
    condition = persistent_volume_pb2.PersistentVolumeClaimCondition(
        type=UNUSED, status=status, reason=reason, message=message
    )
    set_condition(changed.status, condition, now)
    return changed


def _is_over(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod has ended, or is ending and none of its containers runs (IsPodTerminated)."""
    status = pod.status
    kinds = (status.init_container_statuses, status.container_statuses, status.ephemeral_container_statuses)
    return is_terminal(pod) or (
        pod.metadata.HasField("deletion_timestamp")
        and all(one.state.HasField("terminated") or one.state.HasField("waiting") for kind in kinds for one in kind)
    )  # fmt: skip


def is_protected(meta: meta_pb2.ObjectMeta, finalizer: str, *, used: bool) -> bool:
    """Say whether an object should have a finalizer; `used` matters only of one that ends and has it."""
    return not meta.HasField("deletion_timestamp") or (finalizer in meta.finalizers and used)


class _Protection(Controller):
    """Keys are those of the objects of one kind."""

    kind: ClassVar[Kind[Any]]
    finalizer: ClassVar[str]
    word: ClassVar[str]

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self._client = factory.clientset
        self._objects = self.watch(factory.informer(self.kind))

    async def sync(self, key: str) -> float | None:
        obj = self._objects.get(key)
        if obj is None:
            return None
        has_it = self.finalizer in obj.metadata.finalizers
        wants_it = is_protected(obj.metadata, self.finalizer, used=await self._is_used(key, obj))
        if has_it == wants_it:
            return None
        changed = copy_of(obj)
        if wants_it:
            changed.metadata.finalizers.append(self.finalizer)
        else:
            remove_finalizer(changed.metadata, self.finalizer)
            text = self.word + " is not used any more"
            log.info(text, **{self.word: key}, uid=obj.metadata.uid)
        with suppress(NotFound):
            await self._client.kind(self.kind).update(changed)
        return None

    @abstractmethod
    async def _is_used(self, key: str, obj: Any) -> bool:
        """Say whether somebody has an object."""


class ClaimProtectionController(_Protection):
    """Keys are those of claims. One that ends is looked for in all Pods with a node, at the apiserver too.

    What its condition says is taken from the cache alone, where upstream lists the namespace's Pods for every
    claim without one: a Pod that comes to the cache later brings the next look.
    """

    name = "pvc-protection"
    kind, finalizer, word = PERSISTENT_VOLUME_CLAIM, CLAIM_FINALIZER, "claim"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools, factory)
        pods = factory.informer(POD)
        pods.ensure_indexer(BY_CLAIM, claims_of)
        self._pods = self.watch(pods, self._keys_of_pod)

    def _keys_of_pod(self, pod: pod_pb2.Pod) -> Iterable[str]:
        return (key for key in claims_of(pod) if self._objects.get(key) is not None)

    async def sync(self, key: str) -> float | None:
        claim = self._objects.get(key)
        if claim is not None:
            changed = with_unused(claim, self._pods.by_index(BY_CLAIM, key), self.clock.now())
            if changed is not None:
                # What it becomes brings the next look, at its finalizer.
                with suppress(NotFound):
                    await self._client.persistent_volume_claims.update_status(changed)
                return None
        return await super().sync(key)

    async def _is_used(self, key: str, obj: Any) -> bool:
        meta = obj.metadata
        if not meta.HasField("deletion_timestamp") or self.finalizer not in meta.finalizers:
            return False
        # A Pod without a node does not count: no kubelet starts one whose claim ends.
        if any(pod.spec.node_name and uses_claim(pod, obj) for pod in self._pods.by_index(BY_CLAIM, key)):
            return True
        namespace, _ = split_key(key)
        pods = (await self._client.pods.list(namespace)).items
        return any(pod.spec.node_name and uses_claim(pod, obj) for pod in pods)


class VolumeProtectionController(_Protection):
    """Keys are names of volumes."""

    name = "pv-protection"
    kind, finalizer, word = PERSISTENT_VOLUME, VOLUME_FINALIZER, "volume"

    async def _is_used(self, key: str, obj: Any) -> bool:
        return bool(obj.status.phase == "Bound")
