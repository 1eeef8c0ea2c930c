"""The objects of a fake apiserver, with versions, and everything that ever happened to them. No IO, one clock.

What it keeps of Kubernetes is what a controller can notice: names that are taken, versions that conflict,
uids, generations, finalizers, graceful deletion of Pods, conditions merged by type. What it leaves out:
validation, defaults, admission, namespaces that must exist or empty themselves, the garbage collector.
`tests/conformance/test_fake_apiserver.py` runs it beside the real one. Called by `vaina.testing.apiserver`,
whose task owns it. Compare client-go's testing.ObjectTracker.
"""

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock, timestamp
from vaina.errors import AlreadyExists, BadRequest, Conflict, Expired, Invalid, NotFound
from vaina.kinds import DEPLOYMENT, LEASE, NAMESPACE, NODE, POD, VOLUME_ATTACHMENT, Kind
from vaina.objects.conditions import set_condition
from vaina.objects.field_path import Path, invalid
from vaina.objects.meta import object_key
from vaina.objects.watch import ADDED, DELETED, MODIFIED

#: events kept; older versions are Expired
MAX_EVENTS = 10_000
_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
#: Kubernetes' letters of generated names: no vowels, nothing that reads like something else
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


#: phases in which objects are born
_FIRST_PHASE = {POD: "Pending", NAMESPACE: "Active"}
#: metadata that a write of the status leaves; as the strategies in the apiserver's registry have it
_KEPT_BY_STATUS = {
    POD: ("owner_references",),
    DEPLOYMENT: ("labels",),
    VOLUME_ATTACHMENT: ("labels", "annotations", "finalizers", "owner_references"),
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One change. `old` is None for an addition; a deletion has its last state as `new`."""

    version: int
    type: str
    kind: str
    old: Any
    new: Any


class Tracker:
    """All objects of all kinds. Objects that go in or come out are copies."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock, self._rng = clock, rng
        self.version = 1
        self._objects: dict[str, dict[str, Any]] = {}
        self.log: list[Happened] = []
        #: a watch can begin at this version or a later one
        self.oldest = 0
        #: called after each change
        self.changed: Callable[[], None] = lambda: None
        self._dry = False

    @contextmanager
    def dry_run(self, how: Sequence[str]) -> Iterator[None]:
        """Answer as ever and change nothing within the block; empty: change."""
        self._dry = bool(how)
        try:
            yield
        finally:
            self._dry = False

    def get(self, kind: Kind[Any], namespace: str, name: str) -> Any:
        return _copy(self._find(kind, namespace, name))

    def list_all(self, kind: Kind[Any]) -> list[Any]:
        """Return all objects of a kind by key; read only."""
        return [obj for _, obj in sorted(self._objects.get(kind.service, {}).items())]

    def create(self, kind: Kind[Any], sent: Any) -> Any:
        made = _copy(sent)
        meta = made.metadata
        if kind.namespaced:
            meta.namespace = meta.namespace or "default"
        if not meta.name and meta.generate_name:
            meta.name = meta.generate_name + "".join(self._rng.choices(_LETTERS, k=5))
        if not meta.name:
            raise BadRequest("name or generateName is required")
        if meta.resource_version:
            raise BadRequest("resourceVersion should not be set on objects to be created")
        if object_key(made) in self._objects.get(kind.service, {}):
            raise AlreadyExists(
                f'{kind.resource} "{meta.name}" already exists',
                group=kind.group,
                kind=kind.plural,
                name=meta.name,
            )
        meta.uid = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        meta.creation_timestamp.CopyFrom(timestamp(self._clock.now()))
        meta.ClearField("deletion_timestamp")
        if kind.has_status:
            meta.generation = 1
            # A status is written on its own; only a Node comes with what its kubelet knows.
            if kind is not NODE:
                made.ClearField("status")
            if kind in _FIRST_PHASE:
                made.status.phase = _FIRST_PHASE[kind]
        return self._put(kind, None, made)

    def update(self, kind: Kind[Any], sent: Any) -> Any:
        """Replace an object but for its status. Raises NotFound, Conflict, Invalid."""
        old = self._expected(kind, sent)
        if kind is LEASE and not sent.metadata.resource_version:
            at = Path("metadata", "resourceVersion")
            raise Invalid.of(
                kind.kind,
                sent.metadata.name,
                [invalid(at, 0, "must be specified for an update")],
                group=kind.group,
            )
        new = _copy(sent)
        _keep_system_fields(new.metadata, old.metadata)
        if kind.has_status:
            new.status.CopyFrom(old.status)
            annotated = kind is DEPLOYMENT and new.metadata.annotations != old.metadata.annotations
            wished = new.spec != old.spec or annotated
            new.metadata.generation = old.metadata.generation + wished
        return self._put_or_remove(kind, old, new)

    def _put_or_remove(self, kind: Kind[Any], old: Any, new: Any) -> Any:
        """Store a change; the one that takes the last finalizer of an ending object removes it."""
        was_held = old.metadata.HasField("deletion_timestamp") and old.metadata.finalizers
        if was_held and not new.metadata.finalizers and not new.metadata.deletion_grace_period_seconds:
            return self._remove(kind, new)
        return self._put(kind, old, new)

    def update_status(self, kind: Kind[Any], sent: Any, mask: Sequence[str]) -> Any:
        """Replace the status and the metadata, or the status's fields in `mask`. Raises NotFound, Conflict."""
        old = (
            self._find(kind, sent.metadata.namespace, sent.metadata.name)
            if mask
            else self._expected(kind, sent)
        )
        if sent.metadata.uid and sent.metadata.uid != old.metadata.uid:
            raise self._conflict(kind, old, _uid_differs(sent.metadata.uid, old.metadata.uid))
        new = _copy(old)
        if mask:
            self._merge_status(new, sent, mask)
        else:
            _take_status(kind, new, sent, old)
        return self._put_or_remove(kind, old, new)

    def _merge_status(self, new: Any, sent: Any, mask: Sequence[str]) -> None:
        for field in mask:
            if field == "conditions":
                for condition in sent.status.conditions:
                    if condition.status:
                        set_condition(new.status, condition, self._clock.now())
                    else:
                        kept = [one for one in new.status.conditions if one.type != condition.type]
                        del new.status.conditions[:]
                        new.status.conditions.extend(kept)
                continue
            if field not in new.status.DESCRIPTOR.fields_by_name:
                raise BadRequest(f"status_mask: no such field of {new.status.DESCRIPTOR.name}: {field}")
            new.status.ClearField(field)
            part = type(new.status)()
            part.CopyFrom(sent.status)
            for other in part.DESCRIPTOR.fields_by_name:
                if other != field:
                    part.ClearField(other)
            new.status.MergeFrom(part)

    def delete(
        self,
        kind: Kind[Any],
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        uid: str = "",
        version: str = "",
    ) -> Any:
        """Delete an object, or begin to. Raises NotFound, Conflict."""
        old = self._find(kind, namespace, name)
        meta = old.metadata
        if uid and uid != meta.uid:
            why = f"the UID in the precondition ({uid}) does not match the UID in record ({meta.uid}). "
            raise self._conflict(kind, old, why + "The object might have been deleted and then recreated")
        if version and version != meta.resource_version:
            why = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
                f"({meta.resource_version}). "
            )
            raise self._conflict(kind, old, why + "The object might have been modified")
        new = _copy(old)
        seconds = _grace_seconds(kind, old, grace)
        if not seconds and not old.metadata.finalizers:
            return self._remove(kind, new)
        if not old.metadata.HasField("deletion_timestamp"):
            new.metadata.deletion_timestamp.CopyFrom(timestamp(self._clock.now() + seconds))
            new.metadata.deletion_grace_period_seconds = seconds
        return self._put(kind, old, new)

    def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        self._find(NODE, "", node)
        old = self._find(POD, namespace, name)
        if uid and uid != old.metadata.uid:
            raise self._conflict(POD, old, _uid_differs(uid, old.metadata.uid), "pods/binding")
        if old.metadata.HasField("deletion_timestamp"):
            raise self._conflict(
                POD, old, f"pod {name} is being deleted, cannot be assigned to a host", "pods/binding"
            )
        if old.spec.node_name:
            raise self._conflict(
                POD, old, f'pod {name} is already assigned to node "{old.spec.node_name}"', "pods/binding"
            )
        new = _copy(old)
        new.spec.node_name = node
        condition = pod_pb2.PodCondition(type="PodScheduled", status="True")
        set_condition(new.status, condition, self._clock.now())
        self._put(POD, old, new)

    def since(self, kind: Kind[Any], version: int) -> list[Happened]:
        """Return what happened to a kind after a version. Raises Expired when that is no longer known."""
        if version < self.oldest:
            raise Expired(f"too old resource version: {version} ({self.oldest})")
        return [one for one in self.log if one.version > version and one.kind == kind.service]

    def forget(self) -> None:
        self.log, self.oldest = [], self.version

    def _find(self, kind: Kind[Any], namespace: str, name: str) -> Any:
        key = f"{namespace or 'default'}/{name}" if kind.namespaced else name
        found = self._objects.get(kind.service, {}).get(key)
        if found is None:
            raise NotFound(
                f'{kind.resource} "{name}" not found', group=kind.group, kind=kind.plural, name=name
            )
        return found

    def _expected(self, kind: Kind[Any], sent: Any) -> Any:
        """Return the stored object if it is the one, and the version, that the sender knows."""
        old = self._find(kind, sent.metadata.namespace, sent.metadata.name)
        if sent.metadata.uid and sent.metadata.uid != old.metadata.uid:
            raise self._conflict(kind, old, _uid_differs(sent.metadata.uid, old.metadata.uid))
        if sent.metadata.resource_version not in ("", old.metadata.resource_version):
            raise self._conflict(kind, old, _MODIFIED)
        return old

    def _put(self, kind: Kind[Any], old: Any, new: Any) -> Any:
        if old is not None:
            new.metadata.resource_version = old.metadata.resource_version
            if new == old:
                return _copy(old)
        if self._dry:
            return _copy(new)
        self._record(kind, MODIFIED if old is not None else ADDED, old, new)
        self._objects.setdefault(kind.service, {})[object_key(new)] = new
        return _copy(new)

    def _remove(self, kind: Kind[Any], last: Any) -> Any:
        if self._dry:
            return _copy(last)
        old = self._objects[kind.service].pop(object_key(last))
        self._record(kind, DELETED, old, last)
        return _copy(last)

    def _record(self, kind: Kind[Any], what: str, old: Any, new: Any) -> None:
        self.version += 1
        new.metadata.resource_version = str(self.version)
        self.log.append(Happened(self.version, what, kind.service, old, new))
        if len(self.log) > MAX_EVENTS:
            self.oldest = self.log.pop(0).version
        self.changed()

    def _conflict(self, kind: Kind[Any], obj: Any, why: str, resource: str = "") -> Conflict:
        name = obj.metadata.name
        return Conflict(
            f'Operation cannot be fulfilled on {resource or kind.resource} "{name}": {why}',
            group=kind.group, kind=kind.plural, name=name,
        )  # fmt: skip


