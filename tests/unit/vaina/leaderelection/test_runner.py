"""Candidates with clocks of their own, cut off, paused and lied to.

One leads at each moment, and the lead is handed over in time.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from tests.support.apiserver import Harness, make_apiserver
from tests.support.faults import FaultyTransport
from vaina.api.coordination.v1 import lease_pb2
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.transport import InProcessTransport, Metadata
from vaina.errors import ApiError, Unavailable
from vaina.leaderelection.elector import Times
from vaina.leaderelection.runner import LeaderElector, LeaderMetrics, LeadershipLost
from vaina.leaderelection.service import LeaderTransport
from vaina.testing.builders import make_config_map
from vaina.testing.clock import FakeClock, SkewedClock, settle

TIMES = Times()
NAME = "kube-scheduler"


class Wire(FaultyTransport):
    """A process' connection: it can be cut, and carries nothing while its process is paused."""

    def __init__(self, server: Harness, clock: SkewedClock, rng: random.Random) -> None:
        super().__init__(InProcessTransport(server.app.handlers, clock=server.clock), rng)
        self.clock, self.cut, self.late_seconds = clock, False, 0.0

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        await self.clock.going()
        if self.cut:
            raise Unavailable("connection refused")
        answer = await super().unary(method, request, timeout=timeout, metadata=metadata)
        if self.late_seconds:
            await self.clock.sleep(self.late_seconds)
        await self.clock.going()
        return answer

    async def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        await self.clock.going()
        async for answer in super().stream(method, request, timeout=timeout, metadata=metadata):
            await self.clock.going()
            if self.cut:
                raise Unavailable("Socket closed")
            yield answer


class Candidate:
    """A process that stands for election, and writes twice a second while it leads.

    It stands again when it lost.
    """

    def __init__(self, world: "World", name: str, clock: SkewedClock) -> None:
        self.world, self.name, self.clock = world, name, clock
        self.wire = Wire(world.server, clock, world.rng)
        self.registry = CollectorRegistry()
        self.client = Clientset(self.wire)
        self.recorder = EventRecorder(self.client.events, "default-scheduler", name, clock)
        metrics = LeaderMetrics(self.registry)
        self.elector = LeaderElector(
            self.client,
            clock,
            name=NAME,
            identity=name,
            metrics=metrics,
            recorder=self.recorder,
            rng=world.rng,
        )
        self.guarded = Clientset(LeaderTransport(self.wire, self.elector.is_leader))
        self.lost = 0
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            events = group.create_task(self.recorder.run())
            try:
                while True:
                    try:
                        await self.elector.run(self.lead)
                    except LeadershipLost:
                        self.lost += 1
            finally:
                events.cancel()

    async def lead(self) -> None:
        self.world.began(self)
        try:
            number = 0
            while True:
                number += 1
                try:
                    await self.guarded.config_maps.create(
                        make_config_map(f"{self.name}-{self.lost}-{number}")
                    )
                except ApiError:
                    pass
                else:
                    self.world.wrote(self)
                await self.clock.sleep(0.5)
        finally:
            self.world.ended(self)

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(name, {"name": NAME})


