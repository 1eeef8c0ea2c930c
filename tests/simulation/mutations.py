"""Components broken on purpose, one for each invariant: what the simulation must find.

Used by `test_mutations` alone.

Each patches the real code, in one place, as a plausible mistake would have it.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from apiserver.registry import binding
from apiserver.registry.pods import PodStrategy
from apiserver.storage import memory
from apiserver.storage.cacher import Cacher
from apiserver.storage.fanout import Fanout
from apiserver.storage.interface import Put, Stored
from controller.expectations import Expectations
from controller.node_lifecycle import reconcile as node_lifecycle
from controller.node_lifecycle.reconcile import Heartbeats
from controller.replicaset import reconcile as replica_sets
from kubelet.kubelet import Kubelet
from kubelet.node.manager import NodeManager
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.records import ContainerPhase
from kubelet.sources.apiserver import ApiserverSource
from kubelet.status.manager import StatusManager
from scheduler.cache.cache import Cache
from scheduler.eviction import Evictor
from scheduler.preemption import search
from tests.simulation.controller_mutations import CONTROLLER_MUTATIONS
from tests.simulation.engine import Engine
from tests.simulation.storage import CommittingStorage
from vaina.cache.list_watch import ListWatch, State, WatchCall
from vaina.cache.reflector import Reflector
from vaina.client.verbs import PodClient
from vaina.leaderelection.runner import LeaderElector

Patch = pytest.MonkeyPatch


def binds_again(patch: Patch) -> None:
    """I1: a bound Pod may be bound again, and the scheduler has second thoughts."""
    patch.setattr(binding, "_refusal", lambda pod: "")
    bind_all = PodClient.bind_all

    async def twice(self: PodClient, request: Any) -> Any:
        results = await bind_all(self, request)
        for item in request.bindings:
            item.target.name = "node-0"
        await bind_all(self, request)
        return results

    patch.setattr(PodClient, "bind_all", twice)


def starts_beside(patch: Patch) -> None:
    """I2: a kubelet that has just started takes what runs for ended."""

    async def list_containers(self: Engine, pod_uid: Any = None) -> Any:
        found = await self._node.runtime.list_containers(pod_uid)
        if self._node.world._incarnations[self._node.name] == 1:
            return found
        return [
            replace(item, phase=ContainerPhase.EXITED, exit_code=1, finished_at=item.started_at + 0.1)
            if item.attempt == 0 and item.phase is ContainerPhase.RUNNING
            else item
            for item in found
        ]

    patch.setattr(Engine, "list_containers", list_containers, raising=False)


def one_address(patch: Patch) -> None:
    """I3: every sandbox of a node gets the same address."""
    patch.setattr(HollowRuntime, "_address", lambda self: str(next(self._cidr.hosts()) + 1))


def loses_writes(patch: Patch) -> None:
    """I4: every 40th write is acknowledged and forgotten."""
    numbers = itertools.count(1)
    write = CommittingStorage._write

    def lose(self: CommittingStorage, put: Put) -> Stored:
        if next(numbers) % 40 or (put.expected is None) is (put.key in self._now):
            return write(self, put)
        if put.expected is not None:
            self._expect(put.key, put.expected)
        return Stored(put.key, put.data, self._next(), put.type_meta, put.ttl_seconds)

    patch.setattr(CommittingStorage, "_write", lose)


def both_win(patch: Patch) -> None:
    """I5: the version that an update is made from is not compared."""
    expect = memory.MemoryStorage._expect
    patch.setattr(memory.MemoryStorage, "_expect", lambda self, key, expected: expect(self, key, None))


def skips_events(patch: Patch) -> None:
    """I6: every 30th event is not handed to watchers."""
    numbers = itertools.count(1)
    publish = Fanout.publish
    patch.setattr(
        Fanout, "publish", lambda self, event: (0, 0) if next(numbers) % 30 == 0 else publish(self, event)
    )


def reads_the_past(patch: Patch) -> None:
    """I5: lists are answered at once from whatever the cache has."""

    async def can_serve(self: Cacher, kind: Any, read: Any) -> bool:
        return self._feed.filled.is_set()

    patch.setattr(Cacher, "_can_serve", can_serve)


def resumes_too_early(patch: Patch) -> None:
    """I7: after a stream that ended a cache goes on from before what it has shown already."""
    next_call = ListWatch.next_call

    def earlier(self: ListWatch[Any]) -> WatchCall:
        if self.state is State.SYNCED:
            self.version = max(1, self.version - 40 * 1000)
        return next_call(self)

    patch.setattr(ListWatch, "next_call", earlier)


def forgets_assumed(patch: Patch) -> None:
    """I8: the scheduler does not count what it has just placed."""
    patch.setattr(Cache, "assume", lambda self, info, node_name: None)


def ignores_finalizers(patch: Patch) -> None:
    """I9: a deletion does not look at finalizers."""
    patch.setattr(PodStrategy, "is_held", lambda self, obj: False)


def creates_again(patch: Patch) -> None:
    """I10: the controller acts before its cache shows what it did, and gives new names each time."""
    patch.setattr(Expectations, "fulfilled", lambda self, key, **_: True)
    numbers = itertools.count(1)
    patch.setattr(
        replica_sets, "pod_names",
        lambda owner, uid, count, taken: tuple(f"{owner}-again{next(numbers)}" for _ in range(count)),
    )  # fmt: skip


def ends_what_it_does_not_know(patch: Patch) -> None:
    """I11: a kubelet takes what runs for orphaned before the apiserver has told what there is."""
    relist = Kubelet._on_relist

    def hasty(self: Kubelet, pods: Any) -> None:
        synced = self.source.informer._synced
        was = synced.is_set()
        synced.set()
        relist(self, pods)
        if not was:
            synced.clear()

    patch.setattr(Kubelet, "_on_relist", hasty)
    run = Kubelet.run

    async def run_late(self: Kubelet) -> None:
        self._on_relist(await self._first_relist())
        await run(self)

    patch.setattr(Kubelet, "run", run_late)


def runs_never_again(patch: Patch) -> None:
    """I12: a kubelet takes every restartPolicy for Always."""
    changed = ApiserverSource._changed

    def always(self: ApiserverSource, changes: Any) -> None:
        copies = [
            (old, type(new).FromString(new.SerializeToString()) if new else None) for old, new in changes
        ]
        for _, pod in copies:
            if pod is not None:
                pod.spec.restart_policy = "Always"
        changed(self, copies)

    patch.setattr(ApiserverSource, "_changed", always)


def trusts_itself(patch: Patch) -> None:
    """I13: the control plane never suspects itself."""
    patch.setattr(node_lifecycle, "suspects_itself", lambda *_: False)


def thinks_all_silent(patch: Patch) -> None:
    """I13: no heartbeat is noticed, and the control plane never suspects itself."""
    patch.setattr(Heartbeats, "on_lease", lambda self, name, renewed, *, now: None)
    trusts_itself(patch)


def misses_deletions(patch: Patch) -> None:
    """I15: a controller does not look when a Pod is gone."""
    from controller.replicaset.controller import ReplicaSetController

    patch.setattr(ReplicaSetController, "_look_at", lambda self, pod, *, gather=False: None)


def lets_go_too_early(patch: Patch) -> None:
    """I16: a Pod's object goes when its deletion is seen."""
    put = StatusManager.set

    def hasty(self: StatusManager, pod: Any, status: Any) -> None:
        put(self, pod, status)
        if pod.metadata.HasField("deletion_timestamp"):
            self.finish(pod)

    patch.setattr(StatusManager, "set", hasty)