def _uid_differs(wanted: str, found: str) -> str:
    return f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"


def _copy(obj: Any) -> Any:
    copy = type(obj)()
    copy.CopyFrom(obj)
    return copy


def _take_status(kind: Kind[Any], new: Any, sent: Any, old: Any) -> None:
    new.status.CopyFrom(sent.status)
    new.metadata.CopyFrom(sent.metadata)
    for field in _KEPT_BY_STATUS.get(kind, ()):
        new.metadata.ClearField(field)
        getattr(new.metadata, field).MergeFrom(getattr(old.metadata, field))
    _keep_system_fields(new.metadata, old.metadata)


def _keep_system_fields(new: Any, old: Any) -> None:
    new.namespace, new.uid, new.generation = old.namespace, old.uid, old.generation
    new.creation_timestamp.CopyFrom(old.creation_timestamp)
    new.ClearField("deletion_timestamp")
    new.ClearField("deletion_grace_period_seconds")
    if old.HasField("deletion_timestamp"):
        new.deletion_timestamp.CopyFrom(old.deletion_timestamp)
    if old.HasField("deletion_grace_period_seconds"):
        new.deletion_grace_period_seconds = old.deletion_grace_period_seconds


def _grace_seconds(kind: Kind[Any], obj: Any, grace: int | None) -> int:
    """A Pod on a node that has not ended is its kubelet's to end; everything else goes at once."""
    if kind is not POD or not obj.spec.node_name or obj.status.phase in ("Succeeded", "Failed"):
        return 0
    if grace is not None:
        return grace
    spec = obj.spec
    return spec.termination_grace_period_seconds if spec.HasField("termination_grace_period_seconds") else 30
