"""A new object on its way to storage: defaulted, normalised, checked. Called by `creating`, and by `store` for updates.

Most Pods are one of many with the same spec (a ReplicaSet's, a load test's). What follows from the spec alone (its defaults, its
normal form, that it is valid, its warnings) is remembered by the bytes of the spec as it was sent: 200 -> 82 µs a create, in process.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic

from apiserver import validation
from apiserver.admission.limit_range import LIMIT_RANGER_ANNOTATION
from apiserver.defaulting import default
from apiserver.registry.alike import NAME, Layouts, Place
from apiserver.registry.label_keys import has_label_keys
from apiserver.registry.strategy import M, Strategy
from apiserver.validation import annotations, metadata, pod_updates, warnings
from vaina.api.core.v1 import pod_pb2
from vaina.errors import FieldError
from vaina.kinds import POD, Kind
from vaina.objects import names
from vaina.objects.field_path import Path
from vaina.objects.normalise import normalise

#: specs that are remembered; the one that was not seen for longest goes first
_MAX_SPECS = 1024
#: larger ones are not remembered, so that all together stay below 32 MiB
_MAX_SPEC_BYTES = 16 * 1024


class Draft(Generic[M]):
    """What is to be done with one new object, in this order: make the draft (defaults), normalise, prepare, errors, warnings."""

    def __init__(self, kind: Kind[Any], obj: M) -> None:
        self._kind, self._obj = kind, obj
        default(kind, obj)

    def normalise(self) -> None:
        """Bring the object into its normal form. Raises BadRequest."""
        normalise(self._obj)

    def prepare(self, strategy: Strategy[M], now: float) -> None:
        """Set what clients may not choose."""
        strategy.prepare_for_create(self._obj, now)

    def errors(self) -> list[FieldError]:
        """Return every violation; the name is set."""
        return validation.validate_create(self._kind, self._obj)

    def warnings(self) -> list[str]:
        """Return what the author of a valid object should know."""
        return validation.warnings_for(self._kind, self._obj)


class Drafts(Generic[M]):
    """Makes drafts. Remembers nothing of what it makes: what most kinds want."""

    #: texts in which objects that follow one another (`alike`) may differ, their name first; none: nobody follows
    places: tuple[Place, ...] = ()

    def __init__(self, kind: Kind[Any]) -> None:
        self._kind = kind
        #: of objects that others followed
        self.layouts = Layouts()

    def __call__(self, obj: M) -> Draft[M]:
        """Return the draft of a new object, whose defaults are set."""
        return Draft(self._kind, obj)

    def can_lead(self, obj: M) -> bool:
        """Say whether another object that differs in nothing but these texts, and whose name fits, becomes the same thing, these texts apart.

        With the same warnings, and never with a refusal.
        """
        return False

    def fits(self, name: str) -> bool:
        """Say whether nothing is wrong with a name, and nothing to be warned of."""
        return False

    def is_known(self, new: M, old: M) -> bool:
        """Say whether an update, as it was sent, leaves a spec as it is that was found in order once.

        Then its defaults and normal form are there, and its metadata alone is to be checked.
        """
        return False

    def learn(self, new: M, old: M) -> None:
        """An update was found in order."""

    def update_errors(self, new: M, old: M) -> list[FieldError]:
        """Return every violation of an update that is known: what is known need not be looked at again."""
        return validation.validate_update(self._kind, new, old)


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows from a valid spec."""

    spec: pod_pb2.PodSpec
    warnings: tuple[str, ...]
    #: of a new Pod; None when it has times
    status: pod_pb2.PodStatus | None


