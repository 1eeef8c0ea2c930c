"""A steady state: who comes when and stays how long, what became of it, and that Pods go when their time is
over.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.arrivals import Arrivals
from bench.load.departures import Departures
from bench.load.observe import Observer
from bench.load.parse import WORKLOADS, WorkloadError, parse_cases
from bench.load.podset import NEVER, PodSet
from bench.load.report import metrics_of
from bench.load.report_text import table
from bench.load.steady import Steady, SteadyPlan, plan_steady, sum_up, words
from bench.load.workload import CreatePods, Lifetimes
from tests.support.direct import build_handlers
from tests.support.tasks import running
from tests.unit.load.loads import measurement, report
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Metadata
from vaina.clock import SystemClock
from vaina.errors import TooManyRequests
from vaina.testing.builders import make_pod


def plan(
    lifetimes: Lifetimes = "constant",
    *,
    held: int = 4,
    rate: float = 2.0,
    seconds: float = 3.0,
    arrivals: Arrivals = "constant",
    seed: int = 1,
) -> SteadyPlan:
    return plan_steady(
        held=held, rate=rate, seconds=seconds, arrivals=arrivals, lifetimes=lifetimes, rng=random.Random(seed)
    )


def test_with_constant_lifetimes_one_goes_whenever_one_comes() -> None:
    made = plan()
    assert made.offsets == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert made.lifetime == 2.0
    # Those that are there go one after the other, the last of them when the first that came goes.
    assert made.stays == [0.5, 1.0, 1.5, 2.0, *[2.0] * 6]


def test_exponential_lifetimes_are_on_average_what_holds_so_many() -> None:
    made = plan("exponential", held=1000, rate=100.0, seconds=100.0)
    assert len(made.stays) == 11_000
    for some in (made.stays[:1000], made.stays[1000:]):
        assert sum(some) / len(some) == pytest.approx(10.0, rel=0.1)


def test_two_runs_with_one_seed_are_alike_and_with_another_are_not() -> None:
    one, same, other = (plan("exponential", arrivals="poisson", seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.stays != other.stays
    assert one.offsets != other.offsets


def pods(
    prefix: str,
    *,
    due: Sequence[float] = (),
    created: Sequence[float] = (),
    bound: Sequence[float],
    gone: Sequence[float],
) -> PodSet:
    made = PodSet(prefix, "default", [f"{prefix}{index}" for index in range(len(bound))])
    made.intended = list(due) or made.intended
    made.created = list(created) or list(due) or made.created
    for index, at in enumerate(bound):
        if at == at:
            made.see_bound(index, "n", at)
    for index, at in enumerate(gone):
        if at == at:
            made.see_gone(index, at)
    return made


def test_what_is_held_is_counted_over_time() -> None:
    # Four seconds from 10 on: two are there, one of them goes at 11; one comes at 12 and is bound at once.
    made = plan(held=2, rate=1.0, seconds=4.0)
    first = pods("f", bound=[9.0, 9.0], gone=[11.0, NEVER])
    came = pods("c", due=[12.0, 13.0], bound=[12.0, 20.0], gone=[NEVER, 30.0])
    found = sum_up(made, first, came, start=10.0, late=0.25)
    assert found == Steady(
        wanted=2, rate=1.0, lifetime=2.0, lifetimes="constant", seconds=4.0, held_average=(2 + 1 + 2 + 2) / 4, held_least=1,
        held_most=2, arrivals=2, departures=1, waiting_most=1, waiting_end=1, uncreated_end=0, departures_late=0.25,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bound_after", "created_after", "said"),
    [
        (0.2, 0.1, "the scheduler kept up"),
        # Each waits longer than the one before.
        (None, 0.01, "the scheduler DID NOT KEEP UP, it was 2.0 s behind at the end (0 of them were not created)"),
        (None, None, "creation DID NOT KEEP UP, it was 2.0 s behind at the end (20 of them were not created)"),
    ],
    ids=["bound at once", "bound ever later", "created ever later"],
)  # fmt: skip
def test_a_scheduler_that_does_not_keep_up_is_told(
    bound_after: float | None, created_after: float | None, said: str
) -> None:
    # Ten a second for four seconds; who does not keep up does five.
    due = [(index + 0.5) / 10 for index in range(40)]
    came = pods(
        "c",
        due=due,
        created=[at * 2 if created_after is None else at + created_after for at in due],
        bound=[at * 2 if bound_after is None else min(at + bound_after, 4.0) for at in due],
        gone=[],
    )
    made = plan(held=10, rate=10.0, seconds=4.0)
    found = sum_up(made, pods("f", bound=[0.0] * 10, gone=[]), came, start=0.0, late=0.0)
    assert words(found) == said
    assert found.keeps_up == (bound_after is not None)
    assert found.waiting_end == (20 if bound_after is None else 0)


def test_a_scheduler_that_was_behind_and_caught_up_is_told() -> None:
    steady = Steady(1000, 50.0, 20.0, "constant", 60.0, 990.4, 950, 1012, 3000, 2990, 400, 50, 0, 0.004)
    assert (steady.keeps_up, words(steady)) == (True, "8.0 s behind at worst, and caught up")


def test_a_pod_that_went_before_it_had_a_node_was_not_held() -> None:
    made = plan(held=1, rate=1.0, seconds=2.0)
    came = pods("c", due=[0.5], bound=[NEVER], gone=[1.0])
    found = sum_up(made, pods("f", bound=[0.0], gone=[]), came, start=0.0, late=0.0)
    assert (found.held_least, found.held_most, found.departures) == (1, 1, 0)


def test_a_report_says_what_was_held() -> None:
    steady = Steady(1000, 50.0, 20.0, "exponential", 60.0, 990.4, 950, 1012, 3000, 2990, 12, 3, 0, 0.004)
    one = measurement(steady=steady)
    text = "\n".join(table(report(one)))
    assert "1,000 Pods wanted, 990 held on average (950 to 1,012) for 60 s" in text
    assert "3,000 came (50/s), 2,990 went after 20.0 s (exponential), asked at most 4 ms late" in text
    assert "at most 12, at the end 3: the scheduler kept up" in text
    found = metrics_of(one)
    assert (found["held_average"], found["waiting_most"], found["waiting_end"]) == (990.4, 12, 3)


GOOD = """
- name: Case
  workloadTemplate:
  - {opcode: createNodes, count: 5}
  - opcode: createPods
    countParam: $pods
    collectMetrics: true
    steadyState: true
    podsPerSecondParam: $rate
    durationParam: $seconds
    lifetimes: exponential
  workloads:
  - {name: Small, params: {pods: 30, rate: 10, seconds: 60}}
