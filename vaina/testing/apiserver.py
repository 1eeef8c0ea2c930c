"""FakeApiserver: an apiserver in the test's own process, for tests of components written with the library.

    fake = FakeApiserver(clock)
    client = fake.client()
    fake.fail("Update", CONFIG_MAP, Unavailable("away"), answer_lost=True)

It has the verbs of every kind but the streams of Pods and the sub-resources other than `status` and `scale`,
over the same transport interface, so that informers, recorders and leader election run over it unchanged; see
`vaina.testing.tracker` for what it does not know. Compare client-go's kubernetes/fake. Owned by the test's
task.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vaina.api.core.v1 import pod_service_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import Clock
from vaina.errors import VERSION_TOO_LARGE, ApiError, BadRequest, Expired, FieldError, NotFound, Timeout
from vaina.kinds import KINDS, POD, Kind
from vaina.objects.fields import selectable_fields
from vaina.objects.patching import APPLY_PATCH, apply_patch, read_patch
from vaina.objects.selectors import SelectorError, parse_field_selector, parse_label_selector
from vaina.objects.watch import ADDED, BOOKMARK, DELETED, INITIAL_EVENTS_END, MODIFIED
from vaina.serving.handlers import STREAM, UNARY, Method, RequestContext, decode
from vaina.testing.applies import applied
from vaina.testing.scales import Scales
from vaina.testing.tracker import Happened, Tracker

Unary = Callable[[bytes], bytes]
Matches = Callable[[Any], bool]


@dataclass(slots=True)
class _Fault:
    verb: str
    kind: Kind[Any] | None
    error: ApiError
    times: int
    answer_lost: bool


class FakeApiserver:
    """Everything in memory; `handlers` is what a server would serve."""

    def __init__(self, clock: Clock, *, seed: int = 1) -> None:
        """Make an empty one; `seed` is of uids and generated names."""
        self.clock = clock
        self.tracker = Tracker(clock, random.Random(seed))  # noqa: S311 - names in tests are no secrets
        self.tracker.changed = self._on_change
        #: every call, as (verb, plural): what a test may want to count
        self.calls: list[tuple[str, str]] = []
        self._faults: list[_Fault] = []
        self._changed = asyncio.Event()
        #: grows when streams are to end
        self._cut = 0
        self.handlers: dict[str, Method] = {}
        for kind in KINDS:
            self._serve(kind)

    def client(self) -> Clientset:
        return Clientset(InProcessTransport(self.handlers, clock=self.clock))

    def fail(
        self, verb: str, kind: Kind[Any] | None, error: ApiError, *, times: int = 1, answer_lost: bool = False
    ) -> None:
        """Let the next calls fail: of a verb (Create, Watch, ...; "*": any) and a kind (None: any).

        With `answer_lost` the call is carried out first: the caller cannot know.
        """
        self._faults.append(_Fault(verb, kind, error, times, answer_lost))

    def cut_streams(self) -> None:
        """End all watches; their clients resume."""
        self._cut += 1
        self._on_change()

    def expire(self) -> None:
        """Forget history: a watch that resumes gets Expired, and its client lists again."""
        self.tracker.forget()
        self.cut_streams()

    def _on_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _serve(self, kind: Kind[Any]) -> None:
        verbs = _Verbs(self.tracker, kind, self.clock)
        unary: dict[str, Unary] = {
            "Get": verbs.get, "List": verbs.list, "Create": verbs.create, "CreateBatch": verbs.create_batch,
            "Update": verbs.update, "UpdateStatus": verbs.update_status,
            "UpdateStatusBatch": verbs.update_status_batch, "Patch": verbs.patch, "Delete": verbs.delete,
            "DeleteBatch": verbs.delete_batch, "DeleteCollection": verbs.delete_collection,
        }  # fmt: skip
        if kind is POD:
            unary |= {"Bind": verbs.bind, "BindBatch": verbs.bind_batch}
        if kind.has_scale:
            scales = Scales(self.tracker, kind)
            unary |= {"GetScale": scales.get, "UpdateScale": scales.update, "PatchScale": scales.patch}
        for verb, fn in unary.items():
            self.handlers[kind.method(verb)] = Method(UNARY, self._called(kind, verb, fn))
        self.handlers[kind.method("Watch")] = Method(STREAM, self._watching(kind))

    def _called(
        self, kind: Kind[Any], verb: str, fn: Unary
    ) -> Callable[[bytes, RequestContext], Awaitable[bytes]]:
        async def call(data: bytes, ctx: RequestContext) -> bytes:
            fault = self._fault(verb, kind)
            if fault is not None and not fault.answer_lost:
                raise fault.error
            answer = fn(data)
            if fault is not None:
                raise fault.error
            return answer

        return call

    def _fault(self, verb: str, kind: Kind[Any]) -> _Fault | None:
        self.calls.append((verb, kind.plural))
        for fault in self._faults:
            if fault.verb in ("*", verb) and fault.kind in (None, kind):
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None

    def _watching(self, kind: Kind[Any]) -> Callable[[bytes, RequestContext], AsyncIterator[bytes]]:
        async def watch(data: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
            fault = self._fault("Watch", kind)
            if fault is not None:
                raise fault.error
            request = decode(request_pb2.WatchRequest, data)
            matches, cut = _selection(kind, request), self._cut
            version = int(request.resource_version or 0)
            if version > self.tracker.version:
                cause = FieldError(VERSION_TOO_LARGE, "", "Too large resource version")
                words = f"Too large resource version: {version}, current: {self.tracker.version}"
                raise Timeout(words, causes=[cause], retry_seconds=1)
            if not version or request.send_initial_events:
                version = self.tracker.version
                events = [(ADDED, obj) for obj in self.tracker.list_all(kind) if matches(obj)]
                if request.send_initial_events:
                    events.append((BOOKMARK, _bookmark(kind, version)))
                yield _batch(events, version)
            while cut == self._cut:
                changed = self._changed
                happened = self.tracker.since(kind, version)
                if happened:
                    version = happened[-1].version
                    events = [event for one in happened if (event := _seen(one, matches)) is not None]
                    if events:
                        yield _batch(events, version)
                    continue
                await changed.wait()

        return watch


class _Verbs:
    def __init__(self, tracker: Tracker, kind: Kind[Any], clock: Clock) -> None:
        self._tracker, self._kind, self._clock = tracker, kind, clock

    def get(self, data: bytes) -> bytes:
        request = decode(request_pb2.GetRequest, data)
        _check_subresource(self._kind, request.subresource)
        return _bytes(self._tracker.get(self._kind, request.namespace, request.name))

    def list(self, data: bytes) -> bytes:
        request = decode(request_pb2.ListRequest, data)
        matches = _selection(self._kind, request)
        found = [obj for obj in self._tracker.list_all(self._kind) if matches(obj)]
        version, begin = self._tracker.version, 0
        if request.continue_token:
            asked, _, place = request.continue_token.partition("/")
            version, begin = int(asked), int(place)
            if version != self._tracker.version:
                # History is not kept by object: a page of another time cannot be had.
                raise Expired(
                    "The provided continue parameter is too old to display a consistent list result."
                )
        end = begin + request.limit if request.limit else len(found)
        answer = raw_pb2.RawList(items=[_bytes(obj) for obj in found[begin:end]])
        answer.metadata.resource_version = str(version)
        if end < len(found):
            answer.metadata.continue_token = f"{version}/{end}"
        return answer.SerializeToString()

    def create(self, data: bytes) -> bytes:
        request = decode(raw_pb2.RawCreateRequest, data)
        with self._tracker.dry_run(request.options.dry_run):
            return _bytes(self._tracker.create(self._kind, self._parse(request.object)))

    def create_batch(self, data: bytes) -> bytes:
        request = decode(raw_pb2.RawCreateBatchRequest, data)
        return _each([partial(self.create, _bytes(one)) for one in request.requests])

    def update(self, data: bytes) -> bytes:
        request = decode(raw_pb2.RawUpdateRequest, data)
        with self._tracker.dry_run(request.options.dry_run):
            return _bytes(self._tracker.update(self._kind, self._parse(request.object)))

    def update_status(self, data: bytes) -> bytes:
        request = decode(raw_pb2.RawUpdateRequest, data)
        sent = self._parse(request.object)
        with self._tracker.dry_run(request.options.dry_run):
            return _bytes(self._tracker.update_status(self._kind, sent, request.status_mask.paths))

    def patch(self, data: bytes) -> bytes:
        request = decode(request_pb2.PatchRequest, data)
        _check_subresource(self._kind, request.subresource)
        if request.patch_type == APPLY_PATCH:
            return self._apply(request)
        validation = request.options.field_validation
        change = read_patch(
            self._kind, request.patch_type, request.patch, _nobody_listens, validation=validation
        )
        old = self._tracker.get(self._kind, request.namespace, request.name)
        strict = validation == "Strict"
        new: Any = apply_patch(self._kind, change, old, _nobody_listens, strict=strict)
        _check_names(new.metadata, old.metadata)
        with self._tracker.dry_run(request.options.dry_run):
            if request.subresource:
                return _bytes(self._tracker.update_status(self._kind, new, ()))
            return _bytes(self._tracker.update(self._kind, new))

    def _apply(self, request: request_pb2.PatchRequest) -> bytes:
        old: Any = None
        try:
            old = self._tracker.get(self._kind, request.namespace, request.name)
        except NotFound:
            if request.subresource:
                raise
        new = applied(self._kind, old, request, self._clock.now())
        with self._tracker.dry_run(request.options.dry_run):
            if old is None:
                new.metadata.namespace = new.metadata.namespace or request.namespace
                return _bytes(self._tracker.create(self._kind, new))
            _check_names(new.metadata, old.metadata)
            if request.subresource:
                return _bytes(self._tracker.update_status(self._kind, new, ()))
            return _bytes(self._tracker.update(self._kind, new))

    def update_status_batch(self, data: bytes) -> bytes:
        request = decode(raw_pb2.RawUpdateBatchRequest, data)
        return _each([partial(self.update_status, _bytes(one)) for one in request.requests])

    def delete(self, data: bytes) -> bytes:
        request = decode(request_pb2.DeleteRequest, data)
        grace = request.grace_period_seconds if request.HasField("grace_period_seconds") else None
        expected = request.preconditions
        with self._tracker.dry_run(request.dry_run):
            deleted = self._tracker.delete(
                self._kind, request.namespace, request.name, grace=grace, uid=expected.uid,
                version=expected.resource_version,
            )  # fmt: skip
        return _bytes(deleted)

    def delete_batch(self, data: bytes) -> bytes:
        request = decode(request_pb2.DeleteBatchRequest, data)
        return _each([partial(self.delete, _bytes(one)) for one in request.requests])

    def delete_collection(self, data: bytes) -> bytes:
        request = decode(request_pb2.DeleteCollectionRequest, data)
        request.namespace = request.namespace or ("default" if self._kind.namespaced else "")
        matches = _selection(self._kind, request)
        grace = request.grace_period_seconds if request.HasField("grace_period_seconds") else None
        chosen = [obj.metadata for obj in self._tracker.list_all(self._kind) if matches(obj)]
        with self._tracker.dry_run(request.dry_run):
            for meta in chosen:
                self._tracker.delete(self._kind, meta.namespace, meta.name, grace=grace)
        return request_pb2.DeleteCollectionResponse(deleted=len(chosen)).SerializeToString()

    def bind(self, data: bytes) -> bytes:
        self._bind(decode(pod_service_pb2.BindPodRequest, data).binding)
        return meta_pb2.Status(status="Success").SerializeToString()

    def bind_batch(self, data: bytes) -> bytes:
        answer = pod_service_pb2.BindPodBatchResponse()
        for binding in decode(pod_service_pb2.BindPodBatchRequest, data).bindings:
            try:
                self._bind(binding)
            except ApiError as error:
                answer.results.append(error.to_status())
            else:
                answer.results.add(status="Success")
        return answer.SerializeToString()

    def _bind(self, binding: Any) -> None:
        meta = binding.metadata
        self._tracker.bind(meta.namespace, meta.name, meta.uid, binding.target.name)

    def _parse(self, data: bytes) -> Any:
        return decode(self._kind.message, data)


def _check_subresource(kind: Kind[Any], name: str) -> None:
    """Refuse to read or to patch a part that the kind does not have here. Raises NotFound."""
    if name and not (name == "status" and kind.has_status):
        raise NotFound("the server could not find the requested resource")


def _nobody_listens(_warning: str) -> None:
    """Drop a warning: tests ask for errors."""


def _check_names(new: meta_pb2.ObjectMeta, old: meta_pb2.ObjectMeta) -> None:
    """Refuse a patch that gives an object another name. Raises BadRequest."""
    if new.name not in ("", old.name):
        raise BadRequest(
            f"the name of the object ({new.name}) does not match the name on the URL ({old.name})"
        )
    if new.namespace not in ("", old.namespace):
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    new.name, new.namespace = old.name, old.namespace


def _each(calls: Sequence[Callable[[], bytes]]) -> bytes:
    answer = raw_pb2.RawBatchResponse()
    for call in calls:
        try:
            answer.results.add(object=call())
        except ApiError as error:
            answer.results.add(error=error.to_status())
    return answer.SerializeToString()


def _selection(kind: Kind[Any], request: Any) -> Matches:
    try:
        labels, fields = (
            parse_label_selector(request.label_selector),
            parse_field_selector(request.field_selector),
        )
    except SelectorError as error:
        raise BadRequest(str(error)) from error

    def matches(obj: Any) -> bool:
        meta = obj.metadata
        return (
            (not request.namespace or meta.namespace == request.namespace)
            and labels.matches(meta.labels)
            and (fields.is_everything or fields.matches(selectable_fields(kind, obj)))
        )

    return matches


def _seen(one: Happened, matches: Matches) -> tuple[str, Any] | None:
    """Return the event that a selection shows: what leaves it is deleted, what enters it is added."""
    before = one.old is not None and matches(one.old)
    after = one.type != DELETED and matches(one.new)
    if before and not after:
        last = one.new if one.type == DELETED else _at(one.old, one.version)
        return DELETED, last
    if after:
        return (MODIFIED if before else ADDED), one.new
    return None


def _at(obj: Any, version: int) -> Any:
    copy = type(obj)()
    copy.CopyFrom(obj)
    copy.metadata.resource_version = str(version)
    return copy


def _bookmark(kind: Kind[Any], version: int) -> Any:
    mark = kind.message()
    mark.metadata.resource_version = str(version)
    mark.metadata.annotations[INITIAL_EVENTS_END] = "true"
    return mark


def _batch(events: Sequence[tuple[str, Any]], version: int) -> bytes:
    answer = raw_pb2.RawWatchResponse(resource_version=str(version))
    for what, obj in events:
        answer.events.add(type=what, object=_bytes(obj))
    return answer.SerializeToString()


def _bytes(obj: Any) -> bytes:
    data: bytes = obj.SerializeToString()
    return data