def gives_up(patch: Patch) -> None:
    """I17: a reflector whose watch broke waits for ever."""
    watch = Reflector._watch

    async def once(self: Any) -> None:
        try:
            await watch(self)
        finally:
            self._clock = _Stopped(self._clock)

    patch.setattr(Reflector, "_watch", once)


def never_looks_at_itself(patch: Patch) -> None:
    """I17: a kubelet takes its node's record for what it wrote last, whoever has written to it since."""
    patch.setattr(NodeManager, "node", property(lambda self: self._node))


class _Stopped:
    """A clock that sleeps a day instead of a moment."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(86_400.0 + seconds)


def leaks_watches(patch: Patch) -> None:
    """I19: a watch of the storage that was cut is not forgotten."""

    class Kept(dict[Any, None]):
        def pop(self, *_: Any) -> None:  # type: ignore[override]  # forgets nothing
            return None

    made = memory.MemoryStorage.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self._watchers = Kept()

    patch.setattr(memory.MemoryStorage, "__init__", init)


def has_a_bug(patch: Patch) -> None:
    """I20: an exception that nobody expects."""
    patch.setattr(PodStrategy, "grace_seconds", lambda self, obj, wished: {}["grace"])


def leads_without_asking(patch: Patch) -> None:
    """I18: every candidate works from the beginning, and stands for election beside that."""
    stand = LeaderElector.run

    async def run(self: LeaderElector, lead: Any) -> None:
        async def nothing() -> None:
            await asyncio.get_running_loop().create_future()

        async with asyncio.TaskGroup() as group:
            group.create_task(lead())
            await stand(self, nothing)

    patch.setattr(LeaderElector, "run", run)
    patch.setattr(LeaderElector, "is_leader", lambda self: True)


def preempts_its_equals(patch: Patch) -> None:
    """preempted: Pods of the same priority have to go as well."""
    select = search.select
    patch.setattr(search, "select", lambda row, priority, *rest: select(row, priority + 1, *rest))


def spares_its_victims(patch: Patch) -> None:
    """I15: room is kept for an important Pod, and nobody is told to go."""
    patch.setattr(Evictor, "submit", lambda self, preemption: None)


Mutation = Callable[[Patch], None]
#: what is broken, and which invariants may tell
MUTATIONS: Mapping[Mutation, tuple[str, ...]] = {
    binds_again: ("I1",),
    starts_beside: ("I2",),
    one_address: ("I3",),
    loses_writes: ("I4",),
    both_win: ("I5",),
    skips_events: ("I6",),
    reads_the_past: ("I5",),
    resumes_too_early: ("I7",),
    forgets_assumed: ("I8",),
    ignores_finalizers: ("I9",),
    creates_again: ("I10",),
    ends_what_it_does_not_know: ("I11",),
    runs_never_again: ("I12",),
    trusts_itself: ("I13",),
    thinks_all_silent: ("I13",),
    misses_deletions: ("I15",),
    lets_go_too_early: ("I16",),
    gives_up: ("I15", "I17"),
    never_looks_at_itself: ("I17",),
    leads_without_asking: ("I18",),
    leaks_watches: ("I19",),
    has_a_bug: ("I20",),
    preempts_its_equals: ("preempted",),
    spares_its_victims: ("I15",),
    **CONTROLLER_MUTATIONS,
}
