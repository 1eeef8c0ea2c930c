"""The probes of a Pod's containers under a clock in the test's hand.

When they run, and what they establish (row B9).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from kubelet.decide.observation import ProbeKind, ProbeResult
from kubelet.metrics import KubeletMetrics
from kubelet.probes.http import Outcome
from kubelet.probes.prober import Prober
from kubelet.runtime.interface import RuntimeUnavailable
from kubelet.runtime.records import ContainerPhase, ContainerState, ExecResult, Uid
from kubelet.tasks import Children
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import FakeClock, settle

pytestmark = pytest.mark.requirement("B9")

STARTUP, LIVENESS, READINESS = ProbeKind.STARTUP, ProbeKind.LIVENESS, ProbeKind.READINESS
FIELDS = {STARTUP: "startup_probe", LIVENESS: "liveness_probe", READINESS: "readiness_probe"}


@dataclass
class World:
    """One container of a Pod, its prober, and what its commands answer.

    "+" well, "-" badly, "?" nobody can say; the last one for ever.
    """

    clock: FakeClock
    group: Children
    answers: dict[str, str] = field(default_factory=dict)
    #: (seconds since the beginning, command)
    runs: list[tuple[float, str]] = field(default_factory=list)
    unhealthy: list[tuple[ProbeKind, Outcome]] = field(default_factory=list)
    pokes: int = 0
    #: seconds that each command takes
    takes: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock.now()
        self.pod = make_pod(containers=[make_container("app")])
        self.registry = CollectorRegistry()
        self.prober = self.new_prober()

    def new_prober(self) -> Prober:
        metrics = KubeletMetrics(CollectorRegistry(), self.clock)
        self.metrics = metrics
        return Prober(
            self, self.clock, poke=self.poke, metrics=metrics, rng=random.Random(1),
            on_unhealthy=lambda _, kind, outcome: self.unhealthy.append((kind, outcome)),
        )  # fmt: skip

    def poke(self) -> None:
        self.pokes += 1

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        self.runs.append((round(self.clock.now() - self.began, 1), argv[0]))
        await self.clock.sleep(self.takes)
        left = self.answers[argv[0]]
        self.answers[argv[0]] = left[1:] or left
        if left[0] == "?":
            raise RuntimeUnavailable("no engine")
        return ExecResult(0 if left[0] == "+" else 1, b"words", b"")

    def probe(self, kind: ProbeKind, answers: str, **fields: int) -> None:
        probe: pod_pb2.Probe = getattr(self.pod.spec.containers[0], FIELDS[kind])
        probe.handler.exec.command.append(kind.value)
        self.answers[kind.value] = answers
        for name, value in {"period_seconds": 1, **fields}.items():
            setattr(probe, name, value)

    def sync(self, *, ending: bool = False) -> None:
        state = ContainerState(
            "c", "s", Uid("u"), "app", 0, ContainerPhase.RUNNING, "image", "id",
            created_at=self.began, started_at=self.began,
        )  # fmt: skip
        self.prober.sync(
            self.group, self.pod, {"c": (self.pod.spec.containers[0], state)}, "127.0.0.1", ending=ending
        )

    async def run(self, seconds: float) -> None:
        self.sync()
        await settle()
        await self.clock.advance(seconds)

    def result(self, kind: ProbeKind) -> ProbeResult | None:
        return self.prober.results().get(("c", kind))

    def times(self, kind: ProbeKind) -> list[float]:
        return [at for at, what in self.runs if what == kind.value]


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with asyncio.TaskGroup() as group:
        made = World(FakeClock(), Children(group))
        yield made
        made.prober.stop(made.pod)


@dataclass(frozen=True)
class Case:
    name: str
    kind: ProbeKind
    answers: str
    #: seconds -> what is established then
    want: tuple[tuple[float, ProbeResult], ...]
    fields: tuple[tuple[str, int], ...] = ()


UNKNOWN, SUCCESS, FAILURE = ProbeResult.UNKNOWN, ProbeResult.SUCCESS, ProbeResult.FAILURE
THREE = (("failure_threshold", 3),)
CASES = [
    Case("a container is not ready before its first success", READINESS, "-", ((0.5, FAILURE),)),
    Case("one success makes it ready", READINESS, "+", ((0.5, SUCCESS),)),
    Case("as many successes as its threshold make it ready", READINESS, "+", ((1.5, FAILURE), (2.5, SUCCESS)),
         (("success_threshold", 3),)),
    Case("a failure in between begins the count anew", READINESS, "++-+++", ((2.5, FAILURE), (4.5, FAILURE), (5.5, SUCCESS)),
         (("success_threshold", 3),)),
    Case("a ready container stays so until its failures are enough", READINESS, "+--", ((1.5, SUCCESS), (2.5, SUCCESS), (3.5, FAILURE)), THREE),
    Case("a success in between begins that count anew", READINESS, "+--+--", ((5.5, SUCCESS),), THREE),
    Case("it may become ready again", READINESS, "+-+", ((1.5, FAILURE), (2.5, SUCCESS)), (("failure_threshold", 1),)),
    Case("what nobody can say counts neither way", READINESS, "+?", ((9.5, SUCCESS),), (("failure_threshold", 1),)),
    Case("a container is alive until its failures are enough", LIVENESS, "-", ((1.5, SUCCESS), (2.5, FAILURE)), THREE),
    Case("three failures are enough where nothing is said", LIVENESS, "-", ((1.5, SUCCESS), (2.5, FAILURE))),
    Case("a success in between keeps it alive", LIVENESS, "--+--+", ((8.5, SUCCESS),), THREE),
    Case("a runtime that is away kills nobody", LIVENESS, "?", ((30.0, SUCCESS),), (("failure_threshold", 1),)),
    Case("nothing is asked before the initial delay", LIVENESS, "-", ((4.5, SUCCESS), (5.5, FAILURE)),
         (("failure_threshold", 1), ("initial_delay_seconds", 5))),
    Case("a longer period takes longer", LIVENESS, "-", ((9.5, SUCCESS), (10.5, FAILURE)),
         (("failure_threshold", 2), ("period_seconds", 10))),
    Case("of one that starts nothing is known", STARTUP, "-", ((1.5, UNKNOWN), (2.5, FAILURE)), THREE),
    Case("one success is enough to be up", STARTUP, "--+", ((1.5, UNKNOWN), (2.5, SUCCESS)), THREE),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_is_established(case: Case) -> None:
    async with world() as made:
        made.probe(case.kind, case.answers, **dict(case.fields))
        made.sync()
        await settle()
        for at, want in case.want:
            await made.clock.advance(at - (made.clock.now() - made.began))
            assert made.result(case.kind) is want, f"after {at} s"


async def test_the_others_wait_until_a_container_is_up_and_then_begin_at_once() -> None:
    async with world() as made:
        made.probe(STARTUP, "--+", period_seconds=3)
        made.probe(READINESS, "+", period_seconds=60)
        made.probe(LIVENESS, "+", period_seconds=60)
        await made.run(5.0)
        assert (made.times(READINESS), made.times(LIVENESS)) == ([], [])
        await made.clock.advance(2.0)
        assert made.times(STARTUP) == [0.0, 3.0, 6.0]
        assert (made.times(READINESS), made.times(LIVENESS)) == ([6.0], [6.0])
        assert made.result(READINESS) is SUCCESS


async def test_a_container_that_is_up_is_not_asked_whether_it_starts() -> None:
    async with world() as made:
        made.probe(STARTUP, "+-", failure_threshold=1)
        await made.run(1.0)
        made.sync()
        await made.clock.advance(30.0)
        assert made.times(STARTUP) == [0.0]
        assert made.result(STARTUP) is SUCCESS


async def test_after_its_last_failure_a_container_is_left_alone() -> None:
    async with world() as made:
        made.probe(LIVENESS, "-", failure_threshold=2)
        await made.run(30.0)
        assert made.times(LIVENESS) == [0.0, 1.0]


async def test_a_restarted_kubelet_knows_who_was_up_and_ready() -> None:
    async with world() as made:
        made.probe(STARTUP, "-", failure_threshold=1)
        made.probe(READINESS, "?")
        made.prober.adopt("c", ready=True, started=True)
        await made.run(30.0)
        assert (made.result(STARTUP), made.result(READINESS)) == (SUCCESS, SUCCESS)
        assert made.times(STARTUP) == []
        assert made.times(READINESS)


async def test_a_restarted_kubelet_does_not_take_for_ready_what_was_not() -> None:
    async with world() as made:
        made.probe(READINESS, "?")
        made.prober.adopt("c", ready=False, started=True)
        await made.run(3.0)
        assert made.result(READINESS) is FAILURE


async def test_a_pod_that_ends_is_only_asked_whether_it_is_ready() -> None:
    async with world() as made:
        made.probe(LIVENESS, "+")
        made.probe(READINESS, "+")
        await made.run(0.5)
        made.sync(ending=True)
        await made.clock.advance(3.0)
        assert made.times(LIVENESS) == [0.0]
        assert made.times(READINESS) == [0.0, 1.0, 2.0, 3.0]


async def test_each_failure_is_told_and_each_run_is_counted() -> None:
    async with world() as made:
        made.probe(READINESS, "-+?+", failure_threshold=3)
        await made.run(3.5)
        assert made.unhealthy == [(READINESS, Outcome(False, "words"))]
        meta = made.pod.metadata
        counted = {
            result: made.metrics.probes.labels(
                "Readiness", result, "app", meta.name, meta.namespace, meta.uid
            )._value.get()  # the only way to read one counter
            for result in ("successful", "failed", "unknown")
        }
        assert counted == {"successful": 2, "failed": 1, "unknown": 1}


async def test_only_a_change_is_worth_a_look() -> None:
    async with world() as made:
        made.probe(READINESS, "+++--", failure_threshold=2)
        await made.run(10.0)
        assert made.pokes == 2


@pytest.mark.parametrize(
    ("takes", "times"),
    [
        (4.0, [0.0, 10.0, 20.0]),
        (9.5, [0.0, 10.0, 20.0]),
        # One period that passed meanwhile is made up for, at once; more are not.
        (15.0, [0.0, 15.0, 30.0]),
        (24.0, [0.0, 24.0, 48.0]),
    ],
)
async def test_periods_are_counted_from_beginning_to_beginning_however_long_a_probe_takes(
    takes: float, times: list[float]
) -> None:
    async with world() as made:
        made.takes = takes
        made.probe(LIVENESS, "-", period_seconds=10)
        await made.run(100.0)
        assert made.times(LIVENESS) == times