class World:
    """Everybody, and what they did, in true time."""

    def __init__(self, group: asyncio.TaskGroup, seed: int = 1) -> None:
        self.group, self.rng = group, random.Random(seed)
        self.server = make_apiserver(seed=seed)
        self.clock: FakeClock = self.server.clock
        self.candidates: dict[str, Candidate] = {}
        self.working: set[str] = set()
        #: (true time, who) of each write of the work
        self.writes: list[tuple[float, str]] = []
        self.frozen: set[str] = set()

    def add(self, name: str, *, offset: float = 0.0, rate: float = 1.0) -> Candidate:
        made = self.candidates[name] = Candidate(
            self, name, SkewedClock(self.clock, offset=offset, rate=rate)
        )
        made.task = self.group.create_task(made.run())
        return made

    def began(self, who: Candidate) -> None:
        assert self.working <= self.frozen, f"{who.name} begins while {self.working} work"
        self.working.add(who.name)

    def ended(self, who: Candidate) -> None:
        self.working.discard(who.name)

    def wrote(self, who: Candidate) -> None:
        self.writes.append((self.clock.monotonic(), who.name))

    def writers(self, since: float = 0.0) -> list[str]:
        """Return who wrote, in order, each once in a row."""
        names: list[str] = []
        for at, name in self.writes:
            if at >= since and (not names or names[-1] != name):
                names.append(name)
        return names

    async def kill(self, who: Candidate) -> None:
        """SIGKILL: it says nothing more."""
        who.wire.cut = True
        await self.stop(who)

    async def stop(self, who: Candidate) -> None:
        """Let it end in good order."""
        assert who.task is not None
        who.task.cancel()
        await asyncio.wait((who.task,))

    async def lease(self) -> lease_pb2.LeaseSpec:
        return (await self.server.client.leases.get(NAME, "kube-system")).spec

    async def until(self, holds: Callable[[], bool], seconds: float) -> float:
        """Move time on until something holds; returns how long it took."""
        begin = self.clock.monotonic()
        await settle()
        while not holds():
            assert self.clock.monotonic() - begin < seconds, "not within the time"
            await self.clock.advance(0.1)
        return self.clock.monotonic() - begin


@asynccontextmanager
async def world(*names: str, seed: int = 1) -> AsyncIterator[World]:
    """Run an apiserver and candidates, of which the first leads."""
    async with asyncio.TaskGroup() as group:
        made = World(group, seed)
        await made.server.app.bootstrap()
        for name in names:
            made.add(name)
            await settle()
        yield made
        for candidate in made.candidates.values():
            assert candidate.task is not None
            candidate.clock.thaw()
            candidate.task.cancel()


async def test_the_first_leads_at_once_and_says_so() -> None:
    async with world("a") as w:
        await w.clock.advance(1)
        assert w.working == {"a"}
        spec = await w.lease()
        assert (spec.holder_identity, spec.lease_duration_seconds, spec.lease_transitions) == ("a", 15, 0)
        assert w.candidates["a"].metric("leader_election_master_status") == 1
        events = (await w.server.client.events.list("kube-system")).items
        assert [(e.reason, e.message, e.involved_object.kind) for e in events] == [
            ("LeaderElection", "a became leader", "Lease")
        ]


async def test_a_leader_keeps_the_lead_by_renewing_and_others_follow() -> None:
    async with world("a", "b", "c") as w:
        await w.clock.advance(120)
        assert w.writers() == ["a"]
        spec = await w.lease()
        assert spec.renew_time.seconds - spec.acquire_time.seconds >= 117
        assert [w.candidates[name].elector.leader for name in "abc"] == ["a", "a", "a"]
        assert w.candidates["b"].metric("leader_election_master_status") == 0


async def test_a_graceful_end_hands_over_at_once() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(7)
        await w.stop(w.candidates["a"])
        took = await w.until(lambda: w.working == {"b"}, 1)
        assert took == 0
        spec = await w.lease()
        assert (spec.holder_identity, spec.lease_transitions) == ("b", 1)


async def test_an_end_in_the_middle_of_a_renewal_gives_the_lease_back() -> None:
    async with world("a") as made:
        leader = made.candidates["a"]
        renewed = (await made.lease()).renew_time
        leader.wire.late_seconds = 3.0
        await made.clock.advance(TIMES.retry_period + 0.5)
        assert (await made.lease()).renew_time != renewed
        leader.wire.late_seconds = 0.0
        await made.stop(leader)
        assert (await made.lease()).holder_identity == ""


async def test_an_end_in_the_middle_of_taking_the_lease_gives_it_back() -> None:
    async with world() as made:
        candidate = made.add("a")
        candidate.wire.late_seconds = 3.0
        await made.until(lambda: candidate.elector.leader == "a", 20)
        assert not candidate.elector.is_leader()
        candidate.wire.late_seconds = 0.0
        await made.stop(candidate)
        assert (await made.lease()).holder_identity == ""


