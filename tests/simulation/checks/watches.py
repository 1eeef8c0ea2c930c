"""PURE: what must hold of every watch and every answer that a part gets: I4, I5, I6 and I20."""

from collections.abc import Callable, Iterator
from typing import Any

from apiserver.storage.interface import EventType
from tests.simulation.checks.model import Commit, Model
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.kinds import KINDS, NODE, POD, REPLICA_SET, Kind
from vaina.objects.watch import INITIAL_EVENTS_END

#: verbs whose answer is the object as it was written
_WRITES = frozenset({"Create", "Update", "UpdateStatus", "Patch", "Delete"})
_BATCHES = frozenset({"CreateBatch", "UpdateStatusBatch", "DeleteBatch"})
_KIND_OF_SERVICE = {kind.service: kind for kind in KINDS}
_WATCHED = (POD, REPLICA_SET, NODE)


def kind_of(method: str) -> Kind[Any] | None:
    """Return the kind that a method is about; None when it is about none."""
    return _KIND_OF_SERVICE.get(method[1:].partition("/")[0])


def acknowledged(method: str, answer: bytes, model: Model) -> Iterator[str]:
    """I4: what an answer says was written, was written at that version."""
    kind, verb = kind_of(method), method.rpartition("/")[2]
    if kind is None or kind.kind == "PodTrace":
        return
    objects: list[bytes] = []
    if verb in _WRITES:
        objects = [answer]
    elif verb in _BATCHES:
        results = raw_pb2.RawBatchResponse.FromString(answer).results
        objects = [result.object for result in results if not result.HasField("error")]
    for data in objects:
        meta = kind.message.FromString(data).metadata
        key = model.written.get(int(meta.resource_version or 0), "")
        if not key.endswith(f"/{meta.name}"):
            yield f"{verb} of {kind.kind} {meta.name} was answered with version {meta.resource_version}, which is {key or 'not there'}"


def listed(method: str, request: bytes, answer: bytes, model: Model, version_before: int) -> Iterator[str]:
    """I5: a list shows a state that there was, no older than the call."""
    kind = kind_of(method)
    if kind not in _WATCHED or not method.endswith("/List"):
        return
    asked = request_pb2.ListRequest.FromString(request)
    if asked.label_selector or asked.field_selector or asked.limit or asked.resource_version:
        return
    page = raw_pb2.RawList.FromString(answer)
    version = int(page.metadata.resource_version)
    if version < version_before - version_before % 128:
        yield f"a list of {kind.plural} is as of {version}, and {version_before} was there before it was asked for"
    prefix = f"/{asked.namespace}/" if asked.namespace else "/"
    metas = [kind.message.FromString(item).metadata for item in page.items]
    got = {meta.name: int(meta.resource_version) for meta in metas}
    wanted = {
        key.rpartition("/")[2]: found for key, found in model.as_of(kind, version).items() if prefix in key
    }
    if got != wanted:
        yield f"a list of {kind.plural} as of {version} has {_difference(got, wanted)}"


def _difference(got: dict[str, int], wanted: dict[str, int]) -> str:
    names = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
    return ", ".join(f"{name} at {got.get(name)} (should be at {wanted.get(name)})" for name in names)