"""


def test_a_steady_state_is_read() -> None:
    [case] = parse_cases(GOOD, source="w.yaml", folder=WORKLOADS)
    step = case.workload_template[1]
    assert isinstance(step, CreatePods)
    assert (step.steady_state, step.lifetimes) == (True, "exponential")
    plain = GOOD.replace("podsPerSecondParam: $rate", "podsPerSecond: 10").replace("$rate", "")
    plain = plain.replace("durationParam: $seconds", "duration: 2m").replace(", rate: 10, seconds: 60", "")
    parse_cases(plain, source="w.yaml", folder=WORKLOADS)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("steadyState: true", "steadyState: false"), "[1]: durationParam is for steadyState: true"),
        (("steadyState: true", "steadyState: 10"), "[1].steadyState: Expected `bool`, got `int`"),
        (("    durationParam: $seconds\n", ""), "[1]: one of duration and durationParam is needed with steadyState"),
        (("durationParam: $seconds", "durationParam: $seconds\n    duration: 1s"), "[1]: one of duration and durationParam is needed"),
        (("durationParam: $seconds", "durationParam: $time"), "[1].durationParam: workloads Small has no params.time"),
        (("durationParam: $seconds", "duration: soon"), "[1]: duration: "),
        (("seconds: 60", "seconds: 0"), "[1]: duration: workloads Small: 0s is not above 0 and at most 3600s"),
        (("seconds: 60", "seconds: 4000"), "[1]: duration: workloads Small: 4000s is not above 0 and at most 3600s"),
        (("podsPerSecondParam: $rate", "podsPerSecondParam: rate"), '[1].podsPerSecondParam: "rate" must begin with $'),
        (("podsPerSecondParam: $rate", "podsPerSecond: 0"), "[1].podsPerSecond: Expected `int` >= 1"),
        (("    podsPerSecondParam: $rate\n", ""), "[1]: one of podsPerSecond and podsPerSecondParam is needed with steadyState"),
        (("rate: 10", "rate: 0"), "[1]: podsPerSecond: workloads Small: 0 is less than 1"),
        (("rate: 10", "rate: 900000"), "[1]: duration: workloads Small: 54,000,030 Pods would come, more than 1,000,000"),
        (("pods: 30", "pods: 0"), "[1]: count: workloads Small: a steady state of 0 Pods is none"),
        (("    collectMetrics: true\n", ""), "[1]: steadyState needs collectMetrics: true"),
        (("lifetimes: exponential", "lifetimes: long"), "[1].lifetimes: Invalid enum value 'long'"),
    ],
)  # fmt: skip
def test_mistakes_in_a_steady_state(change: tuple[str, str], error: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(WorkloadError) as caught:
        parse_cases(GOOD.replace(*change), source="w.yaml", folder=Path())
    assert str(caught.value).startswith("w.yaml: [0] Case")
    assert error in str(caught.value)


class Refusing(InProcessTransport):
    """Refuses the first deletions."""

    refuse = 0

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        if method.endswith("/DeleteBatch") and self.refuse:
            self.refuse -= 1
            raise TooManyRequests("too many requests", retry_seconds=1)
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


async def test_pods_go_so_long_after_they_were_bound_and_no_earlier() -> None:
    clock = SystemClock()
    transport = Refusing(build_handlers(MemoryStorage(), clock), clock=clock)
    transport.refuse = 1
    client = Clientset(transport)
    made = PodSet("step", "default", ["p0", "p1", "p2", "gone"])
    for name in made.names[:3]:
        await client.pods.create(make_pod(name))
    departures = Departures(client, Observer.now, grace_seconds=0)
    departures.follow(made, [0.0, 0.05, 3600.0, 0.0])
    at = Observer.now()
    async with running(departures.run()):
        for index in (3, 2, 1, 0):
            made.see_bound(index, "n", at)
        # One that is not there any more is no mistake; what is refused for now is asked again.
        end = clock.monotonic() + 60
        while len((await client.pods.list("default")).items) > 1:
            assert clock.monotonic() < end
            await clock.sleep(0.005)
        assert Observer.now() >= at + 0.05
    assert [pod.metadata.name for pod in (await client.pods.list("default")).items] == ["p2"]