class PodDrafts(Drafts[pod_pb2.Pod]):
    """Makes drafts of Pods, and remembers specs. Owned by one event loop."""

    places: tuple[Place, ...] = (NAME,)

    def __init__(self) -> None:
        super().__init__(POD)
        #: specs as they are stored, of which an update was found in order
        self._valid: OrderedDict[bytes, None] = OrderedDict()
        self._specs: OrderedDict[bytes, _Known] = OrderedDict()

    def __call__(self, pod: pod_pb2.Pod) -> Draft[pod_pb2.Pod]:
        """Return the draft of a Pod."""
        key = _key(pod)
        if not key:
            return Draft(POD, pod)
        known = self._specs.get(key)
        if known is None:
            return _Learning(self, key, pod)
        self._specs.move_to_end(key)
        return _FromKnown(known, pod)

    def can_lead(self, obj: pod_pb2.Pod) -> bool:
        return not _has_own_claims(obj.spec)

    def fits(self, name: str) -> bool:
        return names.is_dns_1123_label(name)

    def is_known(self, new: pod_pb2.Pod, old: pod_pb2.Pod) -> bool:
        key = _key(new)
        if key not in self._valid or _key(old) != key:
            return False
        self._valid.move_to_end(key)
        return True

    def learn(self, new: pod_pb2.Pod, old: pod_pb2.Pod) -> None:
        key = _key(new)
        if key and key == _key(old):
            self._valid[key] = None
            if len(self._valid) > _MAX_SPECS:
                self._valid.popitem(last=False)

    def update_errors(self, new: pod_pb2.Pod, old: pod_pb2.Pod) -> list[FieldError]:
        return pod_updates.check_update_of_metadata(new, old)

    def learn_spec(self, key: bytes, pod: pod_pb2.Pod, spec: pod_pb2.PodSpec) -> None:
        """Remember what became of a spec: `spec` is the defaulted one, before admission."""
        normalise(spec)
        found = warnings.warnings_for_pod(Path(), pod.metadata, spec)
        status = None
        if not spec.scheduling_gates:
            status = pod_pb2.PodStatus()
            status.CopyFrom(pod.status)
        self._specs[key] = _Known(spec, tuple(found), status)
        if len(self._specs) > _MAX_SPECS:
            self._specs.popitem(last=False)


def _key(pod: pod_pb2.Pod) -> bytes:
    """Return what a spec is remembered by; empty when more than the spec decides.

    Annotations with a meaning and the names of volume claims made of the Pod's name are checked together with the spec; managed
    fields have times to normalise; label keys of affinity terms become conditions by the Pod's labels.
    """
    meta, spec = pod.metadata, pod.spec
    if meta.managed_fields or (meta.annotations and annotations.have_meaning(meta.annotations)):
        return b""
    if _has_own_claims(spec) or has_label_keys(spec):
        return b""
    key = spec.SerializeToString(deterministic=True)
    return key if len(key) <= _MAX_SPEC_BYTES else b""


def _has_own_claims(spec: pod_pb2.PodSpec) -> bool:
    """Say whether there are volume claims whose names are made of the Pod's."""
    return bool(spec.volumes) and any(volume.volume_source.HasField("ephemeral") for volume in spec.volumes)


def _is_limited(pod: pod_pb2.Pod) -> bool:
    """Say whether admission gave the containers limits: then more than the spec as sent is to be checked."""
    return LIMIT_RANGER_ANNOTATION in pod.metadata.annotations


class _Learning(Draft[pod_pb2.Pod]):
    """The first Pod with its spec."""

    def __init__(self, drafts: PodDrafts, key: bytes, pod: pod_pb2.Pod) -> None:
        self._drafts, self._key = drafts, key
        super().__init__(POD, pod)
        # What admission makes of it hangs on the namespace and on classes, and may be another thing the next time.
        self._defaulted = pod_pb2.PodSpec()
        self._defaulted.CopyFrom(pod.spec)

    def errors(self) -> list[FieldError]:
        found = super().errors()
        if not found and not _is_limited(self._obj):
            self._drafts.learn_spec(self._key, self._obj, self._defaulted)
        return found


class _FromKnown(Draft[pod_pb2.Pod]):
    """A Pod whose spec was seen before: only its metadata is new."""

    def __init__(self, known: _Known, pod: pod_pb2.Pod) -> None:
        # Not Draft's: what it would do to the spec has been done.
        self._kind, self._obj, self._known = POD, pod, known
        pod.spec.CopyFrom(known.spec)

    def normalise(self) -> None:
        """The metadata of a new object, as the store leaves it, is in its normal form; so is a spec that was seen before."""

    def prepare(self, strategy: Strategy[pod_pb2.Pod], now: float) -> None:
        """The status of a new Pod follows from its spec."""
        if self._known.status is None or _is_limited(self._obj):
            super().prepare(strategy, now)
        else:
            self._obj.status.CopyFrom(self._known.status)

    def errors(self) -> list[FieldError]:
        if _is_limited(self._obj):
            return super().errors()
        meta, rule = self._obj.metadata, names.dns_1123_subdomain
        if not metadata.check_create(meta, rule, namespaced=True, at=metadata.NOWHERE):
            return []
        return metadata.check_create(meta, rule, namespaced=True)

    def warnings(self) -> list[str]:
        return [*warnings.warnings_for_name(self._obj.metadata), *self._known.warnings]