class WatchCheck:
    """I6: one stream of answers to a watch, beside what was committed.

    In order, without a gap, nothing twice.
    """

    def __init__(self, kind: Kind[Any], request: request_pb2.WatchRequest, model: Model) -> None:
        self._kind, self._model = kind, model
        self._node = request.field_selector.removeprefix("spec.nodeName=")
        self._listing = bool(request.send_initial_events) or not request.resource_version
        self._initial: dict[str, int] = {}
        self._floor = model.version - model.version % 128 if self._listing else 0
        #: everything up to here was delivered
        self._version = int(request.resource_version or 0)
        self._next = self._place_after(self._version)

    def _place_after(self, version: int) -> int:
        history = self._model.history[self._kind.plural]
        place = len(history)
        while place and history[place - 1].version > version:
            place -= 1
        return place

    def __call__(self, answer: bytes) -> Iterator[str]:
        """Take in an answer."""
        batch = raw_pb2.RawWatchResponse.FromString(answer)
        for event in batch.events:
            obj = self._kind.message.FromString(event.object)
            version = int(obj.metadata.resource_version or 0)
            if event.type == EventType.BOOKMARK:
                ends = obj.metadata.annotations.get(INITIAL_EVENTS_END) == "true"
                yield from self._on_bookmark(version, ends=ends)
            elif self._listing:
                self._initial[obj.metadata.name] = version
            else:
                yield from self._on_event(event.type, obj.metadata.name, version)
        if batch.resource_version and not self._listing:
            yield from self._reached(int(batch.resource_version), "the version of a batch")

    def _on_bookmark(self, version: int, *, ends: bool) -> Iterator[str]:
        if not self._listing:
            yield from self._reached(version, "a bookmark")
            return
        if not ends:
            return
        wanted = {key.rpartition("/")[2]: found for key, found in self._listed(version).items()}
        if wanted != self._initial:
            yield f"the initial {self._kind.plural} as of {version} are {_difference(self._initial, wanted)}"
        if version < self._floor:
            yield f"the initial {self._kind.plural} are as of {version}, older than the call ({self._floor})"
        self._listing, self._version, self._next = False, version, self._place_after(version)

    def _listed(self, version: int) -> dict[str, int]:
        there = self._model.as_of(self._kind, version)
        if not self._node:
            return there
        nodes: dict[str, str] = {}
        for commit in self._model.history[self._kind.plural]:
            if commit.version <= version:
                nodes[commit.key] = commit.new.spec.node_name if commit.new is not None else ""
        return {key: found for key, found in there.items() if nodes[key] == self._node}

    def _concerned(self, commit: Commit) -> str | None:
        """Return what a commit is to this watch; None when it is nothing."""
        if not self._node:
            return commit.type.value
        before = commit.old is not None and commit.old.spec.node_name == self._node
        after = commit.new is not None and commit.new.spec.node_name == self._node
        if before and after:
            return "MODIFIED"
        return "ADDED" if after else "DELETED" if before else None

    def _on_event(self, kind: str, name: str, version: int) -> Iterator[str]:
        history = self._model.history[self._kind.plural]
        while self._next < len(history):
            commit = history[self._next]
            self._next += 1
            wanted = self._concerned(commit)
            if wanted is None:
                continue
            self._version = version
            if (commit.version, wanted, commit.key.rpartition("/")[2]) != (version, kind, name):
                yield (
                    f"a watch of {self._kind.plural} gave {kind} {name} {version}, and what comes next is "
                    f"{wanted} {commit.key} {commit.version}"
                )
                self._next = self._place_after(version)
            return
        yield f"a watch of {self._kind.plural} gave {kind} {name} {version}, which is not the next or never was"

    def _reached(self, version: int, what: str) -> Iterator[str]:
        history = self._model.history[self._kind.plural]
        while self._next < len(history) and history[self._next].version <= version:
            commit = history[self._next]
            self._next += 1
            if self._concerned(commit) is not None:
                yield f"{what} of {self._kind.plural} says {version}, and {commit.key} {commit.version} was not given"
        self._version = max(self._version, version)


def watch_check(method: str, request: bytes, model: Model) -> Callable[[bytes], Iterator[str]] | None:
    """Return the checker of a watch; None when it is of a kind or selection that is not followed."""
    kind = kind_of(method)
    if kind not in _WATCHED or not method.endswith("/Watch"):
        return None
    asked = request_pb2.WatchRequest.FromString(request)
    if asked.label_selector or asked.namespace:
        return None
    if asked.field_selector and not asked.field_selector.startswith("spec.nodeName="):
        return None
    return WatchCheck(kind, asked, model)
