"""The shell of the binder: one worker, one write at a time, each followed by a new look."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller import volumes as pv
from controller.base import Controller, Tools, find
from controller.persistent_volume.reconcile import Step, next_for_claim, next_for_volume
from controller.volumes import Claim, StorageClass, Volume
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import Informer, InformerFactory
from vaina.cache.store import Lister
from vaina.client.events import EventRecorder
from vaina.clock import timestamp
from vaina.errors import Conflict
from vaina.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, STORAGE_CLASS, Kind
from vaina.objects.meta import object_key

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T", Claim, Volume)

BY_CLASS: Final = "volume-class"
BY_REFERENCE: Final = "volume-claim"
#: objects remembered: more are not written between two events of a watch
MAX_WRITTEN: Final = 1000
#: a binding has four; more mean that another party undoes the writes
MAX_WRITES: Final = 8
#: claims that wait for a volume, by class; classless ones under the empty name
_WAITING: Final = "claim-waiting"
#: claims by the volume that they name
_BY_VOLUME: Final = "claim-volume"


class BindingCollector(Collector):
    """Reads the binder's caches."""

    def __init__(self, registry: CollectorRegistry, claims: Lister[Claim], volumes: Lister[Volume]) -> None:
        self._claims, self._volumes = claims, volumes
        registry.register(self)

    def describe(self) -> Sequence[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        volumes, claims = self._volumes.list(), self._claims.list()
        plugins = Counter((_plugin(item), item.spec.volume_mode or pv.FILESYSTEM) for item in volumes)
        yield _family(
            "pv_collector_total_pv_count", "Gauge measuring total number of persistent volumes",
            ("plugin_name", "volume_mode"), plugins,
        )  # fmt: skip
        for bound, word in ((True, "bound"), (False, "unbound")):
            chosen = [item for item in volumes if (item.status.phase == pv.BOUND) is bound]
            yield _family(
                f"pv_collector_{word}_pv_count", f"Gauge measuring number of persistent volume currently {word}",
                ("storage_class",), Counter((pv.volume_class(item),) for item in chosen),
            )  # fmt: skip
            wanted = [item for item in claims if (item.status.phase == pv.BOUND) is bound]
            yield _family(
                f"pv_collector_{word}_pvc_count",
                f"Gauge measuring number of persistent volume claim currently {word}",
                ("namespace", "storage_class", "volume_attributes_class"),
                Counter(
                    (item.metadata.namespace, pv.claim_class(item), item.spec.volume_attributes_class_name)
                    for item in wanted
                ),
            )


def _family(name: str, words: str, labels: Sequence[str], counted: Mapping[Any, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, number in sorted(counted.items()):
        family.add_metric(values, number)
    return family


def _plugin(volume: Volume) -> str:
    fields = volume.spec.persistent_volume_source.ListFields()
    kind = fields[0][0].json_name if fields else "none"
    words = {"local": "kubernetes.io/local-volume", "hostPath": "kubernetes.io/host-path"}
    return words.get(kind, f"kubernetes.io/{kind}")


class Known:
    """A `World` for `reconcile`. Owned by the binder's one worker."""

    def __init__(
        self,
        claims: Informer[Claim],
        volumes: Informer[Volume],
        classes: Informer[StorageClass],
        pods: Informer[pod_pb2.Pod],
    ) -> None:
        self._claims, self._volumes, self._classes, self._pods = claims, volumes, classes, pods
        volumes.ensure_indexer(BY_CLASS, lambda volume: [pv.volume_class(volume)])
        volumes.ensure_indexer(BY_REFERENCE, lambda volume: [pv.reference_key(volume)])
        pods.ensure_indexer(pv.BY_CLAIM, pv.claims_of)
        #: by kind and key
        self._written: dict[tuple[type, str], Claim | Volume] = {}

    def note(self, stored: Claim | Volume) -> None:
        if len(self._written) >= MAX_WRITTEN:
            self._written.clear()
        self._written[type(stored), object_key(stored)] = stored

    def _newer(self, kind: type[T], key: str, shown: T | None) -> T | None:
        written = self._written.get((kind, key))
        if not isinstance(written, kind):
            return shown
        if shown is None or _version(shown) >= _version(written):
            # The cache is newer, or the object was deleted.
            del self._written[kind, key]
            return shown
        return written

    def claim(self, key: str) -> Claim | None:
        return self._newer(Claim, key, self._claims.lister.get(key))

    def volume(self, name: str) -> Volume | None:
        return self._newer(Volume, name, self._volumes.lister.get(name))

    def volumes_for(self, claim: Claim) -> Iterable[Volume]:
        lister = self._volumes.lister
        meant = lister.by_index(BY_REFERENCE, pv.claim_key(claim))
        free = lister.by_index(BY_CLASS, pv.claim_class(claim))
        for name in {volume.metadata.name for volume in (*meant, *free)}:
            volume = self.volume(name)
            if volume is not None:
                yield volume

    def storage_classes(self) -> Iterable[StorageClass]:
        return self._classes.lister.list()

    def waiting_pods(self, claim: Claim) -> Sequence[str]:
        pods = self._pods.lister.by_index(pv.BY_CLAIM, pv.claim_key(claim))
        return sorted(pod.metadata.name for pod in pods if not pod.spec.node_name)


def _version(message: Claim | Volume) -> int:
    return int(message.metadata.resource_version or 0)


class PersistentVolumeController(Controller):
    """Keys are `claim namespace/name` and `volume name`.

    A changed claim brings a look at the volume that it names and at all volumes that name it, and a changed
    volume likewise. Upstream looks at the latter only in its `resync` of everything, every 15 s
    (`pv_controller_base.go`; `deleteClaim` there passes over a claim that names no volume).
    """

    name = "persistentvolume-binder"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, registry: CollectorRegistry
    ) -> None:
        super().__init__(Tools(tools.clock, tools.metrics, workers=1))
        self._client, self._recorder = factory.clientset, recorder
        claims, volumes = factory.informer(PERSISTENT_VOLUME_CLAIM), factory.informer(PERSISTENT_VOLUME)
        classes, pods = factory.informer(STORAGE_CLASS), factory.informer(POD)
        self._known = Known(claims, volumes, classes, pods)
        claims.ensure_indexer(_WAITING, _waiting_class)
        claims.ensure_indexer(_BY_VOLUME, lambda claim: [claim.spec.volume_name])
        self._volumes = volumes.lister
        self._claims = self.watch(claims, self._keys_of_claim)
        self.watch(volumes, self._keys_of_volume)
        self.watch(classes, self._keys_of_class)
        self.watch(pods, self._keys_of_pod)
        BindingCollector(registry, claims.lister, volumes.lister)

    def _keys_of_claim(self, claim: Claim) -> Iterable[str]:
        yield f"claim {pv.claim_key(claim)}"
        if claim.spec.volume_name:
            yield f"volume {claim.spec.volume_name}"
        # A claim that goes, or takes another volume, may not name the one that was made for it.
        for volume in self._volumes.by_index(BY_REFERENCE, pv.claim_key(claim)):
            yield f"volume {volume.metadata.name}"

    def _keys_of_volume(self, volume: Volume) -> Iterable[str]:
        yield f"volume {volume.metadata.name}"
        for claim in self._claims.by_index(_BY_VOLUME, volume.metadata.name):
            yield f"claim {pv.claim_key(claim)}"
        if pv.reference_key(volume):
            yield f"claim {pv.reference_key(volume)}"
        else:
            for claim in self._claims.by_index(_WAITING, pv.volume_class(volume)):
                yield f"claim {pv.claim_key(claim)}"

    def _keys_of_class(self, found: StorageClass) -> Iterable[str]:
        # Claims without a class too: it may be the default one now.
        for name in (found.metadata.name, ""):
            for claim in self._claims.by_index(_WAITING, name):
                yield f"claim {pv.claim_key(claim)}"

    def _keys_of_pod(self, pod: pod_pb2.Pod) -> Iterable[str]:
        if pod.spec.node_name:
            return
        for key in pv.claims_of(pod):
            claim = self._claims.get(key)
            if claim is not None and not claim.spec.volume_name:
                yield f"claim {key}"

    async def sync(self, key: str) -> float | None:
        what, _, name = key.partition(" ")
        for _ in range(MAX_WRITES):
            found = await self._next(what, name)
            if found is None:
                return None
            obj, step = found
            if step.write is not None:
                await self._write(step.write, is_status=step.is_status)
            for note in step.says:
                self._recorder.event(obj, *note)
            if step.write is None:
                return None
        log.warning("binding does not come to rest", key=key)
        return 1.0

    async def _next(self, what: str, name: str) -> tuple[Claim | Volume, Step] | None:
        known = self._known
        if what == "claim":
            claim = known.claim(name)
            if claim is None:
                return None
            if pv.BIND_COMPLETED in claim.metadata.annotations and claim.spec.volume_name:
                await self._ask_for_volume(claim.spec.volume_name)
            return claim, next_for_claim(claim, known)
        volume = known.volume(name)
        if volume is None:
            return None
        if volume.spec.claim_ref.uid:
            await self._ask_for_claim(volume)
        return volume, next_for_volume(volume, known)

    async def _ask_for_volume(self, name: str) -> None:
        """Make sure that a volume is gone, not the cache late: its claim is Lost for good."""
        known = self._known.volume(name)
        if known is None and await find(self._client.persistent_volumes, name) is not None:
            raise Conflict(f"persistentvolume {name} is not in the cache yet")

    async def _ask_for_claim(self, volume: Volume) -> None:
        """Make sure that a claim is gone, not the cache late: its data are deleted."""
        reference = volume.spec.claim_ref
        known = self._known.claim(pv.reference_key(volume))
        if known is not None and known.metadata.uid == reference.uid:
            return
        claims = self._client.persistent_volume_claims
        found = await find(claims, reference.name, reference.namespace)
        if found is not None and found.metadata.uid == reference.uid:
            raise Conflict(f"persistentvolumeclaim {pv.reference_key(volume)} is not in the cache yet")

    async def _write(self, made: Claim | Volume, *, is_status: bool) -> None:
        kind: Kind[Any] = PERSISTENT_VOLUME if isinstance(made, Volume) else PERSISTENT_VOLUME_CLAIM
        if is_status and isinstance(made, Volume):
            made.status.last_phase_transition_time.CopyFrom(timestamp(int(self.clock.now())))
        client = self._client.kind(kind)
        self._known.note(await client.update_status(made) if is_status else await client.update(made))
        phase = made.status.phase
        if isinstance(made, Volume):
            log.info("volume written", volume=made.metadata.name, claim=pv.reference_key(made), phase=phase)
        else:
            log.info("claim written", claim=pv.claim_key(made), volume=made.spec.volume_name, phase=phase)


def _waiting_class(claim: Claim) -> list[str]:
    if pv.BIND_COMPLETED in claim.metadata.annotations:
        return []
    names = {pv.claim_class(claim)}
    if pv.has_no_class(claim):
        names.add("")
    return [*names]