async def test_the_last_one_leaves_a_free_lock_and_the_next_need_not_wait() -> None:
    async with world("a") as w:
        await w.clock.advance(7)
        await w.stop(w.candidates["a"])
        assert not (await w.lease()).holder_identity
        w.add("b")
        assert await w.until(lambda: w.working == {"b"}, 1) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_a_killed_leader_is_followed_within_the_duration_of_its_lease(seed: int) -> None:
    async with world("a", "b", "c", seed=seed) as w:
        await w.clock.advance(20 + w.rng.random() * 10)
        await w.kill(w.candidates["a"])
        took = await w.until(lambda: bool(w.working), 15.15)
        assert took >= 12.9, "followed too soon: the leader may have renewed up to two seconds before"


async def test_a_leader_that_is_cut_off_stops_before_another_begins() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(9)
        a = w.candidates["a"]
        a.wire.cut = True
        stopped = await w.until(lambda: w.working != {"a"}, 10.15)
        assert stopped <= 10.11
        assert w.working == set(), "nobody works while the lease still counts"
        assert a.lost == 1
        assert a.metric("leader_election_master_status") == 0
        await w.until(lambda: w.working == {"b"}, 7)
        a.wire.cut = False
        await w.clock.advance(60)
        assert w.working == {"b"}


async def test_answers_that_come_late_make_no_term_longer() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(9)
        a = w.candidates["a"]
        a.wire.late_seconds = 7
        # The renewal of the tenth second is answered in the seventeenth; for the others it counts from the
        # tenth.
        await w.clock.advance(8.5)
        a.wire.cut = True
        await w.until(lambda: w.working == {"b"}, 15)
        assert a.lost == 1


async def test_a_short_cut_changes_nothing() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(9)
        w.candidates["a"].wire.cut = True
        await w.clock.advance(6)
        w.candidates["a"].wire.cut = False
        await w.clock.advance(60)
        assert w.writers() == ["a"]
        assert w.candidates["a"].lost == 0


@pytest.mark.parametrize(
    ("offset", "rate"), [(86400.0, 1.0), (-86400.0, 1.0), (0.0, 1.45), (0.0, 0.7), (1e6, 0.8)]
)
async def test_clocks_that_are_off_or_drift_do_not_make_two_leaders(offset: float, rate: float) -> None:
    async with world("a") as w:
        b = w.add("b", offset=offset, rate=rate)
        await w.clock.advance(60)
        assert w.writers() == ["a"], "taken from a leader that renewed"
        w.candidates["a"].wire.cut = True
        await w.until(lambda: w.working == {"b"}, 30)
        w.candidates["a"].wire.cut = False
        await w.clock.advance(30)
        b.wire.cut = True
        await w.until(lambda: w.working == {"a"}, 40)
        assert w.writers() == ["a", "b", "a"]


async def test_a_paused_leader_does_nothing_more_when_it_wakes() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(9)
        a = w.candidates["a"]
        w.frozen.add("a")
        a.clock.freeze()
        await w.until(lambda: "b" in w.working, 15.15)
        await w.clock.advance(5)
        since = w.clock.monotonic()
        a.clock.thaw()
        await w.clock.advance(20)
        assert w.working == {"b"}
        assert w.writers(since) == ["b"]
        assert a.lost == 1


async def test_a_leader_that_wakes_from_a_short_pause_goes_on() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(9)
        w.frozen.add("a")
        w.candidates["a"].clock.freeze()
        await w.clock.advance(6)
        w.candidates["a"].clock.thaw()
        await w.clock.advance(60)
        assert w.writers() == ["a"]


@pytest.mark.parametrize("seed", range(4))
async def test_lost_requests_and_answers_neither_double_nor_stop_the_lead(seed: int) -> None:
    async with world("a", "b", "c", seed=seed) as w:
        for candidate in w.candidates.values():
            candidate.wire.lose_request = candidate.wire.lose_answer = 0.2
            candidate.wire.break_stream = 0.3
        await w.clock.advance(150)
        at = [moment for moment, _ in w.writes]
        # A hand-over takes 15 s after the last renewal; one more retry may be lost, and one more after that.
        assert max(b - a for a, b in pairwise(at)) < 40


