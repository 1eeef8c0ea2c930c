"""Accelerator `spec-memo`: most Pods are one of many with the same spec (a ReplicaSet's, a load test's).

What follows from the spec alone (its defaults, its normal form, that it is valid, its warnings, the status of
a new Pod) is kept in a memo by the bytes of the spec as it was sent: 220 -> 85 µs a create, in process. Works
in `Preparation`'s place.
"""

from collections import OrderedDict
from dataclasses import dataclass

from apiserver.admission.limit_ranger import LIMIT_RANGER_ANNOTATION
from apiserver.registry.create.new import Preparation
from apiserver.registry.pods import has_label_keys
from apiserver.registry.strategy import Strategy
from apiserver.validation import annotations, pods, warnings
from apiserver.validation.place import Place, find_violations
from vaina.api.core.v1 import pod_pb2
from vaina.errors import FieldError
from vaina.kinds import POD
from vaina.objects.normalise import normalise

#: specs in the memo; the one that was not used for longest goes first
_MAX_SPECS = 1024
#: larger ones are not kept, so that all together stay below 32 MiB
_MAX_SPEC_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows from a valid spec."""

    spec: pod_pb2.PodSpec
    warnings: tuple[str, ...]
    #: of a new Pod; None when it has times
    status: pod_pb2.PodStatus | None


class PodSpecMemo:
    """Begins the preparation of Pods, and keeps what follows from their specs. Owned by one event loop."""

    def __init__(self) -> None:
        self._specs: OrderedDict[bytes, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._specs)

    def __call__(self, pod: pod_pb2.Pod) -> Preparation[pod_pb2.Pod]:
        """Begin the preparation of a Pod; its defaults are set then."""
        key = _key(pod)
        if not key:
            return Preparation(POD, pod)
        known = self._specs.get(key)
        if known is None:
            return _Learning(self, key, pod)
        self._specs.move_to_end(key)
        return _FromMemo(known, pod)

    def keep(self, key: bytes, pod: pod_pb2.Pod, spec: pod_pb2.PodSpec) -> None:
        """Keep what became of a spec: `spec` is the defaulted one, before admission."""
        normalise(spec)
        found = warnings.warnings_for_pod(Place(), pod.metadata, spec)
        status = None
        if not spec.scheduling_gates:
            status = pod_pb2.PodStatus()
            status.CopyFrom(pod.status)
        self._specs[key] = _Known(spec, tuple(found), status)
        if len(self._specs) > _MAX_SPECS:
            self._specs.popitem(last=False)


def _key(pod: pod_pb2.Pod) -> bytes:
    """Return the key of a spec in the memo; empty when more than the spec decides.

    Annotations with a meaning and the names of volume claims made of the Pod's name are checked together with
    the spec; managed fields have times to normalise; label keys of affinity terms become conditions by the
    Pod's labels.
    """
    meta, spec = pod.metadata, pod.spec
    if meta.managed_fields or (meta.annotations and annotations.have_meaning(meta.annotations)):
        return b""
    if spec.HasField("runtime_class_name"):
        # Admission puts what the class says into the spec.
        return b""
    if any(volume.volume_source.HasField("ephemeral") for volume in spec.volumes) or has_label_keys(spec):
        return b""
    key = spec.SerializeToString(deterministic=True)
    return key if len(key) <= _MAX_SPEC_BYTES else b""


def _is_limited(pod: pod_pb2.Pod) -> bool:
    """Say whether admission gave the containers limits: then more than the spec as sent is to be checked."""
    return LIMIT_RANGER_ANNOTATION in pod.metadata.annotations


class _Learning(Preparation[pod_pb2.Pod]):
    """The first Pod with its spec."""

    def __init__(self, memo: PodSpecMemo, key: bytes, pod: pod_pb2.Pod) -> None:
        self._memo, self._key = memo, key
        super().__init__(POD, pod)
        # What admission makes of it hangs on the namespace and on classes, and may be another thing the next
        # time.
        self._defaulted = pod_pb2.PodSpec()
        self._defaulted.CopyFrom(pod.spec)

    def errors(self, group: str | None = None) -> list[FieldError]:
        found = super().errors(group)
        if not found and not _is_limited(self._obj):
            self._memo.keep(self._key, self._obj, self._defaulted)
        return found


class _FromMemo(Preparation[pod_pb2.Pod]):
    """A Pod whose spec is in the memo: only its metadata is looked at."""

    def __init__(self, known: _Known, pod: pod_pb2.Pod) -> None:
        # Not Preparation's: the spec in the memo has its defaults.
        self._kind, self._obj, self._known = POD, pod, known
        pod.spec.CopyFrom(known.spec)

    def normalise(self) -> None:
        """The metadata of a new object and a spec in the memo are in their normal form."""

    def prepare(self, strategy: Strategy[pod_pb2.Pod], now: float) -> None:
        """The status of a new Pod follows from its spec."""
        if self._known.status is None or _is_limited(self._obj):
            super().prepare(strategy, now)
        else:
            self._obj.status.CopyFrom(self._known.status)

    def errors(self, group: str | None = None) -> list[FieldError]:
        if _is_limited(self._obj):
            return super().errors(group)
        return find_violations(pods.check_metadata, self._obj)

    def warnings(self) -> list[str]:
        return [*warnings.warnings_for_name(self._obj.metadata), *self._known.warnings]