async def test_an_acquisition_whose_answer_was_lost_is_found_and_used() -> None:
    async with world() as w:
        a = w.add("a")
        a.wire.lose_answer = 1.0
        await settle()
        assert w.working == set()
        a.wire.lose_answer = 0.0
        took = await w.until(lambda: w.working == {"a"}, 4.5)
        assert 0 < took <= 4.4
        assert (await w.lease()).lease_transitions == 0


async def test_what_others_wrote_on_the_lease_stays_and_costs_a_slow_renewal_only() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(5)
        lease = await w.server.client.leases.get(NAME, "kube-system")
        lease.metadata.labels["team"] = "blue"
        await w.server.client.leases.update(lease)
        await w.clock.advance(30)
        lease = await w.server.client.leases.get(NAME, "kube-system")
        assert lease.metadata.labels["team"] == "blue"
        assert w.writers() == ["a"]
        assert w.candidates["a"].metric("leader_election_slowpath_total") == 1


async def test_a_leader_whose_lease_was_given_to_another_stops_at_once() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(5)
        lease = await w.server.client.leases.get(NAME, "kube-system")
        lease.spec.holder_identity = "b"
        await w.server.client.leases.update(lease)
        await settle()
        assert "a" not in w.working
        await w.until(lambda: w.working == {"b"}, 5)


async def test_a_lease_that_is_deleted_is_made_again_by_its_holder() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(5)
        for _ in range(3):
            await w.server.client.leases.delete(NAME, "kube-system")
            await w.clock.advance(11)
        assert w.writers() == ["a"]
        assert (await w.lease()).holder_identity == "a"


async def test_a_lease_that_is_deleted_while_its_holder_is_cut_off_stays_the_holders_for_its_time() -> None:
    async with world("a", "b") as w:
        await w.clock.advance(5)
        w.candidates["a"].wire.cut = True
        await w.server.client.leases.delete(NAME, "kube-system")
        await w.until(lambda: w.working == {"b"}, 15.15)
        assert w.candidates["a"].lost == 1


async def test_work_that_ends_gives_the_lease_back_and_work_that_fails_too() -> None:
    server = make_apiserver()
    await server.app.bootstrap()

    async def work() -> None:
        await server.clock.sleep(3)

    async def fail() -> None:
        raise ZeroDivisionError

    elector = LeaderElector(server.client, server.clock, name=NAME, identity="a")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(elector.run(work))
        await server.clock.advance(4)
        assert task.done()
    assert not (await server.client.leases.get(NAME, "kube-system")).spec.holder_identity
    with pytest.raises(ExceptionGroup):
        await elector.run(fail)
    assert not (await server.client.leases.get(NAME, "kube-system")).spec.holder_identity
    assert not elector.is_leader()


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_one_works_at_a_time_and_somebody_does_in_the_end(seed: int) -> None:
    async with world("a", "b", "c", seed=seed) as w:
        rng = random.Random(seed)
        for _ in range(25):
            who = w.candidates[rng.choice("abc")]
            match rng.choice(("cut", "mend", "freeze", "thaw", "lose", "fine", "delete")):
                case "cut":
                    who.wire.cut = True
                case "mend":
                    who.wire.cut = False
                case "freeze":
                    w.frozen.add(who.name)
                    who.clock.freeze()
                case "thaw":
                    who.clock.thaw()
                case "lose":
                    who.wire.lose_request = who.wire.lose_answer = 0.3
                case "fine":
                    who.wire.lose_request = who.wire.lose_answer = 0.0
                case "delete" if w.writes:
                    try:
                        await w.server.client.leases.delete(NAME, "kube-system")
                    except ApiError:
                        continue
            await w.clock.advance(rng.random() * 12)
        for who in w.candidates.values():
            who.wire.cut = False
            who.wire.lose_request = who.wire.lose_answer = 0.0
            who.clock.thaw()
        await w.clock.advance(40)
        assert len(w.working) == 1
        since = w.clock.monotonic()
        await w.clock.advance(20)
        assert w.writers(since) == [*w.working]
